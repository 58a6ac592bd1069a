//! Streams of DynamoDB's tables that feed functions.

use serde_json::{Value, json};
use thaw_proto::v1::{CreateEventSourceRequest, EventSourceSettings};
use thaw_tests::{
    functions::NewFunction,
    moto::Moto,
    wait::eventually,
    world::{World, fields},
};

use crate::event_sources::printed;

const TABLE: &str = "orders";

/// A daemon with a table, and a function that prints which changes it has processed.
struct Fed {
    world: World,
    moto: Moto,
    name: String,
    arn: String,
}

impl Fed {
    async fn new() -> Self {
        let moto = Moto::start().await;
        let arn = moto.make_table(TABLE).await;
        let world = World::start_with(&[("dynamodb-endpoint", &moto.url())]).await;
        let name = world.create(NewFunction::of("records")).await;
        Self { world, moto, name, arn }
    }

    async fn map(&self, settings: EventSourceSettings) {
        let request = CreateEventSourceRequest {
            function_name: self.name.clone(),
            event_source_arn: self.arn.clone(),
            settings: Some(settings),
            starting_position: "TRIM_HORIZON".to_owned(),
            starting_position_timestamp: None,
            ..CreateEventSourceRequest::default()
        };
        self.world.event_sources().create_event_source(request).await.unwrap();
    }

    async fn put(&self, items: &[Value]) {
        self.moto.put_items(TABLE, items).await;
    }

    async fn processed(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} changes are processed"), async || {
            let done = printed(&self.world, &self.name, "done").await;
            (done.len() >= count).then_some(done)
        })
        .await
    }
}

fn item(id: &str, name: &str) -> Value {
    json!({ "id": { "S": id }, "name": { "S": name } })
}

#[tokio::test]
async fn changes_of_items_come_in_lambdas_form_and_filters_see_them() {
    let fed = Fed::new().await;
    let mut shown = item("a", "second");
    shown["show"] = json!({ "S": "yes" });
    shown["total"] = json!({ "N": "12.50" });
    // The command line takes bytes as they are.
    shown["bytes"] = json!({ "B": "bytes" });
    shown["list"] = json!({ "L": [{ "BOOL": true }, { "NULL": true }, { "M": { "x": { "SS": ["y"] } } }] });
    fed.put(&[item("a", "first")]).await;
    fed.put(&[shown.clone(), item("b", "other")]).await;
    let filters = vec![r#"{"eventName": ["MODIFY"], "dynamodb": {"Keys": {"id": {"S": ["a"]}}}}"#.to_owned()];
    fed.map(EventSourceSettings { filters, set_filters: true, ..Default::default() }).await;
    assert_eq!(fed.processed(1).await, ["second"]);
    let event: Value = serde_json::from_str(&printed(&fed.world, &fed.name, "event").await[0]).unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "MODIFY");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!((&record["awsRegion"], &record["eventSourceARN"]), (&json!("us-east-1"), &json!(fed.arn)));
    assert!(record["eventID"].is_string() && record["eventVersion"].is_string(), "{record}");
    let change = &record["dynamodb"];
    assert_eq!(change["Keys"], json!({ "id": { "S": "a" } }));
    assert_eq!(change["OldImage"], item("a", "first"));
    shown["bytes"] = json!({ "B": "Ynl0ZXM=" });
    assert_eq!(change["NewImage"], shown);
    assert_eq!(change["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert!(change["ApproximateCreationDateTime"].is_number(), "{change}");
    assert!(change["SequenceNumber"].is_string() && change["SizeBytes"].is_number(), "{change}");
}

#[tokio::test]
async fn changes_of_an_item_keep_their_order_in_batches_that_run_at_once() {
    let fed = Fed::new().await;
    fed.map(EventSourceSettings {
        parallelization_factor: Some(4),
        batch_size: Some(2),
        ..Default::default()
    })
    .await;
    for number in 0..3 {
        let items: Vec<Value> = (0..8).map(|id| item(&id.to_string(), &format!("{id}-{number}"))).collect();
        fed.put(&items).await;
    }
    let done = fed.processed(24).await;
    for id in 0..8 {
        let own: Vec<&String> = done.iter().filter(|name| name.starts_with(&format!("{id}-"))).collect();
        assert_eq!(own, [&format!("{id}-0"), &format!("{id}-1"), &format!("{id}-2")], "{done:?}");
    }
}

#[tokio::test]
async fn what_a_function_reports_is_tried_again_from_there_and_told_when_it_is_given_up() {
    let mut fed = Fed::new().await;
    let told = fed.world.create(NewFunction::of("told")).await;
    let mut bad = item("b", "bad");
    bad["bad"] = json!({ "S": "reported" });
    fed.put(&[item("a", "good"), bad]).await;
    fed.map(EventSourceSettings {
        report_batch_item_failures: Some(true),
        maximum_retry_attempts: Some(1),
        on_failure: Some(fed.world.get(&told).await.unwrap().function_arn),
        ..Default::default()
    })
    .await;
    let record =
        eventually("the destination is told", async || printed(&fed.world, &told, "told").await.pop()).await;
    let record: Value = serde_json::from_str(&record).unwrap();
    let batch = &record["DDBStreamBatchInfo"];
    assert_eq!((&batch["batchSize"], &batch["streamArn"]), (&json!(1), &json!(fed.arn)));
    assert!(batch["shardId"].as_str().unwrap().starts_with("shardId-"), "{batch}");
    assert_eq!(batch["startSequenceNumber"], batch["endSequenceNumber"]);
    // What was given up is through, too.
    fed.world.crash_and_restart().await;
    fed.put(&[item("c", "after")]).await;
    assert_eq!(fed.processed(2).await, ["good", "after"]);
}

#[tokio::test]
async fn a_stream_is_looked_at_before_it_is_mapped() {
    let fed = Fed::new().await;
    let none = fed.arn.replace(&format!("/{TABLE}/"), "/other/");
    let request = CreateEventSourceRequest {
        function_name: fed.name.clone(),
        event_source_arn: none.clone(),
        starting_position: "LATEST".to_owned(),
        ..CreateEventSourceRequest::default()
    };
    let refusal = fed.world.event_sources().create_event_source(request).await.unwrap_err();
    assert_eq!(fields(&refusal), ["event_source_arn"]);
    assert!(refusal.message().contains(&format!("Stream not found: {none}")), "{refusal:?}");
}
