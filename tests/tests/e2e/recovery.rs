//! Sudden ends: of the daemon, of containers, of calls. Nothing leaks, nothing acknowledged is lost.

use std::{os::unix::fs::FileTypeExt, time::Duration};

use serde_json::json;
use thaw_proto::v1::{DrainRequest, GetStatusRequest, ResumeRequest, SandboxState};
use thaw_tests::{
    engine::Engine,
    functions::NewFunction,
    remains::Remains,
    wait::eventually,
    world::{World, reason},
};
use tonic::Code;

/// Kills the daemon and starts it again: nothing of its earlier life may be there, and everything acknowledged must.
async fn survives(world: &mut World, name: &str) {
    let before = world.get(name).await.unwrap();
    world.daemon().crash();
    let left = Remains::of(world.daemon()).await;
    world.restart().await;
    let still = Remains::of(world.daemon()).await.still_from(&left);
    assert_eq!(still, Remains::default());
    assert_eq!(world.get(name).await.unwrap(), before);
    world.invoke(name, json!({})).await.value();
}

#[tokio::test]
async fn a_daemon_killed_beside_a_frozen_sandbox_leaves_nothing_to_the_next() {
    let mut world = World::start().await;
    let name = world.create(NewFunction::of("state")).await;
    world.invoke(&name, json!({})).await;
    world.sandbox_in(&name, SandboxState::Idle).await;
    let left = Remains::of(world.daemon()).await;
    assert_eq!(left.containers.len(), 1, "there is something to clear away: {left:#?}");
    let is_fifo = |path: &std::path::PathBuf| path.metadata().is_ok_and(|file| file.file_type().is_fifo());
    assert!(left.directories.iter().any(is_fifo), "{left:#?}");
    assert!(!left.cgroups.is_empty(), "{left:#?}");
    survives(&mut world, &name).await;
}

#[tokio::test]
async fn a_daemon_killed_under_a_call_leaves_nothing_to_the_next() {
    let mut world = World::start().await;
    let name = world.create(NewFunction::of("background")).await;
    let mut client = world.invocations();
    let request = thaw_proto::v1::InvokeRequest {
        payload: json!({ "seconds": 20 }).to_string().into(),
        ..thaw_tests::world::request(&name)
    };
    let call = tokio::spawn(async move { client.invoke(request).await });
    world.sandbox_in(&name, SandboxState::Busy).await;
    let before = world.get(&name).await.unwrap();
    world.daemon().crash();
    let refusal = call.await.unwrap().expect_err("its daemon is gone");
    assert!([Code::Unavailable, Code::Unknown, Code::Cancelled].contains(&refusal.code()), "{refusal:?}");
    let left = Remains::of(world.daemon()).await;
    world.restart().await;
    assert_eq!(Remains::of(world.daemon()).await.still_from(&left), Remains::default(), "of {left:#?}");
    assert_eq!(world.get(&name).await.unwrap(), before);
    world.invoke(&name, json!({ "seconds": 0 })).await.value();
}

#[tokio::test]
async fn a_daemon_killed_at_any_moment_of_a_cold_start_leaves_nothing_to_the_next() {
    let mut world = World::start().await;
    let name = world.create(NewFunction::of("state")).await;
    // A cold start takes some 300 ms: before the container, while Docker makes it, while the function comes up.
    for moment in [20, 90, 180, 280] {
        let mut client = world.invocations();
        let request = thaw_tests::world::request(&name);
        let call = tokio::spawn(async move { client.invoke(request).await });
        tokio::time::sleep(Duration::from_millis(moment)).await;
        survives(&mut world, &name).await;
        // It may have been answered at the last moment, or not.
        let _ = call.await.unwrap();
        // The next round is to begin cold.
        world.admin().drain(DrainRequest::default()).await.unwrap();
        world.admin().resume(ResumeRequest {}).await.unwrap();
    }
    // Docker finishes what it had begun for a daemon that was gone.
    world.daemon().terminate();
    assert!(world.daemon().ended().await.success());
    eventually("nothing is left", async || {
        (Remains::of(world.daemon()).await == Remains::default()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let mut world = World::start().await;
    let mut acknowledged = Vec::new();
    for life in 0..5_u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let mut client = world.functions();
            tasks.spawn(async move {
                let mut created = Vec::new();
                loop {
                    let messages = tokio_stream::iter(NewFunction::of("echo").messages());
                    match client.create_function(messages).await {
                        Ok(answer) => {
                            created.push(answer.into_inner().configuration.expect("a configuration"))
                        }
                        Err(_dead) => return created,
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(60 + 35 * life)).await;
        world.daemon().crash();
        acknowledged.extend(tasks.join_all().await.into_iter().flatten());
        world.restart().await;
        for function in &acknowledged {
            assert_eq!(&world.get(&function.function_name).await.unwrap(), function);
        }
    }
    assert!(acknowledged.len() > 10, "only {} were created", acknowledged.len());
    world.invoke(&acknowledged[0].function_name, json!({})).await.value();
}

#[tokio::test]
async fn a_call_whose_container_is_killed_is_told_so() {
    let world = crate::world().await;
    let name = world.create(NewFunction::of("background")).await;
    let killed = async {
        let sandbox = world.sandbox_in(&name, SandboxState::Busy).await;
        Engine::connect().await.kill(&sandbox.container_id).await;
    };
    let (answer, ()) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 20 })), killed);
    let refusal = answer.expect_err("its sandbox is gone");
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert_eq!(reason(&refusal), "SERVICE");
    world.invoke(&name, json!({ "seconds": 0 })).await.value();
}

#[tokio::test]
async fn a_daemon_asked_to_end_finishes_its_calls_and_leaves_nothing() {
    let mut world = World::start().await;
    let name = world.create(NewFunction::of("background").memory(512)).await;
    let idle = world.create(NewFunction::of("state")).await;
    world.invoke(&idle, json!({})).await;
    let asked = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        world.daemon().terminate();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // On a new connection: the old one may be told to go away.
        match world.daemon().connect().await {
            Ok(channel) => {
                let mut client =
                    thaw_proto::v1::invocation_service_client::InvocationServiceClient::new(channel);
                let refusal =
                    client.invoke(thaw_tests::world::request(&idle)).await.expect_err("no new calls");
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
            }
            // It does not even listen any more.
            Err(_gone) => {}
        }
    };
    let (answer, ()) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 3 })), asked);
    assert!(answer.expect("the call is finished").value()["after"].is_number());
    let status = world.daemon().ended().await;
    assert!(status.success(), "{status}");
    assert_eq!(Remains::of(world.daemon()).await, Remains::default());
    assert!(!world.daemon().socket().exists(), "the socket is gone");
    world.restart().await;
    world.invoke(&idle, json!({})).await.value();
}

