//! Services that call functions on somebody's behalf and wait for the answer: Cognito's triggers are the example.

use std::{fs, os::unix::fs::PermissionsExt};

use thaw_tests::{functions::NewFunction, world::World};

use crate::aws::{endpoint, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_calls_what_lets_it_in_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials.toml");
    let credential = |key: &str, service: &str| {
        format!(
            "[[credential]]\naccess_key_id = \"{key}\"\nsecret_access_key = \"of {key}\"\naccount = \"000000000000\"\n{service}\n"
        )
    };
    let pools = "source_arn = \"arn:aws:cognito-idp:us-east-1:000000000000:userpool/*\"";
    let text = [
        credential("OWNER", ""),
        credential("POOLS", &format!("service = {{ principal = \"cognito-idp.amazonaws.com\", {pools} }}")),
        credential("ANY", "service = { principal = \"cognito-idp.amazonaws.com\" }"),
    ];
    fs::write(&file, text.concat()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let world = World::start_with(&[("aws-credentials", file.to_str().unwrap())]).await;
    let function = world.create(NewFunction::of("echo")).await;
    let endpoint = endpoint(&world).await;
    let keys = ["OWNER", "of OWNER", "POOLS", "of POOLS", "ANY", "of ANY"];
    script("services.py", &[&[endpoint.as_str(), &function], &keys[..]].concat()).await;
}
