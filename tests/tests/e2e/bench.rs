//! `thaw bench`, against a real daemon: what it calls, what it counts, and what it shows of it.

use std::{fs, path::Path, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use thaw_tests::{functions::NewFunction, wait::eventually, world::World};

use crate::{
    cli::{Run, command, thaw, thaw_at},
    world,
};

/// What a run measured; fails the test if it did not exit with `code`.
async fn bench(world: &World, arguments: &[&str], code: i32) -> Value {
    let arguments: Vec<_> = ["bench", "--output", "json"].iter().chain(arguments).copied().collect();
    let run = thaw(world, &arguments).await;
    assert_eq!(run.code, code, "{run:#?}");
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("no JSON ({error}): {run:#?}"))
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}"))
}

/// How many calls each function answered.
fn answered(results: &Value) -> Vec<u64> {
    results["Functions"].as_array().unwrap().iter().map(|function| count(&function["Answered"])).collect()
}

fn file(text: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.csv");
    fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    (directory, path)
}

#[tokio::test]
async fn a_closed_loop_makes_its_calls_and_tells_cold_ones_from_warm_ones() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let results = bench(&world, &[&name, "--clients", "3", "--calls", "40"], 0).await;
    assert_eq!(results["Mode"], "closed");
    assert_eq!(results["SentLate"], Value::Null);
    assert_eq!(
        (&results["Calls"], &results["Answered"], &results["Failed"]),
        (&json!(40), &json!(40), &json!(0))
    );
    let latency = &results["Latency"];
    let (cold, warm) = (count(&latency["Cold"]["Count"]), count(&latency["Warm"]["Count"]));
    assert_eq!((cold + warm, &latency["All"]["Count"]), (40, &json!(40)));
    let in_order =
        ["Min", "P50", "P90", "P99", "P999", "Max"].map(|name| latency["All"][name].as_f64().unwrap());
    assert!(in_order.is_sorted() && in_order[0] > 0.0, "{latency}");
    let drawn: u64 = results["Histogram"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| count(&class["Warm"]) + count(&class["Cold"]))
        .sum();
    assert_eq!(drawn, 40, "{results}");
    // As many as the log has with an initialisation.
    let inits = eventually("all calls are in the log", async || {
        let lines = world.lines(&name).await;
        let reports: Vec<_> = lines.iter().filter(|line| line.message.starts_with("REPORT ")).collect();
        (reports.len() == 40)
            .then(|| reports.iter().filter(|line| line.message.contains("\tInit Duration: ")).count())
    })
    .await;
    assert_eq!(cold, inits as u64, "{results}");
    assert!((1..=3).contains(&cold), "{results}");
}

#[tokio::test]
async fn an_open_loop_makes_its_calls_at_their_moments() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    for arrivals in ["constant", "poisson"] {
        let arguments = [name.as_str(), "--rate", "40", "--arrivals", arrivals, "--calls", "30"];
        let results = bench(&world, &arguments, 0).await;
        assert_eq!((&results["Mode"], &results["Answered"]), (&json!("rate"), &json!(30)));
        assert_eq!(results["SentLate"]["Count"], 30, "{results}");
    }
}

#[tokio::test]
async fn what_is_called_while_it_warms_up_is_not_counted() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    // Nothing is warm at first, and all is after the first call.
    let arguments = [name.as_str(), "--warm-up", "3s", "--calls", "5"];
    let results = bench(&world, &arguments, 0).await;
    assert_eq!((&results["Answered"], &results["Latency"]["Cold"]["Count"]), (&json!(5), &json!(0)));
    // In one sandbox, or in two if a runtime took its time to ask for the next event.
    let called: u64 = world.sandboxes(&name).await.iter().map(|sandbox| sandbox.invocations).sum();
    assert!(called > 5, "{called}");
}

#[tokio::test]
async fn functions_are_mixed_by_their_weights_each_with_its_own_event() {
    let world = world().await;
    let (echo, other) =
        (world.create(NewFunction::of("echo")).await, world.create(NewFunction::of("failures")).await);
    let (often, seldom) = (format!("{echo}=4"), format!("{other}:$LATEST"));
    // With the event of the first, the second would fail.
    let event = format!("{seldom}={{}}");
    let common = r#"{"how": "raise"}"#;
    let arguments = [&often, &seldom, "--calls", "50", "--payload", common, "--payload-for", &event];
    let results = bench(&world, &arguments, 0).await;
    let counts = answered(&results);
    assert_eq!(counts.iter().sum::<u64>(), 50);
    assert!(counts[0] > counts[1] && counts[1] > 0, "{counts:?}");
    assert_eq!(results["Functions"][1]["Name"], seldom);
}

