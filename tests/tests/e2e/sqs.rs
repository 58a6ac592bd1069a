//! Queues of SQS that feed functions.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use thaw_proto::v1::{CreateEventSourceRequest, EventSourceSettings};
use thaw_tests::{
    functions::NewFunction,
    moto::Moto,
    redis::Redis,
    wait::eventually,
    world::{World, fields, reason},
};
use tonic::{Code, Status};

use crate::{
    aws::{endpoint, script},
    event_sources::printed,
};

/// A daemon with queues, and a function that prints which messages it has processed.
pub(crate) struct Fed {
    pub(crate) world: World,
    pub(crate) moto: Moto,
    pub(crate) name: String,
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn create(function: &str, queue: &str, settings: EventSourceSettings) -> CreateEventSourceRequest {
    CreateEventSourceRequest {
        function_name: function.to_owned(),
        event_source_arn: arn(queue),
        settings: Some(settings),
        starting_position: String::new(),
        starting_position_timestamp: None,
        ..CreateEventSourceRequest::default()
    }
}

impl Fed {
    pub(crate) async fn new() -> Self {
        let moto = Moto::start().await;
        let world = World::start_with(&[("sqs-endpoint", &moto.url())]).await;
        let name = world.create(NewFunction::of("records")).await;
        Self { world, moto, name }
    }

    /// Maps a queue, and gives the mapping's UUID.
    pub(crate) async fn map(&self, queue: &str, settings: EventSourceSettings) -> String {
        self.try_map(queue, settings).await.unwrap()
    }

    async fn try_map(&self, queue: &str, settings: EventSourceSettings) -> Result<String, Status> {
        let request = create(&self.name, queue, settings);
        let created = self.world.event_sources().create_event_source(request).await?.into_inner();
        Ok(created.event_source.unwrap().uuid)
    }

