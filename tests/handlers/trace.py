"""Returns the tracing header that it is called with, and prints which messages of a queue it has got."""

import json
import os


def handler(event, context):
    for record in event.get("Records", []):
        print("done", json.loads(record["body"])["name"])
    return os.environ["_X_AMZN_TRACE_ID"]
