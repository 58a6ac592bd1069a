//! How a function's configuration is shown.

use std::collections::HashMap;

use serde_json::{Value, json};
use thaw_proto::v1::{FunctionConfiguration, LastUpdateStatus, State};

use crate::{
    failure::Failure,
    ui::{self, Ui},
};

/// Shows one.
pub(super) fn show(configuration: Option<FunctionConfiguration>, ui: &Ui) -> Result<(), Failure> {
    let configuration = configuration.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&configuration));
    }
    let variables = configuration.environment.clone().unwrap_or_default().variables;
    let mut names: Vec<_> = variables.keys().cloned().collect();
    names.sort();
    let mut pairs = vec![
        ("name", configuration.function_name.clone()),
        ("arn", configuration.function_arn.clone()),
        ("runtime", configuration.runtime.clone()),
        ("handler", configuration.handler.clone()),
        ("memory", format!("{} MB", configuration.memory_size)),
        ("timeout", format!("{} s", configuration.timeout)),
        ("/tmp", format!("{} MB", configuration.ephemeral_storage)),
        ("role", configuration.role.clone()),
        ("code", format!("{}, SHA-256 {}", ui::bytes(configuration.code_size), configuration.code_sha256)),
        ("state", state(&configuration).to_owned()),
        ("modified", ui::stamp(configuration.last_modified)),
        ("revision", configuration.revision_id.clone()),
    ];
    if configuration.version != "$LATEST" {
        pairs.insert(1, ("version", configuration.version.clone()));
    }
    if !configuration.layers.is_empty() {
        let arns: Vec<_> = configuration.layers.iter().map(|layer| layer.arn.as_str()).collect();
        pairs.push(("layers", arns.join(", ")));
    }
    if !configuration.dead_letter_target_arn.is_empty() {
        pairs.push(("dead letters", configuration.dead_letter_target_arn.clone()));
    }
    pairs.push(("logs", logging(&configuration)));
    if !configuration.description.is_empty() {
        pairs.push(("description", configuration.description.clone()));
    }
    if !names.is_empty() {
        // Values may be secrets; `--output json` shows them.
        pairs.push(("variables", names.join(", ")));
    }
    ui.list(&pairs)
}

/// E.g. `/aws/lambda/hello, JSON, from INFO on, system from WARN on`.
fn logging(configuration: &FunctionConfiguration) -> String {
    let FunctionConfiguration { log_group, log_format, application_log_level, system_log_level, .. } =
        configuration;
    if application_log_level.is_empty() {
        return format!("{log_group}, {log_format}");
    }
    format!("{log_group}, {log_format}, from {application_log_level} on, system from {system_log_level} on")
}

fn state(configuration: &FunctionConfiguration) -> &'static str {
    match configuration.state() {
        State::Unspecified => "Unknown",
        State::Pending => "Pending",
        State::Active => "Active",
        State::Inactive => "Inactive",
        State::Failed => "Failed",
    }
}

fn last_update_status(configuration: &FunctionConfiguration) -> &'static str {
    match configuration.last_update_status() {
        LastUpdateStatus::Unspecified => "Unknown",
        LastUpdateStatus::Successful => "Successful",
        LastUpdateStatus::Failed => "Failed",
        LastUpdateStatus::InProgress => "InProgress",
    }
}

/// Lambda's FunctionConfiguration.
pub(super) fn as_json(configuration: &FunctionConfiguration) -> Value {
    let variables: HashMap<_, _> = configuration.environment.clone().unwrap_or_default().variables;
    let mut object = json!({
        "FunctionName": configuration.function_name,
        "FunctionArn": configuration.function_arn,
        "Runtime": configuration.runtime,
        "Role": configuration.role,
        "Handler": configuration.handler,
        "CodeSize": configuration.code_size,
        "Description": configuration.description,
        "Timeout": configuration.timeout,
        "MemorySize": configuration.memory_size,
        "LastModified": ui::stamp(configuration.last_modified),
        "CodeSha256": configuration.code_sha256,
        "Version": configuration.version,
        "RevisionId": configuration.revision_id,
        "State": state(configuration),
        "LastUpdateStatus": last_update_status(configuration),
        "EphemeralStorage": { "Size": configuration.ephemeral_storage },
    });
    if !configuration.layers.is_empty() {
        let layers = configuration.layers.iter();
        object["Layers"] =
            layers.map(|layer| json!({ "Arn": layer.arn, "CodeSize": layer.code_size })).collect();
    }
    let mut logging = json!({ "LogFormat": configuration.log_format, "LogGroup": configuration.log_group });
    for (member, level) in [
        ("ApplicationLogLevel", &configuration.application_log_level),
        ("SystemLogLevel", &configuration.system_log_level),
    ] {
        if !level.is_empty() {
            logging[member] = level.clone().into();
        }
    }
    object["LoggingConfig"] = logging;
    if !configuration.dead_letter_target_arn.is_empty() {
        object["DeadLetterConfig"] = json!({ "TargetArn": configuration.dead_letter_target_arn });
    }
    if !variables.is_empty() {
        object["Environment"] = json!({ "Variables": variables });
    }
    for (name, reason) in [
        ("StateReason", &configuration.state_reason),
        ("LastUpdateStatusReason", &configuration.last_update_status_reason),
    ] {
        if !reason.is_empty() {
            object[name] = reason.clone().into();
        }
    }
    object
}
