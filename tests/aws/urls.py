"""A function behind its URL, by host name and by path: with boto3, botocore's signatures, and plain HTTP.

    urls.py ENDPOINT FUNCTION

FUNCTION is `handlers/url.py`.
"""

import base64
import http.client
import json
import re
import sys
import urllib.parse
import uuid

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ENDPOINT, NAME = sys.argv[1:]
NETLOC = urllib.parse.urlsplit(ENDPOINT).netloc
ACCOUNT, REGION = "000000000000", "us-east-1"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
FORBIDDEN = ("Forbidden. For troubleshooting Function URL authorization issues, see: "
             "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")
JSON = {"Content-Type": "application/json"}

api = boto3.client("lambda", endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id="test",
                   aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}, read_timeout=60))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


def ask(method, path, body=None, headers=None, host=None, connection=None):
    """A request, on a connection of its own unless one is given."""
    own = connection is None
    connection = connection or http.client.HTTPConnection(NETLOC, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    headers = [("Host", host or NETLOC), *(headers or {}).items()]
    if body is not None:
        headers.append(("Content-Length", str(len(body))))
    for name, value in headers:
        for one in value if isinstance(value, list) else [value]:
            connection.putheader(name, one)
    connection.endheaders(body)
    answer = Answer(connection.getresponse())
    if own:
        connection.close()
    return answer


def says(answer, status, message, kind):
    assert (answer.status, answer.json().get("Message", answer.json().get("message")), answer.headers["x-amzn-errortype"]) == (
        status, message, kind), (answer.status, answer.body, dict(answer.headers))


def is_forbidden(answer):
    says(answer, 403, FORBIDDEN, "AccessDeniedException")


def is_nothing(answer):
    says(answer, 403, None, "AccessDeniedException")


def let_everybody_in(**of):
    api.add_permission(FunctionName=NAME, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
                       FunctionUrlAuthType="NONE", **of)
    api.add_permission(FunctionName=NAME, StatementId="call", Action="lambda:InvokeFunction", Principal="*",
                       InvokedViaFunctionUrl=True, **of)


def answered(what, **more):
    return ask("POST", "/", json.dumps({"answer": what}).encode(), JSON, host=HOST, **more)


# ---- Whom it lets in

url = api.create_function_url_config(FunctionName=NAME, AuthType="NONE")["FunctionUrl"]
HOST = urllib.parse.urlsplit(url).netloc
ID = HOST.split(".")[0]
assert url == f"http://{ID}.lambda-url.{REGION}.localhost:{NETLOC.split(':')[1]}/", url
PATH = f"/_thaw/urls/{ID}"
is_forbidden(ask("GET", "/", host=HOST))
api.add_permission(FunctionName=NAME, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
                   FunctionUrlAuthType="NONE")
is_forbidden(ask("GET", "/", host=HOST))
api.remove_permission(FunctionName=NAME, StatementId="url")
let_everybody_in()
policy = json.loads(api.get_policy(FunctionName=NAME)["Policy"])["Statement"]
assert policy[1]["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}, policy
is_nothing(ask("GET", "/", host=f"{uuid.uuid4().hex}.lambda-url.{REGION}.localhost"))
is_nothing(ask("GET", "/", host=f"nothing.lambda-url.{REGION}.localhost"))
is_nothing(ask("GET", f"/_thaw/urls/{uuid.uuid4().hex}/"))
print("ok whom it lets in")

# ---- What its function gets

got = ask("POST", "/my/p%2Fath?a=1&a=%2F&b", b"text", {
    "Content-Type": "text/plain", "Cookie": "one=1; two=2", "X-Many": ["1", "2"], "User-Agent": "agent",
    "Authorization": "Bearer token"}, host=HOST)
assert got.status == 200 and got.headers["content-type"] == "application/json", (got.status, got.body)
told = got.json()
event, context = told["event"], told["event"]["requestContext"]
assert told["arn"] == ARN and told["id"] == context["requestId"] == got.headers["x-amzn-requestid"], told
assert (event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]) == (
    "2.0", "$default", "/my/p%2Fath", "a=1&a=%2F&b"), event
assert event["queryStringParameters"] == {"a": "1,/", "b": ""} and event["cookies"] == ["one=1", "two=2"], event
assert event["headers"]["x-many"] == "1,2" and event["headers"]["host"] == HOST, event
trace = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
assert re.fullmatch(trace, event["headers"]["x-amzn-trace-id"]) and told["trace"].startswith(
    event["headers"]["x-amzn-trace-id"] + ";Parent="), told
assert event["headers"]["authorization"] == "Bearer token" and "cookie" not in event["headers"], event
assert (event["body"], event["isBase64Encoded"]) == ("text", False), event
assert context["http"] == {"method": "POST", "path": "/my/p/ath", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                           "userAgent": "agent"}, context
assert (context["accountId"], context["apiId"], context["domainPrefix"], context["domainName"]) == (
    "anonymous", ID, ID, HOST.split(":")[0]), context
by_path = ask("GET", f"{PATH}/my/path?c=d").json()["event"]
assert (by_path["rawPath"], by_path["rawQueryString"], by_path["headers"]["host"]) == ("/my/path", "c=d", NETLOC), by_path
assert "body" not in by_path and "cookies" not in by_path and by_path["isBase64Encoded"] is False, by_path
assert by_path["requestContext"]["domainName"] == HOST.split(":")[0], by_path
assert ask("GET", PATH).json()["event"]["rawPath"] == "/"
binary = ask("PUT", "/", b"\xff\x00", {"Content-Type": "image/png"}, host=HOST.upper()).json()["event"]
assert (binary["body"], binary["isBase64Encoded"]) == ("/wA=", True), binary
for method in ("PATCH", "DELETE", "OPTIONS"):
    assert ask(method, "/", host=HOST).json()["event"]["requestContext"]["http"]["method"] == method
head = ask("HEAD", "/", host=HOST)
assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 100, dict(head.headers)
refused = ask("TRACE", "/", host=HOST)
assert refused.status == 405 and "PATCH" in refused.headers["allow"], refused.status
print("ok what its function gets")

# ---- What it answers

for what, body in [({"hello": "world"}, b'{"hello":"world"}'), (["hello", 3, True], b'["hello",3,true]'), ("hello", b"hello"),
                   (3, b"3"), (3.1, b"3.1"), (True, b"true"), (None, b"null")]:
    got = answered(what)
    assert (got.status, got.body, got.headers["content-type"]) == (200, body, "application/json"), (what, got.body)
got = answered({"statusCode": 201, "headers": {"Content-Type": "text/html", "X-Own": "Value"}, "cookies": ["a=1", "b=2"],
                "body": base64.b64encode(b"\x00<p>").decode(), "isBase64Encoded": True})
assert (got.status, got.body) == (201, b"\x00<p>"), (got.status, got.body)
assert (got.headers["content-type"], got.headers["x-own"]) == ("text/html", "Value"), dict(got.headers)
assert got.headers.get_all("set-cookie") == ["a=1", "b=2"], dict(got.headers)
got = answered({"statusCode": "418", "body": "i'm a teapot"})
assert (got.status, got.body) == (418, b"i'm a teapot"), got.body
failed = ask("POST", "/", b'{"fail": 1}', JSON, host=HOST)
assert (failed.status, failed.body) == (502, b"Internal Server Error"), failed.body

# Nothing that a function answers breaks its caller's connection, or is taken for another answer.
connection = http.client.HTTPConnection(NETLOC, timeout=60)
hostile = [{"statusCode": 101, "headers": {"Upgrade": "websocket", "Connection": "Upgrade"}}, {"statusCode": 100},
           {"statusCode": 1000}, {"statusCode": 200, "headers": {"a": "b\r\n\r\nHTTP/1.1 200 OK"}},
           {"statusCode": 200, "headers": {"a b": "c"}}, {"statusCode": 200, "cookies": ["a\r\nb: c"]},
           {"statusCode": 200, "headers": {"a": "b" * 70000}}, {"statusCode": 200, "cookies": ["a"] * 1000}]
for what in hostile:
    got = answered(what, connection=connection)
    assert (got.status, got.body) == (502, b"Internal Server Error"), (what, got.status, got.body[:200])
reserved = {"Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "close", "Trailer": "x", "Upgrade": "h2c",
            "X-Amzn-RequestId": "mine", "Date": "never", "X-Amzn-ErrorType": "mine"}
got = answered({"statusCode": 200, "headers": reserved, "body": "whole"}, connection=connection)
assert (got.status, got.body, got.headers["content-length"]) == (200, b"whole", "5"), dict(got.headers)
assert not set(reserved.values()) - {"3"} & set(got.headers.values()), dict(got.headers)
got = answered({"statusCode": 204, "body": "none"}, connection=connection)
assert (got.status, got.body) == (204, b""), got.body
assert answered("still here", connection=connection).body == b"still here"
connection.close()
print("ok what it answers")

# ---- Limits

got = ask("POST", "/", b'{"size": 6000000}', JSON, host=HOST)
assert got.status == 200 and len(got.body) == 6_000_000, got.status
assert ask("POST", "/", b'{"size": 6300000}', JSON, host=HOST).status == 502
large = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
says(ask("POST", "/", b"x" * 6_291_457, JSON, host=HOST), 413, large, "RequestEntityTooLargeException")
says(ask("POST", "/", b"x" * 5_000_000, host=HOST), 413, large, "RequestEntityTooLargeException")
got = ask("POST", "/", b"x" * 2_000_000, {"Content-Type": "text/plain"}, host=HOST).json()["event"]
assert len(got["body"]) == 2_000_000
api.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
says(ask("GET", "/", host=HOST), 429, "Rate Exceeded.", "TooManyRequestsException")
api.delete_function_concurrency(FunctionName=NAME)
print("ok limits")

# ---- CORS

own = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "1", "Vary": "Accept"}}
page, other = {"Origin": "https://a.example"}, {"Origin": "https://b.example"}
assert ask("POST", "/", json.dumps({"answer": own}).encode(), {**JSON, **other}, host=HOST).headers[
    "access-control-allow-origin"] == "*", "without a configuration it is the function's"
cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["POST", "PUT"], "AllowHeaders": ["x-a"], "ExposeHeaders": ["x-b"],
        "AllowCredentials": True, "MaxAge": 60}
assert api.update_function_url_config(FunctionName=NAME, Cors=cors)["Cors"] == cors
before = ask("GET", "/", host=HOST).json()["calls"]
question = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}
got = ask("OPTIONS", "/any", headers={**page, **question}, host=HOST)
wanted = {"access-control-allow-origin": "https://a.example", "access-control-allow-credentials": "true",
          "access-control-allow-methods": "POST,PUT", "access-control-allow-headers": "x-a", "access-control-max-age": "60",
          "vary": "Origin"}
assert (got.status, got.body) == (200, b"") and wanted.items() <= {
    name.lower(): value for name, value in got.headers.items()}.items(), dict(got.headers)
got = ask("OPTIONS", f"{PATH}/any", headers={**other, **question})
assert got.status == 200 and not [name for name in got.headers if name.lower().startswith("access-control")], dict(got.headers)
assert ask("GET", "/", host=HOST).json()["calls"] == before + 1, "a preflight reached the function"
got = ask("POST", "/", json.dumps({"answer": own}).encode(), {**JSON, **page}, host=HOST)
assert got.headers.get_all("access-control-allow-origin") == ["https://a.example"], dict(got.headers)
assert got.headers["access-control-max-age"] is None and got.headers["access-control-expose-headers"] == "x-b"
assert got.headers.get_all("vary") == ["Accept", "Origin"], dict(got.headers)
got = ask("POST", "/", json.dumps({"answer": own}).encode(), {**JSON, **other}, host=HOST)
assert got.headers["access-control-allow-origin"] is None, dict(got.headers)
failed = ask("POST", "/", b'{"fail": 1}', {**JSON, **page}, host=HOST)
assert failed.status == 502 and failed.headers["access-control-allow-origin"] == "https://a.example", dict(failed.headers)
assert "Cors" not in api.update_function_url_config(FunctionName=NAME, Cors={})
print("ok cors")

