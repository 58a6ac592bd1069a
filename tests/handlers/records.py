"""Prints what it is given of a source, and fails on what is bad."""

import json
import time


def contents(record):
    """What a record is named by, and what it says."""
    if record["eventSource"] == "redis":
        return record["redis"]["id"], record["redis"]["fields"]
    if record["eventSource"] == "nats":
        return record["nats"]["sequence"], json.loads(record["nats"]["data"])
    return record["messageId"], json.loads(record["body"])


def handler(event, context):
    failures = []
    names = []
    for record in event["Records"]:
        identifier, fields = contents(record)
        names.append(fields["name"])
        if fields.get("slow"):
            print("slow", fields["name"], flush=True)
            time.sleep(float(fields["slow"]))
        if fields.get("show"):
            print("event", json.dumps(event, sort_keys=True))
        if fields.get("bad") == "reported":
            failures.append({"itemIdentifier": identifier})
        elif fields.get("bad"):
            raise ValueError("bad: " + " ".join(n for n in names))
    # After what can fail: only what is printed here has succeeded.
    failed = {failure["itemIdentifier"] for failure in failures}
    for record, name in zip(event["Records"], names):
        if contents(record)[0] not in failed:
            print("done", name)
    return {"batchItemFailures": failures}
