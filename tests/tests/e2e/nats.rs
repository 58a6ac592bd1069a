//! Streams of NATS JetStream that feed functions.

use std::time::SystemTime;

use async_nats::HeaderMap;
use serde_json::{Value, json};
use thaw_proto::v1::{
    CreateEventSourceRequest, DeleteEventSourceRequest, EventSource, EventSourceSettings,
    GetEventSourceRequest,
};
use thaw_tests::{functions::NewFunction, nats::Nats, wait::eventually, world::World};

use crate::event_sources::{GivenUp, any_moment, kills, printed};

/// A daemon with a NATS that has a stream, and a function that prints which messages it has processed.
struct Fed {
    world: World,
    nats: Nats,
    name: String,
}

const STREAM: &str = "ORDERS";
const SUBJECT: &str = "ORDERS.new";

fn arn() -> String {
    format!("arn:aws:nats:us-east-1:000000000000:stream/{STREAM}")
}

fn settings() -> EventSourceSettings {
    EventSourceSettings::default()
}

impl Fed {
    async fn new() -> Self {
        let nats = Nats::start().await;
        let url = nats.url();
        Self::with(nats, &url).await
    }

    async fn with(nats: Nats, url: &str) -> Self {
        nats.make_stream(STREAM).await;
        let world = World::start_with(&[("nats-url", url)]).await;
        let name = world.create(NewFunction::of("records")).await;
        Self { world, nats, name }
    }

    async fn map(&self, settings: EventSourceSettings) -> String {
        self.map_from("TRIM_HORIZON", None, settings).await
    }

    async fn map_from(
        &self,
        position: &str,
        moment: Option<SystemTime>,
        settings: EventSourceSettings,
    ) -> String {
        let request = CreateEventSourceRequest {
            function_name: self.name.clone(),
            event_source_arn: arn(),
            settings: Some(settings),
            starting_position: position.to_owned(),
            starting_position_timestamp: moment.map(Into::into),
            ..CreateEventSourceRequest::default()
        };
        let created = self.world.event_sources().create_event_source(request).await.unwrap().into_inner();
        created.event_source.unwrap().uuid
    }

    async fn get(&self, uuid: &str) -> Option<EventSource> {
        let request = GetEventSourceRequest { uuid: uuid.to_owned() };
        self.world.event_sources().get_event_source(request).await.ok()?.into_inner().event_source
    }

    /// Waits until the mapping tells of a problem that begins so.
    async fn tells(&self, uuid: &str, problem: &str) {
        eventually(&format!("the mapping tells: {problem}"), async || {
            self.get(uuid).await.filter(|source| source.last_processing_result.starts_with(problem))
        })
        .await;
    }

    /// Waits until the mapping has its consumer.
    async fn is_begun(&self) {
        eventually("the mapping has a consumer", async || {
            (self.nats.consumers(STREAM).await.len() == 1).then_some(())
        })
        .await;
    }

    async fn publish(&self, name: &str) -> u64 {
        self.nats.publish(SUBJECT, &json!({ "name": name })).await
    }

    async fn printed(&self, word: &str) -> Vec<String> {
        printed(&self.world, &self.name, word).await
    }

