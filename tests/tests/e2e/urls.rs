//! Function URLs: by AWS's clients, by plain HTTP, and from the command line.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    world::World,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    aws::{endpoint, script},
    cli::thaw,
    world,
};

/// Asks for a path of a host, wherever that is said to be, and returns the whole answer.
async fn get(world: &World, host: &str, path: &str) -> String {
    let address = endpoint(world).await.replace("http://", "");
    let mut connection = TcpStream::connect(&address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("an answer");
    answer
}

async fn url(world: &World, arguments: &[&str]) -> Value {
    thaw(world, &[&["--output", "json", "url"], arguments].concat()).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_by_its_url_as_on_lambda() {
    let world = world().await;
    let name = world.create(NewFunction::of("url").memory(ONE_CPU)).await;
    script("urls.py", &[&endpoint(&world).await, &name]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_answers_in_pieces_comes_in_pieces() {
    let world = world().await;
    let name = world.create(NewFunction::of("streaming_runtime").memory(ONE_CPU).timeout(8)).await;
    let whole = world.create(NewFunction::of("url").memory(ONE_CPU)).await;
    script("url_streams.py", &[&endpoint(&world).await, &name, &whole]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_calls_its_tenants_function_and_lets_in_whom_the_policy_says() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials.toml");
    let text = "[[credential]]\naccess_key_id = \"AKIAA\"\nsecret_access_key = \"of a\"\naccount = \"000000000000\"\n\
                [[credential]]\naccess_key_id = \"AKIAB\"\nsecret_access_key = \"of b\"\naccount = \"000000000002\"\n";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let settings = [("aws-credentials", file.to_str().unwrap()), ("memory-budget-mb", "2000")];
    let world = World::start_with(&settings).await;
    let endpoint = endpoint(&world).await;
    let arguments = [&endpoint, "AKIAA", "of a", "000000000000", "AKIAB", "of b", "000000000002"];
    script("url_tenants.py", &arguments).await;
}

#[tokio::test]
async fn a_url_is_made_shown_changed_and_deleted_from_the_command_line() {
    let world = world().await;
    let name = world.create(NewFunction::of("url")).await;
    let made = url(&world, &["create", &name, "--public", "--allow-origin", "*", "--max-age", "5"]).await;
    assert_eq!(
        (&made["AuthType"], &made["InvokeMode"], &made["Cors"]["AllowOrigins"], &made["Cors"]["MaxAge"]),
        (&json!("NONE"), &json!("BUFFERED"), &json!(["*"]), &json!(5)),
        "{made}"
    );
    let (address, path) = (made["FunctionUrl"].as_str().unwrap(), made["Path"].as_str().unwrap());
    let host = address.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).expect("a URL");
    for (host, path) in [(host, "/here"), ("127.0.0.1", &*format!("{path}here"))] {
        let answer = get(&world, host, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(r#""rawPath": "/here""#), "{answer}");
    }
    assert_eq!(url(&world, &["show", &name]).await, made);
    let shown = thaw(&world, &["url", "show", &name]).await.ok();
    assert!(shown.contains(address) && shown.contains("max age"), "{shown}");

    let changed = url(&world, &["update", &name, "--auth", "aws-iam", "--stream", "--no-cors"]).await;
    assert_eq!(
        (&changed["FunctionUrl"], &changed["AuthType"], &changed["InvokeMode"], &changed["Cors"]),
        (&json!(address), &json!("AWS_IAM"), &json!("RESPONSE_STREAM"), &Value::Null),
        "{changed}"
    );
    assert!(get(&world, host, "/").await.starts_with("HTTP/1.1 403 Forbidden\r\n"));

    thaw(&world, &["function", "publish", &name]).await.ok();
    thaw(&world, &["alias", "create", &name, "live", "--version", "1"]).await.ok();
    let alias = format!("{name}:live");
    let run = thaw(&world, &["url", "create", &alias, "--auth", "none"]).await;
    assert!(run.code == 0 && run.err.contains("lets nobody in"), "{run:#?}");
    let listed = url(&world, &["list", &name]).await;
    let arns: Vec<_> = listed["FunctionUrlConfigs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|url| url["FunctionArn"].clone())
        .collect();
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    assert_eq!(arns, [json!(arn), json!(format!("{arn}:live"))]);
    assert!(thaw(&world, &["url", "list", &name]).await.ok().contains(&alias));

    thaw(&world, &["url", "delete", &name]).await.ok();
    for (arguments, code, said) in [
        (vec!["show", &name], 3, "The resource you requested does not exist."),
        (vec!["delete", &name], 3, "The resource you requested does not exist."),
        (vec!["create", &alias, "--public"], 3, "FunctionUrlConfig exists for this Lambda function"),
        (vec!["create", "no-such-function", "--public"], 3, "Function does not exist"),
        (vec!["create", &name, "--public", "--allow-method", "OPTIONS"], 3, "'cors.allowMethods'"),
        (vec!["create", &name], 2, "--auth"),
    ] {
        let refused = thaw(&world, &[vec!["url"], arguments].concat()).await;
        assert!(refused.code == code && refused.err.contains(said), "{refused:#?}");
    }
}

#[tokio::test]
async fn a_url_outlives_the_daemon() {
    let mut world = World::start().await;
    let name = world.create(NewFunction::of("url")).await;
    let made = url(&world, &["create", &name, "--public"]).await;
    let path = made["Path"].as_str().unwrap();
    assert!(get(&world, "127.0.0.1", path).await.starts_with("HTTP/1.1 200 OK\r\n"));
    world.crash_and_restart().await;
    assert!(get(&world, "127.0.0.1", path).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(url(&world, &["show", &name]).await["Path"], made["Path"]);
}
