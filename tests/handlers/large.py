"""Returns a string of so many bytes as JSON, quotes and all."""

import uuid

SANDBOX = str(uuid.uuid4())


def handler(event, context):
    if "bytes" in event:
        return "x" * (event["bytes"] - 2)
    return SANDBOX
