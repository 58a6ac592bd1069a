//! `thaw event-source`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use serde_json::{Value, json};
use thaw_proto::v1::{
    CreateEventSourceRequest, DeleteEventSourceRequest, EventSource, EventSourceSettings,
    GetEventSourceRequest, ListEventSourcesRequest, UpdateEventSourceRequest,
};

use super::attributes::{self, TagChanges};
use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, function_of},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let a queue or stream feed a function.
    #[command(after_help = "Examples:\n  \
        thaw event-source create thumbnail arn:aws:sqs:us-east-1:000000000000:uploads\n  \
        thaw event-source create totals arn:aws:redis:us-east-1:000000000000:stream/orders --from trim-horizon \\\n      \
        --filter '{\"data\": {\"kind\": [\"order\"]}}' --bisect --retries 3\n  \
        thaw event-source create clicks arn:aws:kinesis:us-east-1:000000000000:stream/clicks \\\n      \
        --from 2026-01-31T08:00:00Z --parallel 4\n\n\
        Sources:\n  arn:aws:sqs:REGION:ACCOUNT:QUEUE\n  arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM\n  \
        arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/LABEL\n  arn:aws:redis:REGION:ACCOUNT:stream/KEY\n  \
        arn:aws:nats:REGION:ACCOUNT:stream/STREAM")]
    Create {
        /// The function's name or ARN; with a version or alias, that.
        function: String,
        /// The source's ARN.
        source: String,
        /// Where in a stream to begin: trim-horizon, latest, or a time like 2026-01-31T08:00:00Z.
        #[arg(long, value_name = "POSITION")]
        from: Option<Position>,
        /// Do not begin to read yet.
        #[arg(long)]
        disabled: bool,
        /// A tag; may be given several times.
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::function::variable)]
        tags: Vec<(String, String)>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show mappings.
    List {
        /// Only those of this function.
        #[arg(long, default_value = "", hide_default_value = true)]
        function: String,
        /// Only those of the source with this ARN.
        #[arg(long, default_value = "", hide_default_value = true)]
        source: String,
    },
    /// Show one mapping.
    Get {
        /// Its UUID.
        uuid: String,
    },
    /// Change a mapping. A batch that is under way ends as it began.
    Update {
        /// Its UUID.
        uuid: String,
        /// Another function to call.
        #[arg(long, default_value = "", hide_default_value = true)]
        function: String,
        /// Read again.
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Stop reading. What is not read stays in the source.
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show a mapping's tags, and change them.
    Tags {
        /// Its UUID.
        uuid: String,
        #[command(flatten)]
        changes: TagChanges,
    },
    /// Delete a mapping. What is not read stays in the source.
    Delete {
        /// Its UUID.
        uuid: String,
    },
}

/// Where in a stream to begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Position {
    TrimHorizon,
    Latest,
    At(Timestamp),
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trim-horizon" => Ok(Self::TrimHorizon),
            "latest" => Ok(Self::Latest),
            time => time.parse().map(Self::At).map_err(|_| {
                "it is trim-horizon, latest or a time with its zone, like 2026-01-31T08:00:00Z".to_owned()
            }),
        }
    }
}

impl Position {
    /// Lambda's word for it, and the time that goes with it.
    fn into_wire(self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::TrimHorizon => ("TRIM_HORIZON", None),
            Self::Latest => ("LATEST", None),
            Self::At(time) => ("AT_TIMESTAMP", Some(time)),
        }
    }
}

/// What can be set of a mapping.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// Records of a call, at most.
    #[arg(long, value_name = "RECORDS")]
    batch_size: Option<i64>,
    /// How long a batch is gathered, at most, in seconds.
    #[arg(long, value_name = "SECONDS")]
    window: Option<i64>,
    /// An EventBridge pattern; with several, records that match any of them are meant.
    #[arg(long, value_name = "PATTERN", conflicts_with = "no_filter")]
    filter: Vec<String>,
    /// Mean every record.
    #[arg(long)]
    no_filter: bool,
    /// Whether the function tells which records of a batch failed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    report_failures: Option<bool>,
    /// Queues: calls that run at once, at most; 0 for as many as it likes.
    #[arg(long, value_name = "CALLS")]
    concurrency: Option<i64>,
    /// Streams: batches of a shard that run at once.
    #[arg(long, value_name = "BATCHES")]
    parallel: Option<i64>,
    /// Streams: seconds after which a record is given up; -1 for never.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    max_age: Option<i64>,
    /// Streams: how often a batch is tried again before it is given up; -1 for ever.
    #[arg(long, value_name = "TIMES", allow_negative_numbers = true)]
    retries: Option<i64>,
    /// Streams: whether a batch that failed is tried again in halves.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    bisect: Option<bool>,
    /// Streams: seconds of a tumbling window; 0 for none.
    #[arg(long, value_name = "SECONDS")]
    tumbling: Option<i64>,
    /// Streams: ARN that is told of batches that were given up; empty for nobody.
    #[arg(long, value_name = "ARN")]
    on_failure: Option<String>,
}

