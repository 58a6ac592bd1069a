//! Schedules and EventBridge's rules, by the command line and by AWS's own clients.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use thaw_proto::v1::GetStatusRequest;
use thaw_tests::{
    functions::{NewFunction, ONE_CPU, unique},
    programs,
    wait::eventually,
    world::World,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Iso8601};
use tokio::process::Command;

use crate::{cli::thaw, world};

/// A function that prints its event.
async fn printing(world: &World) -> String {
    world.create(NewFunction::of("echo_print").memory(ONE_CPU)).await
}

/// The events that a function has printed.
async fn events(world: &World, name: &str) -> Vec<Value> {
    let lines = world.lines(name).await;
    lines.iter().filter_map(|line| serde_json::from_str(line.message.trim_end()).ok()).collect()
}

async fn schedule(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["--output", "json", "schedule"], arguments].concat();
    let run = thaw(world, &arguments).await;
    assert_eq!(run.code, 0, "{run:#?}");
    serde_json::from_str(&run.out).expect("JSON")
}

/// An expression for a time so many seconds from now.
fn in_seconds(seconds: i64) -> String {
    let time = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    let text = time.replace_nanosecond(0).unwrap().format(&Iso8601::DATE_TIME).unwrap();
    format!("at({})", text.get(..19).unwrap())
}

#[tokio::test]
async fn a_schedule_calls_its_function_at_its_time_and_tells_what_came_of_it() {
    let world = world().await;
    let (function, name) = (printing(&world).await, unique("at"));
    let put =
        schedule(&world, &["put", &name, "--expression", &in_seconds(2), "--function", &function]).await;
    assert_eq!((&put["State"], &put["Last"]), (&json!("ENABLED"), &Value::Null), "{put}");
    let event = eventually("the function is called", async || events(&world, &function).await.pop()).await;
    assert_eq!(
        (&event["detail-type"], &event["source"]),
        (&json!("Scheduled Event"), &json!("aws.scheduler"))
    );
    let told = eventually("the run is noted", async || {
        Some(schedule(&world, &["get", &name]).await).filter(|told| !told["Last"].is_null())
    })
    .await;
    assert_eq!((&told["Last"]["Outcome"], &told["Next"]), (&json!("accepted"), &Value::Null), "{told}");
    schedule(&world, &["delete", &name]).await;
    let gone = thaw(&world, &["schedule", "get", &name]).await;
    assert_eq!(gone.code, 3, "{gone:#?}");
}

#[tokio::test]
async fn schedules_are_handled_from_the_command_line() {
    let world = world().await;
    let (function, name) = (printing(&world).await, unique("hourly"));
    let put = ["put", &name, "--expression", "cron(0 * * * ? *)", "--time-zone", "Europe/Berlin"];
    let with = ["--function", &function, "--input", r#"{"a": 1}"#, "--missed", "skip", "--disabled"];
    let put = schedule(&world, &[&put[..], &with[..]].concat()).await;
    assert_eq!(
        (&put["State"], &put["Missed"], &put["Next"]),
        (&json!("DISABLED"), &json!("skip"), &Value::Null)
    );
    assert!(schedule(&world, &["enable", &name]).await["Next"].is_string());
    let run = schedule(&world, &["run", &name]).await;
    assert_eq!(run["Outcome"], "accepted", "{run}");
    let event = eventually("the function is called", async || events(&world, &function).await.pop()).await;
    assert_eq!(event, json!({ "a": 1 }));
    let list = thaw(&world, &["schedule", "list"]).await;
    assert!(list.out.lines().any(|line| line.contains(&name) && line.contains("Europe/Berlin")), "{list:#?}");
    schedule(&world, &["disable", &name]).await;
    schedule(&world, &["delete", &name]).await;
    for (arguments, said) in [
        (
            vec!["put", "x", "--expression", "hourly", "--function", &function],
            "expression: give rate(5 minutes)",
        ),
        (
            vec!["put", "x", "--expression", "rate(1 day)", "--function", "no-such-function"],
            "Function not found",
        ),
        (
            vec!["put", "rule/x", "--expression", "rate(1 day)", "--function", &function],
            "aws events put-rule",
        ),
        (
            vec!["put", "x", "--expression", "at(2001-01-01T00:00:00)", "--function", &function],
            "no time left",
        ),
        (vec!["run", "no-such-schedule"], "there is no schedule no-such-schedule"),
    ] {
        let refused = thaw(&world, &[vec!["schedule"], arguments].concat()).await;
        assert!(refused.code == 3 && refused.err.contains(said), "{refused:#?}");
    }
}

#[tokio::test]
async fn a_run_that_was_missed_while_the_daemon_was_dead_is_made_up_for_once() {
    let mut world = World::start().await;
    let function = printing(&world).await;
    for name in ["one", "other"] {
        schedule(&world, &["put", name, "--expression", &in_seconds(2), "--function", &function]).await;
    }
    world.crash_and_restart().await;
    eventually("both are made up for", async || {
        Some(events(&world, &function).await).filter(|events| events.len() == 2)
    })
    .await;
    let last = schedule(&world, &["list"]).await;
    let last = last["Schedules"].as_array().unwrap();
    assert!(
        last.len() == 2 && last.iter().all(|schedule| schedule["Last"]["Outcome"] == "accepted"),
        "{last:?}"
    );
}

#[tokio::test]
async fn boto3_makes_rules_whose_events_reach_the_function_that_lets_them_in() {
    let world = world().await;
    let function = printing(&world).await;
    let status = world.admin().get_status(GetStatusRequest {}).await.expect("status").into_inner();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/events.py");
    let mut python = Command::new(programs::aws_clients().join("venv/bin/python"));
    python
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
        .envs([
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ])
        .arg(script)
        .args([format!("http://{}", status.aws_address), function.clone()])
        .arg(programs::thaw())
        .arg(world.daemon().socket())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = python.output().await.expect("run boto3");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "13 operations", "{}", String::from_utf8_lossy(&output.stderr));
    let events = eventually("four events came", async || {
        Some(events(&world, &function).await).filter(|events| events.len() == 4)
    })
    .await;
    let rule = format!("arn:aws:events:us-east-1:000000000000:rule/{function}-rule");
    let kind = "Scheduled Event";
    for expected in [json!([rule]), json!({ "kind": kind, "text": format!("by {rule}") }), json!({ "a": 1 })]
    {
        assert!(events.contains(&expected), "{expected} is not in {events:#?}");
    }
    let whole = events.iter().find(|event| event["detail-type"] == kind).expect("the event itself");
    assert_eq!((&whole["source"], &whole["detail"]), (&json!("aws.events"), &json!({})), "{whole}");
}
