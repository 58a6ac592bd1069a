//! `thaw function provision`, and how what is provisioned is shown.

use clap::Args;
use serde_json::{Value, json};
use thaw_proto::v1::{ProvisionedConcurrency, ProvisionedStatus, PutProvisionedConcurrencyRequest};

use crate::{client::Client, failure::Failure, ui::Ui};

#[derive(Debug, Args)]
pub(crate) struct Provision {
    /// NAME:VERSION or NAME:ALIAS.
    name: String,
    /// How many sandboxes are kept initialised, whether or not anybody calls.
    #[arg(value_name = "COUNT", required_unless_present = "delete", conflicts_with = "delete")]
    count: Option<u32>,
    /// Keep none any more.
    #[arg(long)]
    delete: bool,
}

pub(crate) async fn provision(arguments: Provision, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Provision { name, count, delete: _ } = arguments;
    let request = PutProvisionedConcurrencyRequest {
        function_name: name.clone(),
        provisioned_concurrent_executions: count,
    };
    client.attributes().await?.put_provisioned_concurrency(request).await?;
    match count {
        _ if ui.is_json() => {
            ui.json(&json!({ "Name": name, "RequestedProvisionedConcurrentExecutions": count }))
        }
        Some(count) => ui.line(&format!(
            "{count} of {name} come up; `thaw function concurrency` with the function's name shows how far they are"
        )),
        None => ui.line(&format!("nothing is provisioned of {name}")),
    }
}

/// For `thaw function concurrency`, as JSON.
pub(super) fn json_of(provisioned: &[ProvisionedConcurrency]) -> Vec<Value> {
    let value = |provisioned: &ProvisionedConcurrency| {
        json!({
            "Qualifier": provisioned.qualifier,
            "RequestedProvisionedConcurrentExecutions": provisioned.requested,
            "AvailableProvisionedConcurrentExecutions": provisioned.available,
            "Status": status(provisioned.status()),
            "StatusReason": provisioned.status_reason,
        })
    };
    provisioned.iter().map(value).collect()
}

/// For `thaw function concurrency`, one line each.
pub(super) fn line_of(provisioned: &ProvisionedConcurrency) -> String {
    let ProvisionedConcurrency { qualifier, requested, available, status_reason, .. } = provisioned;
    let reason = if status_reason.is_empty() { String::new() } else { format!(": {status_reason}") };
    format!("{qualifier}: {available} of {requested}, {}{reason}", status(provisioned.status()))
}

fn status(status: ProvisionedStatus) -> &'static str {
    match status {
        ProvisionedStatus::Unspecified => "UNKNOWN",
        ProvisionedStatus::InProgress => "IN_PROGRESS",
        ProvisionedStatus::Ready => "READY",
        ProvisionedStatus::Failed => "FAILED",
    }
}
