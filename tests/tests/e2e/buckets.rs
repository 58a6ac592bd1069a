//! Object storage that calls functions: a real storage server, AWS's own client, the command line.

use std::{path::Path, process::Stdio};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use thaw_tests::{
    functions::{NewFunction, ONE_CPU, unique},
    programs,
    storage::Storage,
    wait::eventually,
    world::World,
};
use tokio::process::Command;

use crate::{aws::endpoint, cli::thaw, world};

/// A function that prints its event.
async fn printing(world: &World) -> String {
    world.create(NewFunction::of("echo_print").memory(ONE_CPU)).await
}

/// The records that a function has printed, each with the name of its event.
async fn records(world: &World, name: &str) -> Vec<Value> {
    let lines = world.lines(name).await;
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line.message.trim_end()).ok());
    events.filter_map(|event| event["Records"][0].is_object().then(|| event["Records"][0].clone())).collect()
}

async fn bucket(world: &World, arguments: &[&str]) -> Value {
    let run = thaw(world, &[&["--output", "json", "bucket"], arguments].concat()).await;
    assert_eq!(run.code, 0, "{run:#?}");
    serde_json::from_str(&run.out).expect("JSON")
}

/// An account's webhook and its token.
async fn webhook(world: &World, account: &str) -> (String, String) {
    let made = bucket(world, &["webhook", "--new-token", "--account", account]).await;
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    (text("Url"), text("Token"))
}

/// Lets buckets of any name call a function.
async fn allow(world: &World, function: &str) {
    let arguments =
        ["function", "allow", function, "--statement-id", "s3", "--principal", "s3.amazonaws.com"];
    let run = thaw(world, &[&arguments[..], &["--source-arn", "arn:aws:s3:::*"]].concat()).await;
    assert_eq!(run.code, 0, "{run:#?}");
}

