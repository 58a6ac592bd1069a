//! How long idle sandboxes stay, and which are made ahead of their calls.

use std::time::Duration;

use serde_json::{Value, json};
use thaw_proto::v1::{
    GetStatusRequest, KeepAlive, ListKeepAliveRequest, ListKeepAliveResponse, Sandbox, SandboxState,
};
use thaw_tests::{
    functions::NewFunction,
    swap::Swap,
    wait::eventually,
    world::{World, reason},
};
use tonic::Status;

use crate::{cli::thaw, world};

/// The fixed time and the gap between calls are such that what is made ahead comes some four seconds after a call and stays for
/// six: a slow machine has time to make it, and this test to see it.
const FIXED: (&str, &str) = ("idle-timeout-seconds", "20");
const BEAT: Duration = Duration::from_secs(4);

async fn keep_alive(world: &World, name: &str) -> Result<ListKeepAliveResponse, Status> {
    let request = ListKeepAliveRequest { function_name: name.to_owned() };
    Ok(world.admin().list_keep_alive(request).await?.into_inner())
}

async fn decision(world: &World, name: &str) -> KeepAlive {
    let mut functions = keep_alive(world, name).await.unwrap().functions;
    assert_eq!(functions.len(), 1, "{functions:?}");
    functions.remove(0)
}

fn seconds(span: Option<prost_types::Duration>) -> f64 {
    Duration::try_from(span.expect("a span")).unwrap().as_secs_f64()
}

/// A call, and the sandbox that it ran in, once that stands still.
async fn call(world: &World, name: &str) -> Sandbox {
    world.invoke(name, json!({})).await.value();
    world.sandbox_in(name, SandboxState::Idle).await
}

#[tokio::test]
async fn a_function_with_a_beat_has_its_sandbox_stopped_and_another_made_ahead_of_its_call() {
    let world = World::start_with(&[("keep-alive", "histogram"), FIXED]).await;
    let name = world.create(NewFunction::of("state")).await;
    let first = call(&world, &name).await;
    for _ in 0..4 {
        tokio::time::sleep(BEAT).await;
        assert_eq!(call(&world, &name).await.id, first.id, "as long as too little is known it stays");
    }
    let known = decision(&world, &name).await;
    assert!(!known.by_gaps && known.made_ahead_after.is_none(), "{known:?}");
    assert_eq!((known.gaps, known.keep), (4, Some(prost_types::Duration { seconds: 20, nanos: 0 })));

    tokio::time::sleep(BEAT).await;
    world.invoke(&name, json!({})).await.value();
    let known = decision(&world, &name).await;
    assert!(known.by_gaps && known.gaps == 5, "{known:?}");
    let ahead = seconds(known.made_ahead_after);
    assert!(ahead > 2.0 && ahead < seconds(known.keep), "{known:?}");
    assert!(seconds(known.cold_start) > 0.0 && known.calls > 4.0, "{known:?}");
    eventually("the sandbox is stopped", async || {
        world.sandboxes(&name).await.iter().all(|sandbox| sandbox.id != first.id).then_some(())
    })
    .await;

    let made = world.sandbox_in(&name, SandboxState::Idle).await;
    assert_eq!(made.invocations, 0, "nobody has called for it");
    eventually("it stands still", async || {
        let status = world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner();
        (status.memory_reserved < 128).then_some(())
    })
    .await;
    let answer = world.invoke(&name, json!({})).await;
    assert!(!answer.is_cold, "the call has not waited for it");
    assert_eq!(answer.value()["calls"], 1);
    let taken = world.sandboxes(&name).await.remove(0);
    assert_eq!((taken.id, taken.invocations), (made.id, 1));

    let shown = thaw(&world, &["admin", "keep-alive"]).await;
    assert!(shown.code == 0 && shown.out.contains(&name) && shown.out.contains("gaps"), "{shown:?}");
    let shown = thaw(&world, &["admin", "keep-alive", "--output", "json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["Policy"], "histogram");
    assert_eq!(shown["Functions"][0]["DecidedBy"], "gaps");
}

#[tokio::test]
async fn under_the_fixed_time_no_beat_changes_anything() {
    let world = world().await;
    let name = world.create(NewFunction::of("state")).await;
    let first = call(&world, &name).await;
    for _ in 0..7 {
        assert_eq!(call(&world, &name).await.id, first.id);
    }
    assert_eq!(keep_alive(&world, &name).await.unwrap().policy, "fixed");
    let known = decision(&world, &name).await;
    assert!(!known.by_gaps && known.made_ahead_after.is_none() && known.gaps == 7, "{known:?}");
    assert_eq!(known.keep, Some(prost_types::Duration { seconds: 600, nanos: 0 }));
    assert!(known.function_arn.ends_with(&format!("{name}:$LATEST")), "{known:?}");

    world.delete(&name).await.unwrap();
    let refusal = keep_alive(&world, &name).await.unwrap_err();
    assert_eq!(reason(&refusal), "RESOURCE_NOT_FOUND");
    let all = keep_alive(&world, "").await.unwrap().functions;
    assert!(all.iter().all(|known| !known.function_arn.contains(&name)), "what is gone is not shown");
}

#[tokio::test]
async fn a_sandbox_at_rest_has_its_memory_in_swap_and_its_next_call_finds_it_whole() {
    const BALLAST: u64 = 48 << 20;
    let swap = Swap::of_mb(256);
    let world = World::start_with(&[("reclaim-after-seconds", "1")]).await;
    let name = world.create(NewFunction::of("ballast").memory(256)).await;
    let first = call(&world, &name).await;
    eventually("its memory is in swap", async || {
        let sandbox = world.sandboxes(&name).await.remove(0);
        (swap.used() > BALLAST / 2 && sandbox.memory_used < BALLAST / 2).then_some(())
    })
    .await;
    let answer = world.invoke(&name, json!({})).await;
    assert_eq!(answer.value(), json!({ "calls": 2, "whole": true }));
    assert_eq!(world.sandboxes(&name).await.remove(0).id, first.id);
}