# ---- AWS_IAM


def signed(path, host, body=b"", secret="test", service="lambda", method="POST"):
    request = AWSRequest(method, f"http://{host}{path}", data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(Credentials("test", secret), service, REGION).add_auth(request)
    return ask(method, path, body, dict(request.headers), host=host)


changed = api.update_function_url_config(FunctionName=NAME, AuthType="AWS_IAM")
assert changed["FunctionUrl"] == url and "InvokeMode" not in changed, changed
is_forbidden(ask("GET", "/", host=HOST))
for path, host in ((f"/a%20b?x=y%2F&a", HOST), (f"{PATH}/a%20b?x=y%2F&a", NETLOC)):
    got = signed(path, host, b"body").json()["event"]
    assert got["body"] == "body" and got["rawPath"] == "/a%20b", got
    assert got["requestContext"]["accountId"] == ACCOUNT, got
    iam = {"accessKey": "test", "accountId": ACCOUNT, "callerId": ACCOUNT, "cognitoIdentity": None, "principalOrgId": None,
           "userArn": f"arn:aws:iam::{ACCOUNT}:root", "userId": ACCOUNT}
    assert got["requestContext"]["authorizer"] == {"iam": iam}, got
assert signed("/", HOST, secret="wrong").headers["x-amzn-errortype"] == "InvalidSignatureException"
assert signed("/", HOST, service="execute-api").headers["x-amzn-errortype"] == "InvalidSignatureException"
print("ok aws_iam")

# ---- Aliases, and the end

version = api.publish_version(FunctionName=NAME)["Version"]
api.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)
of_alias = api.create_function_url_config(FunctionName=NAME, Qualifier="live", AuthType="NONE")
assert of_alias["FunctionArn"] == f"{ARN}:live" and of_alias["FunctionUrl"] != url, of_alias
alias_host = urllib.parse.urlsplit(of_alias["FunctionUrl"]).netloc
is_forbidden(ask("GET", "/", host=alias_host))
let_everybody_in(Qualifier="live")
assert ask("GET", "/", host=alias_host).json()["arn"] == f"{ARN}:live"
api.delete_alias(FunctionName=NAME, Name="live")
is_nothing(ask("GET", "/", host=alias_host))
api.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)
is_nothing(ask("GET", "/", host=alias_host))
api.update_function_url_config(FunctionName=NAME, AuthType="NONE")
assert ask("GET", "/", host=HOST).status == 200
api.delete_function_url_config(FunctionName=NAME)
is_nothing(ask("GET", "/", host=HOST))
again = api.create_function_url_config(FunctionName=NAME, AuthType="NONE")["FunctionUrl"]
assert again != url
api.delete_function(FunctionName=NAME)
is_nothing(ask("GET", "/", host=urllib.parse.urlsplit(again).netloc))
print("ok the end")
