//! The life of sandboxes: kept, frozen, multiplied, evicted, replaced.

use std::time::Duration;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use thaw_proto::v1::{GetStatusRequest, InvokeRequest, SandboxState, StopSandboxRequest};
use thaw_tests::{
    answer::Answer,
    cgroup,
    engine::Engine,
    functions::NewFunction,
    proxy::EngineProxy,
    wait::eventually,
    world::{World, fields, reason, request},
};
use tonic::Code;

use crate::world;

#[tokio::test]
async fn globals_and_tmp_survive_to_the_next_call() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let first = world.invoke(&name, json!({})).await.value();
    assert_eq!((&first["calls"], &first["written"]), (&json!(1), &json!(1)));
    for calls in 2..5 {
        world.sandbox_in(&name, SandboxState::Idle).await;
        let next = world.invoke(&name, json!({})).await.value();
        assert_eq!((&next["calls"], &next["written"]), (&json!(calls), &json!(calls)));
        assert_eq!(next["sandbox"], first["sandbox"]);
    }
    let sandboxes = world.sandboxes(&name).await;
    assert_eq!(sandboxes.len(), 1);
    assert_eq!(sandboxes[0].invocations, 4);
}

#[tokio::test]
async fn a_background_thread_stops_with_the_freeze_and_goes_on_with_the_thaw() {
    let world = world().await;
    let name = world.create(NewFunction::of("background").memory(512)).await;
    let first = world.invoke(&name, json!({ "seconds": 0.3 })).await.value();
    world.sandbox_in(&name, SandboxState::Idle).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = world.invoke(&name, json!({ "seconds": 0.3 })).await.value();
    assert_eq!(first["sandbox"], second["sandbox"]);
    let ticks = |value: &serde_json::Value, when: &str| value[when].as_i64().expect("ticks");
    // Every 5 ms: some 400 in the two seconds if it were not frozen.
    let between = ticks(&second, "before") - ticks(&first, "after");
    assert!((0..100).contains(&between), "{between} ticks between the calls");
    let within = ticks(&second, "after") - ticks(&second, "before");
    assert!(within >= 1, "{within} ticks within the second call");
}

#[tokio::test]
async fn concurrent_calls_have_a_sandbox_each() {
    let world = world().await;
    let name = world.create(NewFunction::of("background").memory(512).timeout(60)).await;
    // Longer than a second sandbox takes to come up: else the first one takes both calls.
    let payload = json!({ "seconds": 5 });
    let (one, other) = tokio::join!(world.invoke(&name, payload.clone()), world.invoke(&name, payload));
    assert_ne!(one.value()["sandbox"], other.value()["sandbox"]);
    assert_eq!(world.sandboxes(&name).await.len(), 2);
}

#[tokio::test]
async fn a_burst_of_calls_is_answered() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (mut client, request) = (world.invocations(), request(&name));
        let request = InvokeRequest { payload: number.to_string().into(), ..request };
        calls.spawn(async move { (number, Answer::of(client.invoke(request).await.unwrap().into_inner())) });
    }
    for (number, answer) in calls.join_all().await {
        assert_eq!(answer.value(), json!(number));
    }
    assert!((1..=16).contains(&world.sandboxes(&name).await.len()));
}

#[tokio::test]
async fn a_call_runs_to_its_end_even_if_its_caller_goes_away() {
    let world = world().await;
    let name = world.create(NewFunction::of("failures").memory(512)).await;
    let before = world.invoke(&name, json!({})).await.value();
    let gone = tokio::time::timeout(
        Duration::from_millis(300),
        world.invoke(&name, json!({ "how": "sleep", "seconds": 1.5 })),
    );
    gone.await.expect_err("the caller goes away");
    assert_eq!(world.sandboxes(&name).await[0].state(), SandboxState::Busy, "it still runs");
    world.sandbox_in(&name, SandboxState::Idle).await;
    assert_eq!(world.invoke(&name, json!({})).await.value(), before, "and its sandbox takes the next call");
    assert_eq!(world.sandboxes(&name).await[0].invocations, 3);
    let reports = eventually("every call has its report", async || {
        let lines = world.lines(&name).await;
        let reports: Vec<_> =
            lines.into_iter().map(|line| line.message).filter(|line| line.starts_with("REPORT")).collect();
        (reports.len() == 3).then_some(reports)
    })
    .await;
    assert!(!reports[1].contains("Status:"), "it ended well: {}", reports[1]);
}

#[tokio::test]
async fn a_warm_call_asks_nothing_of_docker() {
    let engine = EngineProxy::start();
    let socket = engine.socket();
    let world = World::start_with(&[("docker-socket", &socket.to_string_lossy())]).await;
    let name = world.create(NewFunction::of("state")).await;
    world.invoke(&name, json!({})).await;
    world.sandbox_in(&name, SandboxState::Idle).await;
    let requests = engine.requests();
    assert!(requests > 0, "the daemon uses this socket");
    for _ in 0..5 {
        world.invoke(&name, json!({})).await;
    }
    assert_eq!(engine.requests(), requests);
    // And so it goes on while dockerd hangs, also beside a call that needs it.
    engine.hold();
    let cold = world.create(NewFunction::of("echo")).await;
    let hangs = world.try_invoke(&cold, json!({}));
    let warm = async {
        eventually("the cold call asks Docker", async || (engine.requests() > requests).then_some(())).await;
        for _ in 0..5 {
            world.invoke(&name, json!({})).await;
        }
    };
    tokio::select! {
        answer = hangs => panic!("a cold call was answered without Docker: {answer:?}"),
        () = warm => {}
    }
    engine.release();
}

