"""Prints what it is given of a source, and fails on what is bad."""

import base64
import json
import time


def read(record):
    """What a record is reported by, and the fields that it has."""
    source = record["eventSource"]
    if source == "redis":
        return record["redis"]["id"], record["redis"]["fields"]
    if source == "aws:kinesis":
        data = base64.b64decode(record["kinesis"]["data"])
        return record["kinesis"]["sequenceNumber"], json.loads(data)
    if source == "aws:dynamodb":
        change = record["dynamodb"]
        image = change.get("NewImage") or change["OldImage"]
        texts = {name: value["S"] for name, value in image.items() if "S" in value}
        return change["SequenceNumber"], texts
    if source == "nats":
        return record["nats"]["sequence"], json.loads(record["nats"]["data"])
    return record["messageId"], json.loads(record["body"])


def handler(event, context):
    failed = set()
    names = []
    for record in event["Records"]:
        identifier, fields = read(record)
        names.append(fields["name"])
        if fields.get("slow"):
            print("slow", fields["name"], flush=True)
            time.sleep(float(fields["slow"]))
        if fields.get("show"):
            print("event", json.dumps(event, sort_keys=True))
        if fields.get("bad") == "reported":
            failed.add(identifier)
        elif fields.get("bad"):
            raise ValueError("bad: " + " ".join(n for n in names))
    # After what can fail: only what is printed here has succeeded.
    for record, name in zip(event["Records"], names):
        if read(record)[0] not in failed:
            print("done", name)
    return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
