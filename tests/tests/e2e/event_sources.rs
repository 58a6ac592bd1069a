//! Queues and streams that feed functions.

use std::time::Duration;

use serde_json::Value;
use thaw_proto::v1::{
    CreateEventSourceRequest, DeleteEventSourceRequest, DrainRequest, EventSourceSettings, GetEventRequest,
    ListEventsRequest, PutConcurrencyRequest, ResumeRequest,
};
use thaw_tests::{functions::NewFunction, redis::Redis, wait::eventually, world::World};

use crate::cli::thaw;

/// A daemon with a Redis, and a function that prints which records it has processed.
struct Fed {
    world: World,
    redis: Redis,
    name: String,
}

const STREAM: &str = "orders";

impl Fed {
    async fn new() -> Self {
        let redis = Redis::start().await;
        let world = World::start_with(&[("redis-url", &redis.url())]).await;
        let name = world.create(NewFunction::of("records")).await;
        Self { world, redis, name }
    }

    async fn map(&self, settings: EventSourceSettings) -> String {
        let request = CreateEventSourceRequest {
            function_name: self.name.clone(),
            event_source_arn: format!("arn:aws:redis:us-east-1:000000000000:stream/{STREAM}"),
            settings: Some(settings),
            starting_position: "TRIM_HORIZON".to_owned(),
            starting_position_timestamp: None,
            ..CreateEventSourceRequest::default()
        };
        let created = self.world.event_sources().create_event_source(request).await.unwrap().into_inner();
        let created = created.event_source.unwrap();
        assert_eq!(created.state, "Creating");
        self.world.mapping_in_state(&created.uuid, "Enabled").await;
        created.uuid
    }

    /// What the function has printed after a word, in order.
    async fn printed(&self, word: &str) -> Vec<String> {
        printed(&self.world, &self.name, word).await
    }

    /// Waits until so many records are processed, and gives their names.
    async fn processed(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} records are processed"), async || {
            let done = self.printed("done").await;
            (done.len() >= count).then_some(done)
        })
        .await
    }

    async fn add(&self, name: &str) {
        self.redis.add(STREAM, &[("name", name)]).await;
    }

    /// Waits until everything that was read is acknowledged.
    async fn nothing_pending(&self) {
        eventually("everything is acknowledged", async || {
            (self.redis.pending(STREAM).await == (1, 0)).then_some(())
        })
        .await;
    }
}

pub(crate) async fn printed(world: &World, function: &str, word: &str) -> Vec<String> {
    let prefix = format!("{word} ");
    let lines = world.lines(function).await.into_iter();
    lines
        .filter_map(|line| line.message.strip_prefix(&prefix).map(|rest| rest.trim_end().to_owned()))
        .collect()
}

fn stream() -> EventSourceSettings {
    EventSourceSettings::default()
}

#[tokio::test]
async fn entries_of_a_redis_stream_come_in_their_order_once_and_in_the_form_that_the_readme_shows() {
    let fed = Fed::new().await;
    let id = fed.redis.add(STREAM, &[("name", "first"), ("show", "yes")]).await;
    for number in 0..20 {
        fed.add(&format!("n{number}")).await;
    }
    fed.map(stream()).await;
    let mut wanted = vec!["first".to_owned()];
    wanted.extend((0..20).map(|number| format!("n{number}")));
    assert_eq!(fed.processed(21).await, wanted);
    fed.nothing_pending().await;
    let event: Value = serde_json::from_str(&fed.printed("event").await[0]).unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventSource"], "redis");
    assert_eq!(record["eventSourceARN"], format!("arn:aws:redis:us-east-1:000000000000:stream/{STREAM}"));
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["redis"]["id"], *id);
    assert_eq!(record["redis"]["stream"], STREAM);
    assert_eq!(record["redis"]["fields"]["name"], "first");
}

