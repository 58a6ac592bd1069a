//! How functions fail, and what their callers are told.

use serde_json::{Value, json};
use thaw_proto::v1::InvokeRequest;
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    package::Package,
    world::{World, request},
};

use crate::world;

async fn failing(world: &World) -> String {
    world.create(NewFunction::of("failures").memory(512)).await
}

/// The sandbox that answers next.
async fn sandbox(world: &World, name: &str) -> Value {
    world.invoke(name, json!({})).await.value()
}

#[tokio::test]
async fn an_exception_is_a_result_with_its_stack_trace() {
    let world = world().await;
    let name = failing(&world).await;
    let before = sandbox(&world, &name).await;
    let answer = world.invoke(&name, json!({ "how": "raise" })).await;
    assert_eq!(answer.error(), ("OutOfCheese", "no cheese: ä ☃"));
    let trace = answer.payload["stackTrace"].as_array().expect("a stack trace");
    let trace: Vec<&str> = trace.iter().filter_map(Value::as_str).collect();
    assert!(
        trace.iter().any(|frame| frame.contains("/var/task/failures.py") && frame.contains("deeper")),
        "{trace:?}"
    );
    assert!(answer.tail.contains("[ERROR] OutOfCheese"), "the log has it too: {}", answer.tail);
    assert_eq!(sandbox(&world, &name).await, before, "the sandbox lives on");
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_an_error() {
    let world = world().await;
    let name = failing(&world).await;
    let answer = world.invoke(&name, json!({ "how": "not JSON" })).await;
    assert_eq!(answer.error().0, "Runtime.MarshalError");
}

/// Asserts that the runtime's end is told and that another sandbox takes the next call.
async fn ends(how: &str, error_type: &str, ending: &str) {
    let world = world().await;
    let name = failing(&world).await;
    let before = sandbox(&world, &name).await;
    let answer = world.invoke(&name, json!({ "how": how })).await;
    let message = format!("RequestId: {} Error: Runtime exited with error: {ending}", answer.request_id);
    assert_eq!(answer.error(), (error_type, message.as_str()));
    assert!(answer.tail.contains(&message), "the log has it too: {}", answer.tail);
    assert!(answer.tail.contains(&format!("Status: error\tError Type: {error_type}")), "{}", answer.tail);
    assert_ne!(sandbox(&world, &name).await, before, "another sandbox answers");
}

#[tokio::test]
async fn an_exit_is_told_with_its_status() {
    ends("exit", "Runtime.ExitError", "exit status 1").await;
}

#[tokio::test]
async fn an_exit_without_clean_up_is_told_with_its_status() {
    ends("exit at once", "Runtime.ExitError", "exit status 3").await;
}

#[tokio::test]
async fn an_abort_is_told_as_its_signal() {
    ends("abort", "Runtime.ExitError", "signal: aborted").await;
}

#[tokio::test]
async fn a_crash_is_told_as_its_signal() {
    ends("segmentation fault", "Runtime.ExitError", "signal: segmentation fault").await;
}

#[tokio::test]
async fn a_function_that_kills_itself_is_not_taken_for_out_of_memory() {
    ends("kill", "Runtime.ExitError", "signal: killed").await;
}

#[tokio::test]
async fn a_function_out_of_memory_is_told_apart_from_a_kill() {
    ends("memory", "Runtime.OutOfMemory", "signal: killed").await;
}

#[tokio::test]
async fn a_timeout_is_told_and_its_late_answer_reaches_nobody() {
    let world = world().await;
    let name = world.create(NewFunction::of("failures").timeout(1)).await;
    let before = sandbox(&world, &name).await;
    let answer = world.invoke(&name, json!({ "how": "sleep", "seconds": 1.2 })).await;
    let (error_type, message) = answer.error();
    assert_eq!(error_type, "Sandbox.Timedout");
    assert_eq!(message, format!("RequestId: {} Error: Task timed out after 1.00 seconds", answer.request_id));
    assert!(answer.tail.contains("before the sleep"), "what it had printed is kept: {}", answer.tail);
    assert!(
        answer.tail.contains(&format!("{} Task timed out after 1.00 seconds", answer.request_id)),
        "{}",
        answer.tail
    );
    assert!(answer.tail.contains("Status: timeout"), "{}", answer.tail);
    // Both would take the late answer if it came.
    let next = sandbox(&world, &name).await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_ne!(next, before, "another sandbox answers");
    assert_ne!(next, json!("late"));
    assert_eq!(sandbox(&world, &name).await, next);
}

/// Calls a function that does not come up, twice: each call is told, and no more inits are tried than there are calls.
async fn does_not_come_up(function: NewFunction, error_type: &str, said: &str) {
    let world = world().await;
    let name = world.create(function).await;
    for _ in 0..2 {
        let answer = world.send(InvokeRequest { ..request(&name) }).await.unwrap();
        let (actual, message) = answer.error();
        assert_eq!(actual, error_type, "{message}");
        assert!(message.contains(said), "{message}");
        assert!(answer.tail.contains("INIT_REPORT"), "the log tells it: {}", answer.tail);
        let lines = world.lines_of(&name, &answer.request_id).await;
        assert!(lines.contains(&format!("END RequestId: {}", answer.request_id)), "{lines:#?}");
    }
    world.no_sandbox_of(&name).await;
    let lines = world.lines(&name).await;
    let inits = lines.iter().filter(|line| line.message.starts_with("INIT_REPORT")).count();
    assert_eq!(inits, 2, "one init a call: {lines:#?}");
}

#[tokio::test]
async fn a_module_that_is_not_there_fails_every_call_once() {
    let function =
        NewFunction::packaged("no-module", "nothing.handler", Package::new().handler("echo").zip());
    does_not_come_up(function, "Runtime.ImportModuleError", "nothing").await;
}

#[tokio::test]
async fn a_handler_that_is_not_there_fails_every_call_once() {
    let function = NewFunction::packaged("no-handler", "echo.nothing", Package::new().handler("echo").zip());
    does_not_come_up(function, "Runtime.HandlerNotFound", "nothing").await;
}

#[tokio::test]
async fn an_import_error_fails_every_call_once() {
    let function = NewFunction::of("import_error").memory(ONE_CPU);
    does_not_come_up(function, "Runtime.ImportModuleError", "there_is_no_such_module").await;
}

#[tokio::test]
async fn an_exception_at_import_fails_every_call_once() {
    does_not_come_up(NewFunction::of("raises_at_import"), "ValueError", "not today").await;
}

#[tokio::test]
async fn a_syntax_error_fails_every_call_once() {
    does_not_come_up(
        NewFunction::of("syntax_error"),
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module",
    )
    .await;
}

#[tokio::test]
async fn an_exit_at_import_fails_every_call_once() {
    does_not_come_up(NewFunction::of("exit_at_import"), "Runtime.ExitError", "exit status 7").await;
}

#[tokio::test]
async fn an_init_that_takes_too_long_fails_its_call() {
    // Of its own: an init may take as long as the daemon's setting.
    let world = World::start_with(&[("init-timeout-seconds", "2")]).await;
    let name = world.create(NewFunction::of("sleep_at_import").timeout(1)).await;
    let answer = world.invoke(&name, json!({})).await;
    assert!(answer.error().1.ends_with("Task timed out after 2.00 seconds"), "{}", answer.payload);
    world.no_sandbox_of(&name).await;
}
