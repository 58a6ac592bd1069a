//! How functions take asynchronous events.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    input::{Call, Checks, own, target},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{Destination, EventInvokeConfig, EventInvokeSettings, FunctionArn, Qualifier, Unsaid},
};

/// MaxItems of the list.
const LIST_MAX: u32 = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationsInput>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DestinationsInput {
    on_success: Option<DestinationInput>,
    on_failure: Option<DestinationInput>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DestinationInput {
    destination: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    /// Seconds since the epoch.
    last_modified: f64,
    function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_retry_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_event_age_in_seconds: Option<u32>,
    destination_config: DestinationsOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationsOutput {
    on_success: DestinationOutput,
    on_failure: DestinationOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
}

fn output(config: &EventInvokeConfig, arn: &FunctionArn) -> Output {
    let destination = |destination: &Option<Destination>| DestinationOutput {
        destination: destination.as_ref().map(ToString::to_string),
    };
    Output {
        last_modified: config.last_modified.unix_timestamp() as f64
            + f64::from(config.last_modified.millisecond()) / 1000.0,
        function_arn: arn.to_string(),
        maximum_retry_attempts: config.maximum_retry_attempts.map(Into::into),
        maximum_event_age_in_seconds: config.maximum_event_age.map(Into::into),
        destination_config: DestinationsOutput {
            on_success: destination(&config.on_success),
            on_failure: destination(&config.on_failure),
        },
    }
}

/// PutFunctionEventInvokeConfig.
pub(super) async fn put(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    set(lambda, call, Unsaid::Reset, "PutFunctionEventInvokeConfig").await
}

/// UpdateFunctionEventInvokeConfig.
pub(super) async fn update(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    set(lambda, call, Unsaid::Kept, "UpdateFunctionEventInvokeConfig").await
}

async fn set(lambda: &Lambda, call: Call, unsaid: Unsaid, operation: &str) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let mut destination = |input: Option<DestinationInput>, member: &str| {
        let text = input.unwrap_or_default().destination.unwrap_or_default();
        checks.take(Destination::parse(&text, member)).flatten()
    };
    // Whoever says something of destinations says all of it.
    let (on_success, on_failure) = input.destination_config.map_or((None, None), |config| {
        let on_success = destination(config.on_success, "destinationConfig.onSuccess.destination");
        let on_failure = destination(config.on_failure, "destinationConfig.onFailure.destination");
        (Some(on_success), Some(on_failure))
    });
    let settings = EventInvokeSettings {
        maximum_retry_attempts: checks.number("maximumRetryAttempts", input.maximum_retry_attempts),
        maximum_event_age: checks.number("maximumEventAgeInSeconds", input.maximum_event_age_in_seconds),
        on_success,
        on_failure,
    };
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, operation)?;
    let (config, arn) =
        registry.set_event_invoke_config(&reference, qualifier.as_ref(), settings, unsaid).await?;
    json(StatusCode::OK, &output(&config, &arn))
}

/// GetFunctionEventInvokeConfig.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = target(lambda, &call, "GetFunctionEventInvokeConfig")?;
    let (config, arn) = lambda.functions(&call).event_invoke_config(&reference, qualifier.as_ref())?;
    json(StatusCode::OK, &output(&config, &arn))
}

/// DeleteFunctionEventInvokeConfig.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = target(lambda, &call, "DeleteFunctionEventInvokeConfig")?;
    lambda.functions(&call).delete_event_invoke_config(&reference, qualifier.as_ref()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// ListFunctionEventInvokeConfigs.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        function_event_invoke_configs: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "ListFunctionEventInvokeConfigs")?;
    let page = registry.list_event_invoke_configs(&reference, call.marker::<Qualifier>()?.as_ref(), limit)?;
    let configs = page.items.iter().map(|(config, arn)| output(config, arn)).collect();
    let next_marker = page.next.map(|qualifier| qualifier.to_string());
    json(StatusCode::OK, &Outputs { function_event_invoke_configs: configs, next_marker })
}
