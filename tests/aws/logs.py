"""CloudWatch Logs by boto3, unmodified: python logs.py ENDPOINT FUNCTION

The function prints a line for each number of an event {"what": "numbers", "count": N}, and has printed such lines. Every
answer is walked against botocore's model.
"""

import sys
import threading
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import logs_model as model

endpoint, function = sys.argv[1:3]
# AWS has live tails on a host of their own, and an address of numbers has no such names.
client = boto3.client("logs", endpoint_url=endpoint, config=Config(inject_host_prefix=False))
seen = model.check(client)
group = f"/aws/lambda/{function}"


def refused(name, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
    else:
        raise AssertionError(f"{arguments} is not refused")


def messages(pages):
    return [event["message"] for page in pages for event in page["events"]]


def what_a_function_printed():
    described = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [found["logGroupName"] for found in described] == [group], described
    arn = described[0]["logGroupArn"]
    assert described[0]["arn"] == f"{arn}:*" and described[0]["storedBytes"] > 0, described
    assert arn.endswith(f":log-group:{group}"), arn
    streams = client.describe_log_streams(logGroupIdentifier=arn, orderBy="LastEventTime", descending=True)
    stream = streams["logStreams"][0]
    assert "[$LATEST]" in stream["logStreamName"], stream
    assert stream["creationTime"] == stream["firstEventTimestamp"] <= stream["lastEventTimestamp"], stream

    paginator = client.get_paginator("filter_log_events")
    every = messages(paginator.paginate(logGroupName=group))
    by_pages = messages(paginator.paginate(logGroupName=group, PaginationConfig={"PageSize": 3}))
    assert every == by_pages, (every, by_pages)
    assert every[0].startswith("from the import") or every[0].startswith("START RequestId: "), every
    assert all(message.endswith("\n") for message in every), every
    numbers = [message for message in every if message.startswith("line ")]
    assert numbers and numbers[0] == "line 0\n", numbers
    ids = [event["eventId"] for page in paginator.paginate(logGroupName=group) for event in page["events"]]
    assert len(set(ids)) == len(every) and ids == sorted(ids), ids

    def filtered(pattern, **arguments):
        return messages(paginator.paginate(logGroupName=group, filterPattern=pattern, **arguments))

    assert filtered('"line 1"') == [message for message in every if "line 1" in message]
    assert filtered("?START ?END") == [message for message in every if "START" in message or "END" in message]
    assert filtered("line -0") == [message for message in numbers if "0" not in message]
    assert filtered("%^line [0-2]$%") == numbers[:3]
    assert filtered("[word = line, number > 3]") == numbers[4:]
    assert filtered("{ $.level = * }") == []
    name = stream["logStreamName"]
    assert filtered("START", logStreamNames=[name]) and filtered("START", logStreamNamePrefix=name[:10])
    assert filtered("", startTime=stream["lastEventTimestamp"] + 1) == []

    # Backwards to the start, where the token stays.
    page, found = client.get_log_events(logGroupName=group, logStreamName=name, limit=4), []
    while page["events"]:
        found = page["events"] + found
        token = page["nextBackwardToken"]
        page = client.get_log_events(logGroupName=group, logStreamName=name, limit=4, nextToken=token)
    assert page["nextBackwardToken"] == token, page
    forwards = client.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    assert forwards["events"] == found, (forwards, found)
    end = client.get_log_events(logGroupName=group, logStreamName=name, nextToken=forwards["nextForwardToken"])
    assert (end["events"], end["nextForwardToken"]) == ([], forwards["nextForwardToken"]), end


def groups_and_streams_of_ones_own():
    own = f"own-{uuid.uuid4()}"
    client.create_log_group(logGroupName=own, tags={"a": "1"})
    refused("ResourceAlreadyExistsException", client.create_log_group, logGroupName=own)
    arn = client.describe_log_groups(logGroupNamePattern=own)["logGroups"][0]["logGroupArn"]
    client.tag_resource(resourceArn=arn, tags={"b": "2"})
    client.tag_log_group(logGroupName=own, tags={"c": "3"})
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    client.untag_log_group(logGroupName=own, tags=["c"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert client.list_tags_log_group(logGroupName=own)["tags"] == {"b": "2"}
    client.put_retention_policy(logGroupName=own, retentionInDays=7)
    assert client.describe_log_groups(logGroupNamePrefix=own)["logGroups"][0]["retentionInDays"] == 7
    refused("InvalidParameterException", client.put_retention_policy, logGroupName=own, retentionInDays=8)
    client.delete_retention_policy(logGroupName=own)
    assert "retentionInDays" not in client.describe_log_groups(logGroupNamePrefix=own)["logGroups"][0]

    for stream in ("one", "two", "three"):
        client.create_log_stream(logGroupName=own, logStreamName=stream)
    refused("ResourceAlreadyExistsException", client.create_log_stream, logGroupName=own, logStreamName="one")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": f"event {number}"} for number in range(10)]
    assert "rejectedLogEventsInfo" not in client.put_log_events(
        logGroupName=own, logStreamName="one", logEvents=events
    )
    late = client.put_log_events(
        logGroupName=own, logStreamName="two", logEvents=[{"timestamp": now - 15 * 86_400_000, "message": "late"}]
    )
    assert late["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}, late
    refused(
        "ResourceNotFoundException", client.put_log_events, logGroupName=own, logStreamName="four", logEvents=events
    )
    assert client.get_log_events(logGroupName=own, logStreamName="one")["events"][9]["message"] == "event 9"
    paginator = client.get_paginator("describe_log_streams")
    pages = paginator.paginate(logGroupName=own, PaginationConfig={"PageSize": 2})
    names = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    assert names == ["one", "three", "two"], names
    client.delete_log_stream(logGroupName=own, logStreamName="one")
    refused("ResourceNotFoundException", client.get_log_events, logGroupName=own, logStreamName="one")
    client.delete_log_group(logGroupName=own)
    for call in (client.delete_log_group, client.describe_log_streams, client.filter_log_events):
        refused("ResourceNotFoundException", call, logGroupName=own)


def live():
    own = f"live-{uuid.uuid4()}"
    client.create_log_group(logGroupName=own)
    client.create_log_stream(logGroupName=own, logStreamName="s")
    arn = client.describe_log_groups(logGroupNamePrefix=own)["logGroups"][0]["logGroupArn"]
    refused("ResourceNotFoundException", client.start_live_tail, logGroupIdentifiers=[f"{arn}-not"])
    answer = client.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="wanted")
    stream = client.meta.service_model.operation_model("StartLiveTail").output_shape.members["responseStream"]

    def write():
        for number in range(3):
            event = {"timestamp": int(time.time() * 1000), "message": f"wanted {number}"}
            other = {"timestamp": event["timestamp"], "message": "other"}
            client.put_log_events(logGroupName=own, logStreamName="s", logEvents=[event, other])

    writer, found = threading.Thread(target=write), []
    for event in answer["responseStream"]:
        model.walk(event, stream, "StartLiveTail")
        if "sessionStart" in event:
            assert event["sessionStart"]["logGroupIdentifiers"] == [arn], event
            writer.start()
            continue
        found += [result["message"] for result in event["sessionUpdate"]["sessionResults"]]
        if len(found) >= 3:
            break
    assert found == ["wanted 0", "wanted 1", "wanted 2"], found
    answer["responseStream"].close()
    writer.join()
    client.delete_log_group(logGroupName=own)


what_a_function_printed()
groups_and_streams_of_ones_own()
live()
print(len(seen), "operations")
