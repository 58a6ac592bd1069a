"""Sets how a function takes asynchronous events: ENDPOINT FUNCTION JSON, the JSON being boto3's arguments."""

import json
import sys

import boto3

endpoint, function, arguments = sys.argv[1:]
client = boto3.client(
    "lambda",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
answer = client.put_function_event_invoke_config(FunctionName=function, **json.loads(arguments))
assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200, answer
