"""The S3 tutorial by boto3, unmodified: python buckets.py ENDPOINT STORAGE FUNCTION BUCKET

Objects are on the storage server, what is told of them is set at thawd. The function prints its event; who looks at that is
the test around this.
"""

import sys

import boto3
from botocore.exceptions import ClientError

endpoint, storage, function, bucket = sys.argv[1:5]
objects = boto3.client("s3", endpoint_url=storage)
notifications = boto3.client("s3", endpoint_url=endpoint)
functions = boto3.client("lambda", endpoint_url=endpoint)
arn = functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"]


def refused(name, part, status, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        told = error.response["Error"]
        assert told["Code"] == name and part in told["Message"], told
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        return {key: value for key, value in told.items() if key.startswith("Argument")}
    raise AssertionError(f"{arguments} is not refused")


def entry(identifier, to=arn, events=("s3:ObjectCreated:*",), **rules):
    made = {"Id": identifier, "LambdaFunctionArn": to, "Events": list(events)}
    if rules:
        made["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules.items()]}}
    return made


def configuration(*entries):
    return {"Bucket": bucket, "NotificationConfiguration": {"LambdaFunctionConfigurations": list(entries)}}


def put(*entries, **more):
    return notifications.put_bucket_notification_configuration(**configuration(*entries), **more)


def shown():
    answer = notifications.get_bucket_notification_configuration(Bucket=bucket)
    del answer["ResponseMetadata"]
    return answer


def permit(qualifier=None, of=bucket):
    more = {"Qualifier": qualifier} if qualifier else {}
    functions.add_permission(FunctionName=function, StatementId=f"s3-{of}", Action="lambda:InvokeFunction",
                             Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{of}", SourceAccount="000000000000", **more)


def permissions():
    assert shown() == {}, "nobody has said anything of this bucket"
    put_ = notifications.put_bucket_notification_configuration
    unable = "Unable to validate the following destination configurations"
    told = {"ArgumentName1": f"{arn}, null", "ArgumentValue1": f"Not authorized to invoke function [{arn}]"}
    assert refused("InvalidArgument", unable, 400, put_, **configuration(entry("a"))) == told
    permit(of="another")
    assert refused("InvalidArgument", unable, 400, put_, **configuration(entry("a"))) == told
    assert shown() == {}
    put(entry("a"), SkipDestinationValidation=True)
    assert shown() == {"LambdaFunctionConfigurations": [entry("a")]}
    put()
    assert shown() == {}
    permit()


def refusals():
    put_ = notifications.put_bucket_notification_configuration
    wrong = lambda part, *entries: refused("InvalidArgument", part, 400, put_, **configuration(*entries))
    assert wrong("The ARN could not be parsed", entry("a", to="x")) == {"ArgumentName": "CloudFunction", "ArgumentValue": "x"}
    assert wrong("not supported for notifications", entry("a", events=["s3:ObjectAccessed:Get"]))["ArgumentName"] == "Event"
    assert wrong("either prefix or suffix", entry("a", infix="x")) == {"ArgumentName": "FilterRule.Name", "ArgumentValue": "infix"}
    wrong("IDs must be unique", entry("a", prefix="x/"), entry("a", prefix="y/"))
    wrong("Configuration is ambiguously defined", entry("a", prefix="x/"), entry("b", prefix="x/y", suffix=".jpg"))
    queue = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectCreated:*"]}]}
    refused("NotImplemented", "neither topics nor queues", 501, put_, Bucket=bucket, NotificationConfiguration=queue)
    refused("AccessDenied", "", 403, put_, **configuration(), ExpectedBucketOwner="000000000009")
    refused("InvalidBucketName", "not valid", 400, notifications.get_bucket_notification_configuration, Bucket="a")
    refused("NotImplemented", "storage server", 501, notifications.list_buckets)
    refused("NotImplemented", "storage server", 501, notifications.put_object, Bucket=bucket, Key="k", Body=b"")
    foreign = {"aws_access_key_id": "nobody", "aws_secret_access_key": "x"}
    nobody = boto3.client("s3", endpoint_url=endpoint, **foreign)
    refused("InvalidAccessKeyId", "", 403, nobody.get_bucket_notification_configuration, Bucket=bucket)
    forger = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="x")
    refused("SignatureDoesNotMatch", "", 403, forger.get_bucket_notification_configuration, Bucket=bucket)
    assert shown() == {}, "a refused configuration changes nothing"


def tutorial():
    functions.publish_version(FunctionName=function)
    functions.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    permit("live")
    gone = ["s3:ObjectRemoved:Delete"]
    put(entry("jpg", prefix="in/", suffix=".jpg"), entry("gone", to=f"{arn}:live", events=gone, prefix="in/"))
    assert shown() == {"LambdaFunctionConfigurations": [
        entry("jpg", Prefix="in/", Suffix=".jpg"),
        entry("gone", to=f"{arn}:live", events=gone, Prefix="in/"),
    ]}, shown()
    objects.create_bucket(Bucket=bucket)
    for key in ["in/my cat+é.jpg", "in/cat.png", "out/cat.jpg"]:
        objects.put_object(Bucket=bucket, Key=key, Body=b"hello")
    objects.copy_object(Bucket=bucket, Key="in/copy.jpg", CopySource={"Bucket": bucket, "Key": "out/cat.jpg"})
    objects.delete_object(Bucket=bucket, Key="in/cat.png")
    objects.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/copy.jpg"}]})


permissions()
refusals()
tutorial()
print("ok")
