//! Streams of Kinesis that feed functions.

use std::collections::HashSet;

use prost_types::Timestamp;
use serde_json::{Value, json};
use thaw_proto::v1::{CreateEventSourceRequest, EventSourceSettings, GetEventSourceRequest};
use thaw_tests::{
    functions::NewFunction,
    kinesis::Kinesis,
    moto::Moto,
    wait::eventually,
    wire::Wire,
    world::{World, fields},
};
use time::OffsetDateTime;
use tonic::Code;

use crate::event_sources::printed;

const STREAM: &str = "orders";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

/// A daemon with a stream, and a function that prints which records it has processed.
struct Fed {
    world: World,
    kinesis: Kinesis,
    name: String,
}

impl Fed {
    async fn new(shards: i32) -> Self {
        let kinesis = Kinesis::start().await;
        let url = kinesis.url();
        Self::at(kinesis, &url, shards).await
    }

    /// With a function that has windows.
    async fn windowed() -> Self {
        let fed = Self::new(1).await;
        let name = fed.world.create(NewFunction::of("windows")).await;
        Self { name, ..fed }
    }

    async fn at(kinesis: Kinesis, url: &str, shards: i32) -> Self {
        kinesis.make(STREAM, shards).await;
        let world = World::start_with(&[("kinesis-endpoint", url)]).await;
        let name = world.create(NewFunction::of("records")).await;
        Self { world, kinesis, name }
    }

    async fn map(&self, settings: EventSourceSettings) -> String {
        self.map_from("TRIM_HORIZON", None, settings).await
    }

    async fn map_from(&self, from: &str, time: Option<Timestamp>, settings: EventSourceSettings) -> String {
        let request = CreateEventSourceRequest {
            function_name: self.name.clone(),
            event_source_arn: ARN.to_owned(),
            settings: Some(settings),
            starting_position: from.to_owned(),
            starting_position_timestamp: time,
            ..CreateEventSourceRequest::default()
        };
        let created = self.world.event_sources().create_event_source(request).await.unwrap().into_inner();
        created.event_source.unwrap().uuid
    }

    /// Puts records that have nothing but a name, which begins with their key.
    async fn put(&self, names: &[&str]) -> Vec<String> {
        let records: Vec<_> = names.iter().map(|name| (&name[..1], json!({ "name": name }))).collect();
        self.kinesis.put(STREAM, &records).await
    }

    /// The last calls of windows, as soon as these names are in them.
    async fn ended(&self, names: &[&str]) -> Vec<Value> {
        eventually(&format!("the windows of {names:?} have ended"), async || {
            let ended = printed(&self.world, &self.name, "window").await;
            let ended: Vec<Value> = ended.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            let there = names_in(&ended);
            names.iter().all(|name| there.iter().any(|it| it == name)).then_some(ended)
        })
        .await
    }

    async fn processed(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} records are processed"), async || {
            let done = printed(&self.world, &self.name, "done").await;
            (done.len() >= count).then_some(done)
        })
        .await
    }
}

fn names_in(windows: &[Value]) -> Vec<String> {
    let names = windows.iter().filter_map(|window| window["names"].as_array()).flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether the records of each key are there once and in their order. They are named by a letter, which is the key, and a
/// number.
fn each_key_is_in_order(done: &[String], keys: &str, count: usize) {
    for key in keys.chars() {
        let own: Vec<&str> = done.iter().filter_map(|name| name.strip_prefix(key)).collect();
        let wanted: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        assert_eq!(own, wanted, "of {key}: {done:?}");
    }
}

fn names(keys: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.flat_map(|number| keys.chars().map(move |key| format!("{key}{number}"))).collect()
}

async fn put_all(fed: &Fed, keys: &str, numbers: std::ops::Range<usize>) {
    let names = names(keys, numbers);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fed.put(&names).await;
}

#[tokio::test]
async fn records_come_in_lambdas_form_and_filters_see_what_was_sent() {
    let fed = Fed::new(1).await;
    let first = json!({ "name": "yes-1", "show": true });
    let records = [("k", first.clone()), ("k", json!({ "name": "no" })), ("k", json!({ "name": "yes-2" }))];
    let sequences = fed.kinesis.put(STREAM, &records).await;
    let filters = vec![r#"{"partitionKey": ["k"], "data": {"name": [{"prefix": "yes"}]}}"#.to_owned()];
    fed.map(EventSourceSettings { filters, set_filters: true, ..Default::default() }).await;
    assert_eq!(fed.processed(2).await, ["yes-1", "yes-2"]);
    let event: Value = serde_json::from_str(&printed(&fed.world, &fed.name, "event").await[0]).unwrap();
    let mut record = event["Records"][0].clone();
    let arrived = record["kinesis"]["approximateArrivalTimestamp"].take();
    assert!(arrived.as_f64().is_some_and(|seconds| seconds > 1e9), "{arrived}");
    assert_eq!(
        record,
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "k",
                "sequenceNumber": sequences[0],
                "data": base64(&first),
                "approximateArrivalTimestamp": null,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000000:{}", sequences[0]),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/test",
            "awsRegion": "us-east-1",
            "eventSourceARN": ARN,
        })
    );
}

