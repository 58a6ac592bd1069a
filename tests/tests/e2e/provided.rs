//! The OS-only runtimes: functions that bring a runtime of their own, compiled or as a script.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thaw_proto::v1::{InvokeRequest, SandboxState};
use thaw_tests::{
    functions::{NewFunction, PROVIDED},
    package::Package,
    world::{World, request},
};

use crate::{ready::ready, world};

#[tokio::test]
async fn a_rust_function_answers_and_keeps_its_process() {
    let world = world().await;
    let name = world.create(NewFunction::rust()).await;
    let event = json!({ "key": "value", "list": [1, 2.5, null, "ä ☃"] });
    let answer = world.invoke(&name, event.clone()).await;
    assert!(answer.tail.contains("Init Duration: "), "{}", answer.tail);
    assert_eq!(answer.value(), event);
    for calls in 2..5 {
        let answer = world.invoke(&name, json!({ "how": "calls" })).await;
        assert!(!answer.tail.contains("Init Duration: "), "{}", answer.tail);
        assert_eq!(answer.value(), json!(calls));
    }
    assert_eq!(world.sandboxes(&name).await.len(), 1);
}

#[tokio::test]
async fn both_identifiers_run_the_same() {
    let world = world().await;
    for runtime in [PROVIDED, "provided.al2"] {
        let name = world.create(NewFunction::rust().runtime(runtime)).await;
        assert_eq!(world.invoke(&name, json!(7)).await.value(), json!(7), "{runtime}");
        assert_eq!(world.get(&name).await.unwrap().runtime, runtime);
    }
}

