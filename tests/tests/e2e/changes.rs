//! Functions change while they are called.

use serde_json::json;
use thaw_proto::v1::{
    Environment, FunctionConfiguration, SandboxState, UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest,
};
use thaw_tests::{
    functions::NewFunction,
    package::Package,
    world::{World, fields, reason},
};
use tonic::{Code, Status};

use crate::world;

/// The package of `handlers/version.py` that answers `version`.
pub fn version(version: u64) -> bytes::Bytes {
    Package::new().handler("version").file("version.txt", version.to_string().as_bytes()).zip()
}

async fn update(world: &World, name: &str, number: u64) -> FunctionConfiguration {
    let request =
        UpdateFunctionCodeRequest { function_name: name.to_owned(), ..UpdateFunctionCodeRequest::default() };
    world.update_code(request, &version(number)).await.expect("update the code")
}

async fn configure(
    world: &World,
    paths: &[&str],
    configuration: FunctionConfiguration,
    name: &str,
) -> Result<FunctionConfiguration, Status> {
    let request = UpdateFunctionConfigurationRequest {
        function_name: name.to_owned(),
        revision_id: String::new(),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        configuration: Some(configuration),
    };
    let updated = world.functions().update_function_configuration(request).await?.into_inner();
    Ok(updated.configuration.expect("a configuration"))
}

#[tokio::test]
async fn after_new_code_the_next_call_sees_it_and_a_running_one_finishes_on_the_old() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let first = world.invoke(&name, json!({})).await.value();
    assert_eq!(first["version"], 1);
    let updated = async {
        world.sandbox_in(&name, SandboxState::Busy).await;
        update(&world, &name, 2).await;
        world.invoke(&name, json!({})).await.value()
    };
    let (running, next) = tokio::join!(world.invoke(&name, json!({ "seconds": 2 })), updated);
    assert_eq!(running.value(), first, "the running call finished in its own sandbox");
    assert_eq!(next["version"], 2);
    assert_eq!(world.invoke(&name, json!({})).await.value(), next);
}

#[tokio::test]
async fn new_code_changes_what_is_told_of_it() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let before = world.get(&name).await.unwrap();
    let after = update(&world, &name, 2).await;
    assert_ne!(after.code_sha256, before.code_sha256);
    assert_ne!(after.revision_id, before.revision_id);
    assert_eq!(after.code_size, version(2).len() as u64);
    assert_eq!(world.get(&name).await.unwrap(), after);
}

#[tokio::test]
async fn a_dry_update_changes_nothing() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let before = world.get(&name).await.unwrap();
    let dry = UpdateFunctionCodeRequest {
        function_name: name.clone(),
        dry_run: true,
        ..UpdateFunctionCodeRequest::default()
    };
    world.update_code(dry.clone(), &version(2)).await.expect("a good package");
    let refusal = world.update_code(dry, &"no zip".into()).await.expect_err("a bad package");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert_eq!(world.get(&name).await.unwrap(), before);
    assert_eq!(world.invoke(&name, json!({})).await.value()["version"], 1);
}

#[tokio::test]
async fn an_update_that_expects_another_revision_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let before = world.get(&name).await.unwrap();
    let code = UpdateFunctionCodeRequest {
        function_name: name.clone(),
        revision_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        ..UpdateFunctionCodeRequest::default()
    };
    let configuration = UpdateFunctionConfigurationRequest {
        function_name: name.clone(),
        revision_id: code.revision_id.clone(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["timeout".to_owned()] }),
        configuration: Some(FunctionConfiguration { timeout: 9, ..FunctionConfiguration::default() }),
    };
    let refusals = [
        world.update_code(code.clone(), &version(2)).await.unwrap_err(),
        world.functions().update_function_configuration(configuration.clone()).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
        assert_eq!(reason(&refusal), "PRECONDITION_FAILED");
    }
    assert_eq!(world.get(&name).await.unwrap(), before);
    let code = UpdateFunctionCodeRequest { revision_id: before.revision_id, ..code };
    world.update_code(code, &version(2)).await.expect("the current revision");
}

