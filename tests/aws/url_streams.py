"""A function that answers in pieces, behind its URL.

    url_streams.py ENDPOINT FUNCTION WHOLE

FUNCTION is `handlers/streaming_runtime.py`, WHOLE is `handlers/url.py`, which does not answer in pieces.
"""

import http.client
import json
import sys
import urllib.parse

import boto3
from botocore.config import Config

ENDPOINT, NAME, WHOLE = sys.argv[1:]
NETLOC = urllib.parse.urlsplit(ENDPOINT).netloc
PRELUDE = "application/vnd.awslambda.http-integration-response"

api = boto3.client("lambda", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="test",
                   aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}, read_timeout=60))


def url_of(name, mode):
    made = api.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)
    assert made["InvokeMode"] == mode, made
    api.add_permission(FunctionName=name, StatementId="all", Action="lambda:*", Principal="*")
    return urllib.parse.urlsplit(made["FunctionUrl"]).netloc


def begin(host, **event):
    connection = http.client.HTTPConnection(NETLOC, timeout=60)
    body = json.dumps(event).encode()
    connection.request("POST", "/", body, {"Host": host, "Content-Type": "application/json"})
    return connection.getresponse()


HOST = url_of(NAME, "RESPONSE_STREAM")
END = "\0" * 8

# The prelude comes in parts, the delimiter too; what follows it is the body, zero bytes and all.
head = json.dumps({"statusCode": 201, "headers": {"Content-Type": "text/html", "X-Own": "v", "Connection": "close",
                                                   "Content-Length": "1"}, "cookies": ["a=1", "b=2"]})
got = begin(HOST, type=PRELUDE, pieces=[head[:10], head[10:] + END[:3], END[3:] + "\0one", "two"])
assert (got.status, got.headers["content-type"], got.headers["x-own"]) == (201, "text/html", "v"), dict(got.headers)
assert got.headers.get_all("set-cookie") == ["a=1", "b=2"] and got.headers["content-length"] is None, dict(got.headers)
assert got.headers["transfer-encoding"] == "chunked" and got.headers["x-amzn-requestid"], dict(got.headers)
assert got.read() == b"\0onetwo"

# Without one, what the runtime says of its type counts.
got = begin(HOST, pieces=["one", "two"])
assert (got.status, got.headers["content-type"], got.read()) == (200, "text/event-stream", b"onetwo"), dict(got.headers)

# The function sleeps after its first piece for longer than it may run: the piece is here before the end of the call, and
# that the rest is missing shows.
got = begin(HOST, type=PRELUDE, pieces=["{}" + END + "early", "late"], pause=60)
assert got.status == 200 and got.headers["content-type"] == "application/octet-stream", dict(got.headers)
assert got.read(5) == b"early"
try:
    got.read()
    raise AssertionError("a response that broke off looks whole")
except http.client.IncompleteRead as error:
    assert error.partial == b"", error.partial
for broken in ({"fail": True}, {"break": True}):
    try:
        begin(HOST, pieces=["half"], **broken).read()
        raise AssertionError(f"a response that failed looks whole: {broken}")
    except http.client.IncompleteRead as error:
        assert error.partial == b"half", error.partial

# Answers that are none.
for pieces in (["{"], ["{}"], ["[]" + END], [json.dumps({"statusCode": 101}) + END], [END],
               [json.dumps({"headers": {"a": "b\r\nc: d"}}) + END + "body"]):
    got = begin(HOST, type=PRELUDE, pieces=pieces)
    assert (got.status, got.read()) == (502, b"Internal Server Error"), pieces
got = begin(HOST, type=PRELUDE, megabytes=3)
assert (got.status, got.read()) == (502, b"Internal Server Error")
got = begin(HOST, type=PRELUDE, pieces=[json.dumps({"statusCode": 204}) + END + "none"])
assert (got.status, got.read()) == (204, b"")

# More than a buffered answer may have; and whoever goes away does not keep the function from its next call.
got = begin(HOST, megabytes=12)
assert len(got.read()) == 12 << 20
got = begin(HOST, megabytes=30)
got.read(1)
got.close()
assert begin(HOST, pieces=["next"]).read() == b"next"

# Buffered, it comes when it is complete.
changed = api.update_function_url_config(FunctionName=NAME, InvokeMode="BUFFERED")
assert changed["InvokeMode"] == "BUFFERED", changed
got = begin(HOST, type=PRELUDE, pieces=[head, END + "one", "two"])
assert (got.status, got.headers["x-own"], got.read()) == (201, "v", b"onetwo"), dict(got.headers)
assert got.headers["content-length"] == "6", dict(got.headers)
got = begin(HOST, pieces=['{"statusCode": 418, ', '"body": "tea"}'])
assert (got.status, got.read()) == (418, b"tea")
got = begin(HOST, pieces=["half"], fail=True)
assert (got.status, got.read()) == (502, b"Internal Server Error")

# What a function answers at once is passed on as it is.
host = url_of(WHOLE, "RESPONSE_STREAM")
got = begin(host, answer={"statusCode": 201, "body": "x"})
assert (got.status, json.loads(got.read())) == (200, {"statusCode": 201, "body": "x"})
got = begin(host, fail=True)
assert (got.status, got.read()) == (502, b"Internal Server Error")
