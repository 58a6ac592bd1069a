//! The Runtime API, spoken from inside a sandbox by something that is not the official client.

use serde_json::{Value, json};
use thaw_proto::v1::InvokeRequest;
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    wait::eventually,
    world::{World, request},
};

use crate::world;

const INVOCATION: &str = "/2018-06-01/runtime/invocation";
const ERROR: &str = r#"{"errorMessage": "no", "errorType": "No"}"#;

/// Lets the function send these requests while it runs; gives status and error type of each answer.
async fn send(requests: &[(&str, String, Option<&str>)]) -> Vec<(u64, Value)> {
    let world = world().await;
    let name = world.create(NewFunction::of("runtime_api").memory(ONE_CPU)).await;
    let requests: Vec<_> = requests.iter().map(|(method, path, body)| json!([method, path, body])).collect();
    let answers = world.invoke(&name, json!({ "how": "requests", "requests": requests })).await.value();
    let answers = answers.as_array().expect("answers").iter();
    answers
        .map(|answer| (answer["status"].as_u64().expect("a status"), answer["body"]["errorType"].clone()))
        .collect()
}

#[tokio::test]
async fn a_wrong_request_id_is_refused_and_changes_nothing() {
    let wrong = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
    let answers = send(&[
        ("POST", format!("{INVOCATION}/{wrong}/response"), Some("1")),
        ("POST", format!("{INVOCATION}/{wrong}/error"), Some(ERROR)),
        ("POST", format!("{INVOCATION}/%2E%2E/response"), Some("1")),
        ("POST", format!("{INVOCATION}/MINE%00/response"), Some("1")),
    ])
    .await;
    assert_eq!(answers, vec![(400, json!("InvalidRequestID")); 4]);
}

#[tokio::test]
async fn what_the_api_does_not_have_is_not_found() {
    let paths =
        ["/", "/2018-06-01/runtime", "/2018-06-01/ping", "/2020-01-01/runtime/invocation/next", "/.."];
    let requests: Vec<_> = paths.iter().map(|path| ("GET", (*path).to_owned(), None)).collect();
    for (status, _) in send(&requests).await {
        assert_eq!(status, 404);
    }
}

#[tokio::test]
async fn a_wrong_method_is_not_allowed() {
    let answers = send(&[
        ("POST", format!("{INVOCATION}/next"), Some("{}")),
        ("GET", format!("{INVOCATION}/MINE/response"), None),
        ("GET", format!("{INVOCATION}/MINE/error"), None),
        ("GET", "/2018-06-01/runtime/init/error".to_owned(), None),
        ("DELETE", format!("{INVOCATION}/MINE/response"), None),
    ])
    .await;
    for (status, _) in answers {
        assert_eq!(status, 405);
    }
}

#[tokio::test]
async fn an_init_error_after_the_init_and_a_second_next_are_forbidden() {
    let answers = send(&[
        ("POST", "/2018-06-01/runtime/init/error".to_owned(), Some(ERROR)),
        ("GET", format!("{INVOCATION}/next"), None),
    ])
    .await;
    assert_eq!(answers, vec![(403, json!("InvalidStateTransition")); 2]);
}

/// Waits for a line that the function prints after its invocation has ended.
async fn said(world: &World, name: &str, text: &str) {
    eventually(&format!("the function says {text:?}"), async || {
        world.lines(name).await.iter().any(|line| line.message == text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_second_response_is_forbidden() {
    let world = world().await;
    let name = world.create(NewFunction::of("runtime_api").memory(ONE_CPU)).await;
    let answer = world.invoke(&name, json!({ "how": "answer twice" })).await;
    assert_eq!(answer.value(), json!("by hand"), "the first response counts");
    said(&world, &name, "first 202").await;
    said(&world, &name, "second 403").await;
    assert_eq!(world.invoke(&name, json!({ "how": "answer" })).await.value(), json!("by the client"));
}

#[tokio::test]
async fn a_response_over_six_mb_is_too_large() {
    let world = world().await;
    let name = world.create(NewFunction::of("runtime_api").memory(ONE_CPU)).await;
    for bytes in [6_291_556, 20 << 20] {
        let answer = world.invoke(&name, json!({ "how": "too large", "bytes": bytes })).await;
        assert_eq!(answer.error().0, "Function.ResponseSizeTooLarge");
    }
    said(&world, &name, "answer 413 RequestEntityTooLarge").await;
}

#[tokio::test]
async fn an_error_is_handed_on_as_the_runtime_says_it() {
    let world = world().await;
    let name = world.create(NewFunction::of("runtime_api").memory(ONE_CPU)).await;
    let answer = world.invoke(&name, json!({ "how": "error by hand" })).await;
    assert_eq!(answer.error(), ("Custom.Error", "said by hand"));
    assert_eq!(answer.payload["stackTrace"], json!([]));
    said(&world, &name, "error 202").await;
}

#[tokio::test]
async fn a_runtime_of_the_functions_own_gets_every_header() {
    let world = world().await;
    let name = world.create(NewFunction::of("own_runtime").timeout(5)).await;
    for number in 1..=2 {
        let sent = InvokeRequest {
            payload: format!("{{\"number\" : {number}}}").into(),
            client_context: r#"{"custom":{}}"#.to_owned(),
            ..request(&name)
        };
        let answer = world.send(sent).await.unwrap();
        let (request_id, value) = (answer.request_id.clone(), answer.value());
        let headers = &value["headers"];
        assert_eq!(value["status"], 200);
        assert_eq!(value["body"], format!("{{\"number\" : {number}}}"), "the event comes byte for byte");
        assert_eq!(headers["lambda-runtime-aws-request-id"], request_id);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["lambda-runtime-client-context"], r#"{"custom":{}}"#);
        let arn = headers["lambda-runtime-invoked-function-arn"].as_str().unwrap();
        assert_eq!(arn, format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"));
        let trace = headers["lambda-runtime-trace-id"].as_str().unwrap();
        assert!(trace.starts_with("Root=1-") && trace.contains(";Sampled="), "{trace}");
        let deadline: u64 = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
        let date = std::process::Command::new("date").arg("+%s%3N").output().unwrap();
        let now: u64 = String::from_utf8(date.stdout).unwrap().trim().parse().unwrap();
        assert!((now..=now + 5_000).contains(&deadline), "the deadline {deadline} is within 5 s of {now}");
    }
    said(&world, &name, "verdict 202").await;
}

#[tokio::test]
async fn a_sandbox_lives_on_after_a_response_over_the_limit() {
    let world = world().await;
    let name = world.create(NewFunction::of("own_runtime").memory(ONE_CPU)).await;
    assert_eq!(world.invoke(&name, json!({})).await.value()["answered"], 1);
    let answer = world.invoke(&name, json!({ "padding": 7 << 20 })).await;
    assert_eq!(answer.error().0, "Function.ResponseSizeTooLarge");
    assert_eq!(world.invoke(&name, json!({})).await.value()["answered"], 3);
    said(&world, &name, "verdict 413").await;
}
