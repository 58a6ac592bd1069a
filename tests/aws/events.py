"""EventBridge's rules by boto3, unmodified: python events.py ENDPOINT FUNCTION THAW SOCKET

The function answers and prints its event. Rules are run by `thaw schedule run`, so that nothing waits for a minute to begin.
Every answer is walked against botocore's model.
"""

import json
import subprocess
import sys

import boto3
from botocore.exceptions import ClientError

import logs_model as model

endpoint, function, thaw, socket = sys.argv[1:5]
client = boto3.client("events", endpoint_url=endpoint)
functions = boto3.client("lambda", endpoint_url=endpoint)
seen = model.check(client)
rule = f"{function}-rule"
arn = functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"]


def refused(name, part, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error
        assert part in error.response["Error"]["Message"], error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
    else:
        raise AssertionError(f"{arguments} is not refused")


def run():
    command = [thaw, "--socket", socket, "--output", "json", "schedule", "run", f"rule/{rule}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def making_and_reading():
    refused("ValidationException", "ScheduleExpression is not valid", client.put_rule, Name=rule, ScheduleExpression="rate(1 minutes)")
    refused("ValidationException", "ScheduleExpression is not valid", client.put_rule, Name=rule, ScheduleExpression="at(2099-01-01T00:00:00)")
    refused("ValidationException", "must be specified", client.put_rule, Name=rule)
    refused("ValidationException", "EventPattern", client.put_rule, Name=rule, EventPattern='{"source": ["a"]}')
    refused("ValidationException", "failed to satisfy constraint", client.put_rule, Name="a b", ScheduleExpression="rate(1 day)")
    refused("ResourceNotFoundException", "Event bus other", client.put_rule, Name=rule, ScheduleExpression="rate(1 day)", EventBusName="other")
    refused("ResourceNotFoundException", f"Rule {rule} does not exist on EventBus default.", client.describe_rule, Name=rule)
    made = client.put_rule(
        Name=rule, ScheduleExpression="cron(0 12 ? * MON-FRI *)", Description="noon", Tags=[{"Key": "a", "Value": "b"}]
    )
    assert made["RuleArn"].endswith(f":rule/{rule}"), made
    found = client.describe_rule(Name=rule, EventBusName="default")
    assert (found["State"], found["Description"], found["Arn"]) == ("ENABLED", "noon", made["RuleArn"]), found
    client.put_rule(Name=f"{rule}-2", ScheduleExpression="rate(7 days)", State="DISABLED")
    pages = client.get_paginator("list_rules").paginate(NamePrefix=rule, PaginationConfig={"PageSize": 1})
    listed = [(found["Name"], found["State"]) for page in pages for found in page["Rules"]]
    assert listed == [(rule, "ENABLED"), (f"{rule}-2", "DISABLED")], listed
    client.disable_rule(Name=rule)
    assert client.describe_rule(Name=rule)["State"] == "DISABLED"
    client.enable_rule(Name=rule)
    assert client.describe_rule(Name=rule)["State"] == "ENABLED"
    client.delete_rule(Name=f"{rule}-2")
    client.delete_rule(Name=f"{rule}-2")
    return made["RuleArn"]


def tags(rule_arn):
    client.tag_resource(ResourceARN=rule_arn, Tags=[{"Key": "c", "Value": "d"}])
    assert client.list_tags_for_resource(ResourceARN=rule_arn)["Tags"] == [
        {"Key": "a", "Value": "b"},
        {"Key": "c", "Value": "d"},
    ]
    client.untag_resource(ResourceARN=rule_arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceARN=rule_arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    refused("ResourceNotFoundException", "", client.list_tags_for_resource, ResourceARN=f"{rule_arn}-none")


def targets():
    put = lambda *targets: client.put_targets(Rule=rule, Targets=list(targets))
    for part, target in [
        ("not in correct format", {"Arn": "arn:aws:sqs:us-east-1:000000000000:queue"}),
        ("another region or account", {"Arn": arn.replace("us-east-1", "eu-west-1")}),
        ("JSON syntax error", {"Arn": arn, "Input": "{"}),
        ("Only one of", {"Arn": arn, "Input": "{}", "InputPath": "$"}),
        ("invalid placeholder <x>", {"Arn": arn, "InputTransformer": {"InputTemplate": '"<x>"'}}),
        ("DeadLetterConfig is not served", {"Arn": arn, "DeadLetterConfig": {"Arn": arn}}),
    ]:
        refused("ValidationException", part, client.put_targets, Rule=rule, Targets=[{"Id": "1", **target}])
    refused("ResourceNotFoundException", "none", client.put_targets, Rule="none", Targets=[{"Id": "1", "Arn": arn}])
    transformer = {
        "InputPathsMap": {"kind": "$.detail-type", "rule": "$.resources[0]"},
        "InputTemplate": '{"kind": <kind>, "text": "by <rule>"}',
    }
    given = [
        {"Id": "event", "Arn": arn},
        {"Id": "part", "Arn": arn, "InputPath": "$.resources"},
        {"Id": "template", "Arn": arn, "InputTransformer": transformer},
        {"Id": "text", "Arn": arn, "Input": '{"a": 1}'},
    ]
    assert put(*given)["FailedEntryCount"] == 0
    assert client.list_targets_by_rule(Rule=rule)["Targets"] == given
    six = [{"Id": f"more{number}", "Arn": arn} for number in range(2)]
    refused("LimitExceededException", "maximum number", client.put_targets, Rule=rule, Targets=six)
    assert client.list_rule_names_by_target(TargetArn=arn)["RuleNames"] == [rule]
    refused("ValidationException", "since it has targets", client.delete_rule, Name=rule)


def policies(rule_arn):
    told = run()
    assert told["Outcome"] == "refused" and "does not let events.amazonaws.com in" in told["Detail"], told
    permission = {"FunctionName": function, "Principal": "events.amazonaws.com", "Action": "lambda:InvokeFunction"}
    functions.add_permission(StatementId="other", SourceArn=f"{rule_arn}-other", **permission)
    assert run()["Outcome"] == "refused"
    functions.add_permission(StatementId="this", SourceArn=rule_arn, **permission)
    told = run()
    assert told["Outcome"] == "accepted" and len(told["Detail"].split()) == 4, told


def deleting():
    client.remove_targets(Rule=rule, Ids=["event", "part", "template", "text"])
    assert client.list_targets_by_rule(Rule=rule)["Targets"] == []
    client.delete_rule(Name=rule)
    refused("ResourceNotFoundException", rule, client.enable_rule, Name=rule)


rule_arn = making_and_reading()
tags(rule_arn)
targets()
policies(rule_arn)
deleting()
print(f"{len(seen)} operations")
