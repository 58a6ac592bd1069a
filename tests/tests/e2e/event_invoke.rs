//! How functions take asynchronous events, from the command line.

use serde_json::{Value, json};
use thaw_tests::{functions::NewFunction, wait::eventually};

use crate::{
    cli::{json, refused, thaw},
    world,
};

fn arn(kind: &str) -> String {
    format!("arn:aws:{kind}")
}

#[tokio::test]
async fn what_is_set_is_shown_changed_and_taken_away() {
    let world = world().await;
    let (name, other) =
        (world.create(NewFunction::of("echo")).await, world.create(NewFunction::of("echo")).await);
    let own = arn(&format!("lambda:us-east-1:000000000000:function:{name}"));
    let (to, group) = (
        arn(&format!("lambda:us-east-1:000000000000:function:{other}")),
        arn("logs:us-east-1:000000000000:log-group:/given-up"),
    );
    let put = json(
        &world,
        &["event-invoke", "put", &name, "--retries", "0", "--max-age", "60", "--on-failure", &group],
    )
    .await;
    assert_eq!(put["FunctionArn"], format!("{own}:$LATEST"));
    assert_eq!((&put["MaximumRetryAttempts"], &put["MaximumEventAgeInSeconds"]), (&json!(0), &json!(60)));
    assert_eq!(put["DestinationConfig"], json!({ "OnSuccess": {}, "OnFailure": { "Destination": group } }));
    let got = json(&world, &["event-invoke", "get", &name]).await;
    assert_eq!(got, put);

    let changed =
        json(&world, &["event-invoke", "update", &name, "--on-success", &to, "--retries", "1"]).await;
    assert_eq!(
        (&changed["MaximumRetryAttempts"], &changed["MaximumEventAgeInSeconds"]),
        (&json!(1), &json!(60))
    );
    assert_eq!(
        changed["DestinationConfig"],
        json!({ "OnSuccess": { "Destination": to }, "OnFailure": { "Destination": group } }),
        "what is not said stays"
    );
    let changed = json(&world, &["event-invoke", "update", &name, "--on-failure", ""]).await;
    assert_eq!(changed["DestinationConfig"], json!({ "OnSuccess": { "Destination": to }, "OnFailure": {} }));

    thaw(&world, &["function", "publish", &name]).await.ok();
    thaw(&world, &["alias", "create", &name, "live", "--version", "1"]).await.ok();
    let live = format!("{name}:live");
    thaw(&world, &["event-invoke", "put", &live, "--retries", "2"]).await.ok();
    let listed = json(&world, &["event-invoke", "list", &name]).await;
    let listed: Vec<&Value> = listed["FunctionEventInvokeConfigs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["FunctionArn"])
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&&json!(format!("{own}:live"))), "{listed:?}");
    let table = thaw(&world, &["event-invoke", "list", &name]).await.ok();
    assert!(table.contains(&live) && table.contains(&to), "{table}");
    let shown = thaw(&world, &["event-invoke", "get", &live]).await.ok();
    assert!(shown.contains("retries   2") && !shown.contains("max age"), "{shown}");

    let put = json(&world, &["event-invoke", "put", &name, "--max-age", "120"]).await;
    assert_eq!((&put["MaximumRetryAttempts"], &put["MaximumEventAgeInSeconds"]), (&Value::Null, &json!(120)));
    assert_eq!(put["DestinationConfig"], json!({ "OnSuccess": {}, "OnFailure": {} }), "it is all of it");
    thaw(&world, &["event-invoke", "delete", &name]).await.ok();
    refused(&world, 3, "doesn't have an EventInvokeConfig", &["event-invoke", "get", &name]).await;
    thaw(&world, &["event-invoke", "get", &live]).await.ok();
}

#[tokio::test]
async fn mistakes_are_told_with_the_flag_that_is_meant() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let bus = arn("events:us-east-1:000000000000:event-bus/default");
    let own = arn(&format!("lambda:us-east-1:000000000000:function:{name}"));
    let put: [(&[&str], &str); 7] = [
        (&["--retries", "3"], "--retries: 1 validation error detected: Value '3' at 'maximumRetryAttempts'"),
        (&["--max-age", "59"], "--max-age: 1 validation error detected: Value '59'"),
        (&["--on-success", "nobody"], "--on-success: nobody is no ARN of a destination"),
        (&["--on-failure", "nobody"], "--on-failure: nobody is no ARN of a destination"),
        (&["--on-failure", &bus], "thawd sends nothing to event buses"),
        (&["--on-success", &own], "You can't specify the function as a destination for itself."),
        (&[], "You must specify at least one of error handling or destination setting."),
    ];
    for (settings, words) in put {
        refused(&world, 3, words, &[&["event-invoke", "put", &name], settings].concat()).await;
    }
    refused(&world, 2, "say what to change", &["event-invoke", "update", &name]).await;
    refused(&world, 2, "invalid value", &["event-invoke", "put", &name, "--retries", "often"]).await;
    let update = ["event-invoke", "update", &name, "--retries", "1"];
    refused(&world, 3, "doesn't have an EventInvokeConfig", &update).await;
    let missing = ["event-invoke", "put", "there-is-none", "--retries", "1"];
    refused(&world, 3, "The function doesn't exist.", &missing).await;
    refused(&world, 3, "doesn't have an EventInvokeConfig", &["event-invoke", "delete", &name]).await;
    let listed = thaw(&world, &["event-invoke", "list", &name]).await;
    assert!(listed.err.contains("thaw event-invoke put --help"), "{listed:#?}");
    assert_eq!(listed.ok(), "");
}

#[tokio::test]
async fn a_function_without_retries_is_called_once() {
    let world = world().await;
    let name = world.create(NewFunction::of("failures")).await;
    thaw(&world, &["event-invoke", "put", &name, "--retries", "0"]).await.ok();
    let id = thaw(&world, &["invoke", &name, "--event", "--payload", r#"{"how": "raise"}"#]).await.ok();
    let shown = eventually("the event is dead", async || {
        let run = thaw(&world, &["events", "show", id.trim()]).await;
        (run.code == 0 && run.out.contains("dead")).then_some(run.out)
    })
    .await;
    assert!(shown.contains("RetriesExhausted"), "{shown}");
    let calls = world.lines(&name).await;
    assert_eq!(calls.iter().filter(|line| line.message.starts_with("START ")).count(), 1, "{shown}");
}
