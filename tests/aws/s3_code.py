"""Functions and layers whose code is in S3, by boto3, unmodified: python s3_code.py ENDPOINT STORAGE BUCKET

thawd takes uploads of 1 MB here, and packages of 1,000 files that unpack to 2 MB.
"""

import base64
import hashlib
import io
import json
import os
import platform
import sys
import urllib.request
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, storage, bucket = sys.argv[1:4]
who = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
objects = boto3.client("s3", endpoint_url=storage, **who)
# What breaks a constraint is to be refused by the server.
asking = Config(parameter_validation=False, retries={"total_max_attempts": 1})
functions = boto3.client("lambda", endpoint_url=endpoint, config=asking, **who)
name, role = bucket, "arn:aws:iam::000000000000:role/test"


def package(value, *more, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("app.py", f"def handler(event, context):\n    return {value}\n")
        for path, content in more:
            archive.writestr(path, content)
    return buffer.getvalue()


def put(key, body):
    return objects.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId")


def digest(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def create(code, function=name, **more):
    return functions.create_function(FunctionName=function, Runtime="python3.13", Handler="app.handler", Role=role,
                                     Timeout=30, Code=code, **more)


def update(**more):
    return functions.update_function_code(FunctionName=name, **more)


def settled():
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def invoked(qualifier="$LATEST"):
    answer = functions.invoke(FunctionName=name, Qualifier=qualifier)
    told = json.load(answer["Payload"])
    assert "FunctionError" not in answer, told
    return told


def refused(exception, message, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ClientError as error:
        told = error.response["Error"]
        assert (told["Code"], told["Message"]) == (exception, message), told
        return
    raise AssertionError(f"{arguments} {named} is not refused")


def value(message, call, *arguments, **named):
    refused("InvalidParameterValueException", message, call, *arguments, **named)


def missing(code, message, call, *arguments, **named):
    value(f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}", call, *arguments, **named)


objects.create_bucket(Bucket=bucket)
objects.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
key = "in/my code+é&?=.zip"
one, two = package("'one'"), package("'two'")
first = put(key, one)
second = put(key, two)
assert first and second and first != second, (first, second)
here = {"S3Bucket": bucket, "S3Key": key}

# The first version is made of, the newest is taken where none is said, and every setting does what it does with an upload.
made = create({**here, "S3ObjectVersion": first})
assert (made["CodeSha256"], made["CodeSize"], made["State"]) == (digest(one), len(one), "Pending"), made
functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
assert invoked() == "one"
location = functions.get_function(FunctionName=name)["Code"]["Location"]
assert urllib.request.urlopen(location).read() == one
revision = functions.get_function_configuration(FunctionName=name)["RevisionId"]
dry = update(**here, DryRun=True)
assert (dry["CodeSha256"], dry["RevisionId"]) == (digest(two), revision), dry
assert functions.get_function_configuration(FunctionName=name)["CodeSha256"] == digest(one)
refused("PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the "
        "latest Revision Id", update, S3Bucket=bucket, S3Key="not looked for", RevisionId="00000000-0000-4000-8000-000000000000")
processor, other = ("arm64", "x86_64") if platform.machine() == "aarch64" else ("x86_64", "arm64")
value(f"This machine runs functions for {processor} only; it can't run code for {other}.", update, **here,
      Architectures=[other])
published = update(**here, Publish=True, RevisionId=revision, Architectures=[processor])
assert (published["Version"], published["CodeSha256"]) == ("1", digest(two)), published
settled()
update(**here, S3ObjectVersion=first, S3ObjectStorageMode="COPY")
settled()
assert (invoked(), functions.get_function_configuration(FunctionName=name, Qualifier="1")["CodeSha256"]) == \
    ("one", digest(two))

# More than an upload may have, as long as it unpacks to what a package may have.
large = package("'large'", ("noise", os.urandom(1_500_000)))
put("large.zip", large)
refused("RequestEntityTooLargeException", "Zipped size must be smaller than 1048576 bytes", update, ZipFile=large)
update(S3Bucket=bucket, S3Key="large.zip")
settled()
assert invoked() == "large"

# A layer, which the function then has.
layer = package("'layer'", ("python/shared.py", "VALUE = 'of the layer'\n"))
put("layer.zip", layer)
content = {"S3Bucket": bucket, "S3Key": "layer.zip"}
version = functions.publish_layer_version(LayerName=name, Content=content)
assert (version["Content"]["CodeSha256"], version["Content"]["CodeSize"]) == (digest(layer), len(layer)), version
put("reader.zip", package("__import__('shared').VALUE"))
update(S3Bucket=bucket, S3Key="reader.zip")
settled()
functions.update_function_configuration(FunctionName=name, Layers=[version["LayerVersionArn"]])
settled()
assert invoked() == "of the layer"
kept = functions.get_function_configuration(FunctionName=name)["RevisionId"]

# What is not there.
no_key = ("NoSuchKey", "The specified key does not exist.")
no_bucket = ("NoSuchBucket", "The specified bucket does not exist.")
gone = {"S3Bucket": bucket, "S3Key": "gone.zip"}
nowhere = {"S3Bucket": f"{bucket}-not", "S3Key": key}
for place, told in ((gone, no_key), (nowhere, no_bucket)):
    missing(*told, create, place, function="never")
    missing(*told, update, **place)
    missing(*told, functions.publish_layer_version, LayerName="never", Content=place)
missing("NoSuchVersion", "The specified version does not exist.", update, **here,
        S3ObjectVersion="01ARZ3NDEKTSV4RRFFQ69G5FAV")
objects.delete_object(Bucket=bucket, Key=key)
missing(*no_key, update, **here)

# What is no package, or too large for one.
broken = "Could not unzip uploaded file. Please check your file, then try to upload again."
oversized = "Unzipped size must be smaller than 2097152 bytes"
for body, told in (
    (b"no zip", broken),
    (b"", "Uploaded file must be a non-empty zip"),
    (package("1", ("zeroes", bytes(3_000_000))), oversized),
    (os.urandom(7_000_000), oversized),
):
    put("bad.zip", body)
    bad = {"S3Bucket": bucket, "S3Key": "bad.zip"}
    value(told, create, bad, function="never")
    value(told, update, **bad)
    value(told, update, **bad, DryRun=True)
    value(told, functions.publish_layer_version, LayerName="never", Content=bad)

# What says nothing, or too much.
both = "Please do not provide other FunctionCode parameters when providing a ZipFile."
pair = "S3 Bucket and Key are required for uploading with S3 parameters."
for code, told in (
    ({"ZipFile": one, **content}, both),
    ({"ZipFile": one, "S3Bucket": bucket}, both),
    ({"S3Bucket": bucket}, pair),
    ({"S3Key": key}, pair),
    ({"S3ObjectVersion": first}, pair),
    ({}, "Please provide a source for function code."),
    ({**content, "S3ObjectStorageMode": "REFERENCE"},
     "thawd keeps a copy of every package: S3ObjectStorageMode REFERENCE is not served."),
):
    value(told, create, code, function="never")
    value(told, update, **code)
    value(told, functions.publish_layer_version, LayerName="never", Content=code)

# What breaks a constraint of the model.
bad = {"S3Bucket": "s3://x", "S3Key": "", "S3ObjectVersion": "x" * 1025, "S3ObjectStorageMode": "MOVE"}
for place, call, named in (
    ("code.", create, {"code": bad, "function": "never"}),
    ("", update, bad),
    ("content.", functions.publish_layer_version, {"LayerName": "never", "Content": bad}),
):
    failed = "failed to satisfy constraint: Member must"
    shown = "x" * 512 + "…"
    refused("ValidationException",
            f"4 validation errors detected: Value 'MOVE' at '{place}s3ObjectStorageMode' {failed} satisfy enum value set: "
            f"[COPY, REFERENCE]; Value 's3://x' at '{place}s3Bucket' {failed} satisfy regular expression pattern: "
            f"[0-9A-Za-z\\.\\-_]*(?<!\\.); Value '' at '{place}s3Key' {failed} have length greater than or equal to 1; "
            f"Value '{shown}' at '{place}s3ObjectVersion' {failed} have length less than or equal to 1024", call, **named)

# Nothing of all that changed anything.
assert functions.get_function_configuration(FunctionName=name)["RevisionId"] == kept
assert invoked() == "of the layer"
assert [found["FunctionName"] for found in functions.list_functions()["Functions"]] == [name]
assert [found["LayerName"] for found in functions.list_layers()["Layers"]] == [name]
print("ok")
