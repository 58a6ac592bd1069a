//! What a function is given and what comes back.

use bytes::Bytes;
use serde_json::{Value, json};
use thaw_proto::v1::{InvocationType, InvokeRequest, LogType};
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    world::{fields, reason, request},
};
use tonic::Code;

use crate::world;

/// The most bytes of a payload, and of a response but for 100 more.
const SIX_MB: usize = 6 * 1024 * 1024;

/// The event of Lambda's S3 tutorial, as S3 sends it for an upload.
fn s3_put(bucket: &str, key: &str) -> Value {
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "1970-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "EXAMPLE" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {
                "x-amz-request-id": "EXAMPLE123456789",
                "x-amz-id-2": "EXAMPLE123/5678abcdefghijklambdaisawesome/mnopqrstuvwxyzABCDEFGH"
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "testConfigRule",
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": { "principalId": "EXAMPLE" },
                    "arn": format!("arn:aws:s3:::{bucket}")
                },
                "object": {
                    "key": key,
                    "size": 1024,
                    "eTag": "0123456789abcdef0123456789abcdef",
                    "sequencer": "0A1B2C3D4E5F678901"
                }
            }
        }]
    })
}

#[tokio::test]
async fn the_event_of_the_s3_tutorial_is_read_by_its_function() {
    let world = world().await;
    let name = world.create(NewFunction::of("s3_upload")).await;
    let answer = world.invoke(&name, s3_put("amzn-s3-demo-bucket", "test%2Fthe+k%C3%A9y.jpg")).await;
    assert!(answer.tail.contains("amzn-s3-demo-bucket"), "what it prints is in the tail: {}", answer.tail);
    assert_eq!(
        answer.value(),
        json!({ "bucket": "amzn-s3-demo-bucket", "key": "test/the kéy.jpg", "size": 1024 })
    );
}

#[tokio::test]
async fn the_context_tells_the_function_who_it_is() {
    let world = world().await;
    let name = world.create(NewFunction::of("context").memory(256).timeout(7)).await;
    let answer = world.invoke(&name, json!({})).await;
    let (request_id, sandbox) = (answer.request_id.clone(), world.sandboxes(&name).await.remove(0));
    let value = answer.value();
    assert_eq!(
        value["context"],
        json!({
            "aws_request_id": request_id,
            "function_name": name,
            "function_version": "$LATEST",
            "invoked_function_arn": format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
            "log_group_name": format!("/aws/lambda/{name}"),
            "log_stream_name": sandbox.log_stream_name,
            "memory_limit_in_mb": "256",
        })
    );
    assert!(sandbox.log_stream_name.contains("/[$LATEST]"), "{}", sandbox.log_stream_name);
    let remaining = |index: usize| value["remaining"][index].as_i64().expect("milliseconds");
    assert!(remaining(0) <= 7_000 && remaining(1) > 0, "{}", value["remaining"]);
    assert!(remaining(1) <= remaining(0) - 45, "the time left falls: {}", value["remaining"]);
    assert_eq!(value["client"], Value::Null);
}

#[tokio::test]
async fn the_environment_is_lambdas_and_the_users() {
    let world = world().await;
    let name = world.create(NewFunction::of("context").memory(256).env("BUCKET", "mine: ä")).await;
    let answer = world.invoke(&name, json!({})).await;
    let stream = world.sandboxes(&name).await.remove(0).log_stream_name;
    let value = answer.value();
    let expected = [
        ("BUCKET", "mine: ä"),
        ("_HANDLER", "context.handler"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13"),
        ("AWS_LAMBDA_FUNCTION_NAME", &name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &stream),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ];
    for (variable, expected) in expected {
        assert_eq!(value["environment"][variable], expected, "{variable}");
    }
    let trace = value["environment"]["_X_AMZN_TRACE_ID"].as_str().expect("a trace id");
    assert!(trace.starts_with("Root=1-"), "{trace}");
    assert_eq!(value["directory"], "/var/task");
    assert_eq!(value["file"], "/var/task/context.py");
}

#[tokio::test]
async fn a_client_context_reaches_the_function() {
    let world = world().await;
    let name = world.create(NewFunction::of("context")).await;
    let context = json!({ "custom": { "näme": "☃" }, "env": { "locale": "de" } }).to_string();
    let answer = world.send(InvokeRequest { client_context: context, ..request(&name) }).await.unwrap();
    let client = &answer.value()["client"];
    assert_eq!(*client, json!({ "custom": { "näme": "☃" }, "env": { "locale": "de" } }));
}

#[tokio::test]
async fn a_client_context_that_is_no_object_or_too_long_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::of("context")).await;
    for context in ["[1]".to_owned(), "{".to_owned(), format!("{{\"custom\":\"{}\"}}", "x".repeat(3583))] {
        let refusal =
            world.send(InvokeRequest { client_context: context, ..request(&name) }).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
        assert_eq!(fields(&refusal), ["client_context"]);
    }
}

#[tokio::test]
async fn a_function_that_returns_nothing_answers_null() {
    let world = world().await;
    let name = world.create(NewFunction::of("none")).await;
    let answer = world.invoke(&name, json!({})).await;
    assert_eq!(answer.bytes.as_ref(), b"null");
    assert_eq!(answer.executed_version, "$LATEST");
}

#[tokio::test]
async fn only_the_first_call_of_a_sandbox_is_cold() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let (first, second) = (world.invoke(&name, json!({})).await, world.invoke(&name, json!({})).await);
    for (answer, is_cold) in [(&first, true), (&second, false)] {
        assert_eq!(answer.is_cold, is_cold, "{answer:?}");
        assert_eq!(answer.tail.contains("\tInit Duration: "), is_cold, "{answer:?}");
    }
    assert_eq!(first.value()["sandbox"], second.value()["sandbox"]);
    // A sandbox that never came up was started for its call, too.
    let broken = world.create(NewFunction::of("raises_at_import")).await;
    assert!(world.invoke(&broken, json!({})).await.is_cold);
}

