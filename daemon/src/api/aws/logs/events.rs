//! Reading events: GetLogEvents and FilterLogEvents.

use serde::{Deserialize, Serialize};

use super::{
    Answer, ApiError, Caller, Code, json,
    wire::{ingestion, limit, message, pattern, required, time},
};
use crate::logs::{Filter, StoredEvent, StreamRange, Streams};

/// The most events of one answer.
const MOST: usize = 10_000;

/// The most streams that one request can name.
const MOST_STREAMS: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamOutput {
    events: Vec<OutputLogEvent>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputLogEvent {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FilterOutput {
    events: Vec<FilteredLogEvent>,
    /// CloudWatch says nothing here any more.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FilteredLogEvent {
    log_stream_name: String,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

impl Caller<'_> {
    pub(super) async fn get_log_events(&self, input: GetLogEvents) -> Result<Answer, ApiError> {
        let group = self.identified(input.log_group_name, input.log_group_identifier)?;
        let stream = required("logStreamName", input.log_stream_name)?;
        let limit = limit(input.limit, MOST)?;
        let range = StreamRange {
            start_ms: input.start_time,
            end_ms: input.end_time,
            from_start: input.start_from_head,
        };
        let token = input.next_token.as_deref();
        let mut page = self.logs.store.stream_events(&group, &stream, range, limit, token).await?;
        page.events.sort_by_key(|event| event.timestamp_ms);
        json(&StreamOutput {
            events: page.events.into_iter().map(output_event).collect(),
            next_forward_token: page.forward_token,
            next_backward_token: page.backward_token,
        })
    }

    pub(super) async fn filter_log_events(&self, input: FilterLogEvents) -> Result<Answer, ApiError> {
        let group = self.identified(input.log_group_name, input.log_group_identifier)?;
        let limit = limit(input.limit, MOST)?;
        let streams =
            streams(input.log_stream_names, input.log_stream_name_prefix.map(|prefix| vec![prefix]))?;
        let filter = Filter {
            start_ms: input.start_time,
            // Here the end belongs to the range, which it does not in GetLogEvents.
            end_ms: input.end_time.map(|end| end.saturating_add(1)),
            streams: streams.clone(),
            request_id: None,
            pattern: pattern(input.filter_pattern.as_deref())?,
        };
        let named = if let Streams::Named(names) = streams { names } else { Vec::new() };
        self.logs.store.require_streams(&group, named).await?;
        let mut page = self.logs.store.read(&group, filter, limit, input.next_token.as_deref()).await?;
        page.events.sort_by_key(|event| event.timestamp_ms);
        json(&FilterOutput {
            events: page.events.into_iter().map(filtered_event).collect(),
            searched_log_streams: [],
            next_token: page.next_page_token,
        })
    }
}

/// The streams that are named or whose beginnings are; not both.
pub(super) fn streams(
    names: Option<Vec<String>>,
    prefixes: Option<Vec<String>>,
) -> Result<Streams, ApiError> {
    let fits = |names: &[String]| (1..=MOST_STREAMS).contains(&names.len());
    match (names, prefixes) {
        (None, None) => Ok(Streams::All),
        (Some(names), None) if fits(&names) => Ok(Streams::Named(names)),
        (None, Some(prefixes)) if fits(&prefixes) => Ok(Streams::Prefixed(prefixes)),
        (Some(_), Some(_)) => Err(Code::InvalidParameter
            .because("streams are given by their names or by what these begin with, not both")),
        _ => {
            Err(Code::InvalidParameter
                .because(format!("give 1 to {MOST_STREAMS} streams, or none to have all")))
        }
    }
}

fn output_event(event: StoredEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: time(event.timestamp_ms),
        ingestion_time: ingestion(&event),
        message: message(event),
    }
}

fn filtered_event(event: StoredEvent) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: event.stream.clone(),
        timestamp: time(event.timestamp_ms),
        ingestion_time: ingestion(&event),
        event_id: event.id(),
        message: message(event),
    }
}
