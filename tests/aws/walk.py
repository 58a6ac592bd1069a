"""Walks every operation that thawd serves with boto3, and holds each answer against botocore's model.

    walk.py ENDPOINT SERVED...

SERVED are the operations that thawd says it serves: each must have answered at least once.
"""

import base64
import io
import json
import sys
import time
import urllib.request
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from model import Watch

ENDPOINT, SERVED = sys.argv[1], sys.argv[2:]
ACCOUNT, REGION, ROLE = "000000000000", "us-east-1", "arn:aws:iam::000000000000:role/test"

HANDLER = """
import json
def handler(event, context):
    print("log of", json.dumps(event))
    if event.get("fail"):
        raise ValueError("as asked")
    client = context.client_context
    return {"event": event, "version": context.function_version, "arn": context.invoked_function_arn,
            "custom": client.custom if client else None}
"""


def client(validates):
    return boto3.client(
        "lambda", endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, parameter_validation=validates))


def package(source=HANDLER, name="app.py"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, source)
    return buffer.getvalue()


def refused(call, code, status, text=None, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response
        assert got["Error"]["Code"] == code, got
        assert got["ResponseMetadata"]["HTTPStatusCode"] == status, got
        if text is not None:
            assert got["Error"]["Message"] == text, f"\n{got['Error']['Message']}\n{text}"
        return got
    raise AssertionError(f"{code} was expected")


class Walk:
    def __init__(self):
        self.api = client(validates=True)
        # Constraints are for the server to find out, so the client must not.
        self.raw = client(validates=False)
        self.watch = Watch(self.api)
        self.package = package()
        self.name = f"walk-{uuid.uuid4().hex[:8]}"
        self.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def all(self):
        for step in (self.creating, self.reading, self.invoking, self.changing, self.versions, self.aliases,
                     self.permissions, self.urls, self.tags, self.concurrency, self.provisioned, self.events, self.mappings, self.kept,
                     self.signing, self.layers,
                     self.names, self.refusals, self.deleting):
            step()
            print("ok", step.__name__)
        missing = set(SERVED) - set(self.watch.seen)
        assert not missing, f"served, and not walked: {sorted(missing)}"

    def creating(self):
        made = self.api.create_function(
            FunctionName=self.name, Runtime="python3.13", Role=ROLE, Handler="app.handler",
            Code={"ZipFile": self.package}, Environment={"Variables": {"AB": "c"}},
            Timeout=10, Tags={"team": "core"})
        assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating", made
        assert "LastUpdateStatus" not in made
        assert made["FunctionArn"] == self.arn and made["Version"] == "$LATEST"
        assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"}
        assert made["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
        self.api.get_waiter("function_active_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 0.05})
        refused(self.api.create_function, "ResourceConflictException", 409, f"Function already exist: {self.name}",
                FunctionName=self.name, Runtime="python3.13", Role=ROLE, Handler="app.handler",
                Code={"ZipFile": package()})

    def reading(self):
        got = self.api.get_function(FunctionName=self.name)
        assert got["Tags"] == {"team": "core"} and got["Code"]["RepositoryType"] == "S3"
        assert got["Configuration"]["State"] == "Active"
        with urllib.request.urlopen(got["Code"]["Location"]) as response:
            assert response.read() == self.package
        try:
            urllib.request.urlopen(got["Code"]["Location"].replace(self.name, "other"))
            raise AssertionError("a changed URL was served")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code
        config = self.api.get_function_configuration(FunctionName=self.name, Qualifier="$LATEST")
        assert config["FunctionArn"] == f"{self.arn}:$LATEST"
        assert config["LastModified"].endswith("+0000") and config["LastModified"][10] == "T"
        listed = self.api.list_functions(MaxItems=1)["Functions"]
        assert len(listed) == 1 and "State" not in listed[0] and "LastUpdateStatus" not in listed[0]
        found = [function["FunctionArn"] for page in self.api.get_paginator("list_functions").paginate(
            PaginationConfig={"PageSize": 1}) for function in page["Functions"]]
        assert self.arn in found
        found = [function["FunctionArn"] for page in self.api.get_paginator("list_functions").paginate(
            FunctionVersion="ALL", PaginationConfig={"PageSize": 1}) for function in page["Functions"]]
        assert f"{self.arn}:$LATEST" in found

    def invoking(self):
        answer = self.api.invoke(FunctionName=self.name, Payload=b'{"n": 1}', LogType="Tail", ClientContext=base64.b64encode(
            b'{"custom": {"k": "v"}}').decode())
        body = json.loads(answer["Payload"].read())
        assert body["event"] == {"n": 1} and body["custom"] == {"k": "v"} and body["arn"] == self.arn, body
        assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in answer
        log = base64.b64decode(answer["LogResult"]).decode()
        assert 'log of {"n": 1}' in log and answer["ResponseMetadata"]["RequestId"] in log, log
        failed = self.api.invoke(FunctionName=self.name, Payload=b'{"fail": true}')
        assert failed["StatusCode"] == 200 and failed["FunctionError"] == "Unhandled"
        assert json.loads(failed["Payload"].read())["errorType"] == "ValueError"
        assert self.api.invoke(FunctionName=self.name, InvocationType="DryRun")["StatusCode"] == 204
        event = self.api.invoke(FunctionName=self.name, InvocationType="Event", Payload=b"{}")
        assert event["StatusCode"] == 202 and event["Payload"].read() == b"" and "ExecutedVersion" not in event
        assert self.api.invoke_async(FunctionName=self.name, InvokeArgs=b"{}")["Status"] == 202
        stream = self.api.invoke_with_response_stream(FunctionName=self.name, Payload=b'{"n": 2}', LogType="Tail")
        events = list(stream["EventStream"])
        whole = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
        assert json.loads(whole)["event"] == {"n": 2}, events
        assert events[-1]["InvokeComplete"]["LogResult"], events
        large = json.dumps({"x": "y" * 700_000}).encode()
        answer = self.api.invoke(FunctionName=self.name, Payload=large)
        assert len(answer["Payload"].read()) > 700_000
        refused(self.api.invoke, "RequestEntityTooLargeException", 413,
                "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
                FunctionName=self.name, Payload=b'"' + b"x" * 6_291_456 + b'"')
        refused(self.api.invoke, "RequestEntityTooLargeException", 413, FunctionName=self.name,
                InvocationType="Event", Payload=b'"' + b"x" * 1_048_576 + b'"')
        refused(self.api.invoke, "InvalidRequestContentException", 400, FunctionName=self.name, Payload=b"{no")
        missing = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:missing"
        got = refused(self.api.invoke, "ResourceNotFoundException", 404, f"Function not found: {missing}:$LATEST",
                      FunctionName="missing")
        assert got["Type"] == "User" and got["Message"]

    def changing(self):
        before = self.api.get_function_configuration(FunctionName=self.name)["RevisionId"]
        changed = self.api.update_function_configuration(
            FunctionName=self.name, Description="new", MemorySize=256, Timeout=20, EphemeralStorage={"Size": 600},
            Environment={"Variables": {"XY": "z"}}, TracingConfig={"Mode": "Active"},
            LoggingConfig={"LogFormat": "JSON"}, RevisionId=before)
        assert changed["LastUpdateStatus"] == "InProgress" and changed["MemorySize"] == 256, changed
        assert changed["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
        self.api.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 0.05})
        refused(self.api.update_function_configuration, "PreconditionFailedException", 412, FunctionName=self.name,
                Description="x", RevisionId=before)
        self.api.update_function_configuration(FunctionName=self.name, LoggingConfig={"LogFormat": "Text"})
        self.settle()
        code = self.api.update_function_code(FunctionName=self.name, ZipFile=package(HANDLER + "\n# 2"), DryRun=True)
        assert code["CodeSha256"] != self.api.get_function_configuration(FunctionName=self.name)["CodeSha256"]
        code = self.api.update_function_code(FunctionName=self.name, ZipFile=package(HANDLER + "\n# 3"))
        assert code["LastUpdateStatus"] == "InProgress"
        self.settle()
        refused(self.api.update_function_code, "InvalidParameterValueException", 400,
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
                FunctionName=self.name, ZipFile=b"no zip")

    def settle(self):
        self.api.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 0.05})

    def versions(self):
        first = self.api.publish_version(FunctionName=self.name, Description="first")
        assert first["Version"] == "1" and first["FunctionArn"] == f"{self.arn}:1" and first["Description"] == "first"
        self.api.get_waiter("published_version_active").wait(
            FunctionName=self.name, Qualifier="1", WaiterConfig={"Delay": 0.05})
        assert self.api.publish_version(FunctionName=self.name)["Version"] == "1", "nothing had changed"
        self.api.update_function_configuration(FunctionName=self.name, Description="second")
        self.settle()
        assert self.api.publish_version(FunctionName=self.name)["Version"] == "2"
        versions = self.api.list_versions_by_function(FunctionName=self.name)["Versions"]
        assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
        assert versions[0]["FunctionArn"] == f"{self.arn}:$LATEST" and "State" not in versions[0]
        answer = self.api.invoke(FunctionName=self.name, Qualifier="1", Payload=b"{}")
        assert answer["ExecutedVersion"] == "1" and json.loads(answer["Payload"].read())["version"] == "1"
        refused(self.api.publish_version, "InvalidParameterValueException", 400, FunctionName=self.name,
                CodeSha256="nothing")
        refused(self.api.get_function, "ResourceNotFoundException", 404, f"Function not found: {self.arn}:1221",
                FunctionName=self.name, Qualifier="1221")

    def aliases(self):
        made = self.api.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1", Description="d",
                                     RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
        assert made["AliasArn"] == f"{self.arn}:live" and made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
        assert self.api.get_alias(FunctionName=self.name, Name="live")["RevisionId"] == made["RevisionId"]
        assert len(self.api.list_aliases(FunctionName=self.name, FunctionVersion="2")["Aliases"]) == 1
        changed = self.api.update_alias(FunctionName=self.name, Name="live", FunctionVersion="2",
                                        RoutingConfig={"AdditionalVersionWeights": {}})
        assert "RoutingConfig" not in changed and changed["FunctionVersion"] == "2"
        answer = self.api.invoke(FunctionName=f"{self.arn}:live", Payload=b"{}")
        assert answer["ExecutedVersion"] == "2" and json.loads(answer["Payload"].read())["arn"] == f"{self.arn}:live"
        refused(self.api.get_alias, "ResourceNotFoundException", 404, f"Cannot find alias arn: {self.arn}:nope",
                FunctionName=self.name, Name="nope")
        refused(self.api.create_alias, "ResourceConflictException", 409, f"Alias already exists: {self.arn}:live",
                FunctionName=self.name, Name="live", FunctionVersion="1")
        self.api.create_alias(FunctionName=self.name, Name="old", FunctionVersion="1")
        self.api.delete_alias(FunctionName=self.name, Name="old")

    def permissions(self):
        refused(self.api.get_policy, "ResourceNotFoundException", 404, "The resource you requested does not exist.",
                FunctionName=self.name)
        added = self.api.add_permission(FunctionName=self.name, StatementId="s3", Action="lambda:InvokeFunction",
                                        Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::bucket")
        statement = json.loads(added["Statement"])
        assert statement["Principal"] == {"Service": "s3.amazonaws.com"} and statement["Resource"] == self.arn
        policy = self.api.get_policy(FunctionName=self.name)
        assert json.loads(policy["Policy"])["Statement"] == [statement]
        self.api.remove_permission(FunctionName=self.name, StatementId="s3", RevisionId=policy["RevisionId"])
        refused(self.api.add_permission, "InvalidParameterValueException", 400, "FunctionUrlAuthType is only supported for "
                "lambda:InvokeFunctionUrl action", FunctionName=self.name, StatementId="url", Action="lambda:InvokeFunction",
                Principal="*", FunctionUrlAuthType="NONE")

    def urls(self):
        gone, missing = "The resource you requested does not exist.", "Function does not exist"
        create, get = self.api.create_function_url_config, self.api.get_function_url_config
        update, delete = self.api.update_function_url_config, self.api.delete_function_url_config
        listed = self.api.list_function_url_configs
        assert listed(FunctionName=self.name)["FunctionUrlConfigs"] == []
        made = create(FunctionName=self.name, AuthType="NONE")
        assert set(made) == {"FunctionUrl", "FunctionArn", "AuthType", "CreationTime", "ResponseMetadata"}, made
        assert made["FunctionArn"] == self.arn and made["CreationTime"].endswith("Z"), made
        told = refused(create, "ResourceConflictException", 409, FunctionName=self.name, AuthType="NONE", text="Failed to "
                       f"create function url config for [functionArn = {self.arn}]. Error message:  FunctionUrlConfig exists "
                       "for this Lambda function")
        assert told["Type"] == "User", told
        got = get(FunctionName=self.name)
        assert (got["InvokeMode"], got["LastModifiedTime"]) == ("BUFFERED", made["CreationTime"]), got
        changed = update(FunctionName=self.name, AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"], "MaxAge": 1})
        assert "InvokeMode" not in changed and changed["Cors"] == {"AllowOrigins": ["*"], "MaxAge": 1}, changed
        assert (changed["AuthType"], changed["FunctionUrl"]) == ("AWS_IAM", made["FunctionUrl"]), changed
        assert update(FunctionName=self.name, InvokeMode="RESPONSE_STREAM")["Cors"] == changed["Cors"]
        alias = create(FunctionName=f"{self.name}:live", Qualifier="live", AuthType="NONE", InvokeMode="BUFFERED")
        assert (alias["FunctionArn"], alias["InvokeMode"]) == (f"{self.arn}:live", "BUFFERED"), alias
        page = listed(FunctionName=self.name, MaxItems=1)
        second = listed(FunctionName=self.name, MaxItems=1, Marker=page["NextMarker"])
        arns = [config["FunctionArn"] for config in page["FunctionUrlConfigs"] + second["FunctionUrlConfigs"]]
        assert arns == [self.arn, f"{self.arn}:live"] and "NextMarker" not in second, (page, second)
        assert delete(FunctionName=self.name)["ResponseMetadata"]["HTTPStatusCode"] == 204
        refused(get, "ResourceNotFoundException", 404, gone, FunctionName=self.name)
        assert get(FunctionName=self.name, Qualifier="live")["FunctionUrl"] == alias["FunctionUrl"]
        delete(FunctionName=self.name, Qualifier="live")

        auth = {"AuthType": "NONE"}
        for call, none, with_auth in ((create, missing, auth), (update, missing, auth), (get, gone, {}), (delete, gone, {})):
            refused(call, "ResourceNotFoundException", 404, none, FunctionName="missing", **with_auth)
            refused(call, "ResourceNotFoundException", 404, none, FunctionName=self.name, Qualifier="nope", **with_auth)
            for qualifier in ("1", "$LATEST"):
                raw = getattr(self.raw, call.__name__)
                refused(raw, "ValidationException", 400, FunctionName=self.name, Qualifier=qualifier, **with_auth,
                        text=f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint: "
                        r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)")
            refused(call, "InvalidParameterValueException", 400, FunctionName=f"{self.name}:other", Qualifier="live",
                    text="The derived qualifier from the function name does not match the specified qualifier.", **with_auth)
        for call in (get, update, delete):
            refused(call, "ResourceNotFoundException", 404, gone, FunctionName=self.name)
        refused(listed, "ResourceNotFoundException", 404, missing, FunctionName="missing")
        refused(self.raw.create_function_url_config, "ValidationException", 400, FunctionName=self.name, AuthType="NONE",
                InvokeMode="UNKNOWN", text="1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy "
                "constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]")
        refused(self.raw.create_function_url_config, "ValidationException", 400, FunctionName=self.name)
        got = refused(create, "ValidationException", 400, FunctionName=self.name, AuthType="NONE",
                      Cors={"AllowMethods": ["OPTIONS"], "AllowOrigins": ["a\nb"]})
        assert got["Error"]["Message"].startswith("2 validation errors detected: Value '[OPTIONS]' at 'cors.allowMethods'"), got

    def tags(self):
        self.api.tag_resource(Resource=self.arn, Tags={"a": "1", "b": "ü +"})
        assert self.api.list_tags(Resource=self.arn)["Tags"] == {"team": "core", "a": "1", "b": "ü +"}
        self.api.untag_resource(Resource=self.arn, TagKeys=["a", "team"])
        assert self.api.list_tags(Resource=self.arn)["Tags"] == {"b": "ü +"}
        refused(self.api.list_tags, "ResourceNotFoundException", 404, Resource=self.arn + "x")
        provider = f"arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:none"
        refused(self.api.list_tags, "ResourceNotFoundException", 404, f"Capacity provider not found: {provider}",
                Resource=provider)

    def concurrency(self):
        assert "ReservedConcurrentExecutions" not in self.api.get_function_concurrency(FunctionName=self.name)
        self.api.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)
        assert self.api.get_function(FunctionName=self.name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
        got = refused(self.api.invoke, "TooManyRequestsException", 429, "Rate Exceeded.", FunctionName=self.name)
        assert got["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded" and got["Type"] == "User", got
        assert "retryAfterSeconds" not in got and "retry-after" not in got["ResponseMetadata"]["HTTPHeaders"], got
        self.api.delete_function_concurrency(FunctionName=self.name)

    def provisioned(self):
        version = self.api.publish_version(FunctionName=self.name)["Version"]
        self.api.create_alias(FunctionName=self.name, Name="warm", FunctionVersion=version)
        got = refused(self.api.put_provisioned_concurrency_config, "InvalidParameterValueException", 400,
                      "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
                      FunctionName=self.name, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
        assert got["Type"] == "User", got
        refused(self.api.get_provisioned_concurrency_config, "ProvisionedConcurrencyConfigNotFoundException", 404,
                "No Provisioned Concurrency Config found for this function",
                FunctionName=self.name, Qualifier=version)
        put = self.api.put_provisioned_concurrency_config(
            FunctionName=self.name, Qualifier="warm", ProvisionedConcurrentExecutions=1)
        assert put["Status"] == "IN_PROGRESS" and put["RequestedProvisionedConcurrentExecutions"] == 1, put
        assert put["AllocatedProvisionedConcurrentExecutions"] == put["AvailableProvisionedConcurrentExecutions"] == 0
        assert put["ResponseMetadata"]["HTTPStatusCode"] == 202 and put["LastModified"].endswith("+0000"), put
        refused(self.api.put_provisioned_concurrency_config, "ResourceConflictException", 409,
                "Version is pointed by a Provisioned Concurrency alias",
                FunctionName=self.name, Qualifier=version, ProvisionedConcurrentExecutions=1)
        for _ in range(600):
            got = self.api.get_provisioned_concurrency_config(FunctionName=self.name, Qualifier="warm")
            if got["Status"] != "IN_PROGRESS":
                break
            time.sleep(0.1)
        assert got["Status"] == "READY" and got["AvailableProvisionedConcurrentExecutions"] == 1, got
        listed = self.api.list_provisioned_concurrency_configs(FunctionName=self.name)["ProvisionedConcurrencyConfigs"]
        assert [config["FunctionArn"] for config in listed] == [f"{self.arn}:warm"], listed
        for _ in range(2):
            self.api.delete_provisioned_concurrency_config(FunctionName=self.name, Qualifier="warm")
        assert not self.api.list_provisioned_concurrency_configs(FunctionName=self.name)["ProvisionedConcurrencyConfigs"]
        self.api.delete_alias(FunctionName=self.name, Name="warm")

    def events(self):
        put = self.api.put_function_event_invoke_config(FunctionName=self.name, MaximumRetryAttempts=1)
        assert put["FunctionArn"] == f"{self.arn}:$LATEST" and put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
        changed = self.api.update_function_event_invoke_config(FunctionName=self.name, MaximumEventAgeInSeconds=60)
        assert changed["MaximumRetryAttempts"] == 1 and changed["MaximumEventAgeInSeconds"] == 60
        assert self.api.get_function_event_invoke_config(FunctionName=self.name)["LastModified"].year >= 2024
        assert len(self.api.list_function_event_invoke_configs(FunctionName=self.name)["FunctionEventInvokeConfigs"]) == 1
        got = refused(self.raw.put_function_event_invoke_config, "ValidationException", 400, FunctionName=self.name,
                      MaximumRetryAttempts=-1, MaximumEventAgeInSeconds=1)
        assert got["Error"]["Message"].startswith("2 validation errors detected: Value '-1' at 'maximumRetryAttempts'"), got
        self.api.delete_function_event_invoke_config(FunctionName=self.name)

    def mappings(self):
        queue, missing = f"arn:aws:sqs:{REGION}:{ACCOUNT}:walk", str(uuid.uuid4())
        pattern = json.dumps({"body": {"kind": ["order"]}})
        made = self.api.create_event_source_mapping(
            EventSourceArn=queue, FunctionName=self.name, Tags={"team": "core"},
            FilterCriteria={"Filters": [{"Pattern": pattern}]}, ScalingConfig={"MaximumConcurrency": 2})
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 202, made
        wanted = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "EventSourceArn": queue, "FunctionArn": self.arn,
                  "FunctionResponseTypes": [], "State": "Creating", "StateTransitionReason": "USER_INITIATED",
                  "FilterCriteria": {"Filters": [{"Pattern": pattern}]}, "ScalingConfig": {"MaximumConcurrency": 2},
                  "UUID": made["UUID"], "EventSourceMappingArn":
                  f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{made['UUID']}"}
        assert {key: value for key, value in made.items() if key not in ("LastModified", "ResponseMetadata")} == wanted, made
        assert self.api.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"team": "core"}
        refused(self.api.create_event_source_mapping, "ResourceConflictException", 409, EventSourceArn=queue,
                FunctionName=self.name, text=f'An event source mapping with SQS arn (" {queue} ") and function (" {self.name} ") '
                f"already exists. Please update or delete the existing mapping with UUID {made['UUID']}")
        self.mapping_is(made["UUID"], "Enabled")
        changed = self.api.update_event_source_mapping(
            UUID=made["UUID"], FunctionResponseTypes=["ReportBatchItemFailures"], FilterCriteria={})
        assert changed["ResponseMetadata"]["HTTPStatusCode"] == 202 and changed["State"] == "Updating", changed
        assert changed["FunctionResponseTypes"] == ["ReportBatchItemFailures"] and "FilterCriteria" not in changed, changed
        self.mapping_is(made["UUID"], "Enabled")
        listed = self.api.list_event_source_mappings(EventSourceArn=queue, FunctionName=self.name, MaxItems=1)
        assert [mapping["UUID"] for mapping in listed["EventSourceMappings"]] == [made["UUID"]], listed
        assert self.api.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"

        stream = f"arn:aws:redis:{REGION}:{ACCOUNT}:stream/walk"
        made = self.api.create_event_source_mapping(
            EventSourceArn=stream, FunctionName=self.name, StartingPosition="TRIM_HORIZON", Enabled=False)
        wanted = {"BatchSize": 100, "BisectBatchOnFunctionError": False, "DestinationConfig": {"OnFailure": {}},
                  "LastProcessingResult": "No records processed", "MaximumRecordAgeInSeconds": -1,
                  "MaximumRetryAttempts": -1, "ParallelizationFactor": 1, "StartingPosition": "TRIM_HORIZON", "State": "Disabled",
                  "StateTransitionReason": "User action", "TumblingWindowInSeconds": 0}
        assert {key: made.get(key) for key in wanted} == wanted, made
        self.mapping_is(made["UUID"], "Disabled")
        self.api.delete_event_source_mapping(UUID=made["UUID"])

        gone = "The resource you requested does not exist."
        for call in (self.api.get_event_source_mapping, self.api.delete_event_source_mapping,
                     self.api.update_event_source_mapping):
            refused(call, "ResourceNotFoundException", 404, gone, UUID=missing)
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{missing}"
        for call, more in ((self.api.list_tags, {}), (self.api.tag_resource, {"Tags": {"a": "b"}}),
                           (self.api.untag_resource, {"TagKeys": ["a"]})):
            refused(call, "ResourceNotFoundException", 404, f"Event source mapping not found: {arn}", Resource=arn, **more)
        create = self.api.create_event_source_mapping
        refused(create, "InvalidParameterValueException", 400, "Unrecognized event source.", FunctionName=self.name)
        refused(create, "InvalidParameterValueException", 400, "Function does not exist", FunctionName="missing",
                EventSourceArn=queue)
        refused(create, "InvalidParameterValueException", 400, "Invalid filter pattern definition.", FunctionName=self.name,
                EventSourceArn=queue, FilterCriteria={"Filters": [{"Pattern": "simple string"}]})
        unsupported = "Unsupported DestinationConfig parameter for given event source mapping type."
        refused(create, "InvalidParameterValueException", 400, unsupported, FunctionName=self.name, EventSourceArn=queue,
                DestinationConfig={"OnSuccess": {"Destination": queue}})
        refused(self.raw.create_event_source_mapping, "ValidationException", 400, FunctionName=self.name,
                EventSourceArn=stream, StartingPosition="invalid", text="1 validation error detected: Value 'invalid' at "
                "'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, "
                "TRIM_HORIZON]")
        refused(create, "InvalidParameterValueException", 400, FunctionName=self.name, EventSourceArn=stream,
                text="1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must "
                "not be null.")

    def mapping_is(self, identifier, state):
        deadline = time.monotonic() + 30
        while (found := self.api.get_event_source_mapping(UUID=identifier)["State"]) != state:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def kept(self):
        settings = self.api.get_account_settings()
        assert settings["AccountUsage"]["FunctionCount"] >= 1 and settings["AccountLimit"]["ConcurrentExecutions"] > 0
        signing = self.api.get_function_code_signing_config(FunctionName=self.name)
        assert "CodeSigningConfigArn" not in signing
        assert self.api.get_runtime_management_config(FunctionName=self.name)["UpdateRuntimeOn"] == "Auto"
        self.api.put_runtime_management_config(FunctionName=self.name, UpdateRuntimeOn="FunctionUpdate")
        assert self.api.get_function_recursion_config(FunctionName=self.name)["RecursiveLoop"] == "Terminate"
        self.api.put_function_recursion_config(FunctionName=self.name, RecursiveLoop="Allow")

    def signing(self):
        publishers = {"SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/walk"]}
        made = self.api.create_code_signing_config(AllowedPublishers=publishers, Tags={"team": "core"})["CodeSigningConfig"]
        arn = made["CodeSigningConfigArn"]
        assert arn == f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:{made['CodeSigningConfigId']}", arn
        assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}, made
        assert self.api.list_tags(Resource=arn)["Tags"] == {"team": "core"}
        self.api.put_function_code_signing_config(FunctionName=self.name, CodeSigningConfigArn=arn)
        got = self.api.get_function_code_signing_config(FunctionName=self.name)
        assert (got["FunctionName"], got["CodeSigningConfigArn"]) == (self.name, arn), got
        assert self.api.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == [self.arn]
        self.api.update_code_signing_config(
            CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})
        changed = self.api.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]
        assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}, changed
        assert changed in self.api.list_code_signing_configs()["CodeSigningConfigs"]
        refused(self.api.update_function_code, "CodeVerificationFailedException", 400,
                "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client "
                f"is not configured to accept. Check the provided signature for {self.name}.",
                FunctionName=self.name, ZipFile=self.package)
        refused(self.api.delete_code_signing_config, "ResourceConflictException", 409, CodeSigningConfigArn=arn)
        self.api.delete_function_code_signing_config(FunctionName=self.name)
        self.api.delete_code_signing_config(CodeSigningConfigArn=arn)
        gone = refused(self.api.get_code_signing_config, "ResourceNotFoundException", 404,
                       f"The Lambda code signing configuration {arn} can not be found.", CodeSigningConfigArn=arn)
        assert "Type" not in gone, gone
        refused(self.api.put_function_code_signing_config, "CodeSigningConfigNotFoundException", 404,
                "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
                f"{arn}.", FunctionName="missing", CodeSigningConfigArn=arn)

    def layers(self):
        made = self.api.publish_layer_version(LayerName=self.name, Content={"ZipFile": package("x = 1", "python/extra.py")},
                                              CompatibleRuntimes=["python3.13"], LicenseInfo="MIT")
        assert made["Version"] == 1
        with urllib.request.urlopen(made["Content"]["Location"]) as response:
            assert zipfile.is_zipfile(io.BytesIO(response.read()))
        assert self.api.get_layer_version(LayerName=self.name, VersionNumber=1)["LayerVersionArn"] == made["LayerVersionArn"]
        assert self.api.get_layer_version_by_arn(Arn=made["LayerVersionArn"])["Version"] == 1
        assert any(layer["LayerName"] == self.name for layer in self.api.list_layers()["Layers"])
        assert len(self.api.list_layer_versions(LayerName=self.name)["LayerVersions"]) == 1
        self.api.add_layer_version_permission(LayerName=self.name, VersionNumber=1, StatementId="all", Principal="*",
                                              Action="lambda:GetLayerVersion")
        assert "all" in self.api.get_layer_version_policy(LayerName=self.name, VersionNumber=1)["Policy"]
        self.api.remove_layer_version_permission(LayerName=self.name, VersionNumber=1, StatementId="all")
        self.api.delete_layer_version(LayerName=self.name, VersionNumber=1)
        refused(self.api.get_layer_version, "ResourceNotFoundException", 404, LayerName=self.name, VersionNumber=1)

    def names(self):
        for name in (self.name, self.arn, f"{ACCOUNT}:function:{self.name}", f"function:{self.name}",
                     f"{self.name}:live", f"{self.arn}:1", f"{self.arn}:$LATEST"):
            assert self.api.get_function_configuration(FunctionName=name)["FunctionName"] == self.name, name
        refused(self.api.get_function, "ResourceNotFoundException", 404,
                "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
                FunctionName=self.arn.replace(REGION, "eu-west-1"))
        refused(self.api.get_function, "AccessDeniedException", 403,
                FunctionName=self.arn.replace(ACCOUNT, "111111111111"))
        refused(self.api.get_function, "InvalidParameterValueException", 400,
                "The derived qualifier from the function name does not match the specified qualifier.",
                FunctionName=f"{self.arn}:1", Qualifier="2")
        refused(self.api.get_function, "ResourceNotFoundException", 404, f"Function not found: {self.arn}:$latest",
                FunctionName=self.name, Qualifier="$latest")
        long = "a" * 65
        refused(self.api.get_function, "ResourceNotFoundException", 404,
                f"Function not found: arn:aws:lambda:{REGION}:{ACCOUNT}:function:{long}", FunctionName=long)

    def refusals(self):
        good = dict(FunctionName="refused", Runtime="python3.13", Role=ROLE, Handler="a.b", Code={"ZipFile": package()})
        refused(self.api.create_function, "ValidationException", 400,
                "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy "
                r"regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
                **{**good, "Role": "r1"})
        got = refused(self.api.create_function, "InvalidParameterValueException", 400, **{**good, "Runtime": "cobol"})
        assert got["Error"]["Message"].startswith("Value cobol at 'runtime' failed"), got
        long = "a" * 65
        refused(self.api.create_function, "InvalidParameterValueException", 400,
                f"1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must "
                "have length less than or equal to 64", **{**good, "FunctionName": long})
        got = refused(self.api.create_function, "ValidationException", 400, **{**good, "Role": "r1", "FunctionName": "a!"})
        assert got["Error"]["Message"].startswith("2 validation errors detected: "), got
        got = refused(self.api.create_function, "AccessDeniedException", 403, **{
            **good, "FunctionName": f"arn:aws:lambda:{REGION}:111111111111:function:x"})
        assert got["Error"]["Message"] is None, got
        refused(self.api.create_function, "InvalidParameterValueException", 400,
                "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does "
                "not exist: there is none at all until the setting s3_endpoint of thawd says where S3 is", **{**good, "Code": {"S3Bucket": "bucket", "S3Key": "key"}})
        refused(self.api.get_resource_policy, "NotImplementedException", 501, ResourceArn=self.arn)
        refused(self.raw.invoke, "ValidationException", 400, FunctionName=self.name, InvocationType="Nonsense")

    def deleting(self):
        refused(self.api.delete_function, "InvalidParameterValueException", 400,
                "$LATEST version cannot be deleted without deleting the function.",
                FunctionName=self.name, Qualifier="$LATEST")
        refused(self.api.delete_function, "ResourceConflictException", 409, FunctionName=self.name, Qualifier="2")
        self.api.delete_function(FunctionName=self.name, Qualifier="1")
        assert self.api.delete_function(FunctionName=self.name)["ResponseMetadata"]["HTTPStatusCode"] == 204
        refused(self.api.get_function, "ResourceNotFoundException", 404, f"Function not found: {self.arn}",
                FunctionName=self.name)


if __name__ == "__main__":
    Walk().all()
