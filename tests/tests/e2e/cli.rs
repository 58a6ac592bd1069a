//! The real `thaw`, as a person or a script runs it.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use thaw_proto::v1::SandboxState;
use thaw_tests::{
    functions::{NewFunction, unique},
    package::Package,
    programs, wait,
    world::World,
};

use crate::world;

/// What a run of `thaw` gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("thaw speaks UTF-8");
        Self {
            code: output.status.code().expect("an exit"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    pub(crate) fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("no JSON ({error}): {out}"))
    }
}

pub(crate) fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::thaw());
    command.args(arguments).env("THAW_SOCKET", socket).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

pub(crate) async fn thaw_at(socket: &Path, arguments: &[&str]) -> Run {
    let mut command = command(socket, arguments);
    Run::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("run thaw"))
}

pub(crate) async fn thaw(world: &World, arguments: &[&str]) -> Run {
    thaw_at(&world.daemon().socket(), arguments).await
}

/// What a command prints for programs.
pub(crate) async fn json(world: &World, arguments: &[&str]) -> Value {
    thaw(world, &[&["--output", "json"], arguments].concat()).await.json()
}

/// Asserts that a command fails with this exit code and these words, and prints no result.
pub(crate) async fn refused(world: &World, code: i32, words: &str, arguments: &[&str]) {
    let run = thaw(world, arguments).await;
    assert_eq!((run.code, run.out.as_str()), (code, ""), "{run:#?}");
    assert!(run.err.contains(words), "{words}: {run:#?}");
}

/// A directory with the handler `app.handler`, which answers `answer` and prints the event.
fn source(answer: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "import os\nfrom helpers import told\ndef handler(event, context):\n    told(event)\n    \
         if event.get('fail'):\n        raise ValueError('as it was told')\n    \
         return {{'answer': '{answer}', 'event': event, 'value': os.environ.get('VALUE')}}\n"
    );
    fs::write(directory.path().join("app.py"), text).unwrap();
    fs::create_dir(directory.path().join("helpers")).unwrap();
    fs::write(directory.path().join("helpers/__init__.py"), "def told(event):\n    print('told', event)\n")
        .unwrap();
    directory
}

async fn create(world: &World, name: &str, source: &TempDir) {
    let source = source.path().to_string_lossy();
    let arguments = [
        "function",
        "create",
        name,
        "--source",
        &source,
        "--runtime",
        "python3.13",
        "--handler",
        "app.handler",
        "--timeout",
        "20",
        "--memory-size",
        "256",
        "--env",
        "VALUE=a=b",
    ];
    thaw(world, &arguments).await.ok();
}

