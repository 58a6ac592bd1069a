"""Two tenants whose code is in buckets of their own, and a third who has none: neither gets at another's through thawd.

    s3_tenants.py ENDPOINT STORAGE KEY SECRET OTHER_KEY OTHER_SECRET THIRD_KEY THIRD_SECRET

The keys are those of thawd; at the storage server the first two have the same.
"""

import io
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError

endpoint, storage, *keys = sys.argv[1:]
first, second, third = keys[0:2], keys[2:4], keys[4:6]


def client(service, url, who):
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=who[0],
                        aws_secret_access_key=who[1])


def create(who, bucket):
    return client("lambda", endpoint, who).create_function(
        FunctionName="same", Runtime="python3.13", Handler="app.handler", Role="arn:aws:iam::000000000000:role/test",
        Code={"S3Bucket": bucket, "S3Key": "code.zip"})


def denied(who, bucket):
    try:
        create(who, bucket)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error.response
        return error.response["Error"]["Message"]
    raise AssertionError(f"{who[0]} reads {bucket}")


buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("app.py", "def handler(event, context): return 'secret'")
for who, bucket in ((first, "of-first"), (second, "of-second")):
    own = client("s3", storage, who)
    own.create_bucket(Bucket=bucket)
    own.put_object(Bucket=bucket, Key="code.zip", Body=buffer.getvalue())

told = denied(first, "of-second")
assert told.startswith("Your access has been denied by S3, please make sure your request credentials have permission to "
                       "GetObject for of-second/code.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"), told
denied(second, "of-first")
for bucket in ("of-first", "of-second", "of-nobody"):
    told = denied(third, bucket)
    assert "account 000000000003 has no credential in the file that the setting s3_credentials" in told, told
assert create(first, "of-first")["FunctionArn"].split(":")[4] == "000000000000"
assert create(second, "of-second")["FunctionArn"].split(":")[4] == "000000000002"