#[tokio::test]
async fn a_sandbox_killed_while_it_was_frozen_gets_no_call() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let before = world.invoke(&name, json!({})).await.value();
    let sandbox = world.sandbox_in(&name, SandboxState::Idle).await;
    let init = Engine::connect().await.pid_of(&sandbox.container_id).await;
    let runtime = *cgroup::processes(init).iter().find(|pid| **pid != init).expect("the runtime's process");
    eventually("the sandbox stands still", async || cgroup::is_frozen(init).then_some(())).await;
    kill(Pid::from_raw(runtime), Signal::SIGKILL).expect("kill the runtime");
    // The daemon does not look at a sandbox that was used just now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = world.invoke(&name, json!({})).await.value();
    assert_ne!(after["sandbox"], before["sandbox"], "another sandbox answers");
    assert_eq!(after["calls"], 1);
}

#[tokio::test]
async fn a_container_removed_while_it_was_frozen_gets_no_call() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let before = world.invoke(&name, json!({})).await.value();
    let sandbox = world.sandbox_in(&name, SandboxState::Idle).await;
    Engine::connect().await.kill(&sandbox.container_id).await;
    let after = world.invoke(&name, json!({})).await.value();
    assert_ne!(after["sandbox"], before["sandbox"], "another sandbox answers");
}

#[tokio::test]
async fn an_idle_sandbox_is_removed_after_its_time() {
    let world = World::start_with(&[("idle-timeout-seconds", "1")]).await;
    let name = world.create(NewFunction::of("echo")).await;
    world.invoke(&name, json!({})).await;
    let container = world.sandboxes(&name).await[0].container_id.clone();
    world.no_sandbox_of(&name).await;
    assert!(!Engine::connect().await.has_container(&container).await);
}

#[tokio::test]
async fn past_the_memory_budget_idle_ones_go_and_then_calls_are_refused() {
    let world = World::start_with(&[("memory-budget-mb", "256")]).await;
    let one = world.create(NewFunction::of("background")).await;
    let other = world.create(NewFunction::of("background")).await;
    let third = world.create(NewFunction::of("background")).await;
    // A frozen sandbox holds what it has, which for these is little: all three stay.
    for name in [&one, &other, &third] {
        world.invoke(name, json!({ "seconds": 0 })).await;
        eventually("it is charged with what it has", async || {
            let status = world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner();
            (status.memory_reserved < 128).then_some(())
        })
        .await;
    }
    for name in [&one, &other, &third] {
        assert_eq!(world.sandboxes(name).await.len(), 1);
    }

    let busy = json!({ "seconds": 3 });
    let refused = async {
        world.sandbox_in(&other, SandboxState::Busy).await;
        world.sandbox_in(&third, SandboxState::Busy).await;
        world.try_invoke(&one, json!({ "seconds": 0 })).await
    };
    let (_, _, refused) =
        tokio::join!(world.invoke(&other, busy.clone()), world.invoke(&third, busy.clone()), refused);
    let refusal = refused.expect_err("two running calls have the whole budget");
    assert!(world.sandboxes(&one).await.is_empty(), "the idle one gave its memory back");
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert_eq!(reason(&refusal), "TOO_MANY_REQUESTS");

    let large = world.create(NewFunction::of("echo").memory(512)).await;
    let refusal = world.try_invoke(&large, json!({})).await.expect_err("it never fits");
    assert_eq!(reason(&refusal), "TOO_MANY_REQUESTS");
    world.invoke(&one, json!({ "seconds": 0 })).await;
}

async fn stop(world: &World, id: &str, after_call: bool) -> Result<(), tonic::Status> {
    world.admin().stop_sandbox(StopSandboxRequest { id: id.to_owned(), after_call }).await.map(drop)
}

#[tokio::test]
async fn a_sandbox_that_is_stopped_is_gone_and_another_takes_the_next_call() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let before = world.invoke(&name, json!({})).await.value();
    let sandbox = world.sandboxes(&name).await.remove(0);
    stop(&world, &sandbox.id[..12], false).await.unwrap();
    world.no_sandbox_of(&name).await;
    assert!(!Engine::connect().await.has_container(&sandbox.container_id).await);
    assert_ne!(world.invoke(&name, json!({})).await.value()["sandbox"], before["sandbox"]);

    let refusal = stop(&world, &sandbox.id, false).await.unwrap_err();
    assert_eq!(refusal.code(), Code::NotFound, "{refusal:?}");
    let refusal = stop(&world, "", false).await.unwrap_err();
    assert_eq!(fields(&refusal), ["id"]);
}

#[tokio::test]
async fn a_sandbox_can_be_stopped_under_its_call_or_after_it() {
    let world = world().await;
    let name = world.create(NewFunction::of("background").memory(512)).await;
    let stopped = async |after_call: bool| {
        let sandbox = world.sandbox_in(&name, SandboxState::Busy).await;
        stop(&world, &sandbox.id, after_call).await.unwrap();
        world.no_sandbox_of(&name).await;
    };
    let (answer, ()) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 2 })), stopped(true));
    assert!(answer.unwrap().value()["after"].is_number());
    let (answer, ()) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 20 })), stopped(false));
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert_eq!(reason(&refusal), "SERVICE");
}
