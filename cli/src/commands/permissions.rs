//! Who may use a function: `thaw function allow`, `disallow` and `policy`.

use clap::Args;
use serde_json::json;
use thaw_proto::v1::{AddPermissionRequest, GetPolicyRequest, RemovePermissionRequest};

use super::url;
use crate::{client::Client, failure::Failure, ui::Ui};

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
    /// Only for members of this organisation.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    principal_org_id: String,
    /// Only for whoever shows this token.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TOKEN")]
    event_source_token: String,
    /// Only for function URLs that let in so; with --action lambda:InvokeFunctionUrl.
    #[arg(long, value_enum)]
    function_url_auth_type: Option<url::Auth>,
    /// Only for calls that come by a function URL, or only for others.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    invoked_via_function_url: Option<bool>,
    /// Refuse unless this is the policy's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
}

pub(crate) async fn allow(arguments: Allow, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let request = AddPermissionRequest {
        function_name: arguments.name,
        statement_id: arguments.statement_id,
        action: arguments.action,
        principal: arguments.principal,
        source_arn: arguments.source_arn,
        source_account: arguments.source_account,
        principal_org_id: arguments.principal_org_id,
        event_source_token: arguments.event_source_token,
        function_url_auth_type: url::auth_type(arguments.function_url_auth_type).into(),
        invoked_via_function_url: arguments.invoked_via_function_url,
        revision_id: arguments.revision_id,
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
    /// Refuse unless this is the policy's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
}

pub(crate) async fn disallow(arguments: Disallow, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let Disallow { name, statement_id, revision_id } = arguments;
    let request =
        RemovePermissionRequest { function_name: name, statement_id: statement_id.clone(), revision_id };
    client.attributes().await?.remove_permission(request).await?;
    ui.done(&json!({ "Removed": statement_id }), &format!("removed {statement_id}"))
}

/// Prints a function's policy.
pub(crate) async fn policy(name: String, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let request = GetPolicyRequest { function_name: name };
    show_policy(&client.attributes().await?.get_policy(request).await?.into_inner().policy, ui)
}

/// Prints a policy. It is JSON in any case: that is what it is.
pub(super) fn show_policy(policy: &str, ui: &Ui) -> Result<(), Failure> {
    match serde_json::from_str(policy) {
        Ok(policy) => ui.json(&policy),
        Err(_) => ui.line(policy),
    }
}