impl Settings {
    fn into_wire(self, enabled: Option<bool>) -> EventSourceSettings {
        EventSourceSettings {
            enabled,
            batch_size: self.batch_size,
            maximum_batching_window: self.window,
            set_filters: self.no_filter || !self.filter.is_empty(),
            filters: self.filter,
            report_batch_item_failures: self.report_failures,
            maximum_concurrency: self.concurrency,
            parallelization_factor: self.parallel,
            maximum_record_age: self.max_age,
            maximum_retry_attempts: self.retries,
            bisect_batch_on_function_error: self.bisect,
            tumbling_window: self.tumbling,
            on_failure: self.on_failure,
        }
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut sources = client.event_sources().await?;
    match command {
        Command::Create { function, source, from, disabled, tags, settings } => {
            let (starting_position, starting_position_timestamp) =
                from.map(Position::into_wire).unwrap_or_default();
            let request = CreateEventSourceRequest {
                function_name: function,
                event_source_arn: source,
                settings: Some(settings.into_wire(disabled.then_some(false))),
                starting_position: starting_position.to_owned(),
                starting_position_timestamp,
                tags: tags.into_iter().collect(),
            };
            show(sources.create_event_source(request).await?.into_inner().event_source, ui)
        }
        Command::List { function, source } => {
            let mut found = Vec::new();
            let mut page_token = String::new();
            loop {
                let request = ListEventSourcesRequest {
                    function_name: function.clone(),
                    event_source_arn: source.clone(),
                    page_size: 0,
                    page_token,
                };
                let page = sources.list_event_sources(request).await?.into_inner();
                found.extend(page.event_sources);
                if page.next_page_token.is_empty() {
                    break;
                }
                page_token = page.next_page_token;
            }
            list(found, ui)
        }
        Command::Get { uuid } => show(
            sources.get_event_source(GetEventSourceRequest { uuid }).await?.into_inner().event_source,
            ui,
        ),
        Command::Update { uuid, function, enable, disable, settings } => {
            let enabled = (enable || disable).then_some(enable);
            let request = UpdateEventSourceRequest {
                uuid,
                function_name: function,
                settings: Some(settings.into_wire(enabled)),
            };
            show(sources.update_event_source(request).await?.into_inner().event_source, ui)
        }
        Command::Tags { uuid, changes } => {
            let request = GetEventSourceRequest { uuid };
            let source = sources.get_event_source(request).await?.into_inner().event_source;
            attributes::tags_of(source.unwrap_or_default().arn, changes, client, ui).await
        }
        Command::Delete { uuid } => {
            let request = DeleteEventSourceRequest { uuid: uuid.clone() };
            let source = sources.delete_event_source(request).await?.into_inner().event_source;
            if ui.is_json() {
                ui.json(&as_json(&source.unwrap_or_default()))
            } else {
                ui.line(&format!("deleted {uuid}"))
            }
        }
    }
}

fn list(sources: Vec<EventSource>, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "EventSourceMappings": sources.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if sources.is_empty() {
        ui.note("there are no event source mappings; see `thaw event-source create --help`");
        return Ok(());
    }
    let rows = sources
        .into_iter()
        .map(|source| {
            vec![
                source.uuid,
                source.event_source_arn,
                function_of(&source.function_arn).to_owned(),
                source.state,
            ]
        })
        .collect();
    ui.table(&["uuid", "source", "function", "state"], rows)
}

fn show(source: Option<EventSource>, ui: &Ui) -> Result<(), Failure> {
    let source = source.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&source));
    }
    let settings = source.settings.unwrap_or_default();
    let mut pairs = vec![
        ("uuid", source.uuid),
        ("source", source.event_source_arn),
        ("function", function_of(&source.function_arn).to_owned()),
        ("state", source.state),
        ("batch", format!("{} records", settings.batch_size.unwrap_or_default())),
    ];
    let seconds = |seconds: i64| if seconds < 0 { "for ever".to_owned() } else { format!("{seconds} s") };
    if let Some(window) = settings.maximum_batching_window.filter(|window| *window > 0) {
        pairs.push(("window", seconds(window)));
    }
    for filter in settings.filters {
        pairs.push(("filter", filter));
    }
    if !source.starting_position.is_empty() {
        pairs.push(("from", source.starting_position));
    }
    if let Some(most) = settings.maximum_concurrency.filter(|most| *most > 0) {
        pairs.push(("concurrency", most.to_string()));
    }
    if let Some(parallel) = settings.parallelization_factor.filter(|parallel| *parallel > 1) {
        pairs.push(("parallel", parallel.to_string()));
    }
    if let Some(retries) = settings.maximum_retry_attempts {
        pairs.push(("retries", if retries < 0 { "for ever".to_owned() } else { retries.to_string() }));
    }
    if let Some(age) = settings.maximum_record_age.filter(|age| *age >= 0) {
        pairs.push(("max age", seconds(age)));
    }
    if settings.bisect_batch_on_function_error == Some(true) {
        pairs.push(("bisect", "yes".to_owned()));
    }
    if settings.report_batch_item_failures == Some(true) {
        pairs.push(("reports failures", "yes".to_owned()));
    }
    if let Some(window) = settings.tumbling_window.filter(|window| *window > 0) {
        pairs.push(("tumbling", seconds(window)));
    }
    if let Some(arn) = settings.on_failure.filter(|arn| !arn.is_empty()) {
        pairs.push(("on failure", arn));
    }
    if !source.last_processing_result.is_empty() {
        pairs.push(("last result", source.last_processing_result));
    }
    ui.list(&pairs)
}

