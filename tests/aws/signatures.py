"""What becomes of requests that are not signed as they should be. Signs with botocore, and then spoils it.

    signatures.py ENDPOINT
"""

import hashlib
import hmac
import json
import sys
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ENDPOINT = sys.argv[1]
URL = f"{ENDPOINT}/2015-03-31/functions"


def signed(key="test", secret="test", token=None, region="us-east-1", service="lambda", method="GET", url=URL, data=None,
           headers=(), auth=SigV4Auth, **more):
    request = AWSRequest(method=method, url=url, data=data, headers=dict(headers))
    auth(Credentials(key, secret, token), service, region, **more).add_auth(request)
    return request


def send(request, **changes):
    headers = {**dict(request.headers.items()), **{name.replace("_", "-"): value for name, value in changes.items()}}
    headers = {name: value for name, value in headers.items() if value is not None}
    raw = urllib.request.Request(request.url, data=request.data, headers=headers, method=request.method)
    try:
        with urllib.request.urlopen(raw) as answer:
            return answer.status, None, answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
        assert error.headers["x-amzn-requestid"]
        return error.code, error.headers.get("x-amzn-errortype"), body


def refused(answer, status, kind, text=""):
    assert answer[:2] == (status, kind), answer
    assert text in json.loads(answer[2])["message"], answer


def bare(url=URL):
    return AWSRequest(method="GET", url=url)


def main():
    assert send(signed())[0] == 200
    refused(send(bare()), 403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    refused(send(signed(key="AKIANOBODY")), 403, "UnrecognizedClientException",
            "The security token included in the request is invalid.")
    refused(send(signed(token="a token")), 403, "UnrecognizedClientException")
    refused(send(signed(secret="wrong")), 403, "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.")
    refused(send(signed(service="dynamodb")), 403, "InvalidSignatureException", "correct service: 'lambda'")
    refused(send(signed(region="eu-west-1")), 403, "InvalidSignatureException", "scoped to a valid region")
    refused(send(bare(), Authorization="Bearer x"), 400, "IncompleteSignatureException")
    refused(send(bare(), Authorization="AWS4-HMAC-SHA256 Signature=00"), 400, "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter.")
    refused(send(signed(), X_Amz_Date="20200101T000000Z"), 403, "InvalidSignatureException", "Signature expired")
    refused(send(signed(), X_Amz_Invocation_Type="Event"), 403, "InvalidSignatureException", "SignedHeader")

    invoke = f"{URL}/nothing/invocations"
    changed = signed(method="POST", url=invoke, data=b"{}")
    changed.data = b"[]"
    refused(send(changed), 403, "InvalidSignatureException")
    unsigned = signed(method="POST", url=invoke, data=b"{}", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    unsigned.data = b"[]"
    assert send(unsigned)[1] == "ResourceNotFoundException", "the payload is not signed, so it may be another"

    presigned = signed(auth=SigV4QueryAuth, expires=60)
    assert send(bare(presigned.url))[0] == 200
    refused(send(bare(presigned.url.replace("Expires=60", "Expires=61"))), 403, "InvalidSignatureException")
    refused(send(bare(presigned.url + "&MaxItems=1")), 403, "InvalidSignatureException")

    assert send(chunked(invoke, b'{"a": 1}'))[1] == "ResourceNotFoundException", "signed chunks are understood"
    spoilt = chunked(invoke, b'{"a": 1}')
    spoilt.data = spoilt.data.replace(b'{"a', b'{"b')
    refused(send(spoilt), 403, "InvalidSignatureException")

    status, kind, _ = send(signed(url=f"{ENDPOINT}/2015-03-31/nonsense"))
    assert (status, kind) == (404, "UnknownOperationException")
    status, kind, _ = send(signed(method="POST", url=URL, data=b"{"))
    assert (status, kind) == (400, "SerializationException")
    status, kind, _ = send(signed(method="POST", url=URL, data=b'{"FunctionName": 7}'))
    assert (status, kind) == (400, "SerializationException")

    sts = boto3.client("sts", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="test",
                       aws_secret_access_key="test")
    assert sts.get_caller_identity()["Account"] == "000000000000"
    try:
        sts.get_session_token()
        raise AssertionError("not served, and answered")
    except sts.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidAction", error.response
    wrong = boto3.client("sts", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="nobody",
                         aws_secret_access_key="test")
    try:
        wrong.get_caller_identity()
        raise AssertionError("a stranger was answered")
    except wrong.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "UnrecognizedClient", error.response
    print("ok")


def chunked(url, payload):
    """A body in signed chunks, as botocore does not make them for Lambda."""
    chunks = [payload[:3], payload[3:], b""]
    overhead = len(";chunk-signature=") + 64 + 4
    length = sum(len(f"{len(chunk):x}") + overhead + len(chunk) for chunk in chunks)
    request = signed(method="POST", url=url, headers={
        "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(payload)), "Content-Length": str(length)})
    before = request.headers["Authorization"].rsplit("=", 1)[1]
    date = request.headers["X-Amz-Date"]
    key = b"AWS4test"
    for part in (date[:8], "us-east-1", "lambda", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    body = b""
    for chunk in chunks:
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, f"{date[:8]}/us-east-1/lambda/aws4_request", before,
                          hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest()])
        before = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += f"{len(chunk):x};chunk-signature={before}\r\n".encode() + chunk + b"\r\n"
    request.data = body
    return request


if __name__ == "__main__":
    main()
