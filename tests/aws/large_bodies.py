"""Two tenants, one of whom begins to send large packages and stops in the middle: it keeps the other from nothing.

    large_bodies.py ENDPOINT KEY SECRET ACCOUNT OTHER_KEY OTHER_SECRET OTHER_ACCOUNT
"""

import io
import json
import socket
import sys
import threading
import zipfile
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ENDPOINT = sys.argv[1]
A, B = sys.argv[2:5], sys.argv[5:8]
MB = 1024 * 1024

# What an account may send at once is four of these.
PACKAGE = 70 * 1000 * 1000
LARGE = json.dumps("x" * 3 * MB)


def client(who):
    # A refusal is seen as it is.
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("lambda", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=who[0],
                        aws_secret_access_key=who[1], config=once)


def package(extra=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return len(event)")
        archive.writestr("extra", extra)
    return buffer.getvalue()


def create(who):
    api = client(who)
    api.create_function(FunctionName="same", Runtime="python3.13", Handler="app.handler", Timeout=20,
                        Role=f"arn:aws:iam::{who[2]}:role/r", Code={"ZipFile": package()})
    api.get_waiter("function_active_v2").wait(FunctionName="same", WaiterConfig={"Delay": 0.05})
    assert call(api, json.dumps("small")) == 5
    return api


def call(api, payload):
    return json.load(api.invoke(FunctionName="same", Payload=payload)["Payload"])


def stall(who):
    """A connection on which a package has begun to come."""
    url = f"{ENDPOINT}/2015-03-31/functions"
    request = AWSRequest(method="POST", url=url, data=b"{}")
    SigV4Auth(Credentials(who[0], who[1]), "lambda", "us-east-1").add_auth(request)
    address = urlsplit(ENDPOINT)
    headers = {**dict(request.headers.items()), "Host": address.netloc, "Content-Length": PACKAGE}
    head = "POST /2015-03-31/functions HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(head.encode() + b"\r\n" + b" " * (MB + 1))
    return connection


def wait_until_it_waits(api):
    """Calls until a call has to wait for those that stall."""
    while True:
        waiting = threading.Thread(target=lambda: attempt(api), daemon=True)
        waiting.start()
        waiting.join(2)
        if waiting.is_alive():
            return


def attempt(api):
    try:
        call(api, LARGE)
    except api.exceptions.ClientError as error:
        # It has waited in vain.
        assert error.response["Error"]["Code"] == "RequestTimeoutException", error


a, b = create(A), create(B)
stalling = [stall(B) for _ in range(4)]
wait_until_it_waits(b)

assert call(a, LARGE) == 3 * MB
uploaded = a.update_function_code(FunctionName="same", ZipFile=package(bytes(2 * MB)))
assert uploaded["CodeSize"] > 2 * MB, uploaded
assert call(b, json.dumps("small")) == 5, "what is small waits for nothing"

for connection in stalling:
    connection.close()
assert call(b, LARGE) == 3 * MB, "who stops sending has room again"
print("ok")
