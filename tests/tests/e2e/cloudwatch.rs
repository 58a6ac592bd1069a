//! CloudWatch Logs by AWS's own clients, unmodified.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use thaw_proto::v1::GetStatusRequest;
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    programs,
    wait::eventually,
    world::World,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::world;

/// A client on the daemon's AWS API, with the key that everybody has.
async fn client(world: &World, program: &Path) -> Command {
    let status = world.admin().get_status(GetStatusRequest {}).await.expect("status").into_inner();
    let mut command = Command::new(program);
    command
        .env("AWS_ENDPOINT_URL", format!("http://{}", status.aws_address))
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
        .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_PAGER", ""), ("AWS_CONFIG_FILE", "/dev/null")])
        .env("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
        .args(["--endpoint-url", &format!("http://{}", status.aws_address)])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What a client prints, which has to be content.
async fn output(mut command: Command) -> String {
    let output = command.output().await.expect("run a client");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A function that has printed the numbers to nine.
async fn printed(world: &World) -> String {
    let name = world.create(NewFunction::of("logs").memory(ONE_CPU)).await;
    let answer = world.invoke(&name, json!({ "what": "numbers", "count": 10 })).await;
    world.lines_of(&name, &answer.request_id).await;
    name
}

#[tokio::test]
async fn boto3_does_every_operation_and_each_answer_is_of_its_model() {
    let world = world().await;
    let name = printed(&world).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/logs.py");
    let mut python = client(&world, &programs::aws_clients().join("venv/bin/python")).await;
    // A script has no options: the endpoint is its argument.
    let endpoint = python.as_std().get_args().last().expect("the endpoint").to_owned();
    let mut command = Command::new(python.as_std().get_program());
    let environment = python.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(environment).arg(script).arg(endpoint).arg(&name).stdin(Stdio::null()).kill_on_drop(true);
    python = command;
    assert_eq!(output(python).await.trim(), "18 operations");
}

#[tokio::test]
async fn the_aws_cli_describes_filters_and_tails_live() {
    let world = world().await;
    let name = printed(&world).await;
    let aws = programs::aws_clients().join("venv/bin/aws");
    let group = format!("/aws/lambda/{name}");
    let run = async |arguments: &[&str]| {
        let mut command = client(&world, &aws).await;
        command.arg("logs").args(arguments).args(["--output", "json"]);
        serde_json::from_str::<Value>(&output(command).await).expect("JSON")
    };
    let found = run(&[
        "filter-log-events",
        "--log-group-name",
        &group,
        "--filter-pattern",
        "[word = line, number < 3]",
    ])
    .await;
    let messages: Vec<_> =
        found["events"].as_array().unwrap().iter().map(|event| &event["message"]).collect();
    assert_eq!(messages, ["line 0\n", "line 1\n", "line 2\n"]);
    let groups = run(&["describe-log-groups", "--log-group-name-prefix", &group]).await;
    let arn = groups["logGroups"][0]["logGroupArn"].as_str().unwrap().to_owned();

    let mut command = client(&world, &aws).await;
    command.args(["logs", "start-live-tail", "--log-group-identifiers", &arn]).stdout(Stdio::piped());
    let mut tail = command.spawn().expect("start a live tail");
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The tail begins when it begins: so it is called until a line of it comes.
    let seen = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "live" {
                return true;
            }
        }
        false
    };
    let calls = async {
        loop {
            world.invoke(&name, json!({ "what": "live" })).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let seen = tokio::select! { seen = seen => seen, () = calls => false };
    assert!(seen, "the live tail ended before it showed a line");
    tail.kill().await.expect("end the live tail");
}

#[tokio::test]
async fn the_aws_cli_2_tails_a_functions_log_and_follows_it() {
    let aws = programs::aws_clients().join("cli2/aws");
    if !aws.is_file() {
        eprintln!("not run: this machine's packages have no AWS CLI 2");
        return;
    }
    let world = world().await;
    let name = printed(&world).await;
    let group = format!("/aws/lambda/{name}");
    let tail = async |arguments: &[&str]| {
        let mut command = client(&world, &aws).await;
        command.args(["logs", "tail", &group, "--format", "short"]).args(arguments);
        command
    };
    let all = output(tail(&["--since", "1h"]).await).await;
    assert!(all.contains(" START RequestId: ") && all.contains(" line 9\n"), "{all}");
    let some = output(tail(&["--filter-pattern", "\"line 3\""]).await).await;
    assert!(some.ends_with(" line 3\n") && some.lines().count() == 1, "{some}");

    let mut follower =
        tail(&["--follow", "--since", "1h"]).await.stdout(Stdio::piped()).spawn().expect("follow");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    let mut read_until = async |wanted: &str| {
        while !seen.last().is_some_and(|line: &String| line.ends_with(wanted)) {
            seen.push(lines.next_line().await.unwrap().expect("the follower goes on"));
        }
        seen.clone()
    };
    read_until(" line 9").await;
    world.invoke(&name, json!({ "what": "afterwards" })).await;
    let seen = read_until(" afterwards").await;
    assert_eq!(seen.iter().filter(|line| line.ends_with(" line 9")).count(), 1, "{seen:#?}");
    follower.kill().await.expect("end the follower");
}

#[tokio::test]
async fn what_one_door_deletes_is_gone_behind_the_other() {
    let world = world().await;
    let name = printed(&world).await;
    let mut command = client(&world, &programs::aws_clients().join("venv/bin/aws")).await;
    command.args(["logs", "delete-log-group", "--log-group-name", &format!("/aws/lambda/{name}")]);
    output(command).await;
    eventually("the lines are gone", async || {
        let request = thaw_proto::v1::ReadLogsRequest {
            function_name: name.clone(),
            ..thaw_proto::v1::ReadLogsRequest::default()
        };
        world.read_logs(request).await.is_empty().then_some(())
    })
    .await;
}