#[tokio::test]
async fn a_trace_of_each_form_is_played() {
    let world = world().await;
    let (one, other) =
        (world.create(NewFunction::of("echo")).await, world.create(NewFunction::of("echo")).await);
    let traces = [
        ("azure-2019", "HashOwner,HashApp,HashFunction,Trigger,1,2\no,p,f,http,3,2\no,p,g,timer,1,1\n"),
        (
            "azure-2021",
            "app,func,end_timestamp,duration\np,f,60,1\np,f,70.5,0.5\np,f,71,9\np,f,80,1\np,f,90,1\np,g,65,2\n\
             p,g,66,2\n",
        ),
        ("huawei", "day,time,0,1\n0,0,3.0,\n0,60,2.0,2.0\n"),
        ("csv", "timestamp,function\n0,f\n1,f\n2,f\n60,f\n61,f\n3,g\n65,g\n"),
    ];
    for (format, text) in traces {
        let (_directory, path) = file(text);
        let arguments = [&one, &other, "--trace", &path, "--speed", "200"];
        let results = bench(&world, &arguments, 0).await;
        assert_eq!(
            (&results["Mode"], answered(&results)),
            (&json!("trace"), vec![5, 2]),
            "{format}: {results}"
        );
        let run = thaw(&world, &["bench", &one, "--trace", &path, "--speed", "1000"]).await;
        assert!(
            run.err.contains(&format!("a trace of the form {format}, 7 calls of 2 functions")),
            "{run:#?}"
        );
    }
}

#[tokio::test]
async fn a_part_of_a_trace_is_played_by_the_functions_that_a_map_names() {
    let world = world().await;
    let (one, other) =
        (world.create(NewFunction::of("echo")).await, world.create(NewFunction::of("echo")).await);
    let (_trace, trace) = file("timestamp,function\n0,f\n100,f\n101,g\n102,g\n103,h\n300,g\n");
    let (_map, map) = file(&format!("g,{one}\nf,{other}\n"));
    let arguments = [
        &one,
        &other,
        "--trace",
        &trace,
        "--trace-from",
        "90s",
        "--trace-for",
        "1m",
        "--speed",
        "50",
        "--trace-map",
        &map,
    ];
    let results = bench(&world, &arguments, 0).await;
    assert_eq!(answered(&results), [2, 1], "{results}");
}