#[tokio::test]
async fn a_function_goes_from_a_directory_to_an_answer_and_away_again() {
    let world = world().await;
    let (name, directory) = (unique("cli"), source("one"));
    create(&world, &name, &directory).await;
    let answer = thaw(&world, &["invoke", &name, "--payload", r#"{"k": "ä"}"#]).await.json();
    assert_eq!(answer, json!({ "answer": "one", "event": { "k": "ä" }, "value": "a=b" }));

    let got = thaw(&world, &["function", "get", &name, "--output", "json"]).await.json();
    assert!(
        got.to_string().contains(&format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")),
        "{got}"
    );
    let listed = thaw(&world, &["function", "list"]).await.ok();
    assert!(listed.contains(&name), "{listed}");
    let listed = thaw(&world, &["function", "list", "--output", "json"]).await.json();
    assert!(listed.to_string().contains(&name), "{listed}");

    let two = source("two");
    thaw(&world, &["function", "update-code", &name, "--source", &two.path().to_string_lossy()]).await.ok();
    thaw(&world, &["function", "update-config", &name, "--env", "VALUE=new", "--timeout", "9"]).await.ok();
    assert_eq!(world.get(&name).await.unwrap().timeout, 9);
    let answer = thaw(&world, &["invoke", &name]).await.json();
    assert_eq!(answer, json!({ "answer": "two", "event": {}, "value": "new" }));

    thaw(&world, &["function", "delete", &name]).await.ok();
    assert_eq!(world.get(&name).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn a_function_is_made_from_a_zip_and_called_with_a_file() {
    let world = world().await;
    let (name, directory) = (unique("cli"), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    fs::write(path("package.zip"), Package::new().handler("echo").zip()).unwrap();
    fs::write(path("event.json"), r#"{"from": "a file"}"#).unwrap();
    let zip = path("package.zip");
    let arguments =
        ["function", "create", &name, "--zip", &zip, "--runtime", "python3.13", "--handler", "echo.handler"];
    thaw(&world, &arguments).await.ok();
    let event = format!("@{}", path("event.json"));
    assert_eq!(
        thaw(&world, &["invoke", &name, "--payload", &event]).await.json(),
        json!({ "from": "a file" })
    );
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn the_log_of_a_call_is_shown_beside_its_answer_and_afterwards() {
    let world = world().await;
    let (name, directory) = (unique("cli"), source("one"));
    create(&world, &name, &directory).await;
    let run = thaw(&world, &["invoke", &name, "--payload", r#"{"k": "said"}"#, "--log", "tail"]).await;
    assert!(run.err.contains("REPORT RequestId: ") && run.err.contains("said"), "{run:#?}");
    assert_eq!(run.json()["answer"], "one", "the answer stands alone on standard output");
    let logs = thaw(&world, &["logs", &name]).await.ok();
    for part in ["START RequestId: ", "told {'k': 'said'}", "END RequestId: ", "REPORT RequestId: "] {
        assert!(logs.contains(part), "{part}: {logs}");
    }
    assert!(thaw(&world, &["logs", &name, "--since", "10m"]).await.ok().contains("said"));
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn log_lines_are_chosen_by_a_pattern_and_groups_are_kept_and_deleted() {
    let world = world().await;
    let (name, directory) = (unique("cli"), source("one"));
    create(&world, &name, &directory).await;
    let answer = thaw(&world, &["-o", "json", "invoke", &name, "--payload", r#"{"k": "said"}"#]).await;
    assert_eq!(answer.code, 0, "{answer:#?}");
    let filtered = async |pattern: &str| thaw(&world, &["logs", &name, "--filter", pattern]).await;
    wait::eventually("the lines of the call are stored", async || {
        filtered("REPORT").await.ok().contains("REPORT RequestId: ").then_some(())
    })
    .await;
    let told = filtered("told -START").await.ok();
    assert!(told.contains("told {'k': 'said'}") && told.lines().count() == 1, "{told}");
    let start = filtered("[word = START, ..., version = *LATEST]").await.ok();
    assert!(start.contains("START RequestId: ") && start.lines().count() == 1, "{start}");
    let refused = filtered("{ $.a == 1 }").await;
    assert_eq!(refused.code, 3, "{refused:#?}");
    assert!(refused.err.contains("--filter: the filter pattern is not one at character 8"), "{refused:#?}");

    let group = format!("/aws/lambda/{name}");
    let listed = thaw(&world, &["-o", "json", "logs", "groups", "--prefix", &group]).await.json();
    assert_eq!(listed["LogGroups"][0]["LogGroupName"], group.as_str());
    assert_eq!(listed["LogGroups"][0]["RetentionDays"], Value::Null);
    thaw(&world, &["logs", "groups", "keep", &group, "--days", "30"]).await.ok();
    let listed = thaw(&world, &["logs", "groups", "--prefix", &group]).await.ok();
    assert!(listed.contains(&group) && listed.contains("30 days"), "{listed}");
    let refused = thaw(&world, &["logs", "groups", "keep", &group, "--days", "2"]).await;
    assert!(
        refused.code == 3 && refused.err.contains("--days: lines cannot be kept for 2 days"),
        "{refused:#?}"
    );
    thaw(&world, &["logs", "groups", "delete", &group]).await.ok();
    assert_eq!(thaw(&world, &["logs", &name]).await.ok(), "");
    let refused = thaw(&world, &["logs", "groups", "delete", &group]).await;
    assert!(refused.code == 3 && refused.err.contains("there is no log group"), "{refused:#?}");
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn a_function_error_exits_with_1_and_prints_the_error() {
    let world = world().await;
    let (name, directory) = (unique("cli"), source("one"));
    create(&world, &name, &directory).await;
    let run = thaw(&world, &["invoke", &name, "--payload", r#"{"fail": true}"#]).await;
    assert_eq!(run.code, 1, "{run:#?}");
    let error: Value = serde_json::from_str(&run.out).expect("the error is the output");
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("ValueError"), &json!("as it was told"))
    );
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn bad_usage_exits_with_2() {
    let world = world().await;
    let bad: [&[&str]; 5] = [
        &["no-such-command"],
        // Not thaw's own version: nothing would have been done, and nobody told.
        &["function", "delete", "x", "--version", "1"],
        &["function", "create"],
        &["invoke"],
        &[
            "function",
            "create",
            "x",
            "--source",
            ".",
            "--runtime",
            "r",
            "--handler",
            "h",
            "--timeout",
            "soon",
        ],
    ];
    for arguments in bad {
        let run = thaw(&world, arguments).await;
        assert_eq!(run.code, 2, "{arguments:?}: {run:#?}");
        assert!(run.out.is_empty() && !run.err.is_empty(), "{run:#?}");
    }
}

#[tokio::test]
async fn a_refusal_exits_with_3_and_says_what_is_wrong() {
    let world = world().await;
    let directory = source("one");
    let path = directory.path().to_string_lossy();
    let run = thaw(&world, &["invoke", "there-is-none"]).await;
    assert_eq!(run.code, 3, "{run:#?}");
    assert!(run.err.contains("there-is-none"), "{run:#?}");
    let name = unique("cli");
    let arguments = [
        "function",
        "create",
        &name,
        "--source",
        &path,
        "--runtime",
        "python3.13",
        "--handler",
        "app.handler",
        "--memory-size",
        "64",
    ];
    let run = thaw(&world, &arguments).await;
    assert!([2, 3].contains(&run.code), "{run:#?}");
    assert!(run.err.contains("memory"), "{run:#?}");
    assert!(!run.err.contains('\u{1b}'), "no colours where nobody looks: {run:#?}");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_exits_with_4_and_says_where_it_was_looked_for() {
    let run = thaw_at(Path::new("/nowhere/thawd.sock"), &["function", "list"]).await;
    assert_eq!(run.code, 4, "{run:#?}");
    assert!(run.err.contains("/nowhere/thawd.sock"), "{run:#?}");
}

#[tokio::test]
async fn an_administrator_sees_runtimes_sandboxes_and_status() {
    let world = world().await;
    let (name, directory) = (unique("cli"), source("one"));
    create(&world, &name, &directory).await;
    thaw(&world, &["invoke", &name]).await.ok();
    let runtimes = thaw(&world, &["runtime", "list"]).await.ok();
    assert!(runtimes.contains("python3.13") && runtimes.contains("python3.11"), "{runtimes}");
    let id = world.sandboxes(&name).await.remove(0).id;
    let sandboxes = thaw(&world, &["admin", "sandboxes", "--output", "json"]).await.json();
    assert!(sandboxes.to_string().contains(&id), "{sandboxes}");
    let status = thaw(&world, &["admin", "status", "--output", "json"]).await.json();
    assert!(status.is_object(), "{status}");
    thaw(&world, &["admin", "gc"]).await.ok();
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn versions_aliases_and_layers_are_handled_from_the_command_line() {
    let world = world().await;
    let (name, layer) = (unique("cli"), unique("tools"));
    create(&world, &name, &source("one")).await;
    let json =
        async |arguments: &[&str]| thaw(&world, &[&["--output", "json"], arguments].concat()).await.json();
    let published = json(&["function", "publish", &name, "--description", "first"]).await;
    assert_eq!((&published["Version"], &published["Description"]), (&json!("1"), &json!("first")));
    let alias = json(&["alias", "create", &name, "live", "--version", "1"]).await;
    assert_eq!(alias["FunctionVersion"], "1");
    assert!(thaw(&world, &["alias", "list", &name]).await.ok().contains("live"));
    assert!(thaw(&world, &["function", "versions", &name]).await.ok().contains("first"));
    let answer = thaw(&world, &["invoke", &format!("{name}:live"), "--payload", "{}"]).await.ok();
    assert!(answer.contains("one"), "{answer}");

    let shared = tempfile::tempdir().unwrap();
    fs::write(shared.path().join("shared.txt"), "shared").unwrap();
    let from = shared.path().to_string_lossy();
    let layer = json(&["layer", "publish", &layer, "--source", &from]).await;
    let arn = layer["LayerVersionArn"].as_str().expect("an ARN");
    let updated = json(&["function", "update-config", &name, "--layer", arn]).await;
    assert_eq!(updated["Layers"][0]["Arn"], arn);
    thaw(&world, &["layer", "delete", arn]).await.ok();

    let tags = json(&["function", "tags", &name, "--set", "team=a", "--set", "stage=b"]).await;
    assert_eq!(tags["Tags"], json!({ "team": "a", "stage": "b" }));
    let statement = ["--statement-id", "s3", "--principal", "s3.amazonaws.com"];
    thaw(&world, &[&["function", "allow", &format!("{name}:live")], &statement[..]].concat()).await.ok();
    let policy = json(&["function", "policy", &format!("{name}:live")]).await;
    assert_eq!(policy["Statement"][0]["Principal"]["Service"], "s3.amazonaws.com");
    let concurrency = json(&["function", "concurrency", &name, "--reserve", "0"]).await;
    assert_eq!(concurrency["ReservedConcurrentExecutions"], 0);
    let stopped = thaw(&world, &["invoke", &name, "--payload", "{}"]).await;
    assert_eq!(stopped.code, 3, "{stopped:#?}");
    assert!(stopped.err.contains("ReservedFunctionConcurrentInvocationLimitExceeded"), "{stopped:#?}");
    thaw(&world, &["function", "delete", &name]).await.ok();
}

#[tokio::test]
async fn an_answer_in_pieces_is_printed_as_it_comes() {
    let world = world().await;
    let name = world.create(NewFunction::of("streaming_runtime").timeout(60)).await;
    let invoke =
        |payload: &'static str| ["invoke", &name, "--stream", "--payload", payload].map(str::to_owned);
    let run = async |payload| {
        let arguments = invoke(payload);
        thaw(&world, &arguments.each_ref().map(String::as_str)).await
    };
    assert_eq!(run(r#"{"pieces": ["one", "two"]}"#).await.ok(), "onetwo\n");
    let failed = run(r#"{"pieces": ["half"], "fail": true}"#).await;
    assert_eq!((failed.code, failed.out.as_str()), (1, "half\n"));
    assert!(failed.err.contains("no cheese") && failed.err.contains("the function failed"), "{}", failed.err);
    let both = thaw(&world, &["invoke", &name, "--stream", "--output", "json"]).await;
    assert_eq!(both.code, 2, "{both:?}");

    // The first piece is here while the function runs on.
    let arguments = invoke(r#"{"pieces": ["early"], "pause": 600}"#);
    let mut running = command(&world.daemon().socket(), &arguments.each_ref().map(String::as_str))
        .stdout(Stdio::piped())
        .spawn()
        .expect("run thaw");
    let mut out = running.stdout.take().expect("its output");
    let first = tokio::task::spawn_blocking(move || {
        let mut first = [0; 5];
        out.read_exact(&mut first).map(|()| first)
    });
    assert_eq!(&first.await.unwrap().expect("a piece"), b"early");
    world.sandbox_in(&name, SandboxState::Busy).await;
    running.kill().expect("kill thaw");
    running.wait().expect("wait for thaw");
}
