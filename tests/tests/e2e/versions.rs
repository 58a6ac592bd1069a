//! Published versions: what they keep, and what goes on around them.

use serde_json::json;
use thaw_proto::v1::{
    FunctionConfiguration, ListVersionsRequest, PublishVersionRequest, SandboxState,
    UpdateFunctionCodeRequest,
};
use thaw_tests::{
    functions::NewFunction,
    world::{World, reason},
};
use tonic::Code;

use crate::{changes::version as package, world};

/// Publishes what a function is now.
pub async fn publish(world: &World, name: &str) -> FunctionConfiguration {
    let request =
        PublishVersionRequest { function_name: name.to_owned(), ..PublishVersionRequest::default() };
    let published = world.versions().publish_version(request).await.expect("publish a version").into_inner();
    published.configuration.expect("a configuration")
}

/// Replaces the code of a function of `handlers/version.py`.
pub async fn recode(world: &World, name: &str, number: u64) {
    let request =
        UpdateFunctionCodeRequest { function_name: name.to_owned(), ..UpdateFunctionCodeRequest::default() };
    world.update_code(request, &package(number)).await.expect("update the code");
}

/// A function of `handlers/version.py` with the code 1 published as version 1.
pub async fn published(world: &World) -> String {
    let name = world.create(NewFunction::packaged("version", "version.handler", package(1))).await;
    assert_eq!(publish(world, &name).await.version, "1");
    name
}

#[tokio::test]
async fn a_version_goes_on_with_its_code_and_its_sandboxes_when_the_function_changes() {
    let world = world().await;
    let name = published(&world).await;
    let first = world.invoke(&format!("{name}:1"), json!({})).await;
    assert_eq!(first.executed_version, "1");
    let first = first.value();
    let latest = world.invoke(&name, json!({})).await;
    assert_eq!(latest.executed_version, "$LATEST");
    assert_ne!(latest.value()["sandbox"], first["sandbox"], "each version has sandboxes of its own");
    recode(&world, &name, 2).await;
    assert_eq!(world.invoke(&name, json!({})).await.value()["version"], 2);
    assert_eq!(world.invoke(&format!("{name}:1"), json!({})).await.value(), first, "the same sandbox");
    assert_eq!(publish(&world, &name).await.version, "2");
    assert_eq!(publish(&world, &name).await.version, "2", "nothing has changed");
    let request = ListVersionsRequest { function_name: name.clone(), ..ListVersionsRequest::default() };
    let listed = world.versions().list_versions(request).await.unwrap().into_inner().versions;
    let versions: Vec<_> = listed.iter().map(|version| version.version.as_str()).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    assert!(listed[1].function_arn.ends_with(":1"), "{}", listed[1].function_arn);
}

#[tokio::test]
async fn a_deleted_version_finishes_its_call_and_takes_no_more() {
    let world = world().await;
    let name = published(&world).await;
    let qualified = format!("{name}:1");
    let deleted = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        world.delete(&qualified).await.expect("delete the version");
        world.try_invoke(&qualified, json!({})).await.expect_err("it is gone")
    };
    let (running, refusal) = tokio::join!(world.invoke(&qualified, json!({ "seconds": 2 })), deleted);
    assert_eq!(running.value()["version"], 1);
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
    assert_eq!(world.invoke(&name, json!({})).await.value()["version"], 1);
    recode(&world, &name, 2).await;
    assert_eq!(publish(&world, &name).await.version, "2", "a number never comes again");
}

#[tokio::test]
async fn the_context_names_the_version_and_what_was_called() {
    let world = world().await;
    let name = world.create(NewFunction::of("context").with(|request| request.publish = true)).await;
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    for (called, version, invoked) in [
        (name.clone(), "$LATEST", arn.clone()),
        (format!("{name}:$LATEST"), "$LATEST", format!("{arn}:$LATEST")),
        (format!("{name}:1"), "1", format!("{arn}:1")),
    ] {
        let value = world.invoke(&called, json!({})).await.value();
        assert_eq!(value["context"]["function_version"], version, "{called}");
        assert_eq!(value["context"]["invoked_function_arn"], invoked, "{called}");
        assert_eq!(value["environment"]["AWS_LAMBDA_FUNCTION_VERSION"], version, "{called}");
    }
}