#[tokio::test]
async fn errors_of_the_function_are_counted_and_exit_with_1() {
    let world = world().await;
    let name = world.create(NewFunction::of("failures")).await;
    let arguments = [name.as_str(), "--calls", "4", "--payload", r#"{"how": "raise"}"#];
    let results = bench(&world, &arguments, 1).await;
    assert_eq!((&results["Answered"], &results["Failed"]), (&json!(4), &json!(4)));
    assert_eq!(
        results["Failures"],
        json!({ "FunctionError": { "Count": 4, "First": "OutOfCheese: no cheese: ä ☃" } })
    );
    let arguments: Vec<_> = ["bench"].iter().chain(&arguments).copied().collect();
    let run = thaw(&world, &arguments).await;
    assert!(run.out.contains("4 function error: OutOfCheese"), "{run:#?}");
    assert!(run.err.contains("4 of 4 calls failed"), "{run:#?}");
}

#[tokio::test]
async fn calls_that_find_no_memory_are_counted_as_throttled() {
    let world = World::start_with(&[("memory-budget-mb", "128")]).await;
    let name = world.create(NewFunction::of("failures")).await;
    let event = r#"{"how": "sleep", "seconds": 0.5}"#;
    let arguments = [name.as_str(), "--clients", "3", "--calls", "6", "--payload", event];
    let results = bench(&world, &arguments, 1).await;
    let throttled = count(&results["Failures"]["Throttled"]["Count"]);
    assert!(throttled > 0, "{results}");
    assert_eq!(throttled + count(&results["Answered"]), 6, "{results}");
}

#[tokio::test]
async fn a_call_that_would_be_one_too_many_is_counted_and_not_sent() {
    let world = world().await;
    let name = world.create(NewFunction::of("failures")).await;
    let event = r#"{"how": "sleep", "seconds": 1}"#;
    let arguments =
        [name.as_str(), "--rate", "20", "--max-in-flight", "1", "--calls", "10", "--payload", event];
    let results = bench(&world, &arguments, 1).await;
    let not_sent = count(&results["Failures"]["NotSent"]["Count"]);
    assert!(not_sent > 0, "{results}");
    assert_eq!((not_sent + count(&results["Answered"]), count(&results["Calls"])), (10, 10), "{results}");
    let invocations: u64 = world.sandboxes(&name).await.iter().map(|sandbox| sandbox.invocations).sum();
    assert_eq!(invocations, count(&results["Answered"]));
}

#[tokio::test]
async fn a_person_gets_tables_histograms_and_pictures() {
    let world = world().await;
    let (one, other) =
        (world.create(NewFunction::of("echo")).await, world.create(NewFunction::of("echo")).await);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let (svg, png) = (path("latency.svg"), path("latency.png"));
    let run = thaw(&world, &["bench", &one, &other, "--calls", "30", "--svg", &svg, "--png", &png]).await;
    assert_eq!(run.code, 0, "{run:#?}");
    for part in
        ["30 calls in ", "failed    none", "P99.9", " warm, ms\n", " cold, ms\n", "# ", " p50", &one, &other]
    {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert!(!run.out.contains('\u{1b}') && !run.out.contains('█'), "plain where nobody looks: {}", run.out);
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(svg.contains("30 calls answered in ") && svg.contains("warm: "), "{svg}");
    let png = fs::read(png).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"), "{:?}", &png[..8]);
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(&png[12..16], b"IHDR");
    assert!(side(16) >= 1000 && side(20) >= 500, "{} by {}", side(16), side(20));
}

#[tokio::test]
async fn whoever_ends_it_gets_the_results_until_then() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let socket = world.daemon().socket();
    let child = command(&socket, &["bench", &name, "--duration", "10m", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run thaw");
    eventually("some calls are made", async || {
        world.sandboxes(&name).await.iter().any(|sandbox| sandbox.invocations > 3).then_some(())
    })
    .await;
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).expect("signal thaw");
    let output =
        tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().expect("wait for thaw");
    let run = Run::of(output);
    assert_eq!(run.code, 0, "{run:#?}");
    let results: Value = serde_json::from_str(&run.out).expect("results");
    assert_eq!((&results["Stopped"], &results["Failed"]), (&json!(true), &json!(0)), "{results}");
    assert!(count(&results["Answered"]) > 3, "{results}");
}

#[tokio::test]
async fn a_bad_trace_is_refused_with_its_line_before_anything_is_called() {
    let nowhere = Path::new("/nowhere/thawd.sock");
    let (_directory, path) = file("app,func,end_timestamp,duration\na,f,1.5,0.1\na,f,later,0.1\n");
    let run = thaw_at(nowhere, &["bench", "hello", "--trace", &path]).await;
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(run.err.contains(&format!("{path}, line 3: `later` is neither seconds nor a time")), "{run:#?}");
    let (_directory, path) = file("who,when\n");
    let run = thaw_at(nowhere, &["bench", "hello", "--trace", &path]).await;
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(run.err.contains("line 1: `who,when` is the first line of no form of trace"), "{run:#?}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_called() {
    let nowhere = Path::new("/nowhere/thawd.sock");
    let bad: [(&[&str], &str); 9] = [
        (&[], "FUNCTION"),
        (&["a=0"], "a weight is a whole number"),
        (&["a", "a"], "a is named twice"),
        (&["a", "--clients", "2", "--rate", "3"], "--rate"),
        (&["a", "--rate", "0"], "must be 0.001 to 1000000"),
        (&["a", "--duration", "0s"], "must be longer than nothing"),
        (&["a", "--payload", "{"], "--payload is not JSON"),
        (&["a", "--payload-for", "b={}"], "begin with one of the functions"),
        (&["a", "--svg", "/nowhere/at/all.svg"], "nothing can be written there"),
    ];
    for (arguments, message) in bad {
        let arguments: Vec<_> = ["bench"].iter().chain(arguments).copied().collect();
        let run = thaw_at(nowhere, &arguments).await;
        assert_eq!(run.code, 2, "{arguments:?}: {run:#?}");
        assert!(run.err.contains(message), "{arguments:?}: {run:#?}");
    }
    let run = thaw_at(nowhere, &["bench", "a"]).await;
    assert_eq!(run.code, 4, "{run:#?}");
}

#[tokio::test]
async fn a_function_that_is_not_there_is_told_before_anything_is_called() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let run = thaw(&world, &["bench", &name, "there-is-none"]).await;
    assert_eq!(run.code, 3, "{run:#?}");
    assert!(run.err.contains("there-is-none"), "{run:#?}");
    assert!(world.sandboxes(&name).await.is_empty());
}