#[tokio::test]
async fn a_new_environment_is_seen_by_the_next_call() {
    let world = world().await;
    let name = world.create(NewFunction::of("state").env("VALUE", "old")).await;
    let before = world.invoke(&name, json!({})).await.value();
    assert_eq!(before["value"], "old");
    let variables = [("VALUE".to_owned(), "new".to_owned())].into();
    let configuration = FunctionConfiguration {
        environment: Some(Environment { variables }),
        timeout: 900,
        ..FunctionConfiguration::default()
    };
    let updated = configure(&world, &["environment"], configuration, &name).await.unwrap();
    assert_eq!(updated.timeout, 30, "what the mask does not name keeps its value");
    let after = world.invoke(&name, json!({})).await.value();
    assert_eq!(after["value"], "new");
    assert_ne!(after["sandbox"], before["sandbox"]);
}

#[tokio::test]
async fn a_change_of_what_can_not_be_changed_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let before = world.get(&name).await.unwrap();
    for path in ["function_name", "code_sha256", "nonsense", ""] {
        let refusal = configure(&world, &[path], FunctionConfiguration::default(), &name)
            .await
            .expect_err("a bad path");
        assert_eq!(refusal.code(), Code::InvalidArgument, "{path}: {refusal:?}");
        assert!(fields(&refusal).iter().any(|field| field.starts_with("update_mask")), "{refusal:?}");
    }
    let bad = FunctionConfiguration { timeout: 901, memory_size: 256, ..FunctionConfiguration::default() };
    let refusal = configure(&world, &["timeout", "memory_size"], bad, &name).await.unwrap_err();
    assert!(fields(&refusal).iter().any(|field| field.ends_with("timeout")), "{refusal:?}");
    assert_eq!(world.get(&name).await.unwrap(), before, "nothing was changed, nor half of it");
}

#[tokio::test]
async fn a_function_that_is_deleted_is_gone_with_its_sandboxes_and_its_logs_stay() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let request_id = world.invoke(&name, json!({})).await.request_id;
    let container = world.sandboxes(&name).await[0].container_id.clone();
    world.delete(&name).await.unwrap();
    for refusal in [
        world.get(&name).await.unwrap_err(),
        world.try_invoke(&name, json!({})).await.unwrap_err(),
        world.delete(&name).await.unwrap_err(),
    ] {
        assert_eq!(refusal.code(), Code::NotFound, "{refusal:?}");
        assert_eq!(reason(&refusal), "RESOURCE_NOT_FOUND");
    }
    let engine = thaw_tests::engine::Engine::connect().await;
    thaw_tests::wait::eventually("its container is removed", async || {
        (!engine.has_container(&container).await).then_some(())
    })
    .await;
    assert!(!world.lines_of(&name, &request_id).await.is_empty());
}

#[tokio::test]
async fn a_call_that_runs_while_its_function_is_deleted_finishes() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let deleted = async {
        let sandbox = world.sandbox_in(&name, SandboxState::Busy).await;
        world.delete(&name).await.unwrap();
        sandbox.container_id
    };
    let (answer, container) = tokio::join!(world.invoke(&name, json!({ "seconds": 1.5 })), deleted);
    assert_eq!(answer.value()["version"], 1);
    let engine = thaw_tests::engine::Engine::connect().await;
    thaw_tests::wait::eventually("its container is removed", async || {
        (!engine.has_container(&container).await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_function_of_a_deleted_ones_name_has_nothing_of_it() {
    let world = world().await;
    let name = world.create(NewFunction::packaged("version", "version.handler", version(1))).await;
    let before = world.invoke(&name, json!({})).await.value();
    world.delete(&name).await.unwrap();
    world.create(NewFunction::packaged("version", "version.handler", version(1)).named(&name)).await;
    assert_ne!(world.invoke(&name, json!({})).await.value()["sandbox"], before["sandbox"]);
}

#[tokio::test]
async fn a_function_logs_to_the_group_that_it_names() {
    let world = world().await;
    let name = world.create(NewFunction::of("context")).await;
    let group = format!("/shared/{name}");
    let wanted = FunctionConfiguration { log_group: group.clone(), ..FunctionConfiguration::default() };
    let updated = configure(&world, &["log_group"], wanted, &name).await.expect("a group to log to");
    assert_eq!(updated.log_group, group);
    let answer = world.invoke(&name, json!({})).await;
    let request_id = answer.request_id.clone();
    let value = answer.value();
    assert_eq!(value["context"]["log_group_name"], group);
    let lines = world.lines_of(&name, &request_id).await;
    assert!(lines.iter().any(|line| line.starts_with("REPORT")), "{lines:?}");
}
