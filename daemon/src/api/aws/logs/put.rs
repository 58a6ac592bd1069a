//! PutLogEvents.

use serde::{Deserialize, Serialize};

use super::{Answer, ApiError, Caller, json, wire::required};
use crate::logs::PutEvent;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutLogEvents {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    log_events: Option<Vec<InputLogEvent>>,
}

#[derive(Debug, Deserialize)]
struct InputLogEvent {
    timestamp: Option<i64>,
    message: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    next_sequence_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_log_events_info: Option<RejectedLogEventsInfo>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedLogEventsInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
}

impl Caller<'_> {
    pub(super) async fn put_log_events(&self, input: PutLogEvents) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        let stream = required("logStreamName", input.log_stream_name)?;
        let events = required("logEvents", input.log_events)?;
        let events = events.into_iter().map(event).collect::<Result<_, _>>()?;
        let rejected = self.logs.store.put(&group, &stream, events).await?;
        let info = RejectedLogEventsInfo {
            too_new_log_event_start_index: rejected.too_new_from,
            too_old_log_event_end_index: rejected.too_old_before,
            expired_log_event_end_index: rejected.expired_before,
        };
        json(&Output {
            next_sequence_token: format!("{:056}", self.logs.clock.now_millis()),
            rejected_log_events_info: (rejected != Default::default()).then_some(info),
        })
    }
}

fn event(event: InputLogEvent) -> Result<PutEvent, ApiError> {
    Ok(PutEvent {
        timestamp_ms: required("timestamp", event.timestamp)?,
        message: required("message", event.message)?,
    })
}
