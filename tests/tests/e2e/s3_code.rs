//! Code that is in S3: a real storage server, AWS's own client, the command line.

use std::{fs, os::unix::fs::PermissionsExt};

use bytes::Bytes;
use serde_json::{Value, json};
use thaw_proto::v1::{CreateFunctionRequest, S3Object};
use thaw_tests::{
    functions::{NewFunction, unique},
    package::Package,
    storage::Storage,
    world::{World, fields},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    aws::{endpoint, script},
    cli::thaw,
    world,
};

/// A daemon whose code can be in this storage.
async fn world_with(storage: &Storage) -> World {
    World::start_with(&[
        ("s3-endpoint", &storage.url()),
        ("package-max-zip-mb", "1"),
        ("package-max-unpacked-mb", "2"),
        ("package-max-entries", "1000"),
        ("memory-budget-mb", "4000"),
    ])
    .await
}

/// A bucket with objects, made by boto3. The version of each.
async fn filled(storage: &Storage, bucket: &str, objects: &[(&str, Bytes)]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let url = storage.url();
    let mut arguments = vec![url, bucket.to_owned()];
    for (number, (key, content)) in objects.iter().enumerate() {
        let path = home.path().join(number.to_string());
        fs::write(&path, content).unwrap();
        arguments.extend([(*key).to_owned(), path.to_str().unwrap().to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = script("s3_objects.py", &arguments).await;
    printed.split_whitespace().map(str::to_owned).collect()
}

/// A function that returns this.
fn returning(value: &str) -> Bytes {
    let source = format!("def handler(event, context):\n    return {value:?}\n");
    Package::new().file("app.py", source.as_bytes()).zip()
}

/// A function whose code is said to be there.
fn at(bucket: &str, key: &str) -> NewFunction {
    let object = S3Object { bucket: bucket.to_owned(), key: key.to_owned(), version: String::new() };
    let function = NewFunction::packaged("from-s3", "app.handler", Bytes::new());
    function.with(|request| request.s3_object = Some(object))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_makes_functions_and_layers_of_what_is_in_buckets() {
    let storage = Storage::start().await;
    let world = world_with(&storage).await;
    let bucket = unique("builds");
    let said = script("s3_code.py", &[&endpoint(&world).await, &storage.url(), &bucket]).await;
    assert_eq!(said.trim(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tenant_gets_at_anothers_bucket_through_the_daemon() {
    let storage = Storage::start().await;
    for (key, secret) in [("AKIAA", "secret-of-a"), ("AKIAB", "secret-of-b")] {
        storage.add_user(key, secret).await;
    }
    let home = tempfile::tempdir().unwrap();
    let credential = |key: &str, secret: &str, account: u8| {
        format!(
            "[[credential]]\naccess_key_id = \"{key}\"\nsecret_access_key = \"{secret}\"\naccount = \"{account:012}\"\n"
        )
    };
    let known = credential("AKIAA", "secret-of-a", 0) + &credential("AKIAB", "secret-of-b", 2);
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let callers = file("callers.toml", &(known.clone() + &credential("AKIAC", "secret-of-c", 3)));
    let world = World::start_with(&[
        ("s3-endpoint", &storage.url()),
        ("s3-credentials", &file("s3.toml", &known)),
        ("aws-credentials", &callers),
        ("memory-budget-mb", "2000"),
    ])
    .await;
    let keys = ["AKIAA", "secret-of-a", "AKIAB", "secret-of-b", "AKIAC", "secret-of-c"];
    let (endpoint, url) = (endpoint(&world).await, storage.url());
    script("s3_tenants.py", &[&[endpoint.as_str(), url.as_str()], &keys[..]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_functions_and_layers_of_what_is_in_buckets() {
    let storage = Storage::start().await;
    let world = world_with(&storage).await;
    let (bucket, name) = (unique("builds"), unique("hello"));
    let layer = Package::new().file("data/one.txt", b"one").zip();
    let objects =
        [("a b/app+1.zip", returning("one")), ("a b/app+1.zip", returning("two")), ("layer.zip", layer)];
    let versions = filled(&storage, &bucket, &objects).await;
    let url = format!("s3://{bucket}/a b/app+1.zip");
    let old = format!("{url}?versionId={}", versions[0]);
    let made = thaw(
        &world,
        &[
            "--output",
            "json",
            "function",
            "create",
            &name,
            "--s3",
            &old,
            "--runtime",
            "python3.13",
            "--handler",
            "app.handler",
        ],
    )
    .await
    .json();
    assert_eq!(made["CodeSize"], json!(objects[0].1.len()), "{made}");
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("one"));
    thaw(&world, &["function", "update-code", &name, "--s3", &url, "--dry-run"]).await.ok();
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("one"));
    thaw(&world, &["function", "update-code", &name, "--s3", &url]).await.ok();
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("two"));
    let layer = format!("s3://{bucket}/layer.zip");
    let made: Value =
        thaw(&world, &["--output", "json", "layer", "publish", &unique("layer"), "--s3", &layer])
            .await
            .json();
    assert_eq!(
        (&made["Version"], &made["Content"]["CodeSize"]),
        (&json!(1), &json!(objects[2].1.len())),
        "{made}"
    );

    for (address, code, told) in [
        (
            format!("s3://{bucket}/gone.zip"),
            3,
            "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        ("s3://a/gone.zip".to_owned(), 3, "--s3: 1 validation error detected: Value 'a' at 's3Bucket'"),
        (format!("s3://{bucket}"), 2, "the key is missing; give s3://BUCKET/KEY"),
        (format!("https://{bucket}/gone.zip"), 2, "this is no address in S3"),
    ] {
        let run = thaw(&world, &["function", "update-code", &name, "--s3", &address]).await;
        assert_eq!(run.code, code, "{run:#?}");
        assert!(run.err.contains(told), "{run:#?}");
    }
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_sent_or_is_in_s3_and_a_server_that_is_down_is_told() {
    let storage = Storage::start().await;
    let world = world_with(&storage).await;
    let bucket = unique("builds");
    filled(&storage, &bucket, &[("app.zip", returning("one"))]).await;
    let name = world.create(at(&bucket, "app.zip")).await;
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("one"));

    let both = NewFunction { package: returning("two"), ..at(&bucket, "app.zip") };
    let refusal = world.try_create(both).await.unwrap_err();
    assert_eq!((refusal.code(), fields(&refusal)), (Code::InvalidArgument, vec!["s3_object".to_owned()]));
    let later = CreateFunctionRequest { chunk: returning("two"), ..CreateFunctionRequest::default() };
    let messages = tokio_stream::iter([at(&bucket, "app.zip").request, later]);
    let refusal = world.functions().create_function(messages).await.unwrap_err();
    assert_eq!(fields(&refusal), ["s3_object"], "{refusal:?}");
    for (bucket, key) in
        [("", "app.zip"), (bucket.as_str(), ""), ("a", "app.zip"), (bucket.as_str(), "gone.zip")]
    {
        let refusal = world.try_create(at(bucket, key)).await.unwrap_err();
        assert_eq!(reason(&refusal), "INVALID_PARAMETER_VALUE", "{refusal:?}");
        assert_eq!(fields(&refusal), ["s3_object"], "{refusal:?}");
    }

    storage.crash();
    let refusal = world.try_create(at(&bucket, "app.zip")).await.unwrap_err();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::Unavailable, "SERVICE"), "{refusal:?}");
    assert!(refusal.message().contains("could not be reached: "), "{refusal:?}");
    let run =
        thaw(&world, &["function", "update-code", &name, "--s3", &format!("s3://{bucket}/app.zip")]).await;
    assert_eq!(run.code, 3, "{run:#?}");
    assert!(run.err.contains("could not be reached: "), "{run:#?}");
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!("one"), "what is here needs no server");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_setting_for_it_is_named() {
    let world = world().await;
    let refusal = world.try_create(at("builds", "app.zip")).await.unwrap_err();
    assert_eq!((refusal.code(), fields(&refusal)), (Code::InvalidArgument, vec!["s3_object".to_owned()]));
    assert!(refusal.message().contains("the setting s3_endpoint of thawd"), "{refusal:?}");
}
