"""Remembers its calls, in a global and in a file."""

import os
import uuid

SANDBOX = str(uuid.uuid4())
calls = 0


def handler(event, context):
    global calls
    calls += 1
    with open("/tmp/calls", "a", encoding="utf-8") as file:
        file.write("call\n")
    with open("/tmp/calls", encoding="utf-8") as file:
        written = len(file.readlines())
    return {"sandbox": SANDBOX, "calls": calls, "written": written, "value": os.environ.get("VALUE")}
