//! What else can be set and read of functions and layers, from the command line.

use std::fs;

use serde_json::{Value, json};
use thaw_tests::{
    functions::{NewFunction, unique},
    package::Package,
};

use crate::{
    cli::{json, refused, thaw},
    world,
};

#[tokio::test]
async fn circles_are_allowed_and_cut_as_a_function_says() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    assert_eq!(thaw(&world, &["function", "recursion", &name]).await.ok(), "Terminate\n");
    let allowed = json(&world, &["function", "recursion", &name, "--allow"]).await;
    assert_eq!(allowed, json!({ "RecursiveLoop": "Allow" }));
    assert_eq!(thaw(&world, &["function", "recursion", &name]).await.ok(), "Allow\n");
    assert_eq!(thaw(&world, &["function", "recursion", &name, "--terminate"]).await.ok(), "Terminate\n");
    refused(&world, 2, "cannot be used with", &["function", "recursion", &name, "--allow", "--terminate"])
        .await;
    refused(&world, 3, "Function not found", &["function", "recursion", "there-is-none", "--allow"]).await;
}

#[tokio::test]
async fn each_version_says_how_its_runtime_is_managed() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    thaw(&world, &["function", "publish", &name]).await.ok();
    let command = |name: &str| vec!["function".to_owned(), "runtime-management".to_owned(), name.to_owned()];
    let manage = async |name: &str, more: &[&str]| {
        let command = command(name);
        let command: Vec<&str> = command.iter().map(String::as_str).chain(more.iter().copied()).collect();
        json(&world, &command).await
    };
    let first = format!("{name}:1");
    let arn = "arn:aws:lambda:us-east-1::runtime:0123456789abcdef";
    assert_eq!(manage(&name, &[]).await["UpdateRuntimeOn"], "Auto");
    let manual = manage(&first, &["--update-on", "manual", "--runtime-version", arn]).await;
    assert_eq!((&manual["UpdateRuntimeOn"], &manual["RuntimeVersionArn"]), (&json!("Manual"), &json!(arn)));
    assert!(manual["FunctionArn"].as_str().unwrap().ends_with(&first), "{manual}");
    assert_eq!(manage(&name, &["--update-on", "function-update"]).await["UpdateRuntimeOn"], "FunctionUpdate");
    assert_eq!(manage(&first, &[]).await, manual);
    let manual = ["function", "runtime-management", &name, "--update-on", "manual"];
    refused(&world, 3, "--runtime-version: You must specify a RuntimeVersionArn", &manual).await;
    let alone = ["function", "runtime-management", &name, "--runtime-version", arn];
    refused(&world, 2, "--update-on", &alone).await;
}