fn base64(value: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(value.to_string())
}

#[tokio::test]
async fn a_stream_that_is_split_and_merged_while_it_is_read_keeps_each_keys_order_and_loses_nothing() {
    let fed = Fed::new(1).await;
    let keys = "abcdefgh";
    put_all(&fed, keys, 0..5).await;
    fed.map(EventSourceSettings { batch_size: Some(3), ..Default::default() }).await;
    fed.processed(1).await;
    fed.kinesis.split(STREAM, "shardId-000000000000").await;
    put_all(&fed, keys, 5..10).await;
    fed.kinesis.split(STREAM, "shardId-000000000001").await;
    put_all(&fed, keys, 10..15).await;
    // The second half of the first, and the first half of the second.
    fed.kinesis.merge(STREAM, "shardId-000000000004", "shardId-000000000002").await;
    put_all(&fed, keys, 15..20).await;
    let done = fed.processed(20 * keys.len()).await;
    each_key_is_in_order(&done, keys, 20);
}

#[tokio::test]
async fn one_bad_record_is_isolated_by_bisecting_and_told_with_its_shard() {
    let fed = Fed::new(1).await;
    let told = fed.world.create(NewFunction::of("told")).await;
    let mut records: Vec<(&str, Value)> =
        ["a", "b", "c", "d", "e"].iter().map(|name| ("k", json!({ "name": name }))).collect();
    records.insert(3, ("k", json!({ "name": "bad", "bad": "yes" })));
    let sequences = fed.kinesis.put(STREAM, &records).await;
    fed.map(EventSourceSettings {
        bisect_batch_on_function_error: Some(true),
        maximum_retry_attempts: Some(0),
        on_failure: Some(fed.world.get(&told).await.unwrap().function_arn),
        ..Default::default()
    })
    .await;
    assert_eq!(fed.processed(5).await, ["a", "b", "c", "d", "e"]);
    let record =
        eventually("the destination is told", async || printed(&fed.world, &told, "told").await.pop()).await;
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    let batch = &record["KinesisBatchInfo"];
    assert_eq!(batch["shardId"], "shardId-000000000000");
    assert_eq!((&batch["startSequenceNumber"], &batch["batchSize"]), (&json!(sequences[3]), &json!(1)));
    assert_eq!(batch["endSequenceNumber"], sequences[3]);
    assert_eq!(batch["streamArn"], ARN);
    assert!(batch["approximateArrivalOfFirstRecord"].is_string(), "{batch}");
}

