"""Fails as it is told to, and says which sandbox it is when it is not."""

import ctypes
import os
import signal
import sys
import time
import uuid

SANDBOX = str(uuid.uuid4())


class OutOfCheese(Exception):
    pass


def deeper():
    raise OutOfCheese("no cheese: ä ☃")


def handler(event, context):
    how = event.get("how")
    if how == "raise":
        deeper()
    elif how == "exit":
        sys.exit(1)
    elif how == "exit at once":
        os._exit(3)
    elif how == "abort":
        os.abort()
    elif how == "segmentation fault":
        ctypes.string_at(0)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(b"x" * (1 << 20)))
    elif how == "sleep":
        print("before the sleep")
        time.sleep(event["seconds"])
        return "late"
    elif how == "not JSON":
        return object()
    return SANDBOX