#[tokio::test]
async fn layers_are_found_by_what_they_are_for_and_shared_by_their_policy() {
    let world = world().await;
    let (layer, directory) = (unique("shared"), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let (zip, content) = (path("layer.zip"), Package::new().file("data/one.txt", b"one").zip());
    fs::write(&zip, &content).unwrap();
    let publish = async |more: &[&str]| {
        let published = json(&world, &[&["layer", "publish", &layer, "--zip", &zip], more].concat()).await;
        published["LayerVersionArn"].as_str().expect("an ARN").to_owned()
    };
    let first = publish(&["--compatible-runtime", "python3.13", "--compatible-architecture", "arm64"]).await;
    let second = publish(&["--compatible-runtime", "nodejs22.x"]).await;
    let versions = async |more: &[&str]| {
        let found = json(&world, &[&["layer", "versions", &layer], more].concat()).await;
        let arns = found["LayerVersions"].as_array().expect("a list").iter();
        arns.map(|version| version["LayerVersionArn"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&[]).await, [second.clone(), first.clone()]);
    assert_eq!(versions(&["--compatible-runtime", "python3.13"]).await, [first.as_str()]);
    assert_eq!(versions(&["--compatible-architecture", "arm64"]).await, [first.as_str()]);
    assert_eq!(versions(&["--compatible-architecture", "x86_64"]).await, [""; 0]);
    let newest = thaw(&world, &["layer", "list", "--compatible-runtime", "python3.13"]).await.ok();
    assert!(newest.contains(&first) && !newest.contains(&second), "{newest}");
    for (more, words) in [
        (["--compatible-runtime", "cobol"], "--compatible-runtime: 1 validation error detected"),
        (["--compatible-architecture", "mips"], "--compatible-architecture: 1 validation error detected"),
    ] {
        refused(&world, 3, words, &[&["layer", "list"], &more[..]].concat()).await;
    }

    let got = path("got.zip");
    thaw(&world, &["layer", "get-content", &first, "--to", &got]).await.ok();
    assert_eq!(fs::read(&got).unwrap(), content);

    let allow = ["layer", "allow", &first, "--statement-id", "one", "--principal", "111111111111"];
    let statement: Value = serde_json::from_str(&thaw(&world, &allow).await.ok()).unwrap();
    assert_eq!(
        (&statement["Action"], &statement["Resource"]),
        (&json!("lambda:GetLayerVersion"), &json!(first))
    );
    let policy = json(&world, &["layer", "policy", &first]).await;
    assert_eq!(policy["Statement"], json!([statement]));
    refused(&world, 3, "provided already exists", &allow).await;
    let stale = [
        "--statement-id",
        "two",
        "--principal",
        "*",
        "--revision-id",
        "00000000-0000-4000-8000-000000000000",
    ];
    refused(
        &world,
        3,
        "does not match the latest Revision Id",
        &[&["layer", "allow", &first], &stale[..]].concat(),
    )
    .await;
    let organisation = ["--statement-id", "two", "--principal", "*", "--organization-id", "mine"];
    refused(&world, 3, "--organization-id: ", &[&["layer", "allow", &first], &organisation[..]].concat())
        .await;
    let disallow = ["layer", "disallow", &first, "--statement-id", "one"];
    thaw(&world, &disallow).await.ok();
    refused(&world, 3, "is not found in resource policy", &disallow).await;
    refused(&world, 3, "No policy is associated", &["layer", "policy", &first]).await;
    for arn in [&first, &second] {
        thaw(&world, &["layer", "delete", arn]).await.ok();
    }
    refused(&world, 3, "does not exist", &allow).await;
}

#[tokio::test]
async fn a_layer_version_is_named_by_its_arn_or_by_its_layers_name() {
    let world = world().await;
    let (layer, directory) = (unique("named"), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let zip = path("layer.zip");
    fs::write(&zip, Package::new().file("data/one.txt", b"one").zip()).unwrap();
    let published = json(&world, &["layer", "publish", &layer, "--zip", &zip]).await;
    let arn = published["LayerVersionArn"].as_str().expect("an ARN");
    let layer_arn = arn.strip_suffix(":1").expect("the first version");
    let short = format!("{layer}:1");
    let names: [&[&str]; 4] =
        [&[arn], &[&short], &[&layer, "--version", "1"], &[layer_arn, "--version", "1"]];
    for (number, name) in names.into_iter().enumerate() {
        let run = async |command: &str, more: &[&str]| {
            thaw(&world, &[&["layer", command], name, more].concat()).await.ok()
        };
        assert!(run("get", &[]).await.contains(arn));
        let got = path(&format!("{number}.zip"));
        run("get-content", &["--to", &got]).await;
        assert!(fs::metadata(&got).unwrap().len() > 0);
        run("allow", &["--statement-id", "one", "--principal", "111111111111"]).await;
        assert!(run("policy", &[]).await.contains(arn));
        run("disallow", &["--statement-id", "one"]).await;
    }
    for name in [&layer, layer_arn] {
        let versions = json(&world, &["layer", "versions", name]).await;
        assert_eq!(versions["LayerVersions"][0]["LayerVersionArn"], arn);
    }
    let function = world.create(NewFunction::of("echo")).await;
    let updated = json(&world, &["function", "update-config", &function, "--layer", &short]).await;
    assert_eq!(updated["Layers"][0]["Arn"], arn);

    for command in ["get", "policy", "delete"] {
        for (name, more) in [(layer.as_str(), &[][..]), (layer_arn, &[]), (&short, &["--version", "2"])] {
            let told = "LAYER: must name a layer version: NAME:VERSION, such as tools:1, or its ARN";
            refused(&world, 3, told, &[&["layer", command, name], more].concat()).await;
        }
    }
    let of_another = layer_arn.replace("000000000000", "111111111111");
    refused(&world, 3, "NAME: must be a layer of account 000000000000", &["layer", "versions", &of_another])
        .await;
    let unnamed = ["function", "update-config", &function, "--layer", &layer];
    refused(&world, 3, "--layer: must name a layer version", &unnamed).await;
    thaw(&world, &["layer", "delete", &layer, "--version", "1"]).await.ok();
    refused(&world, 3, "does not exist", &["layer", "get", &short]).await;
}

#[tokio::test]
async fn a_statement_has_lambdas_conditions() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let by_url = ["--action", "lambda:InvokeFunctionUrl", "--function-url-auth-type", "aws-iam"];
    for (id, principal, more, condition) in [
        ("organisation", "*", &["--principal-org-id", "o-1234567890"][..], "o-1234567890"),
        ("token", "s3.amazonaws.com", &["--event-source-token", "a.token"], "a.token"),
        ("url", "*", &by_url, "AWS_IAM"),
        ("via", "*", &["--invoked-via-function-url"], "lambda:InvokedViaFunctionUrl"),
    ] {
        let allow = ["function", "allow", &name, "--statement-id", id, "--principal", principal];
        let statement = json(&world, &[&allow[..], more].concat()).await;
        assert!(statement["Condition"].to_string().contains(condition), "{condition}: {statement}");
    }
    let policy = json(&world, &["function", "policy", &name]).await;
    assert_eq!(policy["Statement"].as_array().map(Vec::len), Some(4), "{policy}");
    let allow = ["function", "allow", &name, "--statement-id", "one", "--principal", "*"];
    let stale = ["--revision-id", "00000000-0000-4000-8000-000000000000"];
    refused(&world, 3, "does not match the latest Revision Id", &[&allow[..], &stale].concat()).await;
    let mistaken = ["--principal-org-id", "mine"];
    refused(&world, 3, "--principal-org-id: ", &[&allow[..], &mistaken].concat()).await;
}

#[tokio::test]
async fn code_comes_back_as_it_was_uploaded() {
    let world = world().await;
    let package = Package::new().handler("echo").zip();
    let name = world.create(NewFunction::packaged("code", "echo.handler", package.clone())).await;
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("code.zip").to_string_lossy().into_owned();
    let get = ["function", "get-code", &name, "--to", &to];
    thaw(&world, &get).await.ok();
    assert_eq!(fs::read(&to).unwrap(), package);
    refused(&world, 2, "is there already", &get).await;
    assert_eq!(fs::read(&to).unwrap(), package, "a file that is there is left alone");
    let missing = directory.path().join("missing.zip").to_string_lossy().into_owned();
    let none = ["function", "get-code", "there-is-none", "--to", &missing];
    refused(&world, 3, "Function not found", &none).await;
    assert!(!fs::exists(&missing).unwrap(), "nothing is left of what could not be had");
}

#[tokio::test]
async fn versions_are_listed_with_their_functions() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    thaw(&world, &["function", "publish", &name]).await.ok();
    let listed = async |more: &[&str]| {
        let all = json(&world, &[&["function", "list"], more].concat()).await;
        let own = all["Functions"].as_array().expect("a list").iter();
        let own = own.filter(|function| function["FunctionName"] == name.as_str());
        own.map(|function| function["Version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]).await, ["$LATEST"]);
    assert_eq!(listed(&["--all-versions"]).await, ["$LATEST", "1"]);
}

#[tokio::test]
async fn logging_and_dead_letters_are_set_and_mistakes_told() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let update = ["function", "update-config", &name];
    let levels = ["--log-format", "json", "--application-log-level", "WARN", "--system-log-level", "DEBUG"];
    let updated = json(&world, &[&update[..], &levels].concat()).await;
    let group = format!("/aws/lambda/{name}");
    let expected = json!({
        "LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "DEBUG", "LogGroup": group,
    });
    assert_eq!(updated["LoggingConfig"], expected);
    let updated = json(&world, &[&update[..], &["--log-format", "text"]].concat()).await;
    assert_eq!(updated["LoggingConfig"], json!({ "LogFormat": "Text", "LogGroup": group }));
    for (more, words) in [
        (["--application-log-level", "WARN"], "you must set LogFormat to JSON"),
        (["--system-log-level", "LOUD"], "--system-log-level: 1 validation error detected"),
        (["--dead-letter", "nobody"], "--dead-letter: "),
        (
            ["--dead-letter", "arn:aws:sqs:us-east-1:000000000000:q"],
            "--dead-letter: Nothing can be sent to arn:aws:sqs:us-east-1:000000000000:q: the setting sqs_endpoint",
        ),
    ] {
        refused(&world, 3, words, &[&update[..], &more].concat()).await;
    }
}

#[tokio::test]
async fn an_account_sees_its_limits() {
    let world = world().await;
    let settings = json(&world, &["admin", "account-settings"]).await;
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 1000, "{settings}");
    assert!(settings["AccountUsage"]["FunctionCount"].is_u64(), "{settings}");
    let shown = thaw(&world, &["admin", "account-settings"]).await.ok();
    assert!(shown.contains("calls at once") && shown.contains("all archives"), "{shown}");
}
