//! Provisioned concurrency of versions and aliases.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{
    Lambda,
    input::{Call, Checks, own},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{FunctionReference, Provisioned, ProvisionedExecutions, Qualifier},
    invoke::{Invoker, ProvisionedState, ProvisionedStatus},
};

/// MaxItems of the list.
const LIST_MAX: u32 = 50;

/// Whole seconds, as only this family of operations has them.
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    provisioned_concurrent_executions: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    function_arn: Option<String>,
    requested_provisioned_concurrent_executions: u32,
    available_provisioned_concurrent_executions: u32,
    allocated_provisioned_concurrent_executions: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    last_modified: String,
}

fn moment(moment: OffsetDateTime) -> Result<String, AwsError> {
    // Nothing in it can't be written; the wall clock is of this era.
    moment.to_offset(time::UtcOffset::UTC).format(MOMENT).map_err(|error| AwsError::internal(&error))
}

fn output(provisioned: &Provisioned, state: &ProvisionedState) -> Result<Output, AwsError> {
    let ProvisionedState { available, status } = state;
    Ok(Output {
        function_arn: None,
        requested_provisioned_concurrent_executions: provisioned.config.requested.get(),
        available_provisioned_concurrent_executions: *available,
        allocated_provisioned_concurrent_executions: *available,
        status: status.as_str(),
        status_reason: status.reason().map(ToOwned::to_owned),
        last_modified: moment(provisioned.config.last_modified)?,
    })
}

type Target = (FunctionReference, Option<Qualifier>);

fn target(
    lambda: &Lambda,
    call: &Call,
    checks: Checks,
    (reference, qualifier): (Option<FunctionReference>, Option<Qualifier>),
    operation: &str,
) -> Result<Target, AwsError> {
    let reference = checks.finish_with(reference)?;
    Ok((own(reference, call, &lambda.functions(call), operation)?, qualifier))
}

/// The version or alias that a request names, which must name one.
fn qualified(lambda: &Lambda, call: &Call, operation: &str) -> Result<Target, AwsError> {
    let mut checks = Checks::default();
    let named = call.function(&mut checks);
    require_qualifier(call, &mut checks);
    target(lambda, call, checks, named, operation)
}

fn require_qualifier(call: &Call, checks: &mut Checks) {
    if call.parameter("Qualifier").is_none_or(str::is_empty) {
        checks.missing("qualifier");
    }
}

/// PutProvisionedConcurrencyConfig.
pub(super) async fn put(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let named = call.function(&mut checks);
    require_qualifier(&call, &mut checks);
    let member = "provisionedConcurrentExecutions";
    let requested: Option<ProvisionedExecutions> = match input.provisioned_concurrent_executions {
        None => {
            checks.missing(member);
            None
        }
        // Lambda's constraint names 1 for every number that is less.
        Some(number) if number < 0 => {
            checks.refuse(member, &number.to_string(), "Member must have value greater than or equal to 1");
            None
        }
        number => checks.number(member, number),
    };
    let (reference, qualifier) = target(lambda, &call, checks, named, "PutProvisionedConcurrencyConfig")?;
    let Some(requested) = requested else {
        return Err(AwsError::new("ValidationException", "provisionedConcurrentExecutions is missing"));
    };
    let registry = lambda.functions(&call);
    let provisioned = registry.provision(&reference, qualifier.as_ref(), requested).await?;
    // What is there already is told to who asks next.
    let state = ProvisionedState { available: 0, status: ProvisionedStatus::InProgress };
    json(StatusCode::ACCEPTED, &output(&provisioned, &state)?)
}

/// GetProvisionedConcurrencyConfig.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = qualified(lambda, &call, "GetProvisionedConcurrencyConfig")?;
    let provisioned = lambda.functions(&call).provisioned(&reference, qualifier.as_ref())?;
    json(StatusCode::OK, &current(&lambda.invoker, &provisioned)?)
}

fn current(invoker: &Invoker, provisioned: &Provisioned) -> Result<Output, AwsError> {
    output(provisioned, &invoker.provisioned_state(provisioned))
}

/// DeleteProvisionedConcurrencyConfig.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = qualified(lambda, &call, "DeleteProvisionedConcurrencyConfig")?;
    lambda.functions(&call).unprovision(&reference, qualifier.as_ref()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// ListProvisionedConcurrencyConfigs.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        provisioned_concurrency_configs: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let named = call.function(&mut checks);
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let (reference, _) = target(lambda, &call, checks, named, "ListProvisionedConcurrencyConfigs")?;
    let page =
        lambda.functions(&call).list_provisioned(&reference, call.marker::<Qualifier>()?.as_ref(), limit)?;
    let outputs: Result<_, AwsError> = page
        .items
        .iter()
        .map(|provisioned| {
            let function_arn = Some(provisioned.arn.to_string());
            Ok(Output { function_arn, ..current(&lambda.invoker, provisioned)? })
        })
        .collect();
    let next_marker = page.next.map(|qualifier| qualifier.to_string());
    json(StatusCode::OK, &Outputs { provisioned_concurrency_configs: outputs?, next_marker })
}