#[tokio::test]
async fn an_empty_payload_stands_for_an_empty_object() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    assert_eq!(world.send(request(&name)).await.unwrap().value(), json!({}));
}

#[tokio::test]
async fn every_kind_of_json_comes_back_as_it_went() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let events = [
        json!("Grüße, 世界, 😀, \u{0}, \"\\"),
        json!({ "ключ": ["ä", null, true, -1.5, 12345678901234567890_u64], "": {} }),
        json!([]),
        json!(0),
        json!(false),
        Value::Null,
    ];
    for event in events {
        assert_eq!(world.invoke(&name, event.clone()).await.value(), event);
    }
}

#[tokio::test]
async fn six_mb_go_in_and_come_out() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo").memory(ONE_CPU)).await;
    let payload = Bytes::from(format!("\"{}\"", "x".repeat(SIX_MB - 2)));
    let answer = world.send(InvokeRequest { payload: payload.clone(), ..request(&name) }).await.unwrap();
    assert!(answer.bytes == payload, "{} bytes came back", answer.bytes.len());
}

#[tokio::test]
async fn a_payload_over_six_mb_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let payload = Bytes::from(format!("\"{}\"", "x".repeat(SIX_MB - 1)));
    let refusal = world.send(InvokeRequest { payload, ..request(&name) }).await.unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert_eq!(reason(&refusal), "REQUEST_TOO_LARGE");
    assert!(refusal.message().contains("6291456"), "the message names the limit: {}", refusal.message());
}

#[tokio::test]
async fn a_response_over_the_limit_is_an_error_and_the_next_call_is_answered() {
    let world = world().await;
    let name = world.create(NewFunction::of("large").memory(ONE_CPU)).await;
    let largest = world.invoke(&name, json!({ "bytes": SIX_MB + 100 })).await;
    assert_eq!(largest.bytes.len(), SIX_MB + 100);
    let answer = world.invoke(&name, json!({ "bytes": SIX_MB + 101 })).await;
    let (error_type, message) = answer.error();
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");
    assert!(message.contains("6291556"), "{message}");
    // The official client takes the 413 for its own end; see `runtime_api` for one that goes on.
    assert!(world.invoke(&name, json!({})).await.value().is_string());
}

#[tokio::test]
async fn a_payload_that_is_not_json_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    for payload in ["{", "nothing", "{} {}", "\u{feff}{}", "'a'"] {
        let refusal = world
            .send(InvokeRequest { payload: Bytes::copy_from_slice(payload.as_bytes()), ..request(&name) })
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{payload}: {refusal:?}");
        assert_eq!(fields(&refusal), ["payload"]);
    }
    let refusal = world
        .send(InvokeRequest { payload: Bytes::from_static(b"\"\xff\""), ..request(&name) })
        .await
        .unwrap_err();
    assert_eq!(fields(&refusal), ["payload"]);
    assert!(world.sandboxes(&name).await.is_empty(), "nothing was started for it");
}

#[tokio::test]
async fn a_function_can_be_called_by_name_and_arn_and_version() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let arn = world.get(&name).await.unwrap().function_arn;
    let references = [
        name.clone(),
        format!("{name}:$LATEST"),
        format!("000000000000:function:{name}"),
        arn.clone(),
        format!("{arn}:$LATEST"),
    ];
    for reference in references {
        assert_eq!(world.invoke(&reference, json!(reference)).await.value(), json!(reference));
    }
    let qualified = InvokeRequest { qualifier: "$LATEST".to_owned(), ..request(&name) };
    assert_eq!(world.send(qualified).await.unwrap().executed_version, "$LATEST");
}

#[tokio::test]
async fn a_function_that_does_not_exist_is_not_found() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let references = ["there-is-none".to_owned(), format!("{name}:7"), format!("{name}:prod")]
        .map(|reference| request(&reference));
    for request in references {
        let refusal = world.send(request.clone()).await.unwrap_err();
        assert_eq!(refusal.code(), Code::NotFound, "{request:?}: {refusal:?}");
        assert_eq!(reason(&refusal), "RESOURCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_reference_that_is_malformed_is_refused() {
    let world = world().await;
    for reference in ["", "no spaces", "a/b", "arn:aws:s3:::bucket", &"x".repeat(65)] {
        let refusal = world.send(request(reference)).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{reference}: {refusal:?}");
        assert_eq!(fields(&refusal), ["function_name"], "{reference}");
    }
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let dry = |name: &str| InvokeRequest { invocation_type: InvocationType::DryRun.into(), ..request(name) };
    let answer = world.send(dry(&name)).await.unwrap();
    assert_eq!((answer.status, answer.bytes.len(), answer.executed_version.as_str()), (204, 0, "$LATEST"));
    assert!(world.sandboxes(&name).await.is_empty());
    assert_eq!(world.send(dry("there-is-none")).await.unwrap_err().code(), Code::NotFound);
    let bad = InvokeRequest { payload: Bytes::from_static(b"{"), ..dry(&name) };
    assert_eq!(world.send(bad).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_log_is_answered_only_if_it_is_asked_for() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let quiet = InvokeRequest { log_type: LogType::None.into(), ..request(&name) };
    assert_eq!(world.send(quiet).await.unwrap().tail, "");
    assert!(world.send(request(&name)).await.unwrap().tail.contains("REPORT"));
}