#[tokio::test]
async fn one_bad_record_is_isolated_by_bisecting_and_the_others_succeed_once_each() {
    let fed = Fed::new().await;
    let told = fed.world.create(NewFunction::of("told")).await;
    for name in ["a", "b", "c"] {
        fed.add(name).await;
    }
    let bad = fed.redis.add(STREAM, &[("name", "bad"), ("bad", "yes")]).await;
    for name in ["d", "e", "f", "g"] {
        fed.add(name).await;
    }
    let arn = fed.world.get(&told).await.unwrap().function_arn;
    fed.map(EventSourceSettings {
        bisect_batch_on_function_error: Some(true),
        maximum_retry_attempts: Some(1),
        on_failure: Some(arn),
        ..stream()
    })
    .await;
    assert_eq!(fed.processed(7).await, ["a", "b", "c", "d", "e", "f", "g"]);
    fed.nothing_pending().await;
    let record =
        eventually("the destination is told", async || printed(&fed.world, &told, "told").await.pop()).await;
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["RedisStreamBatchInfo"]["startSequenceNumber"], *bad);
    assert_eq!(record["RedisStreamBatchInfo"]["endSequenceNumber"], *bad);
    assert_eq!(record["RedisStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test]
async fn what_a_function_reports_as_failed_is_tried_again_alone() {
    let fed = Fed::new().await;
    fed.add("a").await;
    fed.redis.add(STREAM, &[("name", "bad"), ("bad", "reported")]).await;
    let uuid = fed
        .map(EventSourceSettings {
            report_batch_item_failures: Some(true),
            maximum_retry_attempts: Some(2),
            ..stream()
        })
        .await;
    fed.nothing_pending().await;
    assert_eq!(fed.processed(1).await, ["a"]);
    assert_eq!(
        fed.world.mapping(&uuid).await.unwrap().last_processing_result,
        "PROBLEM: Function call failed"
    );
}

#[tokio::test]
async fn records_that_a_filter_leaves_out_reach_nobody() {
    let fed = Fed::new().await;
    fed.map(EventSourceSettings {
        filters: vec![r#"{"data": {"name": [{"prefix": "yes"}]}}"#.to_owned()],
        set_filters: true,
        ..stream()
    })
    .await;
    for name in ["no-1", "yes-1", "no-2", "yes-2"] {
        fed.add(name).await;
    }
    assert_eq!(fed.processed(2).await, ["yes-1", "yes-2"]);
    fed.nothing_pending().await;
    assert_eq!(fed.printed("done").await, ["yes-1", "yes-2"]);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_batch_loses_nothing() {
    let mut fed = Fed::new().await;
    fed.add("a").await;
    fed.redis.add(STREAM, &[("name", "slow"), ("slow", "3")]).await;
    fed.add("b").await;
    fed.map(stream()).await;
    eventually("the batch is under way", async || fed.printed("slow").await.pop()).await;
    fed.world.crash_and_restart().await;
    fed.add("c").await;
    assert_eq!(fed.processed(4).await, ["a", "slow", "b", "c"]);
    fed.nothing_pending().await;
}

#[tokio::test]
async fn a_record_that_is_older_than_it_may_be_is_given_up_untried() {
    let fed = Fed::new().await;
    let told = fed.world.create(NewFunction::of("told")).await;
    let old = fed.redis.add_as(STREAM, "1000-0", &[("name", "old")]).await;
    fed.add("new").await;
    let arn = fed.world.get(&told).await.unwrap().function_arn;
    fed.map(EventSourceSettings { maximum_record_age: Some(60), on_failure: Some(arn), ..stream() }).await;
    assert_eq!(fed.processed(1).await, ["new"]);
    fed.nothing_pending().await;
    let record =
        eventually("the destination is told", async || printed(&fed.world, &told, "told").await.pop()).await;
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1, "the call that it was too old for");
    assert_eq!(record["requestContext"]["requestId"].as_str().map(str::len), Some(36));
    assert!(record.get("responseContext").is_none(), "nobody has answered: {record}");
    assert_eq!(record["RedisStreamBatchInfo"]["startSequenceNumber"], *old);
    assert_eq!(record["RedisStreamBatchInfo"]["endSequenceNumber"], *old);
    assert_eq!(record["RedisStreamBatchInfo"]["approximateArrivalOfFirstRecord"], "1970-01-01T00:00:01Z");
    assert_eq!(fed.printed("done").await, ["new"]);
}

#[tokio::test]
async fn a_poller_rests_while_the_daemon_drains_and_goes_on_where_it_stopped() {
    let mut fed = Fed::new().await;
    fed.redis.add(STREAM, &[("name", "slow"), ("slow", "3")]).await;
    fed.add("a").await;
    fed.add("b").await;
    fed.map(EventSourceSettings { batch_size: Some(1), ..stream() }).await;
    eventually("a batch is under way", async || fed.printed("slow").await.pop()).await;
    fed.world.daemon().terminate();
    assert!(fed.world.daemon().ended().await.success());
    assert_eq!(fed.redis.pending(STREAM).await, (1, 0), "what ran is through, and nothing else was begun");
    fed.world.restart().await;
    assert_eq!(fed.processed(3).await, ["slow", "a", "b"]);

    fed.world.admin().drain(DrainRequest::default()).await.unwrap();
    fed.add("c").await;
    fed.world.admin().resume(ResumeRequest {}).await.unwrap();
    assert_eq!(fed.processed(4).await, ["slow", "a", "b", "c"]);
    fed.nothing_pending().await;
}

/// What is given up by the functions of sources that tests kill the daemon under: kept as events of a function that may not
/// run, so that it outlives every kill. What is printed may not.
pub(crate) struct GivenUp {
    function: String,
    pub(crate) arn: String,
}

impl GivenUp {
    pub(crate) async fn new(world: &World) -> Self {
        let function = world.create(NewFunction::of("told")).await;
        let request = PutConcurrencyRequest {
            function_name: function.clone(),
            reserved_concurrent_executions: Some(0),
        };
        world.attributes().put_concurrency(request).await.unwrap();
        let arn = world.get(&function).await.unwrap().function_arn;
        Self { function, arn }
    }

    /// The first and last record of each batch.
    pub(crate) async fn batches(&self, world: &World, kind: &str) -> Vec<(String, String)> {
        let request = ListEventsRequest {
            function_name: self.function.clone(),
            page_size: 1_000,
            ..ListEventsRequest::default()
        };
        let listed = world.events().list_events(request).await.unwrap().into_inner().events;
        let mut batches = Vec::new();
        for event in listed {
            let kept = world.events().get_event(GetEventRequest { id: event.id }).await.unwrap().into_inner();
            let told: Value = serde_json::from_slice(&kept.payload).unwrap();
            let number = |name: &str| told[kind][name].as_str().expect("a number").to_owned();
            batches.push((number("startSequenceNumber"), number("endSequenceNumber")));
        }
        batches
    }
}

/// How often daemons are killed under a poller: `THAW_TEST_KILLS` makes it more than there is time for in every run.
pub(crate) fn kills() -> usize {
    std::env::var("THAW_TEST_KILLS").map_or(3, |text| text.parse().expect("a number"))
}

/// A moment for a kill: while a poller reads, calls, tells or acknowledges.
pub(crate) async fn any_moment() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(50..1_500))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_outlive_any_number_of_kills_and_no_container_is_left() {
    let mut fed = Fed::new().await;
    let given_up = GivenUp::new(&fed.world).await;
    fed.map(EventSourceSettings {
        batch_size: Some(3),
        maximum_retry_attempts: Some(0),
        on_failure: Some(given_up.arn.clone()),
        ..stream()
    })
    .await;
    let mut ids = Vec::new();
    for round in 0..=kills() {
        for number in 0..12 {
            let name = format!("{round}-{number}");
            ids.push(fed.redis.add(STREAM, &[("name", &name), ("slow", "0.1"), ("bad", "yes")]).await);
        }
        if round < kills() {
            any_moment().await;
            fed.world.daemon().crash();
            fed.world.restart_after_kill().await;
        }
    }
    let place = |id: &String| ids.iter().position(|known| known == id).expect("an id of this stream");
    eventually("every record is through", async || {
        let batches = given_up.batches(&fed.world, "RedisStreamBatchInfo").await;
        let through =
            |at: usize| batches.iter().any(|(first, last)| (place(first)..=place(last)).contains(&at));
        (0..ids.len()).all(through).then_some(())
    })
    .await;
    fed.nothing_pending().await;
}

#[tokio::test]
async fn a_source_that_disappears_and_returns_loses_nothing() {
    let fed = Fed::new().await;
    let uuid = fed.map(stream()).await;
    fed.add("a").await;
    fed.processed(1).await;
    fed.redis.crash();
    eventually("the mapping tells it", async || {
        fed.world
            .mapping(&uuid)
            .await
            .filter(|source| source.last_processing_result.starts_with("PROBLEM: Redis"))
    })
    .await;
    fed.redis.begin().await;
    fed.add("b").await;
    assert_eq!(fed.processed(2).await, ["a", "b"]);
    fed.nothing_pending().await;
}

#[tokio::test]
async fn a_mapping_that_is_disabled_rests_and_goes_on_where_it_was() {
    let fed = Fed::new().await;
    let uuid = fed.map(stream()).await;
    fed.add("a").await;
    fed.processed(1).await;
    fed.world.update_mapping(&uuid, EventSourceSettings { enabled: Some(false), ..stream() }).await;
    fed.world.mapping_in_state(&uuid, "Disabled").await;
    fed.add("b").await;
    fed.world.update_mapping(&uuid, EventSourceSettings { enabled: Some(true), ..stream() }).await;
    assert_eq!(fed.processed(2).await, ["a", "b"]);
    let request = DeleteEventSourceRequest { uuid: uuid.clone() };
    fed.world.event_sources().delete_event_source(request).await.unwrap();
    eventually("the mapping is gone", async || fed.world.mapping(&uuid).await.is_none().then_some(())).await;
    assert_eq!(fed.redis.pending(STREAM).await, (0, 0), "its consumer group is gone, too");
}

#[tokio::test]
async fn mappings_are_handled_from_the_command_line() {
    let fed = Fed::new().await;
    let world = &fed.world;
    let json =
        async |arguments: &[&str]| thaw(world, &[&["--output", "json"], arguments].concat()).await.json();
    let arn = format!("arn:aws:redis:us-east-1:000000000000:stream/{STREAM}");
    let filter = r#"{"data": {"name": ["a"]}}"#;
    let created = json(&[
        "event-source",
        "create",
        &fed.name,
        &arn,
        "--from",
        "latest",
        "--filter",
        filter,
        "--bisect",
        "--retries",
        "3",
        "--disabled",
        "--tag",
        "team=a",
    ])
    .await;
    assert_eq!(created["StartingPosition"], "LATEST");
    assert_eq!(created["FilterCriteria"]["Filters"][0]["Pattern"], filter);
    assert_eq!(
        (&created["BisectBatchOnFunctionError"], &created["MaximumRetryAttempts"]),
        (&true.into(), &3.into())
    );
    let uuid = created["UUID"].as_str().expect("a UUID");
    fed.world.mapping_in_state(uuid, "Disabled").await;
    assert!(thaw(world, &["event-source", "list", "--function", &fed.name]).await.ok().contains("Disabled"));
    json(&["event-source", "update", uuid, "--enable", "--retries", "-1", "--no-filter"]).await;
    fed.world.mapping_in_state(uuid, "Enabled").await;
    let shown = thaw(world, &["event-source", "get", uuid]).await.ok();
    assert!(shown.contains("for ever") && !shown.contains("filter"), "{shown}");
    let tags = json(&["event-source", "tags", uuid, "--set", "stage=b"]).await;
    assert_eq!(tags["Tags"], serde_json::json!({ "team": "a", "stage": "b" }));
    let tags = json(&["event-source", "tags", uuid, "--remove", "team", "--remove", "stage"]).await;
    assert_eq!(tags["Tags"], serde_json::json!({}));
    thaw(world, &["event-source", "delete", uuid]).await.ok();
    eventually("the mapping is gone", async || fed.world.mapping(uuid).await.is_none().then_some(())).await;
}

#[tokio::test]
async fn a_batch_is_gathered_until_it_is_full_or_its_window_is_over() {
    let fed = Fed::new().await;
    let settings =
        EventSourceSettings { batch_size: Some(3), maximum_batching_window: Some(300), ..stream() };
    let uuid = fed.map(settings).await;
    for (count, name) in [(1, "a"), (2, "b")] {
        fed.add(name).await;
        eventually("it is read, and waits for others", async || {
            (fed.redis.pending(STREAM).await == (1, count)).then_some(())
        })
        .await;
        assert_eq!(fed.printed("done").await, [""; 0]);
    }
    fed.add("c").await;
    assert_eq!(fed.processed(3).await, ["a", "b", "c"]);
    fed.nothing_pending().await;
    let calls = fed.world.lines(&fed.name).await;
    assert_eq!(calls.iter().filter(|line| line.message.starts_with("START ")).count(), 1);

    let shorter = EventSourceSettings { batch_size: Some(100), maximum_batching_window: Some(1), ..stream() };
    fed.world.update_mapping(&uuid, shorter).await;
    fed.world.mapping_in_state(&uuid, "Enabled").await;
    fed.add("d").await;
    assert_eq!(fed.processed(4).await[3], "d", "it is not full, and its window is over");
}
