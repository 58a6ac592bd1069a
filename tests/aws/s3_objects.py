"""Puts objects into a new bucket that keeps versions, and prints the version of each: python s3_objects.py STORAGE BUCKET KEY
FILE [KEY FILE]..."""

import sys

import boto3

storage, bucket, *objects = sys.argv[1:]
client = boto3.client("s3", endpoint_url=storage, region_name="us-east-1", aws_access_key_id="test",
                      aws_secret_access_key="test")
client.create_bucket(Bucket=bucket)
client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
for key, path in zip(objects[::2], objects[1::2]):
    with open(path, "rb") as body:
        print(client.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])
