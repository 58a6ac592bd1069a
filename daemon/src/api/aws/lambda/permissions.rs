//! Resource policies.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    input::{Call, Checks, own, revision},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{AddPermission, InvalidField, Statement, StatementId},
    identity::AccountId,
};

/// AddPermission.
pub(super) async fn add(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        statement_id: Option<String>,
        action: Option<String>,
        principal: Option<String>,
        source_arn: Option<String>,
        source_account: Option<String>,
        event_source_token: Option<String>,
        #[serde(rename = "PrincipalOrgID")]
        principal_org_id: Option<String>,
        function_url_auth_type: Option<String>,
        invoked_via_function_url: Option<bool>,
        revision_id: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        statement: String,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    for (member, value) in
        [("statementId", &input.statement_id), ("action", &input.action), ("principal", &input.principal)]
    {
        if value.is_none() {
            checks.missing(member);
        }
    }
    let id = checks.optional(input.statement_id.as_deref());
    let action = checks.optional(input.action.as_deref());
    let principal = checks.optional(input.principal.as_deref());
    let source_account = input.source_account.as_deref().and_then(|text| {
        checks.take(text.parse::<AccountId>().map_err(|_| {
            InvalidField::constraint(
                "source_account",
                "sourceAccount",
                text,
                r"Member must satisfy regular expression pattern: \d{12}",
            )
        }))
    });
    let source_arn = checks.optional(input.source_arn.as_deref());
    let event_source_token = checks.optional(input.event_source_token.as_deref());
    let organisation = checks.optional(input.principal_org_id.as_deref());
    let url_auth_type = checks.optional(input.function_url_auth_type.as_deref());
    let all = reference.zip(id).zip(action).zip(principal);
    let (((reference, id), action), principal) = checks.finish_with(all)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "AddPermission")?;
    let statement = Statement {
        id,
        principal,
        action,
        source_arn,
        source_account,
        event_source_token,
        organisation,
        url_auth_type,
        via_url: input.invoked_via_function_url,
    };
    let add = AddPermission { statement, revision_id: revision(input.revision_id.as_deref()) };
    let statement = registry.add_permission(&reference, qualifier.as_ref(), add).await?;
    json(StatusCode::CREATED, &Output { statement })
}

/// GetPolicy.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        policy: String,
        revision_id: String,
    }
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "GetPolicy")?;
    let (policy, arn) = registry.policy(&reference, qualifier.as_ref())?;
    let output =
        Output { policy: policy.document(&arn.to_string()), revision_id: policy.revision_id.to_string() };
    json(StatusCode::OK, &output)
}

/// RemovePermission.
pub(super) async fn remove(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let id: Option<StatementId> = checks.parse(call.label("StatementId"));
    let (reference, id) = checks.finish_with(reference.zip(id))?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "RemovePermission")?;
    let revision = revision(call.parameter("RevisionId"));
    registry.remove_permission(&reference, qualifier.as_ref(), id, revision).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
