"""Is a runtime of its own that answers in pieces: each of the event's `pieces` as a chunk, with `pause` seconds between.

The event may be that of a function URL, with all of it in the body.
"""

import base64
import http.client
import json
import os
import socket
import time

PREFIX = "/2018-06-01/runtime"


def take():
    connection = http.client.HTTPConnection("127.0.0.1", 9001)
    connection.request("GET", PREFIX + "/invocation/next")
    answer = connection.getresponse()
    event = json.loads(answer.read())
    if "requestContext" in event:
        event = json.loads(event.get("body") or "{}")
    return answer.getheader("Lambda-Runtime-Aws-Request-Id"), event


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(request_id, event):
    connection = socket.create_connection(("127.0.0.1", 9001))
    connection.sendall(
        f"POST {PREFIX}/invocation/{request_id}/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nConnection: close\r\n"
        f"Content-Type: {event.get('type', 'text/event-stream')}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode())
    for piece in event.get("pieces", []):
        connection.sendall(chunk(piece.encode()))
        time.sleep(event.get("pause", 0))
    for _ in range(event.get("megabytes", 0)):
        connection.sendall(chunk(b"x" * (1 << 20)))
    if event.get("exit"):
        os._exit(3)
    if event.get("break"):
        connection.close()
        return
    connection.sendall(b"0\r\n")
    if event.get("fail"):
        error = base64.b64encode(json.dumps({"errorType": "Cheese", "errorMessage": "no cheese"}).encode()).decode()
        connection.sendall(
            f"Lambda-Runtime-Function-Error-Type: Cheese\r\nLambda-Runtime-Function-Error-Body: {error}\r\n".encode())
    connection.sendall(b"\r\n")
    print("verdict", connection.recv(4096).decode().split(" ")[1], flush=True)
    connection.close()


while True:
    answer(*take())
