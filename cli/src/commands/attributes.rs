//! What is set around a function: `thaw function concurrency`, `tags`, `permissions` and their changes.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;
use thaw_proto::v1::{
    AddPermissionRequest, GetConcurrencyRequest, GetPolicyRequest, GetTagsRequest, PutConcurrencyRequest,
    RemovePermissionRequest, UpdateTagsRequest,
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
    /// Set a tag; may be given several times.
    #[arg(long, value_parser = super::function::variable, value_name = "KEY=VALUE")]
    set: Vec<(String, String)>,
    /// Remove a tag; may be given several times.
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
}

pub(crate) async fn tags(arguments: Tags, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Tags { name, set, remove } = arguments;
    let mut attributes = client.attributes().await?;
    if !set.is_empty() || !remove.is_empty() {
        let request =
            UpdateTagsRequest { function_name: name.clone(), set: set.into_iter().collect(), remove };
        attributes.update_tags(request).await?;
    }
    let request = GetTagsRequest { function_name: name.clone() };
    let tags: BTreeMap<_, _> = attributes.get_tags(request).await?.into_inner().tags.into_iter().collect();
    if ui.is_json() {
        return ui.json(&json!({ "Tags": tags }));
    }
    if tags.is_empty() {
        ui.note(&format!("{name} has no tags"));
        return Ok(());
    }
    ui.table(&["key", "value"], tags.into_iter().map(|(key, value)| vec![key, value]).collect())
}

#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// The function's name or ARN, with or without a version or alias.
    name: String,
    /// Names what is allowed, to take it back by.
    #[arg(long, value_name = "ID")]
    statement_id: String,
    /// A service such as s3.amazonaws.com, an account's 12 digits, the ARN of a user or role, or *.
    #[arg(long)]
    principal: String,
    /// What is allowed.
    #[arg(long, default_value = "lambda:InvokeFunction")]
    action: String,
    /// Only for requests that come about from this.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ARN")]
    source_arn: String,
    /// Only if that belongs to this account.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ACCOUNT")]
    source_account: String,
}

pub(crate) async fn allow(arguments: Allow, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Allow { name, statement_id, principal, action, source_arn, source_account } = arguments;
    let request = AddPermissionRequest {
        function_name: name,
        statement_id,
        action,
        principal,
        source_arn,
        source_account,
        revision_id: String::new(),
        ..AddPermissionRequest::default()
    };
    let answer = client.attributes().await?.add_permission(request).await?.into_inner();
    ui.line(&answer.statement)
}

#[derive(Debug, Args)]
pub(crate) struct Disallow {
    /// The function's name or ARN, with or without a version or alias.
    name: String,
    /// What `allow` was given.
    #[arg(long, value_name = "ID")]
    statement_id: String,
}

pub(crate) async fn disallow(arguments: Disallow, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Disallow { name, statement_id } = arguments;
    let request = RemovePermissionRequest {
        function_name: name,
        statement_id: statement_id.clone(),
        revision_id: String::new(),
    };
    client.attributes().await?.remove_permission(request).await?;
    if ui.is_json() {
        ui.json(&json!({ "Removed": statement_id }))
    } else {
        ui.line(&format!("removed {statement_id}"))
    }
}

/// Prints a policy. It is JSON in any case: that is what it is.
pub(crate) async fn policy(name: String, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let answer =
        client.attributes().await?.get_policy(GetPolicyRequest { function_name: name }).await?.into_inner();
    match serde_json::from_str(&answer.policy) {
        Ok(policy) => ui.json(&policy),
        Err(_) => ui.line(&answer.policy),
    }
}
