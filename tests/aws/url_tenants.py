"""Function URLs of one tenant, and another who calls them.

    url_tenants.py ENDPOINT KEY SECRET ACCOUNT OTHER_KEY OTHER_SECRET OTHER_ACCOUNT
"""

import http.client
import io
import json
import sys
import urllib.parse
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
A, B = sys.argv[2:5], sys.argv[5:8]
NETLOC = urllib.parse.urlsplit(ENDPOINT).netloc


def client(who):
    return boto3.client("lambda", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=who[0],
                        aws_secret_access_key=who[1])


def create(who, mode):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", f"def handler(event, context): return [{who[2]!r}, event['requestContext']]")
    api = client(who)
    api.create_function(FunctionName="same", Runtime="python3.13", Handler="app.handler", Timeout=20,
                        Role=f"arn:aws:iam::{who[2]}:role/r", Code={"ZipFile": buffer.getvalue()})
    api.get_waiter("function_active_v2").wait(FunctionName="same", WaiterConfig={"Delay": 0.05})
    return urllib.parse.urlsplit(api.create_function_url_config(FunctionName="same", AuthType=mode)["FunctionUrl"]).netloc


def call(who, host):
    request = AWSRequest("GET", f"http://{host}/")
    SigV4Auth(Credentials(*who[:2]), "lambda", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(NETLOC, timeout=60)
    connection.request("GET", "/", headers={**dict(request.headers), "Host": host})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


of_a, of_b = create(A, "AWS_IAM"), create(B, "AWS_IAM")
assert of_a != of_b

# Each calls his own function, though both have the same name.
for who, host in ((A, of_a), (B, of_b)):
    status, (whose, context) = call(who, host)
    assert (status, whose, context["authorizer"]["iam"]["accountId"]) == (200, who[2], who[2]), (status, context)
for who, host in ((A, of_b), (B, of_a)):
    status, told = call(who, host)
    assert status == 403 and told["Message"].startswith("Forbidden."), (status, told)

# The policy of what is called lets the other in: both of it is needed.
api = client(A)
api.add_permission(FunctionName="same", StatementId="url", Action="lambda:InvokeFunctionUrl", Principal=B[2],
                   FunctionUrlAuthType="AWS_IAM")
assert call(B, of_a)[0] == 403
api.add_permission(FunctionName="same", StatementId="call", Action="lambda:InvokeFunction", Principal=B[2],
                   InvokedViaFunctionUrl=True)
status, (whose, context) = call(B, of_a)
assert (status, whose, context["accountId"], context["authorizer"]["iam"]["accountId"]) == (200, A[2], A[2], B[2]), context

# It lets him in by the URL alone, and to nothing else.
for operation, arguments in (("get_function_url_config", {}), ("delete_function_url_config", {}), ("invoke", {}),
                             ("update_function_url_config", {"AuthType": "NONE"}), ("list_function_url_configs", {})):
    try:
        getattr(client(B), operation)(FunctionName=f"arn:aws:lambda:us-east-1:{A[2]}:function:same", **arguments)
        raise AssertionError(f"{operation} reached another tenant's function")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
