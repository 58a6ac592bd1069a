//! The service as HTTP clients see it, without signatures: those are checked before it.

use std::{collections::BTreeMap, time::Duration};

use futures_util::FutureExt as _;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::{
    api::aws::answer::Answer as Answered,
    clock::{Clock as _, FixedClock},
    logs::{GroupKey, LogEvent, LogSettings},
};

const NOW: OffsetDateTime = time::macros::datetime!(2026-01-31 12:00 UTC);
const GROUP: &str = "/aws/lambda/f";
const STREAM: &str = "2026/01/31/[$LATEST]1";
const ARN: &str = "arn:aws:logs:eu-central-1:000000000000:log-group:/aws/lambda/f";

struct World {
    service: Logs,
    clock: Arc<FixedClock>,
    _root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let settings = LogSettings {
            retention: Duration::from_secs(14 * 86_400),
            group_max_bytes: 1 << 20,
            segment_bytes: 1 << 16,
            queue_max_bytes: 1 << 20,
            sweep_every: Duration::from_secs(3600),
        };
        let store = LogStore::open(root.path().join("logs"), settings, clock.clone()).unwrap();
        let region = "eu-central-1".parse().unwrap();
        let service = Logs::new(store, region, clock.clone(), CancellationToken::new());
        Self { service, clock, _root: root }
    }

    /// A function prints lines into [`STREAM`], a second apart.
    async fn print(&self, lines: &[&str]) {
        let group = GroupKey::new("000000000000", GROUP).unwrap();
        let writer = self.service.store.stream(&group, STREAM).unwrap();
        for (number, line) in lines.iter().enumerate() {
            writer.write(LogEvent {
                timestamp_ms: self.now() + 1000 * number as i64,
                request_id: None,
                message: (*line).to_owned(),
            });
        }
        writer.flush().await.unwrap();
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    async fn send(&self, operation: &str, body: &[u8]) -> Answered {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", format!("Logs_20140328.{operation}").parse().unwrap());
        self.service.answer(AccountId::DEFAULT, &headers, body).await
    }

    async fn call(&self, operation: &str, input: Value) -> (StatusCode, Value) {
        let response = self.send(operation, input.to_string().as_bytes()).await;
        assert_eq!(response.headers()[CONTENT_TYPE], "application/x-amz-json-1.1");
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let output = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (status, output)
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, output) = self.call(operation, input).await;
        assert_eq!(status, StatusCode::OK, "{operation}: {output}");
        output
    }

    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let (status, output) = self.call(operation, input).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{operation}: {output}");
        let text = |member: &str| output[member].as_str().unwrap().to_owned();
        (text("__type"), text("message"))
    }
}

#[tokio::test]
async fn a_functions_group_and_stream_are_described_with_every_member() {
    let world = World::new();
    world.print(&["one", "two"]).await;
    let bytes = world.service.store.bytes_on_disk();
    let group = json!({
        "logGroupName": GROUP, "creationTime": world.now(), "metricFilterCount": 0, "storedBytes": bytes,
        "arn": format!("{ARN}:*"), "logGroupArn": ARN, "logGroupClass": "STANDARD",
    });
    assert_eq!(world.ok("DescribeLogGroups", json!({})).await, json!({ "logGroups": [group] }));
    let stream = json!({
        "logStreamName": STREAM, "creationTime": world.now(), "firstEventTimestamp": world.now(),
        "lastEventTimestamp": world.now() + 1000, "lastIngestionTime": world.now() + 1000,
        "uploadSequenceToken": format!("{:056}", world.now() + 1000),
        "arn": format!("{ARN}:log-stream:{STREAM}"), "storedBytes": 0,
    });
    for input in [
        json!({ "logGroupName": GROUP }),
        json!({ "logGroupIdentifier": GROUP }),
        json!({ "logGroupIdentifier": ARN }),
        json!({ "logGroupIdentifier": format!("{ARN}:*"), "orderBy": "LastEventTime", "descending": true }),
    ] {
        assert_eq!(world.ok("DescribeLogStreams", input).await, json!({ "logStreams": [stream] }));
    }
}

