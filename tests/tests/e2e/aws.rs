//! AWS's own clients, unmodified, against the real daemon: boto3, the command line, the JavaScript SDK. What they send and
//! expect is in `tests/aws`; they are installed, pinned, by `tests/run`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use serde_json::Value;
use thaw_daemon::api::aws::{Served, operations};
use thaw_proto::v1::GetStatusRequest;
use thaw_tests::{
    daemon::Daemon,
    functions::{NewFunction, ONE_CPU, unique},
    package::Package,
    programs,
    world::World,
};

use crate::world;

pub async fn endpoint(world: &World) -> String {
    let status = world.admin().get_status(GetStatusRequest {}).await.unwrap().into_inner();
    assert!(status.aws_address.starts_with("127.0.0.1:"), "{}", status.aws_address);
    format!("http://{}", status.aws_address)
}

/// Runs a client to its end, off the executor.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("run a client")
}

/// Runs a script of `tests/aws`, which says what is wrong and exits with it. What it prints otherwise.
pub async fn script(name: &str, arguments: &[&str]) -> String {
    let directory = programs::aws_tests();
    let mut command = Command::new(programs::aws_clients().join("venv/bin/python"));
    command.arg(directory.join(name)).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = run(command).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{name}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_walks_every_operation_and_every_answer_is_as_the_model_has_it() {
    let world = world().await;
    let endpoint = endpoint(&world).await;
    let served = operations().filter(|(_, served)| *served != Served::No).map(|(name, _)| name);
    let arguments: Vec<&str> = std::iter::once(endpoint.as_str()).chain(served).collect();
    script("walk.py", &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_gets_a_streamed_response_piece_by_piece() {
    let world = world().await;
    let function = || NewFunction::of("streaming_runtime").memory(ONE_CPU);
    let name = world.create(function().timeout(120)).await;
    let hasty = world.create(function().timeout(4)).await;
    script("streaming.py", &[&endpoint(&world).await, &name, &hasty]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_signed_as_it_should_be_is_refused_in_awss_words() {
    let world = world().await;
    script("signatures.py", &[&endpoint(&world).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tenant_reaches_what_another_has() {
    with_two_tenants("tenants.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_uploads_stall_keeps_no_other_from_sending_what_is_large() {
    with_two_tenants("large_bodies.py").await;
}

/// Runs a script against a daemon that two tenants have.
async fn with_two_tenants(name: &str) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials.toml");
    let text = "[[credential]]\naccess_key_id = \"AKIAA\"\nsecret_access_key = \"of a\"\naccount = \"000000000000\"\n\
                [[credential]]\naccess_key_id = \"AKIAB\"\nsecret_access_key = \"of b\"\naccount = \"000000000002\"\n";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let world =
        World::start_with(&[("aws-credentials", file.to_str().unwrap()), ("memory-budget-mb", "2000")]).await;
    let endpoint = endpoint(&world).await;
    script(name, &[&endpoint, "AKIAA", "of a", "000000000000", "AKIAB", "of b", "000000000002"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_creates_calls_streams_and_deletes() {
    let world = world().await;
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("echo.zip");
    fs::write(&archive, Package::new().handler("echo").zip()).unwrap();
    // Modules are looked for beside the script.
    let script = programs::aws_clients().join("walk.mjs");
    fs::copy(programs::aws_tests().join("walk.mjs"), &script).unwrap();
    let mut command = Command::new("node");
    command.arg(&script).arg(endpoint(&world).await).arg(&archive);
    let output = run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_development_credential_is_for_loopback_only() {
    let daemon = Daemon::prepare(&[("aws-listen", "0.0.0.0:4566")]);
    let (status, said) = daemon.refusal().await;
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("aws_listen: 0.0.0.0:4566 can be reached from other machines"), "{said}");
}

/// What `aws` is to answer a command with.
enum Told {
    /// These, by JSON pointer.
    Fields(&'static [(&'static str, &'static str)]),
    /// This text in its error.
    Error(&'static str),
    /// Nothing.
    Nothing,
}
use Told::{Error, Fields, Nothing};

/// Commands of the AWS CLI, one after another on one function, each with what it answers. NAME is the function, FILE a
/// place for an answer, ZIP a package.
const COMMANDS: &[(&str, Told)] = &[
    (
        "sts get-caller-identity",
        Fields(&[("/Account", "000000000000"), ("/Arn", "arn:aws:iam::000000000000:root")]),
    ),
    (
        "lambda create-function --function-name NAME --runtime python3.13 --handler echo.handler \
         --role arn:aws:iam::000000000000:role/test --zip-file fileb://ZIP --timeout 20 --tags a=b",
        Fields(&[
            ("/FunctionName", "NAME"),
            ("/State", "Pending"),
            ("/StateReasonCode", "Creating"),
            ("/Timeout", "20"),
        ]),
    ),
    ("lambda wait function-active-v2 --function-name NAME", Nothing),
    (
        "lambda get-function --function-name NAME",
        Fields(&[("/Configuration/State", "Active"), ("/Tags/a", "b")]),
    ),
    (
        "lambda get-function-configuration --function-name NAME:$LATEST",
        Fields(&[("/LastUpdateStatus", "Successful")]),
    ),
    (
        "lambda invoke --function-name NAME --payload {\"a\":1}  FILE",
        Fields(&[("/StatusCode", "200"), ("/ExecutedVersion", "$LATEST")]),
    ),
    ("lambda invoke --function-name NAME --invocation-type Event FILE", Fields(&[("/StatusCode", "202")])),
    ("lambda invoke --function-name NAME --invocation-type DryRun FILE", Fields(&[("/StatusCode", "204")])),
    (
        "lambda update-function-configuration --function-name NAME --memory-size 256",
        Fields(&[("/MemorySize", "256"), ("/LastUpdateStatus", "InProgress")]),
    ),
    ("lambda wait function-updated-v2 --function-name NAME", Nothing),
    (
        "lambda update-function-code --function-name NAME --zip-file fileb://ZIP --publish",
        Fields(&[("/Version", "1"), ("/CodeSize", "SIZE")]),
    ),
    ("lambda wait published-version-active --function-name NAME --qualifier 1", Nothing),
    ("lambda wait function-updated-v2 --function-name NAME", Nothing),
    ("lambda publish-version --function-name NAME", Fields(&[("/Version", "1")])),
    ("lambda list-versions-by-function --function-name NAME", Fields(&[("/Versions/1/Version", "1")])),
    (
        "lambda create-alias --function-name NAME --name live --function-version 1",
        Fields(&[("/Name", "live"), ("/FunctionVersion", "1")]),
    ),
    ("lambda invoke --function-name NAME --qualifier live FILE", Fields(&[("/ExecutedVersion", "1")])),
    ("lambda list-aliases --function-name NAME", Fields(&[("/Aliases/0/Name", "live")])),
    (
        "lambda add-permission --function-name NAME --statement-id s --action lambda:InvokeFunction \
         --principal s3.amazonaws.com",
        Fields(&[]),
    ),
    ("lambda get-policy --function-name NAME", Fields(&[])),
    ("lambda remove-permission --function-name NAME --statement-id s", Nothing),
    (
        "lambda put-function-concurrency --function-name NAME --reserved-concurrent-executions 3",
        Fields(&[("/ReservedConcurrentExecutions", "3")]),
    ),
    ("lambda delete-function-concurrency --function-name NAME", Nothing),
    ("lambda get-account-settings", Fields(&[("/AccountLimit/CodeSizeZipped", "52428800")])),
    ("lambda get-function-code-signing-config --function-name NAME", Nothing),
    (
        "lambda put-function-event-invoke-config --function-name NAME --maximum-retry-attempts 0",
        Fields(&[("/MaximumRetryAttempts", "0")]),
    ),
    ("lambda list-functions --max-items 1", Fields(&[])),
    (
        "lambda get-function --function-name missing",
        Error(
            "An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: \
             arn:aws:lambda:us-east-1:000000000000:function:missing",
        ),
    ),
    ("lambda delete-alias --function-name NAME --name live", Nothing),
    ("lambda delete-function --function-name NAME", Nothing),
    ("lambda get-function --function-name NAME", Error("ResourceNotFoundException")),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_does_what_it_does_on_lambda() {
    let world = world().await;
    let endpoint = endpoint(&world).await;
    let home = tempfile::tempdir().unwrap();
    let (zip, file) = (home.path().join("echo.zip"), home.path().join("answer"));
    let package = Package::new().handler("echo").zip();
    fs::write(&zip, &package).unwrap();
    let (name, size) = (unique("cli"), package.len().to_string());
    let fill = |text: &str| {
        text.replace("NAME", &name)
            .replace("ZIP", zip.to_str().unwrap())
            .replace("FILE", file.to_str().unwrap())
            .replace("SIZE", &size)
    };
    for (line, told) in COMMANDS {
        let mut command = Command::new(programs::aws_clients().join("venv/bin/aws"));
        command
            .args(line.split_whitespace().map(fill))
            .args(["--endpoint-url", &endpoint, "--output", "json"])
            .env_clear()
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_DEFAULT_REGION", "us-east-1"),
            ])
            .envs([
                ("PATH", "/usr/bin:/bin"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("HOME", home.path().to_str().unwrap()),
            ]);
        let output = run(command).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match told {
            Error(text) => {
                assert!(!output.status.success(), "{line}: {out}{err}");
                assert!(err.contains(text), "{line}: {err}");
            }
            Nothing => assert!(output.status.success(), "{line}: {err}"),
            Fields(fields) => {
                assert!(output.status.success(), "{line}: {err}");
                let answer: Value =
                    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error}: {out}"));
                for (pointer, wanted) in *fields {
                    let found =
                        answer.pointer(pointer).unwrap_or_else(|| panic!("{line}: no {pointer} in {out}"));
                    let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                    assert_eq!(found, fill(wanted), "{line}: {pointer}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_door_makes_the_other_calls() {
    let world = world().await;
    let endpoint = endpoint(&world).await;
    let name = world.create(NewFunction::of("echo")).await;
    let answer = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(programs::aws_clients().join("venv/bin/aws"));
    command
        .args(["lambda", "invoke", "--function-name", &name, "--endpoint-url", &endpoint])
        .args(["--payload", "{\"n\": 1}"])
        .arg(answer.path())
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]);
    let output = run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&fs::read(answer.path()).unwrap()).unwrap();
    assert_eq!(answer, serde_json::json!({ "n": 1 }));
}