#[tokio::test]
async fn a_drained_daemon_refuses_calls_until_it_resumes() {
    let world = World::start().await;
    let name = world.create(NewFunction::of("background").memory(512)).await;
    let drained = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        world.admin().drain(DrainRequest::default()).await.unwrap().into_inner()
    };
    let (answer, drained) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 1 })), drained);
    assert!(answer.unwrap().value()["after"].is_number());
    assert_eq!((drained.aborted, drained.removed), (0, 1));
    let refusal = world.try_invoke(&name, json!({ "seconds": 0 })).await.unwrap_err();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::Unavailable, "DRAINING"));
    assert!(world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner().draining);
    assert_eq!(Engine::connect().await.containers_of(&world.daemon().instance()).await, Vec::<String>::new());
    world.admin().resume(ResumeRequest {}).await.unwrap();
    world.invoke(&name, json!({ "seconds": 0 })).await.value();
}

#[tokio::test]
async fn a_drain_ends_the_calls_that_take_too_long() {
    let world = World::start().await;
    let name = world.create(NewFunction::of("background")).await;
    let drained = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        let limit = Some(prost_types::Duration { seconds: 0, nanos: 500_000_000 });
        world.admin().drain(DrainRequest { limit }).await.unwrap().into_inner()
    };
    let (answer, drained) = tokio::join!(world.try_invoke(&name, json!({ "seconds": 20 })), drained);
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    assert_eq!((drained.aborted, drained.removed), (1, 1));
}

#[tokio::test]
async fn the_status_counts_what_there_is() {
    let world = World::start_with(&[("memory-budget-mb", "1024")]).await;
    let name = world.create(NewFunction::of("background").memory(512)).await;
    let status = async || world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner();
    let before = status().await;
    assert_eq!((before.functions, before.memory_budget, before.memory_reserved), (1, 1024, 0));
    assert_eq!((before.sandboxes_idle, before.sandboxes_busy, before.draining), (0, 0, false));
    assert!(!before.engine_version.is_empty() && before.engine_problem.is_empty());
    assert!([1, 2].contains(&before.cgroup_version) && before.package_bytes > 0);
    assert_eq!(before.freezer, "cgroup");
    let busy = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        status().await
    };
    let (_, busy) = tokio::join!(world.invoke(&name, json!({ "seconds": 1 })), busy);
    assert_eq!((busy.sandboxes_busy, busy.memory_reserved), (1, 512));
    world.sandbox_in(&name, SandboxState::Idle).await;
    let after = status().await;
    assert_eq!((after.sandboxes_idle, after.sandboxes_busy), (1, 0));
    // All that its function may have, or, as soon as it has settled, what it really has.
    assert!((1..=512).contains(&after.memory_reserved), "{after:?}");
    assert!(after.log_bytes > 0);
    let cost = after.frozen_sandbox_cost.unwrap();
    assert!(cost.sampled >= 1 && cost.sandbox_bytes > 1 << 20 && cost.engine_bytes > 1 << 20, "{cost:?}");
    assert!(after.open_files > 0 && after.open_files <= after.open_files_limit, "{after:?}");
    assert!(after.threads > 1 && after.loop_devices >= 1 && after.mounts >= 1, "{after:?}");
}
