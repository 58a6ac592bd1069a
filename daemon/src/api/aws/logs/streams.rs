//! Streams: making, listing, deleting.

use serde::{Deserialize, Serialize};

use super::{
    Answer, ApiError, Caller, Code, json, nothing,
    wire::{limit, required, time},
};
use crate::logs::{StreamChoice, StreamInfo, StreamOrder};

/// The most streams of one answer.
const MOST: usize = 50;

/// Of operations that need nothing but a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamNamed {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    #[serde(default)]
    order_by: OrderBy,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
enum OrderBy {
    #[default]
    LogStreamName,
    LastEventTime,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogStreams {
    log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogStream {
    log_stream_name: String,
    creation_time: i64,
    #[serde(flatten)]
    lines: Option<Lines>,
    arn: String,
    /// CloudWatch has said zero since 2019.
    stored_bytes: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lines {
    first_event_timestamp: i64,
    last_event_timestamp: i64,
    last_ingestion_time: i64,
    /// Nobody needs one any more; clients that still send it back may.
    upload_sequence_token: String,
}

impl Caller<'_> {
    pub(super) async fn create_log_stream(&self, input: StreamNamed) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        let stream = required("logStreamName", input.log_stream_name)?;
        self.logs.store.create_stream(&group, &stream).await?;
        Ok(nothing())
    }

    pub(super) async fn delete_log_stream(&self, input: StreamNamed) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        let stream = required("logStreamName", input.log_stream_name)?;
        self.logs.store.delete_stream(&group, &stream).await?;
        Ok(nothing())
    }

    pub(super) async fn describe_log_streams(&self, input: DescribeLogStreams) -> Result<Answer, ApiError> {
        let group = self.identified(input.log_group_name, input.log_group_identifier)?;
        let limit = limit(input.limit, MOST)?;
        let order = match input.order_by {
            OrderBy::LogStreamName => StreamOrder::Name,
            OrderBy::LastEventTime => StreamOrder::LastEvent,
        };
        if order == StreamOrder::LastEvent && input.log_stream_name_prefix.is_some() {
            return Err(
                Code::InvalidParameter.because("Cannot order by LastEventTime with a logStreamNamePrefix.")
            );
        }
        let choice = StreamChoice {
            prefix: input.log_stream_name_prefix.unwrap_or_default(),
            order,
            descending: input.descending,
        };
        let page = self.logs.store.streams(&group, choice, limit, input.next_token.as_deref()).await?;
        let arn = self.arn(&group);
        let log_streams = page.streams.into_iter().map(|stream| log_stream(stream, &arn)).collect();
        json(&LogStreams { log_streams, next_token: page.next_page_token })
    }
}

fn log_stream(stream: StreamInfo, group_arn: &str) -> LogStream {
    LogStream {
        arn: format!("{group_arn}:log-stream:{}", stream.name),
        log_stream_name: stream.name,
        creation_time: time(stream.created_ms),
        lines: stream.lines.map(|lines| Lines {
            first_event_timestamp: time(lines.first_ms),
            last_event_timestamp: time(lines.last_ms),
            last_ingestion_time: time(lines.ingested_ms),
            upload_sequence_token: format!("{:056}", time(lines.ingested_ms)),
        }),
        stored_bytes: 0,
    }
}
