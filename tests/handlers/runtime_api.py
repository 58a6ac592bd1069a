"""Speaks the Runtime API itself, from inside an invocation, beside the official client."""

import http.client
import json

PREFIX = "/2018-06-01/runtime"


def send(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", 9001, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        return {"status": response.status, "body": json.loads(text) if text else None}
    finally:
        connection.close()


def handler(event, context):
    mine = context.aws_request_id
    how = event["how"]
    if how == "requests":
        # Each of them is wrong and none may end this invocation.
        return [send(method, path.replace("MINE", mine), body) for method, path, body in event["requests"]]
    if how == "answer twice":
        path = f"{PREFIX}/invocation/{mine}/response"
        print("first", send("POST", path, json.dumps("by hand"))["status"], flush=True)
        print("second", send("POST", path, json.dumps("again"))["status"], flush=True)
    if how == "too large":
        path = f"{PREFIX}/invocation/{mine}/response"
        answer = send("POST", path, b'"' + b"x" * event["bytes"] + b'"')
        print("answer", answer["status"], answer["body"]["errorType"], flush=True)
    if how == "error by hand":
        path = f"{PREFIX}/invocation/{mine}/error"
        error = {"errorMessage": "said by hand", "errorType": "Custom.Error", "stackTrace": []}
        headers = {"Lambda-Runtime-Function-Error-Type": "Custom.Error"}
        print("error", send("POST", path, json.dumps(error), headers)["status"], flush=True)
    return "by the client"
