"""Two accounts whose queues have the same name: each function gets what is in its own account's queue.

    two_queues.py session MOTO ACCOUNT                a session of an account at moto, as JSON
    two_queues.py feed MOTO THAWD KEY SECRET SESSION  feeds both
"""

import io
import json
import sys
import time
import zipfile

import boto3

QUEUE = "same"
ACCOUNTS = ("123456789012", "111122223333")


def client(service, endpoint, key, secret, token=None):
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token)


def session(moto, account):
    role = f"arn:aws:iam::{account}:role/thawd"
    sts = client("sts", moto, "test", "test")
    print(json.dumps(sts.assume_role(RoleArn=role, RoleSessionName="thawd")["Credentials"], default=str))


def package():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n"
                                   "    for record in event['Records']:\n"
                                   "        print('got', record['eventSourceARN'].split(':')[4], record['body'])\n")
    return buffer.getvalue()


def got(logs):
    """What a function has printed of what it got."""
    groups = logs.describe_log_groups()["logGroups"]
    events = [event for group in groups
              for event in logs.filter_log_events(logGroupName=group["logGroupName"], filterPattern="got")["events"]]
    return [event["message"].strip() for event in events]


def feed(moto, thawd, keys, queues):
    functions = []
    for account, key, queue in zip(ACCOUNTS, keys, queues):
        sqs = client("sqs", moto, *queue)
        url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        assert account in url, url
        sqs.send_message(QueueUrl=url, MessageBody=f"for-{account}")
        api = client("lambda", thawd, *key)
        api.create_function(FunctionName="fed", Runtime="python3.13", Handler="app.handler", Timeout=20,
                            Role=f"arn:aws:iam::{account}:role/r", Code={"ZipFile": package()})
        api.get_waiter("function_active_v2").wait(FunctionName="fed", WaiterConfig={"Delay": 0.05})
        api.create_event_source_mapping(FunctionName="fed", EventSourceArn=f"arn:aws:sqs:us-east-1:{account}:{QUEUE}")
        functions.append((account, sqs, url, client("logs", thawd, *key)))
    for account, sqs, url, logs in functions:
        deadline = time.monotonic() + 60
        while not got(logs):
            assert time.monotonic() < deadline, f"nothing came to the function of {account}"
            time.sleep(0.1)
        assert got(logs) == [f"got {account} for-{account}"], got(logs)


if sys.argv[1] == "session":
    session(*sys.argv[2:])
else:
    _, _, moto, thawd, keys, token = sys.argv
    token = json.loads(token)
    feed(moto, thawd, json.loads(keys),
         [("test", "test"), (token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"])])