#[tokio::test]
async fn an_error_is_told_with_the_type_that_the_function_gave_it() {
    let world = world().await;
    let name = world.create(NewFunction::rust()).await;
    let answer = world.invoke(&name, json!({ "how": "error" })).await;
    assert_eq!(answer.error(), ("OutOfCheese", "no cheese: ä ☃"));
    assert_eq!(world.invoke(&name, json!({ "how": "calls" })).await.value(), json!(2), "it lives on");
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_function_lives_on() {
    let world = world().await;
    let name = world.create(NewFunction::rust()).await;
    let answer = world.invoke(&name, json!({ "how": "panic" })).await;
    assert!(answer.error().1.contains("not today"), "{}", answer.payload);
    assert!(answer.tail.contains("not today"), "the log has it too: {}", answer.tail);
    assert_eq!(world.invoke(&name, json!({ "how": "calls" })).await.value(), json!(2));
}

#[tokio::test]
async fn an_exit_is_told_and_another_process_takes_the_next_call() {
    let world = world().await;
    let name = world.create(NewFunction::rust()).await;
    assert_eq!(world.invoke(&name, json!({ "how": "calls" })).await.value(), json!(1));
    let answer = world.invoke(&name, json!({ "how": "exit" })).await;
    let message = format!("RequestId: {} Error: Runtime exited with error: exit status 3", answer.request_id);
    assert_eq!(answer.error(), ("Runtime.ExitError", message.as_str()));
    assert_eq!(world.invoke(&name, json!({ "how": "calls" })).await.value(), json!(1));
}

#[tokio::test]
async fn a_timeout_is_told_and_ends_the_process() {
    let world = world().await;
    let name = world.create(NewFunction::rust().timeout(1)).await;
    let answer = world.invoke(&name, json!({ "how": "sleep" })).await;
    let message = format!("RequestId: {} Error: Task timed out after 1.00 seconds", answer.request_id);
    assert_eq!(answer.error(), ("Sandbox.Timedout", message.as_str()));
    assert!(answer.tail.contains("before the sleep"), "what it had printed is kept: {}", answer.tail);
    assert_eq!(world.invoke(&name, json!({ "how": "calls" })).await.value(), json!(1));
}

#[tokio::test]
async fn its_tasks_stop_between_calls_and_go_on_with_the_next() {
    let world = world().await;
    let name = world.create(NewFunction::rust().memory(512)).await;
    let first = world.invoke(&name, json!({ "how": "background" })).await.value();
    world.sandbox_in(&name, SandboxState::Idle).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let second = world.invoke(&name, json!({ "how": "background" })).await.value();
    let ticks = |value: &Value, when: &str| value[when].as_i64().expect("ticks");
    // Every 5 ms: some 400 in the two seconds if it were not frozen.
    let between = ticks(&second, "before") - ticks(&first, "after");
    assert!((0..100).contains(&between), "{between} ticks between the calls");
    let within = ticks(&second, "after") - ticks(&second, "before");
    assert!(within >= 1, "{within} ticks within the second call");
}

#[tokio::test]
async fn the_environment_is_what_lambda_documents_for_os_only_runtimes() {
    let world = world().await;
    let name = world.create(NewFunction::rust().memory(256).env("BUCKET", "mine: ä")).await;
    let answer = world.invoke(&name, json!({ "how": "self" })).await;
    let (request_id, sandbox) = (answer.request_id.clone(), world.sandboxes(&name).await.remove(0));
    let value = answer.value();
    let environment: BTreeMap<String, String> = serde_json::from_value(value["environment"].clone()).unwrap();
    let group = format!("/aws/lambda/{name}");
    let expected = [
        ("BUCKET", "mine: ä"),
        ("_HANDLER", "any.handler"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", &name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &sandbox.log_stream_name),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ];
    for (variable, expected) in expected {
        assert_eq!(environment.get(variable).map(String::as_str), Some(expected), "{variable}");
    }
    assert!(environment["_X_AMZN_TRACE_ID"].starts_with("Root=1-"), "{environment:?}");
    // No language is there, so nothing is said of one.
    for variable in ["AWS_EXECUTION_ENV", "PYTHONPATH"] {
        assert!(!environment.contains_key(variable), "{variable}");
    }
    assert_eq!(value["directory"], "/var/task");
    assert_eq!(value["arguments"], json!(["/var/task/bootstrap"]));
    assert_eq!(value["context"]["request_id"], request_id);
    assert_eq!(value["context"]["function_name"], name);
    assert_eq!(value["context"]["memory"], 256);
    assert_eq!(value["context"]["log_stream"], sandbox.log_stream_name);
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    assert_eq!(value["context"]["invoked_function_arn"], arn);
}

/// Calls a function whose runtime can't be started: it is told in Lambda's words, each time.
async fn has_no_entry_point(function: NewFunction, said: &str) {
    let world = world().await;
    let name = world.create(function.runtime(PROVIDED)).await;
    for _ in 0..2 {
        let answer = world.send(InvokeRequest { ..request(&name) }).await.unwrap();
        let message = format!("RequestId: {} Error: {said}", answer.request_id);
        assert_eq!(answer.error(), ("Runtime.InvalidEntrypoint", message.as_str()));
        assert!(answer.tail.contains(said), "the log tells it: {}", answer.tail);
    }
    world.no_sandbox_of(&name).await;
}

#[tokio::test]
async fn a_package_without_a_bootstrap_fails_every_call_in_lambdas_words() {
    let package = Package::new().file("main.sh", b"").file("bin/bootstrap", b"").zip();
    let said = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    has_no_entry_point(NewFunction::packaged("no-bootstrap", "main", package), said).await;
}

#[tokio::test]
async fn a_bootstrap_that_may_not_be_executed_fails_every_call_in_lambdas_words() {
    let package = Package::new().file("bootstrap", b"#!/bin/sh\n").zip();
    let said = "fork/exec /var/task/bootstrap: permission denied";
    has_no_entry_point(NewFunction::packaged("not-executable", "main", package), said).await;
}

#[tokio::test]
async fn a_bootstrap_that_is_no_program_fails_every_call_in_lambdas_words() {
    let said = "fork/exec /var/task/bootstrap: exec format error";
    has_no_entry_point(NewFunction::bootstrap("no-program", b"MZ\x90\0"), said).await;
}

#[tokio::test]
async fn a_bootstrap_that_ends_fails_its_call_with_its_status() {
    let world = world().await;
    let name = world.create(NewFunction::bootstrap("ends", b"#!/bin/sh\necho last words\nexit 7\n")).await;
    let answer = world.invoke(&name, json!({})).await;
    let message = format!("RequestId: {} Error: Runtime exited with error: exit status 7", answer.request_id);
    assert_eq!(answer.error(), ("Runtime.ExitError", message.as_str()));
    assert!(world.lines(&name).await.iter().any(|line| line.message == "last words"));
}

#[tokio::test]
async fn the_shell_runtime_of_lambdas_tutorial_runs() {
    let world = world().await;
    let package = Package::new()
        .file_with_mode("bootstrap", include_bytes!("../../handlers/tutorial_bootstrap.sh"), 0o755)
        .file("function.sh", include_bytes!("../../handlers/tutorial_function.sh"))
        .zip();
    let function = NewFunction::packaged("tutorial", "function.handler", package).runtime(PROVIDED);
    // Each call starts half a dozen programs.
    let name = world.create(function.memory(512)).await;
    for number in 0..3 {
        let answer = world.invoke(&name, json!({ "number": number })).await;
        assert!(answer.tail.contains(&format!("the event is {{\"number\":{number}}}")), "{}", answer.tail);
        assert_eq!(answer.value(), json!({ "echoed": { "number": number } }));
    }
    assert_eq!(world.sandboxes(&name).await.len(), 1);
}

#[tokio::test]
async fn a_cold_call_takes_a_sandbox_that_stands_ready_with_nothing_started_in_it() {
    let world = World::start_with(&[("ready-min", "2"), ("ready-max", "2")]).await;
    let name = world.create(NewFunction::rust()).await;
    let before = ready(&world, 2).await;
    assert!(before.iter().all(|sandbox| sandbox.runtime == PROVIDED));
    assert_eq!(world.invoke(&name, json!(7)).await.value(), json!(7));
    let taken = world.sandboxes(&name).await.remove(0);
    assert!(before.iter().any(|sandbox| sandbox.id == taken.id), "{taken:?}");
    // Functions of either identifier take from the same.
    let other = world.create(NewFunction::rust().runtime("provided.al2")).await;
    let before = ready(&world, 2).await;
    assert_eq!(world.invoke(&other, json!(8)).await.value(), json!(8));
    let taken = world.sandboxes(&other).await.remove(0);
    assert!(before.iter().any(|sandbox| sandbox.id == taken.id), "{taken:?}");
}
