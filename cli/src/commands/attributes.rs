//! What is set around a function: `thaw function concurrency`, `tags`, `recursion` and `runtime-management`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::json;
use thaw_proto::v1::{
    GetConcurrencyRequest, GetRecursionConfigRequest, GetRuntimeManagementConfigRequest, GetTagsRequest,
    PutConcurrencyRequest, PutRecursionConfigRequest, PutRuntimeManagementConfigRequest, RecursiveLoop,
    UpdateRuntimeOn, UpdateTagsRequest,
};

use crate::{client::Client, failure::Failure, ui::Ui};

#[derive(Debug, Args)]
pub(crate) struct Concurrency {
    /// The function's name or ARN.
    name: String,
    /// Give it a share of its own, which it can't exceed and no other function has; 0 stops it.
    #[arg(long, value_name = "CALLS", conflicts_with = "unreserve")]
    reserve: Option<u32>,
    /// Take its share away.
    #[arg(long)]
    unreserve: bool,
}

pub(crate) async fn concurrency(arguments: Concurrency, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Concurrency { name, reserve, unreserve } = arguments;
    let mut attributes = client.attributes().await?;
    if unreserve || reserve.is_some() {
        let request =
            PutConcurrencyRequest { function_name: name.clone(), reserved_concurrent_executions: reserve };
        attributes.put_concurrency(request).await?;
    }
    let request = GetConcurrencyRequest { function_name: name };
    let answer = attributes.get_concurrency(request).await?.into_inner();
    let reserved = answer.reserved_concurrent_executions;
    if ui.is_json() {
        return ui.json(&json!({
            "ReservedConcurrentExecutions": reserved,
            "Running": answer.running,
            "Provisioned": super::provision::json_of(&answer.provisioned),
        }));
    }
    let reserved = reserved.map_or_else(|| "nothing of its own".to_owned(), |share| share.to_string());
    let mut lines = vec![("reserved", reserved), ("running", answer.running.to_string())];
    lines.extend(answer.provisioned.iter().map(|part| ("provisioned", super::provision::line_of(part))));
    ui.list(&lines)
}

#[derive(Debug, Args)]
pub(crate) struct Tags {
    /// The function's name or ARN.
    name: String,
    #[command(flatten)]
    changes: TagChanges,
}

#[derive(Args, Debug)]
pub(crate) struct TagChanges {
    /// Set a tag; may be given several times.
    #[arg(long, value_parser = super::function::variable, value_name = "KEY=VALUE")]
    set: Vec<(String, String)>,
    /// Remove a tag; may be given several times.
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
}

pub(crate) async fn tags(arguments: Tags, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Tags { name, changes } = arguments;
    tags_of(name, changes, client, ui).await
}

/// The same of whatever has tags.
pub(crate) async fn tags_of(
    resource: String,
    changes: TagChanges,
    client: &Client,
    ui: &Ui,
) -> Result<(), Failure> {
    let TagChanges { set, remove } = changes;
    let mut attributes = client.attributes().await?;
    if !set.is_empty() || !remove.is_empty() {
        let request =
            UpdateTagsRequest { resource: resource.clone(), set: set.into_iter().collect(), remove };
        attributes.update_tags(request).await?;
    }
    let request = GetTagsRequest { resource: resource.clone() };
    let tags: BTreeMap<_, _> = attributes.get_tags(request).await?.into_inner().tags.into_iter().collect();
    if ui.is_json() {
        return ui.json(&json!({ "Tags": tags }));
    }
    if tags.is_empty() {
        ui.note(&format!("{resource} has no tags"));
        return Ok(());
    }
    ui.table(&["key", "value"], tags.into_iter().map(|(key, value)| vec![key, value]).collect())
}

#[derive(Debug, Args)]
pub(crate) struct Recursion {
    /// The function's name or ARN.
    name: String,
    /// Let the function go on that calls itself in a circle.
    #[arg(long, conflicts_with = "terminate")]
    allow: bool,
    /// Stop it after sixteen calls, as every function that nothing is said of.
    #[arg(long)]
    terminate: bool,
}

pub(crate) async fn recursion(arguments: Recursion, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Recursion { name, allow, terminate } = arguments;
    let mut attributes = client.attributes().await?;
    if allow || terminate {
        let recursive_loop = if allow { RecursiveLoop::Allow } else { RecursiveLoop::Terminate };
        let request =
            PutRecursionConfigRequest { function_name: name.clone(), recursive_loop: recursive_loop.into() };
        attributes.put_recursion_config(request).await?;
    }
    let request = GetRecursionConfigRequest { function_name: name };
    let word = match attributes.get_recursion_config(request).await?.into_inner().recursive_loop() {
        RecursiveLoop::Allow => "Allow",
        RecursiveLoop::Terminate => "Terminate",
        RecursiveLoop::Unspecified => "",
    };
    ui.done(&json!({ "RecursiveLoop": word }), word)
}

#[derive(Debug, Args)]
#[command(after_help = "It is kept, and not acted on: here an image is replaced by `thaw runtime build`.")]
pub(crate) struct RuntimeManagement {
    /// The function's name or ARN, with or without a version.
    name: String,
    /// When it takes a newer runtime.
    #[arg(long, value_enum)]
    update_on: Option<UpdateOn>,
    /// The ARN of the runtime version to stay with; with --update-on manual.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ARN", requires = "update_on")]
    runtime_version: String,
}

/// When a function takes a newer runtime.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum UpdateOn {
    /// When there is one.
    Auto,
    /// Never: it stays with --runtime-version.
    Manual,
    /// When the function is changed.
    FunctionUpdate,
}

pub(crate) async fn runtime_management(
    arguments: RuntimeManagement,
    client: &Client,
    ui: &Ui,
) -> Result<(), Failure> {
    let RuntimeManagement { name, update_on, runtime_version } = arguments;
    let mut attributes = client.attributes().await?;
    let config = match update_on {
        None => {
            let request = GetRuntimeManagementConfigRequest { function_name: name };
            attributes.get_runtime_management_config(request).await?.into_inner().config
        }
        Some(update_on) => {
            let update_on = match update_on {
                UpdateOn::Auto => UpdateRuntimeOn::Auto,
                UpdateOn::Manual => UpdateRuntimeOn::Manual,
                UpdateOn::FunctionUpdate => UpdateRuntimeOn::FunctionUpdate,
            };
            let request = PutRuntimeManagementConfigRequest {
                function_name: name,
                update_runtime_on: update_on.into(),
                runtime_version_arn: runtime_version,
            };
            attributes.put_runtime_management_config(request).await?.into_inner().config
        }
    };
    let config = config.unwrap_or_default();
    let word = match config.update_runtime_on() {
        UpdateRuntimeOn::Auto => "Auto",
        UpdateRuntimeOn::Manual => "Manual",
        UpdateRuntimeOn::FunctionUpdate => "FunctionUpdate",
        UpdateRuntimeOn::Unspecified => "",
    };
    let version = config.runtime_version_arn;
    if ui.is_json() {
        return ui.json(&json!({
            "FunctionArn": config.function_arn,
            "UpdateRuntimeOn": word,
            "RuntimeVersionArn": (!version.is_empty()).then_some(version),
        }));
    }
    let mut pairs = vec![("arn", config.function_arn), ("update on", word.to_owned())];
    if !version.is_empty() {
        pairs.push(("runtime version", version));
    }
    ui.list(&pairs)
}
