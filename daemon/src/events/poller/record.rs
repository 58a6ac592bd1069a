//! A record on its way from a source to a function.

use serde_json::Value;
use time::OffsetDateTime;

use crate::invoke::TraceHeader;

/// A record of a stream, or a message of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// What the source knows it by, and what a function names it by that tells which records failed.
    pub(crate) id: String,
    /// As the function sees it.
    pub(crate) event: Value,
    /// As filters see it. Where there are none it may be null.
    pub(crate) seen: Value,
    /// When it came to the source, as far as that is known.
    pub(crate) arrived: Option<OffsetDateTime>,
    /// Bytes of the event as JSON.
    pub(crate) size: usize,
}

impl Record {
    pub(crate) fn new(id: String, event: Value, seen: Value, arrived: Option<OffsetDateTime>) -> Self {
        let size = event.to_string().len();
        Self { id, event, seen, arrived, size }
    }

    /// The chain of invocations that a message of a queue belongs to, if its sender said.
    pub(crate) fn trace(&self) -> Option<TraceHeader> {
        self.event["attributes"]["AWSTraceHeader"].as_str().map(TraceHeader::read)
    }
}
