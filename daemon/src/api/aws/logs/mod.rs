//! CloudWatch Logs, of 2014-03-28: the operations on stored logs, in AWS's JSON 1.1.
//!
//! A request is a POST of JSON whose `X-Amz-Target` names the operation. One file a family of operations; `error` is the
//! one place that names errors, `wire` has what several operations write the same way.

mod answer;
mod error;
mod events;
mod groups;
mod live_tail;
mod put;
mod streams;
mod tags;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(super) use self::answer::{BODY_LIMIT, is_for_logs, refused};
use self::error::{ApiError, Code};
use crate::{clock::SharedClock, functions::Region, identity::AccountId, logs::LogStore};

/// The service.
#[derive(Clone, Debug)]
pub(in crate::api::aws) struct Logs {
    store: LogStore,
    region: Region,
    clock: SharedClock,
    /// Places of live tails.
    sessions: Arc<Semaphore>,
    /// Ends live tails when the daemon ends.
    stop: CancellationToken,
}

/// What an operation answers.
enum Answer {
    /// A JSON document; empty where an operation has nothing to say.
    Json(Vec<u8>),
    /// Messages of AWS's event stream.
    Events(BoxStream<'static, Bytes>),
}

impl Logs {
    /// The service on these logs. Its live tails end with `stop`.
    pub(in crate::api::aws) fn new(
        store: LogStore,
        region: Region,
        clock: SharedClock,
        stop: CancellationToken,
    ) -> Self {
        Self { store, region, clock, sessions: Arc::new(Semaphore::new(live_tail::MOST_SESSIONS)), stop }
    }

    async fn handle(&self, account: AccountId, operation: &str, body: &[u8]) -> Result<Answer, ApiError> {
        let caller = Caller { logs: self, account };
        match operation {
            "CreateLogGroup" => caller.create_log_group(input(body)?).await,
            "DeleteLogGroup" => caller.delete_log_group(input(body)?).await,
            "DescribeLogGroups" => caller.describe_log_groups(input(body)?),
            "PutRetentionPolicy" => caller.put_retention_policy(input(body)?).await,
            "DeleteRetentionPolicy" => caller.delete_retention_policy(input(body)?).await,
            "TagResource" => caller.tag_resource(input(body)?).await,
            "UntagResource" => caller.untag_resource(input(body)?).await,
            "ListTagsForResource" => caller.list_tags_for_resource(input(body)?),
            "TagLogGroup" => caller.tag_log_group(input(body)?).await,
            "UntagLogGroup" => caller.untag_log_group(input(body)?).await,
            "ListTagsLogGroup" => caller.list_tags_log_group(input(body)?),
            "CreateLogStream" => caller.create_log_stream(input(body)?).await,
            "DeleteLogStream" => caller.delete_log_stream(input(body)?).await,
            "DescribeLogStreams" => caller.describe_log_streams(input(body)?).await,
            "PutLogEvents" => caller.put_log_events(input(body)?).await,
            "GetLogEvents" => caller.get_log_events(input(body)?).await,
            "FilterLogEvents" => caller.filter_log_events(input(body)?).await,
            "StartLiveTail" => caller.start_live_tail(input(body)?).await,
            _ => Err(Code::UnknownOperation.because(format!("there is no operation {operation} here"))),
        }
    }
}

/// Whose request it is.
struct Caller<'a> {
    logs: &'a Logs,
    account: AccountId,
}

/// What a request says. AWS passes over members that it does not know.
fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Code::Serialization.because(error.to_string()))
}

fn json(output: &impl Serialize) -> Result<Answer, ApiError> {
    serde_json::to_vec(output).map(Answer::Json).map_err(|error| Code::Internal.because(error.to_string()))
}

/// The answer of operations that have nothing to say.
fn nothing() -> Answer {
    Answer::Json(Vec::new())
}
