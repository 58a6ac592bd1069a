"""Calls a function in a loop, as it would call itself by an SDK, until it is stopped; then by a message with the same chain:
ENDPOINT FUNCTION MOTO QUEUE. The function returns the tracing header that it has got."""

import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

endpoint, function, moto, queue = sys.argv[1:]
# What makes an SDK hand the header on.
os.environ["AWS_LAMBDA_FUNCTION_NAME"] = function
options = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
client = boto3.client("lambda", endpoint_url=endpoint, **options)

headers = []
for call in range(16):
    answer = client.invoke(FunctionName=function)
    assert "FunctionError" not in answer, answer["Payload"].read()
    os.environ["_X_AMZN_TRACE_ID"] = json.load(answer["Payload"])
    headers.append(os.environ["_X_AMZN_TRACE_ID"])
roots = {header.split(";")[0] for header in headers}
assert len(roots) == 1 and "Lineage=" in headers[0], headers

try:
    client.invoke(FunctionName=function)
    raise AssertionError("the seventeenth call was made")
except ClientError as error:
    assert error.response["Error"]["Code"] == "RecursiveInvocationException", error.response
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error.response
    assert error.response["Type"] == "User" and "recursive loop" in error.response["Error"]["Message"], error.response

# Another chain is another matter.
header = os.environ.pop("_X_AMZN_TRACE_ID")
assert "FunctionError" not in client.invoke(FunctionName=function)

sqs = boto3.client("sqs", endpoint_url=moto, **options)
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"name": "looped"}), MessageSystemAttributes=trace)
sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"name": "free"}))

os.environ["_X_AMZN_TRACE_ID"] = header
client.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
assert "FunctionError" not in client.invoke(FunctionName=function)
client.put_function_recursion_config(FunctionName=function, RecursiveLoop="Terminate")