    /// Waits until so many messages are processed, and gives their names.
    async fn processed(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} messages are processed"), async || {
            let done = self.printed("done").await;
            (done.len() >= count).then_some(done)
        })
        .await
    }

    /// Waits until everything that there is was given and acknowledged.
    async fn nothing_pending(&self) {
        eventually("everything is acknowledged", async || {
            let consumers = self.nats.consumers(STREAM).await;
            let [consumer] = consumers.as_slice() else { return None };
            (consumer.num_ack_pending == 0 && consumer.num_pending == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn messages_come_in_their_order_once_and_in_the_form_that_the_readme_shows() {
    let fed = Fed::new().await;
    let mut headers = HeaderMap::new();
    headers.append("Colour", "red");
    headers.append("Colour", "blue");
    let data = json!({ "name": "first", "show": true });
    let number =
        fed.nats.publish_bytes("ORDERS.new.eu", data.to_string().into_bytes(), headers).await.to_string();
    let mut wanted = vec!["first".to_owned()];
    for number in 0..20 {
        wanted.push(format!("n{number}"));
        fed.publish(&format!("n{number}")).await;
    }
    let uuid = fed.map(EventSourceSettings { batch_size: Some(8), ..settings() }).await;
    assert_eq!(fed.processed(21).await, wanted);
    fed.nothing_pending().await;
    assert_eq!(fed.printed("done").await, wanted);
    let consumers = fed.nats.consumers(STREAM).await;
    assert_eq!(consumers[0].name, format!("thaw-{uuid}"));
    let event: Value = serde_json::from_str(&fed.printed("event").await[0]).unwrap();
    let record = &event["Records"][0];
    let arrival = fed.nats.arrival(STREAM, 1).await.unix_timestamp_nanos() / 1_000_000;
    let wanted = json!({
        "eventID": format!("ORDERS:{number}"),
        "eventName": "nats:jetstream:message",
        "eventVersion": "1.0",
        "eventSource": "nats",
        "awsRegion": "us-east-1",
        "eventSourceARN": arn(),
        "nats": {
            "stream": STREAM,
            "subject": "ORDERS.new.eu",
            "sequence": number,
            "timestamp": i64::try_from(arrival).unwrap(),
            "headers": { "Colour": ["red", "blue"] },
            "data": data.to_string(),
        },
    });
    assert_eq!(*record, wanted);
}

#[tokio::test]
async fn whoever_has_the_password_reads_and_nobody_else() {
    let nats = Nats::start_for(Some(("thawd", "p@ss:w/rd"))).await;
    let url = nats.url().replace("nats://", "nats://thawd:p%40ss%3Aw%2Frd@");
    let fed = Fed::with(nats, &url).await;
    fed.publish("a").await;
    fed.map(settings()).await;
    assert_eq!(fed.processed(1).await, ["a"]);

    let world = World::start_with(&[("nats-url", &fed.nats.url())]).await;
    let name = world.create(NewFunction::of("records")).await;
    let stranger = Fed { world, name, ..fed };
    let uuid = stranger.map(settings()).await;
    stranger.tells(&uuid, "PROBLEM: NATS: authorization violation").await;
}

#[tokio::test]
async fn a_mapping_begins_where_it_is_told_to() {
    let fed = Fed::new().await;
    fed.publish("a").await;
    let second = fed.publish("b").await;
    let moment = fed.nats.arrival(STREAM, second).await;
    let uuid = fed.map_from("AT_TIMESTAMP", Some(moment.into()), settings()).await;
    assert_eq!(fed.processed(1).await, ["b"]);
    fed.nothing_pending().await;
    let request = DeleteEventSourceRequest { uuid: uuid.clone() };
    fed.world.event_sources().delete_event_source(request).await.unwrap();
    eventually("the mapping is gone", async || fed.get(&uuid).await.is_none().then_some(())).await;
    assert_eq!(fed.nats.consumers(STREAM).await, [], "and so is its consumer");
    fed.map_from("LATEST", None, settings()).await;
    fed.is_begun().await;
    fed.publish("c").await;
    assert_eq!(fed.processed(2).await, ["b", "c"]);
}

#[tokio::test]
async fn messages_that_a_filter_leaves_out_reach_nobody() {
    let fed = Fed::new().await;
    fed.map(EventSourceSettings {
        filters: vec![
            json!({
                "nats": { "subject": [{ "prefix": "ORDERS.new" }] },
                "data": { "name": [{ "prefix": "yes" }] },
            })
            .to_string(),
        ],
        set_filters: true,
        ..settings()
    })
    .await;
    for name in ["no-1", "yes-1", "no-2"] {
        fed.publish(name).await;
    }
    fed.nats.publish("ORDERS.old", &json!({ "name": "yes-but-old" })).await;
    fed.nats.publish_bytes(SUBJECT, b"yes, but \xff is no text".to_vec(), HeaderMap::new()).await;
    fed.publish("yes-2").await;
    assert_eq!(fed.processed(2).await, ["yes-1", "yes-2"]);
    fed.nothing_pending().await;
    assert_eq!(fed.printed("done").await, ["yes-1", "yes-2"]);
}

#[tokio::test]
async fn one_bad_message_is_isolated_by_bisecting_and_the_others_succeed_once_each() {
    let fed = Fed::new().await;
    let told = fed.world.create(NewFunction::of("told")).await;
    for name in ["a", "b", "c"] {
        fed.publish(name).await;
    }
    let bad = fed.nats.publish(SUBJECT, &json!({ "name": "bad", "bad": true })).await.to_string();
    for name in ["d", "e"] {
        fed.publish(name).await;
    }
    let on_failure = fed.world.get(&told).await.unwrap().function_arn;
    fed.map(EventSourceSettings {
        bisect_batch_on_function_error: Some(true),
        maximum_retry_attempts: Some(1),
        on_failure: Some(on_failure),
        ..settings()
    })
    .await;
    assert_eq!(fed.processed(5).await, ["a", "b", "c", "d", "e"]);
    fed.nothing_pending().await;
    let record =
        eventually("the destination is told", async || printed(&fed.world, &told, "told").await.pop()).await;
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["NatsStreamBatchInfo"]["startSequenceNumber"], *bad);
    assert_eq!(record["NatsStreamBatchInfo"]["endSequenceNumber"], *bad);
    assert_eq!(record["NatsStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test]
async fn what_a_function_reports_as_failed_is_tried_again_alone() {
    let fed = Fed::new().await;
    fed.publish("a").await;
    fed.nats.publish(SUBJECT, &json!({ "name": "bad", "bad": "reported" })).await;
    fed.map(EventSourceSettings {
        report_batch_item_failures: Some(true),
        maximum_retry_attempts: Some(2),
        ..settings()
    })
    .await;
    fed.nothing_pending().await;
    assert_eq!(fed.printed("done").await, ["a"]);
}

#[tokio::test]
async fn a_server_that_dies_and_returns_loses_nothing_and_overtakes_nothing() {
    let fed = Fed::new().await;
    let uuid = fed.map(EventSourceSettings { batch_size: Some(2), ..settings() }).await;
    fed.publish("a").await;
    fed.nats.publish(SUBJECT, &json!({ "name": "slow", "slow": "2" })).await;
    for name in ["b", "c"] {
        fed.publish(name).await;
    }
    eventually("a batch is under way", async || fed.printed("slow").await.pop()).await;
    fed.nats.crash();
    fed.tells(&uuid, "PROBLEM: NATS").await;
    fed.nats.begin().await;
    fed.publish("d").await;
    fed.nothing_pending().await;
    let done = fed.printed("done").await;
    assert_eq!(in_order_of_first(&done), ["a", "slow", "b", "c", "d"]);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_batch_loses_nothing_and_overtakes_nothing() {
    let mut fed = Fed::new().await;
    fed.publish("a").await;
    fed.nats.publish(SUBJECT, &json!({ "name": "slow", "slow": "3" })).await;
    fed.publish("b").await;
    fed.map(settings()).await;
    eventually("the batch is under way", async || fed.printed("slow").await.pop()).await;
    fed.world.daemon().crash();
    fed.publish("c").await;
    fed.world.restart().await;
    assert_eq!(fed.processed(4).await, ["a", "slow", "b", "c"]);
    fed.nothing_pending().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_outlive_any_number_of_kills_of_thawd_and_of_nats() {
    let mut fed = Fed::new().await;
    let given_up = GivenUp::new(&fed.world).await;
    fed.map(EventSourceSettings {
        batch_size: Some(3),
        maximum_retry_attempts: Some(0),
        on_failure: Some(given_up.arn.clone()),
        ..settings()
    })
    .await;
    let mut last = 0;
    for round in 0..=kills() {
        for number in 0..12 {
            let data = json!({ "name": format!("{round}-{number}"), "slow": "0.1", "bad": true });
            last = fed.nats.publish(SUBJECT, &data).await;
        }
        if round < kills() {
            any_moment().await;
            if round % 2 == 0 {
                fed.world.daemon().crash();
                fed.world.restart_after_kill().await;
            } else {
                fed.nats.crash();
                fed.nats.begin().await;
            }
        }
    }
    eventually("every message is through", async || {
        let batches = given_up.batches(&fed.world, "NatsStreamBatchInfo").await;
        let number = |text: &String| text.parse::<u64>().expect("a number");
        let through =
            |at: u64| batches.iter().any(|(first, last)| (number(first)..=number(last)).contains(&at));
        (1..=last).all(through).then_some(())
    })
    .await;
    fed.nothing_pending().await;
}

#[tokio::test]
async fn a_mapping_waits_for_its_stream_and_outlives_its_consumer() {
    let fed = Fed::new().await;
    fed.nats.remove_stream(STREAM).await;
    let uuid = fed.map(settings()).await;
    fed.tells(&uuid, "PROBLEM: NATS: there is no stream ORDERS").await;
    fed.nats.make_stream(STREAM).await;
    fed.publish("a").await;
    fed.processed(1).await;
    fed.nothing_pending().await;
    // Whatever came meanwhile is not known: it is read from the beginning.
    fed.nats.remove_consumers(STREAM).await;
    fed.publish("b").await;
    assert_eq!(in_order_of_first(&fed.processed(3).await), ["a", "b"]);
    // The same stream in name alone: its first message is not the one that is known.
    fed.nats.remove_stream(STREAM).await;
    fed.nats.make_stream(STREAM).await;
    fed.publish("c").await;
    assert_eq!(in_order_of_first(&fed.processed(4).await), ["a", "b", "c"]);
}

/// Names without those that came before.
fn in_order_of_first(names: &[String]) -> Vec<&str> {
    let mut first = Vec::new();
    for name in names {
        if !first.contains(&name.as_str()) {
            first.push(name.as_str());
        }
    }
    first
}
