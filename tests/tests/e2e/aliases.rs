//! Aliases: moving them, splitting calls, and what survives a kill.

use std::collections::HashMap;

use serde_json::json;
use thaw_proto::v1::{Alias, CreateAliasRequest, GetAliasRequest, SandboxState, UpdateAliasRequest};
use thaw_tests::{
    functions::NewFunction,
    world::{World, fields, reason},
};
use tonic::Code;

use crate::{
    versions::{publish, published, recode},
    world,
};

pub async fn alias(world: &World, name: &str, alias: &str, version: &str) -> Alias {
    let request = CreateAliasRequest {
        function_name: name.to_owned(),
        name: alias.to_owned(),
        function_version: version.to_owned(),
        ..CreateAliasRequest::default()
    };
    world
        .versions()
        .create_alias(request)
        .await
        .expect("create an alias")
        .into_inner()
        .alias
        .expect("an alias")
}

pub async fn move_to(world: &World, name: &str, alias: &str, version: &str) {
    let request = UpdateAliasRequest {
        function_name: name.to_owned(),
        name: alias.to_owned(),
        function_version: version.to_owned(),
        ..UpdateAliasRequest::default()
    };
    world.versions().update_alias(request).await.expect("move the alias");
}

#[tokio::test]
async fn a_release_is_moved_forward_and_rolled_back_by_its_alias() {
    let world = world().await;
    let name = published(&world).await;
    alias(&world, &name, "live", "1").await;
    let live = format!("{name}:live");
    assert_eq!(world.invoke(&live, json!({})).await.value()["version"], 1);
    recode(&world, &name, 2).await;
    assert_eq!(world.invoke(&live, json!({})).await.value()["version"], 1, "the alias leads where it led");
    publish(&world, &name).await;
    let moved = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        move_to(&world, &name, "live", "2").await;
        world.invoke(&live, json!({})).await
    };
    let (running, next) = tokio::join!(world.invoke(&live, json!({ "seconds": 2 })), moved);
    assert_eq!((running.executed_version.as_str(), next.executed_version.as_str()), ("1", "2"));
    assert_eq!((running.value()["version"].clone(), next.value()["version"].clone()), (json!(1), json!(2)));
    move_to(&world, &name, "live", "1").await;
    assert_eq!(world.invoke(&live, json!({})).await.value()["version"], 1);
}

#[tokio::test]
async fn an_alias_with_weights_sends_calls_to_both_versions() {
    let world = world().await;
    let name = published(&world).await;
    recode(&world, &name, 2).await;
    publish(&world, &name).await;
    alias(&world, &name, "canary", "1").await;
    let split = |weights: &[(&str, f64)]| UpdateAliasRequest {
        function_name: name.clone(),
        name: "canary".to_owned(),
        set_weights: true,
        additional_version_weights: weights
            .iter()
            .map(|(version, share)| ((*version).to_owned(), *share))
            .collect(),
        ..UpdateAliasRequest::default()
    };
    world.versions().update_alias(split(&[("2", 0.5)])).await.expect("split the calls");
    let mut calls: HashMap<String, u32> = HashMap::new();
    // That 60 fair draws all fall on one side happens once in 10^18 times.
    for _ in 0..60 {
        let answer = world.invoke(&format!("{name}:canary"), json!({})).await;
        *calls.entry(answer.executed_version.clone()).or_default() += 1;
        let executed = answer.executed_version.clone();
        assert_eq!(answer.value()["version"].to_string(), executed);
    }
    assert!(calls.contains_key("1") && calls.contains_key("2"), "{calls:?}");
    world.versions().update_alias(split(&[("2", 1.0)])).await.expect("send all calls to the second");
    assert_eq!(world.invoke(&format!("{name}:canary"), json!({})).await.executed_version, "2");
    let refusal = world.versions().update_alias(split(&[("2", 1.5)])).await.expect_err("more than all");
    assert_eq!(fields(&refusal), ["additional_version_weights"]);
    let refusal = world.delete(&format!("{name}:2")).await.expect_err("an alias leads there");
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::AlreadyExists, "RESOURCE_CONFLICT"));
}

#[tokio::test]
async fn the_context_names_the_alias_that_was_called_though_the_sandbox_is_shared() {
    let world = world().await;
    let name = world.create(NewFunction::of("context").with(|request| request.publish = true)).await;
    alias(&world, &name, "live", "1").await;
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    let by_number = world.invoke(&format!("{name}:1"), json!({})).await.value();
    let by_alias = world.invoke(&format!("{name}:live"), json!({})).await.value();
    assert_eq!(
        by_number["context"]["log_stream_name"], by_alias["context"]["log_stream_name"],
        "one sandbox"
    );
    assert_eq!(by_number["context"]["invoked_function_arn"], format!("{arn}:1"));
    assert_eq!(by_alias["context"]["invoked_function_arn"], format!("{arn}:live"));
    assert_eq!(by_alias["context"]["function_version"], "1");
}

#[tokio::test]
async fn versions_and_aliases_survive_a_kill() {
    let mut world = World::start().await;
    let name = published(&world).await;
    recode(&world, &name, 2).await;
    publish(&world, &name).await;
    let live = alias(&world, &name, "live", "1").await;
    move_to(&world, &name, "live", "2").await;
    world.crash_and_restart().await;
    let request = GetAliasRequest { function_name: name.clone(), name: "live".to_owned() };
    let still = world.versions().get_alias(request).await.unwrap().into_inner().alias.unwrap();
    assert_eq!((still.function_version.as_str(), still.alias_arn), ("2", live.alias_arn));
    for (called, version) in [(format!("{name}:1"), 1), (format!("{name}:2"), 2), (format!("{name}:live"), 2)]
    {
        assert_eq!(world.invoke(&called, json!({})).await.value()["version"], version, "{called}");
    }
    assert_eq!(publish(&world, &name).await.version, "2");
}
