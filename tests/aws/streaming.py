"""boto3's invoke_with_response_stream against a function that answers in pieces. Arguments: endpoint, the function's name, and the name of
another of its kind that has few seconds."""

import base64
import json
import sys

import boto3
from botocore.config import Config

endpoint, name, hasty = sys.argv[1:]
api = boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test",
                   aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}, read_timeout=60))


def call(function=name, **event):
    answer = api.invoke_with_response_stream(FunctionName=function, Payload=json.dumps(event).encode(), LogType="Tail")
    assert answer["ExecutedVersion"] == "$LATEST", answer
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-remapped-content-type"] == "text/event-stream", headers
    return answer["EventStream"]


def collect(stream):
    events = list(stream)
    complete = events.pop()["InvokeComplete"]
    return b"".join(event["PayloadChunk"]["Payload"] for event in events), complete


payload, complete = collect(call(pieces=["one", "two"]))
assert payload == b"onetwo" and "ErrorCode" not in complete, complete
assert "REPORT RequestId" in base64.b64decode(complete["LogResult"]).decode()

payload, complete = collect(call(pieces=["half"], fail=True))
assert payload == b"half" and complete["ErrorCode"] == "Cheese", complete
assert json.loads(complete["ErrorDetails"])["errorMessage"] == "no cheese", complete

payload, complete = collect(call(pieces=["half"], **{"break": True}))
assert payload == b"half" and complete["ErrorCode"] == "Runtime.TruncatedResponse", complete

payload, complete = collect(call(pieces=["half"], exit=True))
assert payload == b"half" and complete["ErrorCode"] == "Runtime.ExitError", complete

# The function sleeps after its first piece for longer than it may run: the piece is here before the end of the call.
events = iter(call(hasty, pieces=["early"], pause=60))
assert next(events)["PayloadChunk"]["Payload"] == b"early"
assert next(events)["InvokeComplete"]["ErrorCode"] == "Sandbox.Timedout"

payload, complete = collect(call(megabytes=12))
assert len(payload) == 12 << 20 and "ErrorCode" not in complete, complete
payload, complete = collect(call(megabytes=201))
assert len(payload) <= 200 << 20 and complete["ErrorCode"] == "Function.ResponseSizeTooLarge", complete

# Whoever goes away does not keep the function: it sends on, to its end, and takes the next call.
stream = call(megabytes=30)
next(iter(stream))
stream.close()
payload, complete = collect(call(pieces=["next"]))
assert payload == b"next" and "ErrorCode" not in complete, complete

# Invoke gets the whole, or Lambda's error.
whole = api.invoke(FunctionName=name, Payload=json.dumps({"pieces": ["one", "two"]}).encode())
assert whole["Payload"].read() == b"onetwo" and "FunctionError" not in whole
whole = api.invoke(FunctionName=name, Payload=json.dumps({"megabytes": 7}).encode())
assert whole["FunctionError"] == "Unhandled"
assert json.loads(whole["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
