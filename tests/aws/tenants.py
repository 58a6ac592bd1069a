"""Two tenants on one daemon: neither reaches what the other has.

    tenants.py ENDPOINT KEY SECRET ACCOUNT OTHER_KEY OTHER_SECRET OTHER_ACCOUNT
"""

import io
import sys
import urllib.request
import zipfile

import boto3
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
A, B = sys.argv[2:5], sys.argv[5:8]


def client(who, service="lambda"):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=who[0],
                        aws_secret_access_key=who[1])


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def package(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", f"def handler(event, context): return {text!r}")
    return buffer.getvalue()


def create(who, text):
    api = client(who)
    made = api.create_function(FunctionName="same", Runtime="python3.13", Handler="app.handler", Timeout=20,
                               Role=f"arn:aws:iam::{who[2]}:role/r", Code={"ZipFile": package(text)})
    api.get_waiter("function_active_v2").wait(FunctionName="same", WaiterConfig={"Delay": 0.05})
    return api, made["FunctionArn"]


a, arn_a = create(A, "of a")
b, arn_b = create(B, "of b")
assert A[2] in arn_a and B[2] in arn_b, (arn_a, arn_b)
assert a.invoke(FunctionName="same")["Payload"].read() == b'"of a"'
assert b.invoke(FunctionName="same")["Payload"].read() == b'"of b"'
assert client(B, "sts").get_caller_identity()["Account"] == B[2]
for api, other in ((a, arn_b), (b, arn_a)):
    assert len(api.list_functions()["Functions"]) == 1
    for call in (api.get_function, api.get_function_configuration, api.invoke, api.delete_function, api.publish_version,
                 api.get_policy, api.list_aliases, api.get_function_concurrency, api.delete_function_concurrency,
                 api.get_function_event_invoke_config, api.get_function_recursion_config,
                 api.get_function_code_signing_config, api.update_function_configuration):
        assert code(call, FunctionName=other) == "AccessDeniedException", call
    assert code(api.list_tags, Resource=other) == "AccessDeniedException"
    assert code(api.tag_resource, Resource=other, Tags={"a": "b"}) == "AccessDeniedException"

# A layer is had by whom its owner lets in.
layer = a.publish_layer_version(LayerName="shared", Content={"ZipFile": package("layer")})["LayerVersionArn"]
give = {"FunctionName": "same", "Layers": [layer]}
assert code(b.update_function_configuration, **give) == "AccessDeniedException"
assert code(b.get_layer_version_by_arn, Arn=layer) == "AccessDeniedException"
a.add_layer_version_permission(LayerName="shared", VersionNumber=1, StatementId="b", Principal=B[2],
                               Action="lambda:GetLayerVersion")
assert b.update_function_configuration(**give)["Layers"][0]["Arn"] == layer
b.get_waiter("function_updated_v2").wait(FunctionName="same", WaiterConfig={"Delay": 0.05})
assert b.invoke(FunctionName="same")["Payload"].read() == b'"of b"'

urllib.request.urlopen(a.get_function(FunctionName="same")["Code"]["Location"]).read()
a.delete_function(FunctionName="same")
assert b.invoke(FunctionName="same")["Payload"].read() == b'"of b"'
b.delete_function(FunctionName="same")
print("ok")
