"""Gathers the names of a window's records in its state, and prints them when the window ends."""

import base64
import json
import time


def handler(event, context):
    state = event["state"]
    if event["isFinalInvokeForWindow"]:
        shown = {name: value for name, value in event.items() if name != "state"}
        print("window", json.dumps({**shown, "names": state.get("names", [])}))
        return {"state": {}}
    names, padding = [], 0
    for record in event["Records"]:
        fields = json.loads(base64.b64decode(record["kinesis"]["data"]))
        if fields.get("bad"):
            raise ValueError("bad: " + fields["name"])
        if fields.get("slow"):
            print("slow", fields["name"], flush=True)
            time.sleep(float(fields["slow"]))
        names.append(fields["name"])
        padding = max(padding, fields.get("padding", 0))
    state = {"names": state.get("names", []) + names, "padding": "x" * padding}
    for name in names:
        print("done", name)
    return {"state": state, "batchItemFailures": []}