#[tokio::test]
async fn batches_of_a_shard_run_at_once_and_each_key_keeps_its_order() {
    let fed = Fed::new(1).await;
    fed.kinesis.put(STREAM, &[("s", json!({ "name": "s0", "slow": 5 }))]).await;
    let keys = "abcdefghijkl";
    put_all(&fed, keys, 0..4).await;
    fed.put(&["s1"]).await;
    fed.map(EventSourceSettings {
        parallelization_factor: Some(10),
        batch_size: Some(2),
        ..Default::default()
    })
    .await;
    let done = fed.processed(4 * keys.len() + 2).await;
    each_key_is_in_order(&done, keys, 4);
    each_key_is_in_order(&done, "s", 2);
    let slow = done.iter().position(|name| name == "s0").unwrap();
    assert!(slow > 0, "nothing was processed while the first record was: {done:?}");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_batches_loses_nothing_and_repeats_only_what_was_not_through() {
    let mut fed = Fed::new(2).await;
    let keys = "abcdef";
    put_all(&fed, keys, 0..2).await;
    fed.map(EventSourceSettings { parallelization_factor: Some(2), ..Default::default() }).await;
    fed.processed(12).await;
    fed.kinesis.put(STREAM, &[("a", json!({ "name": "a2", "slow": 3 }))]).await;
    put_all(&fed, "bcdef", 2..3).await;
    eventually("a batch is under way", async || printed(&fed.world, &fed.name, "slow").await.pop()).await;
    fed.world.crash_and_restart().await;
    put_all(&fed, keys, 3..4).await;
    let wanted: HashSet<String> = names(keys, 0..4).into_iter().collect();
    let done = eventually("everything is processed", async || {
        let done = printed(&fed.world, &fed.name, "done").await;
        (done.iter().cloned().collect::<HashSet<_>>() == wanted).then_some(done)
    })
    .await;
    let again = |name: &String| done.iter().filter(|done| *done == name).count() > 1;
    assert!(!names(keys, 0..2).iter().any(again), "what was through has come again: {done:?}");
}

#[tokio::test]
async fn a_stream_is_looked_at_before_it_is_mapped() {
    let fed = Fed::new(1).await;
    let request = |arn: &str| CreateEventSourceRequest {
        function_name: fed.name.clone(),
        event_source_arn: arn.to_owned(),
        starting_position: "LATEST".to_owned(),
        ..CreateEventSourceRequest::default()
    };
    let none = format!("{ARN}-none");
    let refusal = fed.world.event_sources().create_event_source(request(&none)).await.unwrap_err();
    assert_eq!(fields(&refusal), ["event_source_arn"]);
    assert!(refusal.message().contains(&format!("Stream not found: {none}")), "{refusal:?}");
    drop(fed.kinesis);
    let refusal = fed.world.event_sources().create_event_source(request(ARN)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
}

#[tokio::test]
async fn a_stream_that_can_not_be_reached_for_a_while_loses_nothing() {
    let kinesis = Kinesis::start().await;
    let wire = Wire::to(kinesis.port()).await;
    let fed = Fed::at(kinesis, &wire.url(), 1).await;
    let uuid = fed.map(EventSourceSettings::default()).await;
    fed.put(&["a0"]).await;
    fed.processed(1).await;
    wire.cut();
    fed.put(&["a1"]).await;
    eventually("the mapping tells it", async || {
        let request = GetEventSourceRequest { uuid: uuid.clone() };
        let mapping = fed.world.event_sources().get_event_source(request).await.unwrap().into_inner();
        let result = mapping.event_source.unwrap().last_processing_result;
        result.starts_with("PROBLEM: Kinesis").then_some(())
    })
    .await;
    wire.mend();
    assert_eq!(fed.processed(2).await, ["a0", "a1"]);
}

#[tokio::test]
async fn another_stream_of_the_same_name_is_read_from_its_beginning() {
    let fed = Fed::new(1).await;
    fed.map(EventSourceSettings::default()).await;
    fed.kinesis.split(STREAM, "shardId-000000000000").await;
    // This is a child's: the first shard is through, and stays so in the stream that is.
    fed.put(&["a0"]).await;
    fed.processed(1).await;
    fed.kinesis.delete(STREAM).await;
    fed.kinesis.make(STREAM, 1).await;
    fed.put(&["a1"]).await;
    assert_eq!(fed.processed(2).await, ["a0", "a1"]);
}

#[tokio::test]
async fn what_comes_after_a_mapping_was_enabled_is_new_however_late_it_is_read() {
    let moto = Moto::start().await;
    let wire = Wire::to(moto.port()).await;
    let mut fed = Fed::at(Kinesis::of(moto.port()), &wire.url(), 1).await;
    fed.put(&["a0"]).await;
    let disabled = EventSourceSettings { enabled: Some(false), ..EventSourceSettings::default() };
    let uuid = fed.map_from("LATEST", None, disabled).await;
    wire.cut();
    let enabled = EventSourceSettings { enabled: Some(true), ..EventSourceSettings::default() };
    fed.world.update_mapping(&uuid, enabled).await;
    fed.put(&["a1"]).await;
    fed.world.crash_and_restart().await;
    fed.put(&["a2"]).await;
    wire.mend();
    assert_eq!(fed.processed(2).await, ["a1", "a2"]);
}

#[tokio::test]
async fn a_stream_is_read_from_a_time_on() {
    let moto = Moto::start().await;
    let fed = Fed::at(Kinesis::of(moto.port()), &moto.url(), 1).await;
    fed.put(&["a0"]).await;
    let now = OffsetDateTime::now_utc();
    let now = Timestamp {
        seconds: now.unix_timestamp(),
        nanos: i32::try_from(now.nanosecond()).expect("less than a second"),
    };
    fed.put(&["a1"]).await;
    fed.map_from("AT_TIMESTAMP", Some(now), EventSourceSettings::default()).await;
    assert_eq!(fed.processed(1).await, ["a1"]);
}

#[tokio::test]
async fn a_window_carries_its_state_ends_once_and_the_next_begins_anew() {
    let fed = Fed::windowed().await;
    let settings = EventSourceSettings {
        tumbling_window: Some(2),
        batch_size: Some(2),
        report_batch_item_failures: Some(true),
        ..Default::default()
    };
    fed.map(settings).await;
    fed.put(&["a0", "a1", "a2", "a3", "a4"]).await;
    // Nothing comes after it: time ends the window.
    fed.ended(&["a0", "a4"]).await;
    fed.put(&["a5", "a6"]).await;
    let ended = fed.ended(&["a6"]).await;
    assert_eq!(names_in(&ended), ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    let seconds = |moment: &Value| {
        let moment = moment.as_str().unwrap();
        let moment = OffsetDateTime::parse(moment, &time::format_description::well_known::Rfc3339).unwrap();
        moment.unix_timestamp()
    };
    let mut last_end = 0;
    for window in &ended {
        let (start, end) = (seconds(&window["window"]["start"]), seconds(&window["window"]["end"]));
        assert!(start % 2 == 0 && end == start + 2 && last_end <= start, "{ended:?}");
        last_end = end;
        assert_eq!(
            (&window["shardId"], &window["eventSourceARN"]),
            (&json!("shardId-000000000000"), &json!(ARN))
        );
        assert_eq!((&window["Records"], &window["isWindowTerminatedEarly"]), (&json!([]), &json!(false)));
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_window_loses_no_record_and_counts_none_twice() {
    let mut fed = Fed::windowed().await;
    fed.map(EventSourceSettings { tumbling_window: Some(10), ..Default::default() }).await;
    fed.put(&["a0"]).await;
    fed.processed(1).await;
    fed.kinesis.put(STREAM, &[("a", json!({ "name": "a1", "slow": 3 }))]).await;
    eventually("a batch is under way", async || printed(&fed.world, &fed.name, "slow").await.pop()).await;
    fed.world.crash_and_restart().await;
    fed.put(&["a2"]).await;
    let ended = fed.ended(&["a0", "a1", "a2"]).await;
    assert_eq!(names_in(&ended), ["a0", "a1", "a2"]);
}

#[tokio::test]
async fn a_windows_state_that_grows_too_large_ends_it_early_and_a_shards_end_ends_it_too() {
    let fed = Fed::windowed().await;
    let settings = EventSourceSettings {
        tumbling_window: Some(900),
        batch_size: Some(2),
        bisect_batch_on_function_error: Some(true),
        maximum_retry_attempts: Some(0),
        ..Default::default()
    };
    fed.map(settings).await;
    let large = json!({ "name": "a1", "padding": 1024 * 1024 });
    let bad = json!({ "name": "a3", "bad": "yes" });
    let records = [("a", json!({ "name": "a0" })), ("a", large), ("a", json!({ "name": "a2" })), ("a", bad)];
    fed.kinesis.put(STREAM, &records).await;
    fed.processed(3).await;
    fed.kinesis.split(STREAM, "shardId-000000000000").await;
    let ended = fed.ended(&["a0", "a1", "a2"]).await;
    assert_eq!(names_in(&ended), ["a0", "a1", "a2"], "what was given up is in none");
    let early: Vec<_> =
        ended.iter().map(|window| window["isWindowTerminatedEarly"].as_bool().unwrap()).collect();
    assert!(early.contains(&true) && early.last() == Some(&false), "{early:?}");
    // Its child begins anew.
    fed.put(&["a4"]).await;
    fed.processed(4).await;
}
