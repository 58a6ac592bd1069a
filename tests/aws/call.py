"""Calls an operation of Lambda: ENDPOINT OPERATION JSON, the JSON being boto3's arguments."""

import json
import sys

import boto3

endpoint, operation, arguments = sys.argv[1:]
client = boto3.client(
    "lambda",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
arguments = json.loads(arguments)
answer = getattr(client, operation)(**arguments)
assert answer["ResponseMetadata"]["HTTPStatusCode"] in (200, 202), answer
if operation == "update_function_configuration":
    client.get_waiter("function_updated_v2").wait(
        FunctionName=arguments["FunctionName"], WaiterConfig={"Delay": 1}
    )
