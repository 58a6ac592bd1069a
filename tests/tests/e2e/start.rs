//! A daemon that can't start says what is missing.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use thaw_tests::{
    daemon::Daemon,
    engine,
    functions::NewFunction,
    programs,
    proxy::EngineProxy,
    world::{World, reason},
};
use tonic::Code;

#[tokio::test]
async fn a_second_daemon_on_the_same_data_is_refused() {
    let world = World::start().await;
    let data_dir = world.daemon().data_dir();
    let second = Daemon::prepare(&[("data-dir", &data_dir.to_string_lossy())]);
    let (status, said) = second.refusal().await;
    assert!(!status.success());
    assert!(said.contains(&*data_dir.to_string_lossy()), "it names the directory: {said}");
    // The first is not hurt.
    world.create(NewFunction::of("echo")).await;
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_group() {
    let world = crate::world().await;
    let mode = fs::metadata(world.daemon().socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[tokio::test]
async fn a_daemon_that_is_not_root_says_so_at_once() {
    let directory = tempfile::Builder::new().prefix("thaw-e2e-").tempdir().unwrap();
    let program = directory.path().join("thawd");
    fs::copy(programs::thawd(), &program).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--data-dir=/nowhere/data", "--run-dir=/nowhere/run"])
        .output()
        .expect("setpriv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("root"), "{said}");
}

#[tokio::test]
async fn a_daemon_without_docker_says_where_it_looked() {
    let (status, said) = Daemon::prepare(&[("docker-socket", "/nowhere/docker.sock")]).refusal().await;
    assert!(!status.success());
    assert!(said.contains("/nowhere/docker.sock"), "{said}");
}

#[tokio::test]
async fn a_daemon_with_a_bad_setting_names_it() {
    let (status, said) = Daemon::prepare(&[("memory-budget-mb", "12")]).refusal().await;
    assert!(!status.success());
    assert!(said.contains("memory-budget-mb") || said.contains("memory_budget_mb"), "{said}");
}

#[tokio::test]
async fn a_daemon_without_its_init_says_where_it_looked() {
    let (status, said) = Daemon::prepare(&[("init", "/nowhere/thaw-init")]).refusal().await;
    assert!(!status.success());
    assert!(said.contains("/nowhere/thaw-init"), "{said}");
}

#[tokio::test]
async fn a_runtime_that_is_not_built_is_refused_with_the_command_that_builds_it() {
    let engine = EngineProxy::start();
    engine.hide_image(&engine::image("python3.11"));
    let socket = engine.socket();
    let world = World::start_with(&[("docker-socket", &socket.to_string_lossy())]).await;
    let function = NewFunction::of("echo").with(|request| request.runtime = "python3.11".to_owned());
    let refusal = match world.try_create(function).await {
        Err(refusal) => refusal,
        // Then its first call is refused.
        Ok(created) => world
            .try_invoke(&created.function_name, serde_json::json!({}))
            .await
            .expect_err("there is no image"),
    };
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
    assert_eq!(reason(&refusal), "RUNTIME_NOT_BUILT");
    assert!(refusal.message().contains("thaw runtime build python3.11"), "{}", refusal.message());
}
