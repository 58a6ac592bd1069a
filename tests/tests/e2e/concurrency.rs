//! How many calls run at once: a function's share, and the account's limit.

use serde_json::json;
use thaw_proto::v1::{GetConcurrencyRequest, PutConcurrencyRequest, SandboxState};
use thaw_tests::{
    functions::NewFunction,
    world::{World, reason},
};
use tonic::{Code, Status};

use crate::{changes::version as package, world};

async fn reserve(world: &World, name: &str, share: Option<u32>) -> Result<(), Status> {
    let request =
        PutConcurrencyRequest { function_name: name.to_owned(), reserved_concurrent_executions: share };
    world.attributes().put_concurrency(request).await.map(drop)
}

fn assert_throttled(refusal: &Status, why: &str) {
    assert_eq!((refusal.code(), reason(refusal).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    assert!(refusal.message().contains(why), "{}", refusal.message());
}

#[tokio::test]
async fn a_function_with_a_share_of_nothing_is_stopped_until_it_has_one() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", package(1))).await;
    reserve(&world, &name, Some(0)).await.unwrap();
    let refusal = world.try_invoke(&name, json!({})).await.expect_err("it is stopped");
    assert_throttled(&refusal, "ReservedFunctionConcurrentInvocationLimitExceeded");
    reserve(&world, &name, None).await.unwrap();
    world.invoke(&name, json!({})).await.value();
}

#[tokio::test]
async fn a_function_never_runs_more_calls_than_its_share() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", package(1))).await;
    reserve(&world, &name, Some(1)).await.unwrap();
    let second = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        let request = GetConcurrencyRequest { function_name: name.clone() };
        let told = world.attributes().get_concurrency(request).await.unwrap().into_inner();
        assert_eq!((told.reserved_concurrent_executions, told.running), (Some(1), 1));
        world.try_invoke(&name, json!({})).await.expect_err("one runs already")
    };
    let (first, refusal) = tokio::join!(world.invoke(&name, json!({ "seconds": 2 })), second);
    first.value();
    assert_throttled(&refusal, "ReservedFunctionConcurrentInvocationLimitExceeded");
    world.invoke(&name, json!({})).await.value();
    let refusal = reserve(&world, &name, Some(901)).await.expect_err("the others need something, too");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert!(refusal.message().contains("below its minimum value of [100]"), "{}", refusal.message());
}

#[tokio::test]
async fn an_account_never_runs_more_calls_than_its_limit() {
    let world = World::start_with(&[("account-concurrency", "1")]).await;
    let one = world.create(NewFunction::packaged("version", "version.handler", package(1))).await;
    let two = world.create(NewFunction::packaged("version", "version.handler", package(2))).await;
    let second = async {
        world.sandbox_in(&one, SandboxState::Busy).await;
        world.try_invoke(&two, json!({})).await.expect_err("one call runs already")
    };
    let (first, refusal) = tokio::join!(world.invoke(&one, json!({ "seconds": 2 })), second);
    first.value();
    assert_throttled(&refusal, "(ConcurrentInvocationLimitExceeded)");
    world.invoke(&two, json!({})).await.value();
}
