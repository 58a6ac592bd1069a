//! Provisioned concurrency: sandboxes that are initialised before anybody calls.

use serde_json::json;
use thaw_proto::v1::{
    GetConcurrencyRequest, ProvisionedConcurrency, ProvisionedStatus, PutProvisionedConcurrencyRequest,
    Sandbox, SandboxState,
};
use thaw_tests::{
    functions::NewFunction,
    wait::eventually,
    world::{World, reason},
};
use tonic::{Code, Status};

use crate::{
    aliases::{alias, move_to},
    versions::{publish, published, recode},
    world,
};

async fn provision(world: &World, name: &str, count: Option<u32>) -> Result<(), Status> {
    let request = PutProvisionedConcurrencyRequest {
        function_name: name.to_owned(),
        provisioned_concurrent_executions: count,
    };
    world.attributes().put_provisioned_concurrency(request).await.map(drop)
}

/// What is provisioned of a function, as soon as it has this status.
async fn told(world: &World, name: &str, status: ProvisionedStatus) -> ProvisionedConcurrency {
    eventually(&format!("what is provisioned of {name} is {status:?}"), async || {
        let request = GetConcurrencyRequest { function_name: name.to_owned() };
        let told = world.attributes().get_concurrency(request).await.unwrap().into_inner();
        told.provisioned.into_iter().find(|provisioned| provisioned.status() == status)
    })
    .await
}

/// The sandboxes of a version, as soon as exactly so many stand idle.
async fn idle(world: &World, name: &str, version: &str, count: usize) -> Vec<Sandbox> {
    eventually(&format!("{count} of {name}:{version} stand idle"), async || {
        let all = world.sandboxes(name).await;
        let all: Vec<_> = all
            .into_iter()
            .filter(|sandbox| sandbox.function_arn.ends_with(&format!(":{version}")))
            .collect();
        let idle = all.iter().all(|sandbox| sandbox.state() == SandboxState::Idle);
        (idle && all.len() == count).then_some(all)
    })
    .await
}

#[tokio::test]
async fn so_many_are_initialised_without_a_call_and_a_call_of_one_is_not_cold() {
    let world = world().await;
    let name = published(&world).await;
    provision(&world, &format!("{name}:1"), Some(2)).await.unwrap();
    let ready = told(&world, &name, ProvisionedStatus::Ready).await;
    assert_eq!((ready.qualifier.as_str(), ready.requested, ready.available), ("1", 2, 2));
    let before = idle(&world, &name, "1", 2).await;
    let first = world.invoke(&format!("{name}:1"), json!({})).await;
    assert!(!first.is_cold);
    first.value();
    let after = idle(&world, &name, "1", 2).await;
    assert!(before.iter().all(|sandbox| after.iter().any(|other| other.id == sandbox.id)));
}

#[tokio::test]
async fn it_tells_the_function_how_it_was_initialised() {
    let world = world().await;
    let name = world.create(NewFunction::of("process")).await;
    publish(&world, &name).await;
    provision(&world, &format!("{name}:1"), Some(1)).await.unwrap();
    told(&world, &name, ProvisionedStatus::Ready).await;
    for (called, expected) in [(format!("{name}:1"), "provisioned-concurrency"), (name.clone(), "on-demand")]
    {
        let process = world.invoke(&called, json!({})).await.value();
        assert_eq!(process["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"], expected, "{called}");
    }
}

#[tokio::test]
async fn it_follows_its_alias_and_is_released_when_it_is_taken_away() {
    let world = world().await;
    let name = published(&world).await;
    alias(&world, &name, "live", "1").await;
    let live = format!("{name}:live");
    provision(&world, &live, Some(1)).await.unwrap();
    idle(&world, &name, "1", 1).await;
    recode(&world, &name, 2).await;
    publish(&world, &name).await;
    move_to(&world, &name, "live", "2").await;
    idle(&world, &name, "2", 1).await;
    idle(&world, &name, "1", 0).await;
    let answer = world.invoke(&live, json!({})).await;
    assert!(!answer.is_cold);
    assert_eq!(answer.value()["version"], 2);
    // One that still finishes its call would stay as any other.
    idle(&world, &name, "2", 1).await;
    provision(&world, &live, None).await.unwrap();
    world.no_sandbox_of(&name).await;
}

#[tokio::test]
async fn a_restart_brings_back_what_was_provisioned() {
    let mut world = World::start().await;
    let name = published(&world).await;
    provision(&world, &format!("{name}:1"), Some(2)).await.unwrap();
    idle(&world, &name, "1", 2).await;
    world.crash_and_restart().await;
    idle(&world, &name, "1", 2).await;
    assert!(!world.invoke(&format!("{name}:1"), json!({})).await.is_cold);
}

#[tokio::test]
async fn what_there_is_no_memory_for_is_told_and_calls_go_on() {
    let world =
        World::start_with(&[("memory-budget-mb", "512"), ("ready-max", "0"), ("ready-min", "0")]).await;
    let name = published(&world).await;
    provision(&world, &format!("{name}:1"), Some(50)).await.unwrap();
    let failed = told(&world, &name, ProvisionedStatus::Failed).await;
    assert!(failed.available < 50 && failed.status_reason.contains("no memory"), "{failed:?}");
    world.invoke(&format!("{name}:1"), json!({})).await.value();
}

#[tokio::test]
async fn the_function_as_it_is_now_is_not_provisioned() {
    let world = world().await;
    let name = published(&world).await;
    let refusal = provision(&world, &name, Some(1)).await.expect_err("it changes");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert!(refusal.message().contains("unpublished function versions"), "{}", refusal.message());
    let refusal = provision(&world, &format!("{name}:7"), Some(1)).await.expect_err("there is none");
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
    provision(&world, &format!("{name}:1"), Some(0)).await.expect_err("none at all is no configuration");
}