/// Lambda's EventSourceMappingConfiguration.
fn as_json(source: &EventSource) -> Value {
    let settings = source.settings.clone().unwrap_or_default();
    let mut object = json!({
        "UUID": source.uuid,
        "EventSourceMappingArn": source.arn,
        "EventSourceArn": source.event_source_arn,
        "FunctionArn": source.function_arn,
        "State": source.state,
        "BatchSize": settings.batch_size,
        "MaximumBatchingWindowInSeconds": settings.maximum_batching_window,
        "FunctionResponseTypes": match settings.report_batch_item_failures {
            Some(true) => vec!["ReportBatchItemFailures"],
            _ => Vec::new(),
        },
        "LastProcessingResult": source.last_processing_result,
    });
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            object[member] = value;
        }
    };
    let filters: Vec<Value> = settings.filters.iter().map(|pattern| json!({ "Pattern": pattern })).collect();
    set("FilterCriteria", (!filters.is_empty()).then(|| json!({ "Filters": filters })));
    set("StartingPosition", (!source.starting_position.is_empty()).then(|| json!(source.starting_position)));
    let concurrency = settings.maximum_concurrency.filter(|most| *most > 0);
    set("ScalingConfig", concurrency.map(|most| json!({ "MaximumConcurrency": most })));
    set("ParallelizationFactor", settings.parallelization_factor.map(Value::from));
    set("MaximumRecordAgeInSeconds", settings.maximum_record_age.map(Value::from));
    set("MaximumRetryAttempts", settings.maximum_retry_attempts.map(Value::from));
    set("BisectBatchOnFunctionError", settings.bisect_batch_on_function_error.map(Value::from));
    set("TumblingWindowInSeconds", settings.tumbling_window.map(Value::from));
    let on_failure = settings.on_failure.filter(|arn| !arn.is_empty());
    set("DestinationConfig", on_failure.map(|arn| json!({ "OnFailure": { "Destination": arn } })));
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_word_or_a_time() {
        assert_eq!("latest".parse(), Ok(Position::Latest));
        assert_eq!("trim-horizon".parse(), Ok(Position::TrimHorizon));
        let Ok(Position::At(time)) = "2026-01-31T08:00:00+01:00".parse() else { panic!("a time") };
        assert_eq!(time.seconds, 1_769_842_800);
        assert!("yesterday".parse::<Position>().is_err());
    }
}