#[tokio::test]
async fn groups_are_made_kept_tagged_listed_by_pages_and_deleted() {
    let world = World::new();
    for name in ["a-1", "a-2", "b-1"] {
        let tags = json!({ "logGroupName": name, "tags": { "name": name } });
        assert_eq!(world.ok("CreateLogGroup", tags).await, Value::Null);
    }
    world.ok("PutRetentionPolicy", json!({ "logGroupName": "a-1", "retentionInDays": 7 })).await;
    let first = world.ok("DescribeLogGroups", json!({ "limit": 2 })).await;
    let names = |page: &Value| {
        let groups = page["logGroups"].as_array().unwrap();
        groups.iter().map(|group| group["logGroupName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), &first["logGroups"][0]["retentionInDays"]),
        (vec!["a-1".into(), "a-2".into()], &json!(7))
    );
    let second = world.ok("DescribeLogGroups", json!({ "limit": 2, "nextToken": first["nextToken"] })).await;
    assert_eq!((names(&second), &second["nextToken"]), (vec!["b-1".into()], &Value::Null));
    assert_eq!(
        names(&world.ok("DescribeLogGroups", json!({ "logGroupNamePrefix": "a" })).await),
        ["a-1", "a-2"]
    );
    assert_eq!(
        names(&world.ok("DescribeLogGroups", json!({ "logGroupNamePattern": "-1" })).await),
        ["a-1", "b-1"]
    );
    let these = json!({ "logGroupIdentifiers": ["b-1", "none"] });
    assert_eq!(names(&world.ok("DescribeLogGroups", these).await), ["b-1"]);

    let arn = ARN.replace(GROUP, "a-1");
    world.ok("TagResource", json!({ "resourceArn": arn, "tags": { "x": "1", "y": "2" } })).await;
    world.ok("TagLogGroup", json!({ "logGroupName": "a-1", "tags": { "z": "3" } })).await;
    world.ok("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["x"] })).await;
    world.ok("UntagLogGroup", json!({ "logGroupName": "a-1", "tags": ["y"] })).await;
    let tags = json!({ "tags": { "name": "a-1", "z": "3" } });
    assert_eq!(world.ok("ListTagsForResource", json!({ "resourceArn": format!("{arn}:*") })).await, tags);
    assert_eq!(world.ok("ListTagsLogGroup", json!({ "logGroupName": "a-1" })).await, tags);

    world.ok("DeleteRetentionPolicy", json!({ "logGroupName": "a-1" })).await;
    world.ok("DeleteLogGroup", json!({ "logGroupName": "b-1" })).await;
    let left = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(
        (names(&left), &left["logGroups"][0]["retentionInDays"]),
        (vec!["a-1".into(), "a-2".into()], &Value::Null)
    );
}

#[tokio::test]
async fn events_are_put_and_read_with_cloudwatchs_members() {
    let world = World::new();
    let (group, stream) = (json!("g"), json!("s"));
    world.ok("CreateLogGroup", json!({ "logGroupName": group })).await;
    world.ok("CreateLogStream", json!({ "logGroupName": group, "logStreamName": stream })).await;
    let now = world.now();
    let day = 86_400_000;
    let events = json!([
        { "timestamp": now - 20, "message": "one" }, { "timestamp": now - 10, "message": "two" },
        { "timestamp": now + day / 4, "message": "tomorrow" },
    ]);
    let put = world
        .ok("PutLogEvents", json!({ "logGroupName": group, "logStreamName": stream, "logEvents": events }))
        .await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({ "tooNewLogEventStartIndex": 2 }));
    assert_eq!(put["nextSequenceToken"].as_str().unwrap().len(), 56);

    let read = world.ok("GetLogEvents", json!({ "logGroupName": group, "logStreamName": stream })).await;
    let event = |at: i64, message: &str| json!({ "timestamp": at, "message": message, "ingestionTime": now });
    assert_eq!(read["events"], json!([event(now - 20, "one"), event(now - 10, "two")]));
    let again =
        json!({ "logGroupName": group, "logStreamName": stream, "nextToken": read["nextForwardToken"] });
    let again = world.ok("GetLogEvents", again).await;
    assert_eq!((&again["events"], &again["nextForwardToken"]), (&json!([]), &read["nextForwardToken"]));

    let found = world.ok("FilterLogEvents", json!({ "logGroupName": group, "filterPattern": "two" })).await;
    let id = found["events"][0]["eventId"].as_str().unwrap();
    assert!(id.len() == 56 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    let expected = json!({
        "logStreamName": "s", "timestamp": now - 10, "message": "two", "ingestionTime": now, "eventId": id,
    });
    assert_eq!(found, json!({ "events": [expected], "searchedLogStreams": [] }));

    world.ok("DeleteLogStream", json!({ "logGroupName": group, "logStreamName": stream })).await;
    assert_eq!(
        world.ok("DescribeLogStreams", json!({ "logGroupName": group })).await,
        json!({ "logStreams": [] })
    );
}

#[tokio::test]
async fn a_functions_line_ends_as_lambda_ends_it_and_the_end_of_a_range_is_cloudwatchs() {
    let world = World::new();
    world.print(&["one", "", "three"]).await;
    let second = world.now() + 1000;
    let texts = |output: Value| {
        let events = output["events"].as_array().unwrap().clone();
        events.into_iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let filter = json!({ "logGroupName": GROUP, "endTime": second, "logStreamNamePrefix": "2026/" });
    assert_eq!(texts(world.ok("FilterLogEvents", filter).await), ["one\n", "\n"], "the end is of the range");
    let get =
        json!({ "logGroupName": GROUP, "logStreamName": STREAM, "endTime": second, "startFromHead": true });
    assert_eq!(texts(world.ok("GetLogEvents", get).await), ["one\n"], "the end is not of the range");
    let page = world.ok("FilterLogEvents", json!({ "logGroupName": GROUP, "limit": 2 })).await;
    let next = json!({ "logGroupName": GROUP, "limit": 2, "nextToken": page["nextToken"] });
    assert_eq!(
        (texts(page), texts(world.ok("FilterLogEvents", next).await)),
        (vec!["one\n".into(), "\n".into()], vec!["three\n".into()])
    );
}

#[tokio::test]
async fn errors_are_cloudwatchs_by_name_and_by_what_they_say() {
    let world = World::new();
    world.print(&["line"]).await;
    let stream = json!({ "logGroupName": GROUP, "logStreamName": STREAM });
    let with = |name: &str, value: Value| {
        let mut input = stream.clone();
        input[name] = value;
        input
    };
    for (operation, input, name, message) in [
        (
            "CreateLogGroup",
            json!({ "logGroupName": GROUP }),
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ),
        (
            "CreateLogStream",
            stream.clone(),
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ),
        (
            "DeleteLogGroup",
            json!({ "logGroupName": "none" }),
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": "none" }),
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "DeleteLogStream",
            with("logStreamName", json!("none")),
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "GetLogEvents",
            with("logStreamName", json!("none")),
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "GetLogEvents",
            with("nextToken", json!("x")),
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "GetLogEvents",
            with("limit", json!(10_001)),
            "InvalidParameterException",
            "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
        ),
        (
            "DescribeLogGroups",
            json!({ "limit": 0 }),
            "InvalidParameterException",
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": GROUP, "nextToken": "x" }),
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": GROUP, "logStreamNames": ["none"] }),
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": GROUP, "logGroupIdentifier": ARN }),
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        ),
        (
            "DescribeLogGroups",
            json!({ "logGroupNamePrefix": "a", "logGroupNamePattern": "b" }),
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "2" }),
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        (
            "PutLogEvents",
            with(
                "logEvents",
                json!([{ "timestamp": 2, "message": "a" }, { "timestamp": 1, "message": "b" }]),
            ),
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
    ] {
        assert_eq!(
            world.refused(operation, input).await,
            (name.to_owned(), message.to_owned()),
            "{operation}"
        );
    }
    for (operation, input, name, part) in [
        (
            "CreateLogGroup",
            json!({}),
            "InvalidParameterException",
            "'logGroupName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateLogGroup",
            json!({ "logGroupName": "a b" }),
            "InvalidParameterException",
            "is not the name of a log group",
        ),
        (
            "CreateLogGroup",
            json!({ "logGroupName": "n", "kmsKeyId": "k" }),
            "InvalidParameterException",
            "kmsKeyId",
        ),
        (
            "CreateLogGroup",
            json!({ "logGroupName": "n", "tags": { "": "v" } }),
            "InvalidParameterException",
            "tags: ",
        ),
        (
            "PutRetentionPolicy",
            json!({ "logGroupName": GROUP, "retentionInDays": 2 }),
            "InvalidParameterException",
            "give one of [1, 3, 5",
        ),
        (
            "ListTagsForResource",
            json!({ "resourceArn": ARN.replace("eu-", "us-") }),
            "InvalidParameterException",
            "of this account and region",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": GROUP, "filterPattern": "a:" }),
            "InvalidParameterException",
            "Invalid character(s) in term 'a:'",
        ),
        ("GetLogEvents", json!({ "logGroupName": [] }), "SerializationException", "invalid type"),
        ("PutSubscriptionFilter", json!({}), "UnknownOperationException", "PutSubscriptionFilter"),
    ] {
        let (found, message) = world.refused(operation, input).await;
        assert!(found == name && message.contains(part), "{operation}: {found}: {message}");
    }
    for body in [&b"{"[..], b"[]", b"\xff", b"3"] {
        let response = world.send("DescribeLogGroups", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    let names = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(names["logGroups"].as_array().unwrap().len(), 1, "what is refused makes nothing");
    let bare = world.service.answer(AccountId::DEFAULT, &HeaderMap::new(), b"{}").await;
    assert_eq!(bare.status(), StatusCode::BAD_REQUEST);
}

/// Takes a message of an event stream apart, as AWS's documentation has it.
fn decode(message: &[u8]) -> (BTreeMap<String, String>, Value) {
    let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
    let (total, headers_bytes) = (number(0) as usize, number(4) as usize);
    assert_eq!(total, message.len());
    assert_eq!(number(8), crc32fast::hash(&message[..8]));
    assert_eq!(number(total - 4), crc32fast::hash(&message[..total - 4]));
    let (mut headers, mut rest) = (BTreeMap::new(), &message[12..12 + headers_bytes]);
    while let [length, after @ ..] = rest {
        let (name, after) = after.split_at(*length as usize);
        assert_eq!(after[0], 7, "a text");
        let (value, after) = after[3..].split_at(u16::from_be_bytes([after[1], after[2]]) as usize);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        headers.insert(text(name), text(value));
        rest = after;
    }
    (headers, serde_json::from_slice(&message[12 + headers_bytes..total - 4]).unwrap())
}

#[tokio::test]
async fn a_live_tail_begins_goes_on_every_second_and_ends_with_the_daemon() {
    let world = World::new();
    world.print(&["before"]).await;
    let input = json!({ "logGroupIdentifiers": [ARN], "logEventFilterPattern": "wanted" });
    let response = world.send("StartLiveTail", input.to_string().as_bytes()).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/vnd.amazon.eventstream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?.unwrap();
        let (headers, payload) = decode(frame.data_ref().unwrap());
        assert_eq!(
            (headers[":message-type"].as_str(), headers[":content-type"].as_str()),
            ("event", "application/json")
        );
        Some((headers[":event-type"].clone(), payload))
    };
    assert_eq!(next().await.unwrap(), ("initial-response".to_owned(), json!({})));
    let (name, start) = next().await.unwrap();
    assert_eq!((name.as_str(), &start["logGroupIdentifiers"]), ("sessionStart", &json!([ARN])));
    assert_eq!(start["logEventFilterPattern"], "wanted");
    world.print(&["wanted 1", "other", "wanted 2"]).await;
    let mut results = Vec::new();
    while results.len() < 2 {
        let (name, update) = next().await.unwrap();
        assert_eq!(
            (name.as_str(), &update["sessionMetadata"]),
            ("sessionUpdate", &json!({ "sampled": false }))
        );
        results.extend(update["sessionResults"].as_array().unwrap().clone());
    }
    let (first, now) = (results[0].clone(), world.now());
    let expected = json!({
        "logStreamName": STREAM, "logGroupIdentifier": ARN, "message": "wanted 1\n", "timestamp": now, "ingestionTime": now,
    });
    assert_eq!(first, expected);
    assert_eq!(results[1]["message"], "wanted 2\n");
    world.service.stop.cancel();
    while next().await.is_some() {}
}

#[tokio::test]
async fn a_live_tail_of_too_much_sends_a_part_and_says_so() {
    let world = World::new();
    world.print(&["before"]).await;
    let response =
        world.send("StartLiveTail", json!({ "logGroupIdentifiers": [ARN] }).to_string().as_bytes()).await;
    let mut body = response.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    world.print(&["line"; 1200]).await;
    let (mut sent, mut was_sampled) = (0, false);
    while !was_sampled {
        let frame = body.frame().await.unwrap().unwrap();
        let update = decode(frame.data_ref().unwrap()).1;
        let results = update["sessionResults"].as_array().unwrap().len();
        assert!(results <= 500);
        sent += results;
        was_sampled = update["sessionMetadata"]["sampled"] == true;
    }
    assert!((1..1200).contains(&sent), "{sent}");
}

#[tokio::test]
async fn live_tails_are_checked_and_counted() {
    let world = World::new();
    world.print(&["line"]).await;
    world.ok("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    for (input, name) in [
        (json!({}), "InvalidParameterException"),
        (json!({ "logGroupIdentifiers": [] }), "InvalidParameterException"),
        (json!({ "logGroupIdentifiers": ["none"] }), "ResourceNotFoundException"),
        (
            json!({ "logGroupIdentifiers": [GROUP, "g"], "logStreamNames": ["s"] }),
            "InvalidParameterException",
        ),
        (
            json!({ "logGroupIdentifiers": [GROUP], "logStreamNames": ["s"], "logStreamNamePrefixes": ["s"] }),
            "InvalidParameterException",
        ),
        (
            json!({ "logGroupIdentifiers": [GROUP], "logEventFilterPattern": "{" }),
            "InvalidParameterException",
        ),
    ] {
        assert_eq!(world.refused("StartLiveTail", input).await.0, name);
    }
    let start = json!({ "logGroupIdentifiers": [GROUP, "g"] }).to_string();
    let mut sessions = Vec::new();
    for _ in 0..live_tail::MOST_SESSIONS {
        sessions.push(world.send("StartLiveTail", start.as_bytes()).await);
    }
    let too_many = world.send("StartLiveTail", start.as_bytes()).now_or_never().unwrap();
    assert_eq!(too_many.status(), StatusCode::BAD_REQUEST);
    sessions.clear();
    assert_eq!(world.send("StartLiveTail", start.as_bytes()).await.status(), StatusCode::OK);
}