/// What a webhook answers.
async fn send(method: Method, url: &str, authorization: &str, body: &str) -> (StatusCode, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).header(AUTHORIZATION, authorization);
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let answer = client.request(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A notification such as MinIO sends.
fn minio(bucket: &str, key: &str) -> String {
    json!({
        "EventName": "s3:ObjectCreated:Put", "Key": format!("{bucket}/{key}"),
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-03-01T12:00:00.000Z",
            "eventName": "s3:ObjectCreated:Put", "userIdentity": { "principalId": "minioadmin" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config", "bucket": { "name": bucket },
                "object": { "key": key, "size": 5, "eTag": "5d41", "sequencer": "17A8D1F2B3C4D5E6" }
            }
        }]
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_s3_tutorial_ends_with_the_handler_running_on_the_record() {
    // One of its own, since an account has one token.
    let world = World::start().await;
    let (function, name) = (printing(&world).await, unique("photos").to_lowercase());
    let (url, token) = webhook(&world, "").await;
    let storage = Storage::start_telling(&url.replace("http://", &format!("http://thaw:{token}@"))).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/buckets.py");
    let mut python = Command::new(programs::aws_clients().join("venv/bin/python"));
    python
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_CONFIG_FILE", "/dev/null")])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .args([endpoint(&world).await, storage.url(), function.clone(), name.clone()])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = python.output().await.expect("run boto3");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "ok", "{}", String::from_utf8_lossy(&output.stderr));
    let told = eventually("the handler has run four times", async || {
        Some(records(&world, &function).await).filter(|records| records.len() == 4)
    })
    .await;
    let mut seen: Vec<_> = told
        .iter()
        .map(|record| {
            let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let names = [text("/eventName"), text("/s3/object/key"), text("/s3/configurationId")];
            names.join(" ")
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "ObjectCreated:Copy in/copy.jpg jpg",
            "ObjectCreated:Put in/my+cat%2B%C3%A9.jpg jpg",
            "ObjectRemoved:Delete in/cat.png gone",
            "ObjectRemoved:Delete in/copy.jpg gone",
        ]
    );
    let put = told.iter().find(|record| record["eventName"] == "ObjectCreated:Put").expect("the put");
    assert_eq!((&put["eventSource"], &put["eventVersion"]), (&json!("aws:s3"), &json!("2.1")), "{put}");
    let arn = json!(format!("arn:aws:s3:::{name}"));
    assert_eq!((&put["s3"]["bucket"]["arn"], &put["s3"]["object"]["size"]), (&arn, &json!(5)), "{put}");
    let told = bucket(&world, &["show", &name]).await;
    assert_eq!((&told["Accepted"], &told["Dropped"]), (&json!(4), &json!(0)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_taken_with_its_accounts_token_and_no_other() {
    let world = World::start().await;
    let function = printing(&world).await;
    allow(&world, &function).await;
    bucket(&world, &["notify", "photos", "--function", &function, "--event", "s3:ObjectCreated:*"]).await;
    let (url, first) = webhook(&world, "000000000000").await;
    let (other_url, foreign) = webhook(&world, "000000000003").await;
    let (_, token) = webhook(&world, "").await;
    let bearer = format!("Bearer {token}");
    let message = minio("photos", "my+cat.jpg");
    for wrong in [
        format!("Bearer {first}"),
        format!("Bearer {foreign}"),
        "Bearer x".to_owned(),
        "Basic eA==".to_owned(),
    ] {
        let (status, told) = send(Method::POST, &url, &wrong, &message).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{wrong}: {told}");
    }
    assert_eq!(send(Method::POST, &other_url, &bearer, &message).await.0, StatusCode::FORBIDDEN);
    let unknown = url.replace("000000000000", "000000000007");
    assert_eq!(send(Method::POST, &unknown, &bearer, &message).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(Method::HEAD, &url, &bearer, "").await.0, StatusCode::OK);
    assert_eq!(send(Method::POST, &url, &bearer, "").await.0, StatusCode::OK);
    assert_eq!(send(Method::PUT, &url, &bearer, &message).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(send(Method::POST, &url, &bearer, "{}").await.0, StatusCode::BAD_REQUEST);
    let large = " ".repeat(2 << 20);
    assert_eq!(send(Method::POST, &url, &bearer, &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    // The other account has no notification of its bucket of this name.
    let (status, told) = send(Method::POST, &other_url, &format!("Bearer {foreign}"), &message).await;
    assert_eq!((status, &told["Unmeant"]), (StatusCode::OK, &json!(1)), "{told}");
    let (status, told) = send(Method::POST, &url, &bearer, &message).await;
    assert_eq!((status, &told["Accepted"]), (StatusCode::OK, &json!(1)), "{told}");
    let in_query = format!("{url}?token={token}");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(in_query).body(Full::new(Bytes::from(message))).unwrap();
    assert_eq!(client.request(request).await.expect("an answer").status(), StatusCode::OK);
    let told = eventually("the handler has run twice", async || {
        Some(records(&world, &function).await).filter(|records| records.len() == 2)
    })
    .await;
    assert!(told.iter().all(|record| record["s3"]["object"]["key"] == "my+cat.jpg"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_outlives_the_daemon_and_what_is_gone_is_dropped() {
    let mut world = World::start().await;
    let function = printing(&world).await;
    allow(&world, &function).await;
    bucket(&world, &["notify", "photos", "--function", &function, "--event", "s3:ObjectCreated:*"]).await;
    let (url, token) = webhook(&world, "").await;
    let bearer = format!("Bearer {token}");
    assert_eq!(send(Method::POST, &url, &bearer, &minio("photos", "a.jpg")).await.0, StatusCode::OK);
    world.crash_and_restart().await;
    eventually("the handler runs in the daemon's next life", async || {
        records(&world, &function)
            .await
            .iter()
            .any(|record| record["s3"]["object"]["key"] == "a.jpg")
            .then_some(())
    })
    .await;
    world.delete(&function).await.expect("delete the function");
    // The port is another now; the token is the same.
    let url = bucket(&world, &["webhook"]).await["Url"].as_str().expect("a URL").to_owned();
    let (status, told) = send(Method::POST, &url, &bearer, &minio("photos", "b.jpg")).await;
    assert_eq!((status, &told["Dropped"]), (StatusCode::OK, &json!(1)), "{told}");
    let told = bucket(&world, &["show", "photos"]).await;
    assert_eq!(told["Notifications"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(told["LastDrop"].as_str().is_some_and(|why| why.contains("is not there")), "{told}");
}

#[tokio::test]
async fn buckets_are_handled_from_the_command_line() {
    let world = world().await;
    let (function, name) = (printing(&world).await, unique("photos").to_lowercase());
    let created = ["--event", "s3:ObjectCreated:*"];
    let notify = |more: &'static [&'static str]| {
        [&["notify", &name, "--function", &function], &created[..], more].concat()
    };
    let refused = thaw(&world, &[&["bucket"], &notify(&[])[..]].concat()).await;
    let told = "Unable to validate the following destination configurations";
    assert!(refused.code == 3 && refused.err.contains(told), "{refused:#?}");
    allow(&world, &function).await;
    let made = bucket(&world, &notify(&["--id", "jpg", "--prefix", "in/", "--suffix", ".jpg"])).await;
    assert_eq!(made["Notifications"][0]["Prefix"], "in/", "{made}");
    let again = bucket(&world, &notify(&["--id", "jpg", "--prefix", "new/"])).await;
    assert_eq!(again["Notifications"].as_array().map(Vec::len), Some(1), "{again}");
    let other = bucket(&world, &notify(&["--prefix", "old/"])).await;
    assert_eq!(other["Notifications"].as_array().map(Vec::len), Some(2), "{other}");
    let list = thaw(&world, &["bucket", "list"]).await;
    assert!(list.out.lines().any(|line| line.contains(&name) && line.contains("new/*")), "{list:#?}");
    let show = thaw(&world, &["bucket", "show", &name]).await;
    assert!(show.out.contains("old/*") && show.out.contains(&function), "{show:#?}");
    bucket(&world, &["remove", &name, "--id", "jpg"]).await;
    bucket(&world, &["remove", &name, "--all"]).await;
    let shown = bucket(&world, &["show", &name]).await;
    assert_eq!(shown["Notifications"], json!([]), "{shown}");
    for (arguments, said) in [
        (vec!["remove", &name, "--all"], "has no notification"),
        (notify(&["--prefix", "x", "--event", "s3:Nothing"]), "The event is not supported for notifications"),
        (vec!["show", "a/b"], "The specified bucket is not valid."),
        (vec!["webhook", "--account", "1"], "12 digits"),
        (
            vec!["notify", &name, "--function", "no-such-function", "--event", "s3:ObjectCreated:*"],
            "Function not found",
        ),
    ] {
        let refused = thaw(&world, &[vec!["bucket"], arguments].concat()).await;
        assert!(refused.code == 3 && refused.err.contains(said), "{refused:#?}");
    }
}
