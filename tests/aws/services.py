"""A service that calls functions on somebody's behalf, as Cognito calls its triggers, by boto3:

    services.py ENDPOINT FUNCTION OWNER_KEY OWNER_SECRET POOLS_KEY POOLS_SECRET ANY_KEY ANY_SECRET

The keys are the account's own, one of the service cognito-idp for the pools of this account, and one of the service for
whatever it states. The function returns its event.
"""

import sys

import boto3
from botocore.exceptions import ClientError

endpoint, function = sys.argv[1:3]
POOL = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"
OTHER = POOL.replace("_a", "_b")


def client(key, secret, source=None, service="lambda"):
    made = boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret)
    if source:
        made.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-amz-source-arn": source}))
    return made


owner_keys, pools_keys, any_keys = sys.argv[3:5], sys.argv[5:7], sys.argv[7:9]
owner = client(*owner_keys)
arn = owner.get_function(FunctionName=function)["Configuration"]["FunctionArn"]


def denied(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDeniedException", "AccessDenied"), error
        return error.response["Error"]["Message"]
    raise AssertionError(f"{arguments} is not denied")


def asks(caller, name=function, **more):
    answer = caller.invoke(FunctionName=name, Payload=b'{"triggerSource": "PreSignUp_SignUp"}', **more)
    assert answer["Payload"].read() == b'{"triggerSource": "PreSignUp_SignUp"}', answer


pool, other = client(*pools_keys, POOL), client(*pools_keys, OTHER)
told = denied(pool.invoke, FunctionName=function)
assert told == (
    f"User: cognito-idp.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: {arn} because no "
    "resource-based policy allows the lambda:InvokeFunction action"
), told
permission = {"FunctionName": function, "Action": "lambda:InvokeFunction", "Principal": "cognito-idp.amazonaws.com"}
owner.add_permission(StatementId="elsewhere", SourceArn=POOL, SourceAccount="000000000009", **permission)
denied(pool.invoke, FunctionName=function)
owner.add_permission(StatementId="pool", SourceArn=POOL, SourceAccount="000000000000", **permission)
asks(pool)
asks(pool, arn)
denied(other.invoke, FunctionName=function)
# What a credential is not for it can't call for, whatever the policy says; and one for several says for which.
denied(client(*pools_keys, "arn:aws:s3:::x").invoke, FunctionName=function)
denied(client(*pools_keys).invoke, FunctionName=function)
asks(client(*any_keys, POOL))
denied(client(*any_keys).invoke, FunctionName=function)
# It waits for the answer, and does nothing else.
denied(pool.invoke, FunctionName=function, InvocationType="Event")
denied(pool.invoke, FunctionName=function, InvocationType="DryRun")
denied(pool.get_function, FunctionName=function)
denied(pool.list_functions)
denied(pool.delete_function, FunctionName=function)
denied(pool.add_permission, StatementId="more", **permission)
denied(client(*pools_keys, service="sts").get_caller_identity)
denied(client(*pools_keys, service="logs").describe_log_groups)
denied(client(*pools_keys, service="s3").get_bucket_notification_configuration, Bucket="photos")
# An alias has a policy of its own.
owner.publish_version(FunctionName=function)
owner.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
denied(pool.invoke, FunctionName=function, Qualifier="live")
owner.add_permission(StatementId="live", SourceArn=POOL, Qualifier="live", **permission)
asks(pool, Qualifier="live")
owner.remove_permission(FunctionName=function, StatementId="pool")
denied(pool.invoke, FunctionName=function)
denied(pool.invoke, FunctionName="no-such-function")
# The account itself needs no permission.
asks(owner)
print("ok")
