//! A daemon that can't write cgroups, as one in a container: Docker freezes and limits its sandboxes.

use std::fs;

use serde_json::json;
use thaw_proto::v1::{GetStatusRequest, SandboxState};
use thaw_tests::{
    cgroup, daemon::Daemon, engine::Engine, functions::NewFunction, wait::eventually, world::World,
};

use crate::ready::ready;

/// Nobody but this test can remove the parents of such a daemon's cgroups.
async fn end(world: World) {
    world.daemon().terminate();
    assert!(world.daemon().ended().await.success());
    let mut left = cgroup::directories_naming(&world.daemon().instance());
    left.extend(left.clone().iter().flat_map(|parent| fs::read_dir(parent).unwrap()).filter_map(|entry| {
        let path = entry.unwrap().path();
        path.is_dir().then_some(path)
    }));
    // What is in another comes first.
    left.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    left.dedup();
    for path in left {
        fs::remove_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[tokio::test]
async fn a_daemon_that_cannot_write_cgroups_limits_and_freezes_by_docker() {
    let world = World::of(Daemon::prepare(&[]).with_read_only_cgroups()).await;
    let status = world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.freezer, "engine");
    let engine = Engine::connect().await;
    for memory in [128_u32, 3538] {
        let name = world.create(NewFunction::of("state").memory(memory)).await;
        assert_eq!(world.invoke(&name, json!({})).await.value()["calls"], 1);
        let sandbox = world.sandbox_in(&name, SandboxState::Idle).await;
        eventually("it is frozen", async || engine.is_paused(&sandbox.container_id).await.then_some(()))
            .await;
        let limits = cgroup::limits(engine.pid_of(&sandbox.container_id).await);
        assert_eq!(limits.memory, u64::from(memory) << 20);
        assert!(limits.swap.is_none_or(|swap| swap == 0), "{limits:?}");
        let expected = limits.cpu_period * u64::from(memory) / 1769;
        assert!(limits.cpu_quota.abs_diff(expected) <= 10, "{limits:?} where {expected} was expected");
        assert_eq!(world.invoke(&name, json!({})).await.value()["calls"], 2, "the same process goes on");
    }

    let name = world.create(NewFunction::of("failures").timeout(1)).await;
    let before = world.invoke(&name, json!({})).await.value();
    let answer = world.invoke(&name, json!({ "how": "sleep", "seconds": 20 })).await;
    assert_eq!(answer.error().0, "Sandbox.Timedout");
    assert_ne!(world.invoke(&name, json!({})).await.value(), before, "another sandbox answers");

    let name = world.create(NewFunction::of("failures").memory(512)).await;
    let answer = world.invoke(&name, json!({ "how": "memory" })).await;
    assert_eq!(answer.error().0, "Runtime.OutOfMemory", "{}", answer.payload);
    end(world).await;
}

#[tokio::test]
async fn what_stands_ready_and_was_paused_takes_its_limits_from_docker() {
    let daemon = Daemon::prepare(&[("ready-min", "1"), ("ready-max", "1")]).with_read_only_cgroups();
    let world = World::of(daemon).await;
    let engine = Engine::connect().await;
    let name = world.create(NewFunction::of("state").memory(256)).await;
    let before = ready(&world, 1).await.remove(0);
    eventually("it is frozen", async || engine.is_paused(&before.container_id).await.then_some(())).await;
    assert_eq!(world.invoke(&name, json!({})).await.value()["calls"], 1);
    let taken = world.sandboxes(&name).await.remove(0);
    assert_eq!(taken.id, before.id);
    assert_eq!(cgroup::limits(engine.pid_of(&taken.container_id).await).memory, 256 << 20);
    end(world).await;
}

#[tokio::test]
async fn paused_sandboxes_of_an_earlier_life_are_removed() {
    let mut world = World::of(Daemon::prepare(&[]).with_read_only_cgroups()).await;
    let engine = Engine::connect().await;
    let name = world.create(NewFunction::of("state")).await;
    world.invoke(&name, json!({})).await.value();
    let sandbox = world.sandbox_in(&name, SandboxState::Idle).await;
    eventually("it is frozen", async || engine.is_paused(&sandbox.container_id).await.then_some(())).await;
    world.crash_and_restart().await;
    assert!(!engine.has_container(&sandbox.container_id).await);
    assert_eq!(world.invoke(&name, json!({})).await.value()["calls"], 1);
    end(world).await;
}
