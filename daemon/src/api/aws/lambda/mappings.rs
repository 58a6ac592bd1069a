//! Event source mappings.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    Lambda,
    input::{Call, Checks},
};
use crate::{
    api::aws::{
        answer::{Answer, json},
        error::AwsError,
    },
    events::mapping::{
        CreateMapping, Delivery, FilterCriteria, Mapping, MappingChange, MappingId, Metric, SourceArn,
        StartingPosition,
    },
    functions::{Destination, FunctionReference, InvalidField, Tags},
};

/// MaxItems of the list. It gives no more than a hundred, whatever is asked for.
const LIST_MAX: u32 = 10_000;

/// Metrics that a mapping may have. Source: the model.
const METRICS_MAX: usize = 3;

/// Members of sources that thawd does not read.
const FOREIGN: [&str; 9] = [
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
    "Queues",
    "ProvisionedPollerConfig",
    "LoggingConfig",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    event_source_arn: Option<String>,
    function_name: Option<String>,
    enabled: Option<bool>,
    batch_size: Option<i64>,
    maximum_batching_window_in_seconds: Option<i64>,
    parallelization_factor: Option<i64>,
    starting_position: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    starting_position_timestamp: Option<OffsetDateTime>,
    filter_criteria: Option<FiltersInput>,
    scaling_config: Option<ScalingInput>,
    destination_config: Option<DestinationsInput>,
    maximum_record_age_in_seconds: Option<i64>,
    bisect_batch_on_function_error: Option<bool>,
    maximum_retry_attempts: Option<i64>,
    tumbling_window_in_seconds: Option<i64>,
    function_response_types: Option<Vec<String>>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    metrics_config: Option<MetricsInput>,
    tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FiltersInput {
    filters: Option<Vec<FilterInput>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterInput {
    pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingInput {
    maximum_concurrency: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationsInput {
    on_success: Option<DestinationInput>,
    on_failure: Option<DestinationInput>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationInput {
    destination: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricsInput {
    metrics: Option<Vec<String>>,
}

/// Seconds since the epoch, as JSON clients send them, or RFC 3339.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let wrong = || serde::de::Error::custom("StartingPositionTimestamp is no time");
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(seconds)) => {
            let seconds = seconds.as_f64().filter(|seconds| seconds.abs() < 1e11).ok_or_else(wrong)?;
            let nanos = (seconds * 1000.0).round() as i128 * 1_000_000;
            OffsetDateTime::from_unix_timestamp_nanos(nanos).map(Some).map_err(|_| wrong())
        }
        Some(Value::String(text)) => {
            OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
                .map(Some)
                .map_err(|_| wrong())
        }
        Some(_) => Err(wrong()),
    }
}

/// A mapping as Lambda tells it. What a kind of source does not have is left out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(rename = "UUID")]
    uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_position: Option<&'static str>,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_position_timestamp: Option<f64>,
    batch_size: u32,
    maximum_batching_window_in_seconds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelization_factor: Option<u32>,
    event_source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_criteria: Option<FiltersOutput>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_config: Option<MetricsOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaling_config: Option<ScalingOutput>,
    function_arn: String,
    last_modified: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_processing_result: Option<String>,
    state: &'static str,
    state_transition_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_config: Option<DestinationsOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bisect_batch_on_function_error: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_retry_attempts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tumbling_window_in_seconds: Option<u32>,
    function_response_types: Vec<&'static str>,
    event_source_mapping_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FiltersOutput {
    filters: Vec<FilterOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FilterOutput {
    pattern: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricsOutput {
    metrics: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingOutput {
    maximum_concurrency: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationsOutput {
    on_failure: DestinationOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
}

const REPORT: &str = "ReportBatchItemFailures";

fn seconds(moment: OffsetDateTime) -> f64 {
    moment.unix_timestamp() as f64 + f64::from(moment.millisecond()) / 1000.0
}

fn output(mapping: &Mapping) -> Output {
    let settings = &mapping.settings;
    let (stream, concurrency) = match &settings.delivery {
        Delivery::Queue { maximum_concurrency } => (None, *maximum_concurrency),
        Delivery::Stream(stream) => (Some(stream), None),
    };
    let number_or_for_ever = |number: Option<u32>| number.map_or(-1, i64::from);
    Output {
        uuid: mapping.id.to_string(),
        starting_position: stream.map(|stream| stream.starting_position.as_str()),
        starting_position_timestamp: stream.and_then(|stream| match stream.starting_position {
            StartingPosition::AtTimestamp(timestamp) => Some(seconds(timestamp)),
            _ => None,
        }),
        batch_size: settings.batch_size,
        maximum_batching_window_in_seconds: settings.batching_window,
        parallelization_factor: stream.map(|stream| stream.parallelization_factor),
        event_source_arn: mapping.source.to_string(),
        filter_criteria: (!settings.filters.is_empty()).then(|| FiltersOutput {
            filters: settings
                .filters
                .patterns()
                .map(|pattern| FilterOutput { pattern: pattern.to_owned() })
                .collect(),
        }),
        kms_key_arn: settings.kms_key.clone(),
        metrics_config: (!settings.metrics.is_empty()).then(|| MetricsOutput {
            metrics: settings.metrics.iter().map(|metric| metric.as_str()).collect(),
        }),
        scaling_config: concurrency.map(|maximum_concurrency| ScalingOutput { maximum_concurrency }),
        function_arn: mapping.function.to_string(),
        last_modified: seconds(mapping.last_modified),
        last_processing_result: stream.map(|_| mapping.last_processing_result()),
        state: mapping.state.as_str(),
        state_transition_reason: mapping.state_transition_reason(),
        destination_config: stream.map(|stream| DestinationsOutput {
            on_failure: DestinationOutput {
                destination: stream.on_failure.as_ref().map(ToString::to_string),
            },
        }),
        maximum_record_age_in_seconds: stream.map(|stream| number_or_for_ever(stream.maximum_record_age)),
        bisect_batch_on_function_error: stream.map(|stream| stream.bisect_batch_on_function_error),
        maximum_retry_attempts: stream.map(|stream| number_or_for_ever(stream.maximum_retry_attempts)),
        tumbling_window_in_seconds: stream.map(|stream| stream.tumbling_window),
        function_response_types: if settings.report_batch_item_failures { vec![REPORT] } else { Vec::new() },
        event_source_mapping_arn: mapping.arn(),
    }
}

/// What both CreateEventSourceMapping and UpdateEventSourceMapping may say.
fn change(input: Input, checks: &mut Checks) -> MappingChange {
    if let Some(member) = FOREIGN.iter().find(|member| input.others.get(**member).is_some_and(is_said)) {
        checks.note(InvalidField::new(
            "event_source_arn",
            format!("Unsupported {member} parameter for given event source mapping type."),
        ));
    }
    let destinations = input.destination_config;
    if destinations.as_ref().is_some_and(|config| config.on_success.is_some()) {
        checks.note(InvalidField::new(
            "destination_config",
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    let on_failure = destinations.map(|config| {
        let text = config.on_failure.unwrap_or_default().destination.unwrap_or_default();
        checks.take(Destination::parse(&text, "destinationConfig.onFailure.destination")).flatten()
    });
    let filters = input.filter_criteria.map(|criteria| {
        let filters = criteria.filters.unwrap_or_default();
        let patterns: Vec<String> =
            filters.into_iter().map(|filter| filter.pattern.unwrap_or_default()).collect();
        checks.take(FilterCriteria::try_from(patterns)).unwrap_or_default()
    });
    let types = input.function_response_types;
    for word in types.iter().flatten().filter(|word| *word != REPORT) {
        checks.refuse(
            "functionResponseTypes",
            &format!("[{word}]"),
            "Member must satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures]]",
        );
    }
    let metrics = input.metrics_config.map(|config| {
        let words = config.metrics.unwrap_or_default();
        if words.len() > METRICS_MAX {
            checks.refuse(
                "metricsConfig.metrics",
                &format!("[{}]", words.join(", ")),
                &format!("Member must have length less than or equal to {METRICS_MAX}"),
            );
        }
        words.iter().filter_map(|word| checks.parse::<Metric>(word)).collect()
    });
    let function = checks.optional::<FunctionReference>(input.function_name.as_deref());
    let change = MappingChange {
        function,
        enabled: input.enabled,
        batch_size: input.batch_size,
        batching_window: input.maximum_batching_window_in_seconds,
        filters,
        report_batch_item_failures: types.map(|types| !types.is_empty()),
        maximum_concurrency: input.scaling_config.map(|scaling| scaling.maximum_concurrency),
        parallelization_factor: input.parallelization_factor,
        maximum_record_age: input.maximum_record_age_in_seconds,
        maximum_retry_attempts: input.maximum_retry_attempts,
        bisect_batch_on_function_error: input.bisect_batch_on_function_error,
        tumbling_window: input.tumbling_window_in_seconds,
        on_failure,
        kms_key: input.kms_key_arn,
        metrics,
    };
    for error in change.broken_constraints() {
        checks.note(error);
    }
    change
}

/// Empty lists and objects say nothing.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// CreateEventSourceMapping.
pub(super) async fn create(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut input: Input = call.json()?;
    let mut checks = Checks::default();
    if input.function_name.is_none() {
        checks.missing("functionName");
    }
    let word = input.starting_position.take();
    let position = word.map(|word| StartingPosition::parse(&word, input.starting_position_timestamp));
    let starting_position = position.and_then(|position| checks.take(position));
    let tags = checks.take(Tags::try_from(input.tags.take().unwrap_or_default())).unwrap_or_default();
    let source = input.event_source_arn.take();
    let source: Option<SourceArn> = match source.as_deref() {
        Some(text) => checks.parse(text),
        None if input.others.get("SelfManagedEventSource").is_some_and(is_said) => None,
        None => {
            checks.note(InvalidField::new("event_source_arn", "Unrecognized event source."));
            None
        }
    };
    let change = change(input, &mut checks);
    let source = checks.finish_with(source)?;
    let create = CreateMapping { source, starting_position, tags, change };
    let mapping = lambda.mappings.create(call.identity.account, create).await?;
    json(StatusCode::ACCEPTED, &output(&mapping))
}

/// The mapping of the path.
fn id(call: &Call) -> Result<MappingId, AwsError> {
    const LENGTH: usize = 36;
    let text = call.label("UUID");
    let mut checks = Checks::default();
    let length = text.chars().count();
    if length < LENGTH {
        checks.refuse("uUID", text, &format!("Member must have length greater than or equal to {LENGTH}"));
    } else if length > LENGTH {
        checks.refuse("uUID", text, &format!("Member must have length less than or equal to {LENGTH}"));
    }
    checks.finish()?;
    Ok(text.parse()?)
}

/// GetEventSourceMapping.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mapping = lambda.mappings.get(call.identity.account, id(&call)?)?;
    json(StatusCode::OK, &output(&mapping))
}

/// ListEventSourceMappings.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        event_source_mappings: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let source: Option<SourceArn> = checks.unless_empty(call.parameter("EventSourceArn"));
    let function: Option<FunctionReference> = checks.unless_empty(call.parameter("FunctionName"));
    checks.finish()?;
    let after = call.marker::<MappingId>()?;
    let page = lambda.mappings.list(call.identity.account, source.as_ref(), function.as_ref(), after, limit);
    let event_source_mappings = page.mappings.iter().map(|mapping| output(mapping)).collect();
    json(StatusCode::OK, &Outputs { event_source_mappings, next_marker: page.next.map(|id| id.to_string()) })
}

/// UpdateEventSourceMapping.
pub(super) async fn update(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let id = id(&call)?;
    let mut checks = Checks::default();
    let change = change(input, &mut checks);
    checks.finish()?;
    let mapping = lambda.mappings.update(call.identity.account, id, change).await?;
    json(StatusCode::ACCEPTED, &output(&mapping))
}

/// DeleteEventSourceMapping.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mapping = lambda.mappings.delete(call.identity.account, id(&call)?).await?;
    json(StatusCode::ACCEPTED, &output(&mapping))
}
