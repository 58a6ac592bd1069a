"""Is called by its URL. Answers what the request's JSON says, or with the event itself; counts its calls."""

import json
import os

calls = 0


def handler(event, context):
    global calls
    calls += 1
    text = event.get("body") if not event["isBase64Encoded"] else None
    wanted = json.loads(text) if text and text.startswith("{") else {}
    if "fail" in wanted:
        raise ValueError("as asked")
    if "answer" in wanted:
        return wanted["answer"]
    if "size" in wanted:
        return {"statusCode": 200, "body": "x" * wanted["size"]}
    told = {"event": event, "arn": context.invoked_function_arn, "id": context.aws_request_id, "calls": calls,
            "trace": os.environ["_X_AMZN_TRACE_ID"]}
    return {"statusCode": 200, "body": json.dumps(told)}
