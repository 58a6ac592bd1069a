//! Sandboxes that stand ready: a cold call takes one, and what it becomes is what a fresh one would have been.

use std::collections::BTreeSet;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use thaw_proto::v1::{Sandbox, SandboxState};
use thaw_tests::{
    answer::Answer,
    cgroup,
    engine::Engine,
    functions::NewFunction,
    wait::eventually,
    world::{World, request},
};

const READY: [(&str, &str); 2] = [("ready-min", "2"), ("ready-max", "2")];

/// Waits until so many stand ready and nothing else is on its way.
pub async fn ready(world: &World, count: usize) -> Vec<Sandbox> {
    eventually(&format!("{count} sandboxes stand ready"), async || {
        let all = world.sandboxes("").await;
        let is = |state| all.iter().filter(|sandbox| sandbox.state() == state).count();
        let settled = is(SandboxState::Starting) + is(SandboxState::Stopping) == 0;
        (is(SandboxState::Ready) == count && settled)
            .then(|| all.into_iter().filter(|sandbox| sandbox.state() == SandboxState::Ready).collect())
    })
    .await
}

/// Whether the function runs in a process that was up before it was known.
fn was_prestarted(process: &Value) -> bool {
    process["started_as"].as_array().unwrap().contains(&json!("thaw_prestart"))
}

#[tokio::test]
async fn a_cold_call_takes_one_that_stands_ready_and_another_takes_its_place() {
    let world = World::start_with(&READY).await;
    assert!(world.sandboxes("").await.is_empty(), "nothing stands ready for no function");
    let name = world.create(NewFunction::of("process")).await;
    let before = ready(&world, 2).await;
    assert!(before.iter().all(|sandbox| sandbox.function_arn.is_empty() && sandbox.runtime == "python3.13"));
    assert!(was_prestarted(&world.invoke(&name, json!({})).await.value()));
    let taken = world.sandboxes(&name).await.remove(0);
    assert!(before.iter().any(|sandbox| sandbox.id == taken.id), "{taken:?}");
    let after = ready(&world, 2).await;
    assert!(after.iter().all(|sandbox| sandbox.id != taken.id));
}

#[tokio::test]
async fn what_stood_ready_becomes_what_a_fresh_process_would_be() {
    let world = World::start_with(&READY).await;
    let function =
        || NewFunction::of("process").memory(256).env("TZ", "Europe/Berlin").env("TABLE", "orders");
    let taken = world.create(function()).await;
    // Only read when an interpreter starts, so that this one gets a process of its own.
    let fresh = world.create(function().env("PYTHONHASHSEED", "0")).await;
    ready(&world, 2).await;
    let (mut one, mut other) =
        (world.invoke(&taken, json!({})).await.value(), world.invoke(&fresh, json!({})).await.value());
    assert!(was_prestarted(&one) && !was_prestarted(&other));
    assert_eq!(one["environment"]["TABLE"], "orders");
    for process in [&mut one, &mut other] {
        let process = process.as_object_mut().unwrap();
        process.remove("started_as");
        let environment = process["environment"].as_object_mut().unwrap();
        // What names the one and the other, and what makes the difference.
        for name in ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"] {
            assert!(environment.remove(name).is_some(), "{name}");
        }
        environment.remove("PYTHONHASHSEED");
        assert!(environment.remove("_X_AMZN_TRACE_ID").is_some(), "every call has its own");
    }
    assert_eq!(one, other);

    let engine = Engine::connect().await;
    let pid = engine.pid_of(&world.sandboxes(&taken).await[0].container_id).await;
    let limits = cgroup::limits(pid);
    assert_eq!(limits.memory, 256 << 20);
    assert!(limits.swap.is_none_or(|swap| swap == 0), "{limits:?}");
    assert_eq!(limits.cpu_quota, 256 * limits.cpu_period / 1769);
}

#[tokio::test]
async fn another_size_of_tmp_is_mounted_before_the_function_sees_it() {
    let world = World::start_with(&READY).await;
    let name =
        world.create(NewFunction::of("process").with(|request| request.ephemeral_storage = 1024)).await;
    ready(&world, 2).await;
    let process = world.invoke(&name, json!({})).await.value();
    assert!(was_prestarted(&process));
    let size = process["tmp_mb"].as_u64().unwrap();
    assert!((1000..1200).contains(&size), "{size} MB");
}

#[tokio::test]
async fn no_two_functions_share_one_however_many_come_at_once() {
    let world = World::start_with(&READY).await;
    let mut names = Vec::new();
    for _ in 0..8 {
        names.push(world.create(NewFunction::of("state")).await);
    }
    ready(&world, 2).await;
    let mut calls = tokio::task::JoinSet::new();
    for name in &names {
        let (mut client, request) = (world.invocations(), request(name));
        calls.spawn(async move { Answer::of(client.invoke(request).await.unwrap().into_inner()).value() });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| answer["calls"] == 1), "{answers:?}");
    let sandboxes: BTreeSet<_> = answers.iter().map(|answer| answer["sandbox"].to_string()).collect();
    assert_eq!(sandboxes.len(), names.len());
}

#[tokio::test]
async fn one_that_dies_while_it_stands_ready_is_replaced_and_fails_no_call() {
    let world = World::start_with(&READY).await;
    let name = world.create(NewFunction::of("echo")).await;
    let engine = Engine::connect().await;
    let before = ready(&world, 2).await;
    for sandbox in &before {
        kill(Pid::from_raw(engine.pid_of(&sandbox.container_id).await), Signal::SIGKILL).unwrap();
    }
    assert_eq!(world.invoke(&name, json!(7)).await.value(), json!(7));
    let after = ready(&world, 2).await;
    assert!(after.iter().all(|sandbox| before.iter().all(|other| other.id != sandbox.id)));
}

#[tokio::test]
async fn they_go_with_the_last_function_of_their_runtime() {
    let world = World::start_with(&READY).await;
    let name = world.create(NewFunction::of("echo")).await;
    ready(&world, 2).await;
    world.delete(&name).await.unwrap();
    eventually("nothing stands ready", async || world.sandboxes("").await.is_empty().then_some(())).await;
}