    pub(crate) async fn processed(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} messages are processed"), async || {
            let done = printed(&self.world, &self.name, "done").await;
            (done.len() >= count).then_some(done)
        })
        .await
    }

    pub(crate) async fn is_empty(&self, url: &str) {
        eventually("the queue is empty", async || (self.moto.messages(url).await == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn messages_come_in_lambdas_form_and_those_that_a_filter_leaves_out_reach_nobody() {
    let fed = Fed::new().await;
    let url = fed.moto.make_queue("plain", &[]).await;
    let attributes = r#"{"colour": {"DataType": "String", "StringValue": "red"}}"#;
    fed.moto.send(&url, &json!({"name": "a", "show": true}), &["--message-attributes", attributes]).await;
    fed.moto.send(&url, &json!({"name": "left out"}), &[]).await;
    let filters = vec![r#"{"body": {"name": ["a"]}}"#.to_owned()];
    fed.map("plain", EventSourceSettings { filters, set_filters: true, ..Default::default() }).await;
    assert_eq!(fed.processed(1).await, ["a"]);
    fed.is_empty(&url).await;
    let event: Value = serde_json::from_str(&printed(&fed.world, &fed.name, "event").await[0]).unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["body"], json!({"name": "a", "show": true}).to_string());
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], arn("plain"));
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(
        record["messageAttributes"]["colour"],
        json!({"stringValue": "red", "stringListValues": [], "binaryListValues": [], "dataType": "String"})
    );
    for member in ["messageId", "receiptHandle", "md5OfBody"] {
        assert!(record[member].is_string(), "{member}: {record}");
    }
}

#[tokio::test]
async fn of_a_batch_only_what_the_function_reports_as_failed_comes_again() {
    let fed = Fed::new().await;
    let url = fed.moto.make_queue("partial", &[]).await;
    for body in [json!({"name": "a"}), json!({"name": "bad", "bad": "reported"}), json!({"name": "b"})] {
        fed.moto.send(&url, &body, &[]).await;
    }
    fed.map("partial", EventSourceSettings { report_batch_item_failures: Some(true), ..Default::default() })
        .await;
    let mut done = fed.processed(2).await;
    done.sort();
    // The server gives a message to two who ask at the same moment, as a queue may.
    done.dedup();
    assert_eq!(done, ["a", "b"]);
    eventually("the bad message alone is left", async || (fed.moto.messages(&url).await == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn groups_of_a_fifo_queue_keep_their_order() {
    let fed = Fed::new().await;
    let url = fed.moto.make_queue("ordered.fifo", &["FifoQueue", "ContentBasedDeduplication"]).await;
    for number in 0..5 {
        for group in ["x", "y"] {
            let body = json!({ "name": format!("{group}{number}") });
            fed.moto.send(&url, &body, &["--message-group-id", group]).await;
        }
    }
    fed.map("ordered.fifo", EventSourceSettings { batch_size: Some(2), ..Default::default() }).await;
    let done = fed.processed(10).await;
    for group in ["x", "y"] {
        let own: Vec<&String> = done.iter().filter(|name| name.starts_with(group)).collect();
        assert!(own.is_sorted(), "{done:?}");
    }
    fed.is_empty(&url).await;
}

#[tokio::test]
async fn a_poller_rests_while_the_daemon_drains_and_the_queue_keeps_what_is_not_through() {
    let moto = Moto::start().await;
    let world = World::start_with(&[("sqs-endpoint", &moto.url())]).await;
    let name = world.create(NewFunction::of("records").timeout(8)).await;
    let mut fed = Fed { world, moto, name };
    let url =
        fed.moto.make_queue_that_hides("rests.fifo", 8, &["FifoQueue", "ContentBasedDeduplication"]).await;
    for body in [json!({"name": "slow", "slow": "3"}), json!({"name": "a"}), json!({"name": "b"})] {
        fed.moto.send(&url, &body, &["--message-group-id", "x"]).await;
    }
    fed.map("rests.fifo", EventSourceSettings { batch_size: Some(1), ..Default::default() }).await;
    eventually("a message is under way", async || printed(&fed.world, &fed.name, "slow").await.pop()).await;
    fed.world.daemon().terminate();
    assert!(fed.world.daemon().ended().await.success());
    assert_eq!(fed.moto.messages(&url).await, 2, "what ran is through, and the rest is there");
    fed.world.restart().await;
    assert_eq!(fed.processed(3).await, ["slow", "a", "b"]);
    fed.is_empty(&url).await;
}

#[tokio::test]
async fn a_queue_is_looked_at_before_it_is_mapped() {
    let fed = Fed::new().await;
    let refusal = fed.try_map("none", EventSourceSettings::default()).await.unwrap_err();
    assert_eq!(fields(&refusal), ["event_source_arn"]);
    let told = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS \
                Error Message: The specified queue does not exist.";
    assert!(refusal.message().contains(told), "{refusal:?}");
    fed.moto.make_queue_that_hides("short", 29, &[]).await;
    let refusal = fed.try_map("short", EventSourceSettings::default()).await.unwrap_err();
    let told = "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds";
    assert!(refusal.message().contains(told), "{refusal:?}");
    drop(fed.moto);
    let world = fed.world;
    let request = create(&fed.name, "short", EventSourceSettings::default());
    let refusal = world.event_sources().create_event_source(request).await.unwrap_err();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::Unavailable, "SERVICE"), "{refusal:?}");
    assert!(refusal.message().contains("can't be looked at: arn:aws:sqs:"), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_reads_its_own_queues_with_its_own_credentials() {
    let moto = Moto::start_with_accounts().await;
    let (one, other) = ("123456789012", "111122223333");
    let session = script("two_queues.py", &["session", &moto.url(), other]).await;
    let known: Value = serde_json::from_str(&session).unwrap();
    let text = |name: &str| known[name].as_str().expect("a credential").to_owned();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| {
        let path = home.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let credential = |key: &str, secret: &str, account: &str| {
        format!(
            "[[credential]]\naccess_key_id = {key:?}\nsecret_access_key = {secret:?}\naccount = {account:?}\n"
        )
    };
    let session_of_other =
        format!("session = {{ token = {:?}, expires = \"2100-01-01T00:00:00Z\" }}\n", text("SessionToken"));
    let for_queues = credential("test", "test", one)
        + &credential(&text("AccessKeyId"), &text("SecretAccessKey"), other)
        + &session_of_other;
    let world = World::start_with(&[
        ("sqs-endpoint", &moto.url()),
        ("sqs-credentials", &file("sqs.toml", for_queues)),
        (
            "aws-credentials",
            &file("aws.toml", credential("AKIAONE", "one", one) + &credential("AKIAOTHER", "other", other)),
        ),
    ])
    .await;
    let keys = json!([["AKIAONE", "one"], ["AKIAOTHER", "other"]]).to_string();
    script("two_queues.py", &["feed", &moto.url(), &endpoint(&world).await, &keys, &session]).await;
}

#[tokio::test]
async fn a_queue_is_told_of_what_is_given_up_of_a_stream() {
    let (moto, redis) = (Moto::start().await, Redis::start().await);
    let url = moto.make_queue("given-up", &[]).await;
    let world = World::start_with(&[("sqs-endpoint", &moto.url()), ("redis-url", &redis.url())]).await;
    let name = world.create(NewFunction::of("records")).await;
    let id = redis.add("s", &[("name", "bad"), ("bad", "yes")]).await;
    let request = CreateEventSourceRequest {
        function_name: name,
        event_source_arn: "arn:aws:redis:us-east-1:000000000000:stream/s".to_owned(),
        settings: Some(EventSourceSettings {
            maximum_retry_attempts: Some(0),
            on_failure: Some(arn("given-up")),
            ..EventSourceSettings::default()
        }),
        starting_position: "TRIM_HORIZON".to_owned(),
        starting_position_timestamp: None,
        ..CreateEventSourceRequest::default()
    };
    world.event_sources().create_event_source(request).await.unwrap();
    let told = eventually("the queue is told", async || moto.take(&url).await).await;
    assert_eq!(told["RedisStreamBatchInfo"]["startSequenceNumber"], *id);
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted");
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_a_mapping_has() {
    let fed = Fed::new().await;
    let url = fed.moto.make_queue("few", &[]).await;
    for number in 0..8 {
        fed.moto.send(&url, &json!({"name": number.to_string(), "slow": "0.5"}), &[]).await;
    }
    let settings =
        EventSourceSettings { batch_size: Some(1), maximum_concurrency: Some(2), ..Default::default() };
    fed.map("few", settings).await;
    fed.is_empty(&url).await;
    // A function gets another sandbox whenever a call finds none of it free, and keeps it.
    let sandboxes = fed.world.sandboxes(&fed.name).await.len();
    assert!((1..=2).contains(&sandboxes), "{sandboxes} sandboxes");
}
