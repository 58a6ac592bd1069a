//! Code-signing configurations, from the command line.

use std::fs;

use serde_json::json;
use thaw_tests::{functions::NewFunction, package::Package};

use crate::{
    cli::{json, refused, thaw},
    world,
};

const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/0123456789";

#[tokio::test]
async fn a_function_whose_configuration_says_enforce_takes_no_package() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let config =
        json(&world, &["code-signing", "create", "--profile", PROFILE, "--description", "release"]).await;
    assert_eq!(config["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Warn");
    assert_eq!(config["AllowedPublishers"]["SigningProfileVersionArns"], json!([PROFILE]));
    let arn = config["CodeSigningConfigArn"].as_str().unwrap();

    let of = ["code-signing", "of", &name];
    let none = thaw(&world, &of).await;
    assert!(none.out.is_empty() && none.err.contains("has no code-signing configuration"), "{none:#?}");
    thaw(&world, &["code-signing", "attach", &name, arn]).await.ok();
    assert_eq!(thaw(&world, &of).await.ok().trim(), arn);
    let functions = thaw(&world, &["code-signing", "functions", arn]).await.ok();
    assert_eq!(functions.trim(), format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"));

    let directory = tempfile::tempdir().unwrap();
    let zip = directory.path().join("package.zip").to_string_lossy().into_owned();
    fs::write(&zip, Package::new().handler("echo").zip()).unwrap();
    let update = ["function", "update-code", &name, "--zip", &zip];
    thaw(&world, &update).await.ok();
    let changed = json(&world, &["code-signing", "update", arn, "--untrusted", "enforce"]).await;
    assert_eq!(changed["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Enforce");
    assert_eq!(
        (&changed["Description"], &changed["AllowedPublishers"]),
        (&json!("release"), &config["AllowedPublishers"])
    );
    refused(&world, 3, &format!("Check the provided signature for {name}."), &update).await;
    let create = [
        "function",
        "create",
        "unsigned",
        "--zip",
        &zip,
        "--runtime",
        "python3.13",
        "--handler",
        "echo.handler",
    ];
    refused(
        &world,
        3,
        "Check the provided signature for unsigned.",
        &[&create[..], &["--code-signing", arn]].concat(),
    )
    .await;

    refused(&world, 3, "is in use by functions", &["code-signing", "delete", arn]).await;
    thaw(&world, &["code-signing", "detach", &name]).await.ok();
    thaw(&world, &update).await.ok();
    thaw(&world, &["code-signing", "delete", arn]).await.ok();
    refused(&world, 3, "can not be found", &["code-signing", "get", arn]).await;
    refused(&world, 3, "cannot be found", &["code-signing", "attach", &name, arn]).await;
}

#[tokio::test]
async fn configurations_are_listed_and_have_tags() {
    let world = world().await;
    let config = json(&world, &["code-signing", "create", "--profile", PROFILE, "--tag", "team=a"]).await;
    let arn = config["CodeSigningConfigArn"].as_str().unwrap();
    assert!(thaw(&world, &["code-signing", "list"]).await.ok().contains(arn));
    let tags = json(&world, &["code-signing", "tags", arn, "--set", "stage=b"]).await;
    assert_eq!(tags["Tags"], json!({ "team": "a", "stage": "b" }));
    let tags = json(&world, &["code-signing", "tags", arn, "--remove", "team"]).await;
    assert_eq!(tags["Tags"], json!({ "stage": "b" }));
    refused(&world, 3, "reserved for AWS", &["code-signing", "tags", arn, "--set", "aws:k=v"]).await;
    thaw(&world, &["code-signing", "delete", arn]).await.ok();
    refused(&world, 3, "can not be found", &["code-signing", "tags", arn]).await;
}

#[tokio::test]
async fn mistakes_are_told_with_what_is_meant() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    refused(
        &world,
        3,
        "--profile: 1 validation error detected",
        &["code-signing", "create", "--profile", "nobody"],
    )
    .await;
    refused(&world, 3, "CONFIG_ARN: 1 validation error detected", &["code-signing", "get", "csc-1"]).await;
    let elsewhere = "arn:aws:lambda:us-east-1:111111111111:code-signing-config:csc-0123456789abcdef0";
    refused(&world, 3, "cannot be found", &["code-signing", "attach", &name, elsewhere]).await;
    for usage in [&["code-signing", "create"][..], &["code-signing", "update", elsewhere]] {
        let run = thaw(&world, usage).await;
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:#?}");
    }
}
