//! What the store keeps of events, and under which keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    books::{LaneName, Place},
    payload::Payload,
};
use crate::{
    functions::FunctionArn,
    invoke::{ClientContext, destinations::Delivery, trace::TraceHeader},
    store::Record,
};

/// An event that waits for its function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedEvent {
    /// The invocation's id: the same at every attempt, as on Lambda.
    pub id: String,
    /// As it was called, with its version or alias.
    pub function: FunctionArn,
    pub(crate) payload: Payload,
    pub(crate) client_context: Option<ClientContext>,
    /// The chain of invocations that it belongs to. What was accepted by an earlier daemon has none, and begins one.
    #[serde(default)]
    pub(crate) trace: TraceHeader,
    /// In milliseconds of the queue's clock.
    pub accepted_at: i64,
    /// How often the function ran and failed.
    pub failures: u32,
    /// How often, since then, it could not be run.
    pub setbacks: u32,
    /// What went wrong last.
    pub last_error: Option<LastError>,
}

/// What went wrong with an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The error's name.
    pub error_type: String,
    /// What it said; its beginning, if it is long.
    pub message: String,
}

impl LastError {
    /// The most bytes of a message that are kept.
    const LONGEST: usize = 1_024;

    /// Shortens what is too long.
    pub(crate) fn new(error_type: impl Into<String>, message: &str) -> Self {
        let error_type = error_type.into();
        Self {
            // A name that a function made up may be long, too.
            error_type: beginning(&error_type, Self::LONGEST).to_owned(),
            message: beginning(message, Self::LONGEST).to_owned(),
        }
    }
}

/// As much of a text as fits into so many bytes.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl QueuedEvent {
    /// The lane that it waits in.
    pub(super) fn lane(&self) -> LaneName {
        lane_of(&self.function)
    }
}

impl Delivery {
    /// What it is known by in its lane: an event may have several results.
    pub(super) fn place_id(&self) -> Arc<str> {
        format!("{}.{}", self.id, self.purpose.as_str()).into()
    }
}

/// An event that was given up and that nobody wanted to be told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadEvent {
    /// What it was.
    pub event: QueuedEvent,
    /// Why it was given up.
    pub condition: Condition,
    /// When, in milliseconds of the queue's clock.
    pub died_at: i64,
}

/// A result that its destination did not take for as long as it may wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadResult {
    /// What it was.
    pub delivery: Delivery,
    /// When it was given up, in milliseconds of the queue's clock.
    pub died_at: i64,
}

/// How an event ended. The words are Lambda's, in the records that it sends to destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The function took it.
    Success,
    /// The function failed as often as it may.
    RetriesExhausted,
    /// It became too old.
    EventAgeExceeded,
    /// There is no such function any more.
    FunctionDeleted,
    /// The function called itself in a loop. Lambda's documentation has no word for it.
    RecursiveInvocation,
}

impl Condition {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::FunctionDeleted => "FunctionDeleted",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// Something that waits in a lane, under `ACCOUNT/FUNCTION/DUE/ID`.
pub(super) trait Waiting: Record + Clone {
    /// What it takes of the queue's room, in bytes.
    fn bytes(&self) -> u64;
}

/// What a record takes beside its payload.
pub(super) const OVERHEAD: u64 = 512;

impl Record for QueuedEvent {
    const TREE: &'static str = "events_waiting";
    const SCHEMA_VERSION: u16 = 1;
}

impl Waiting for QueuedEvent {
    fn bytes(&self) -> u64 {
        OVERHEAD + self.trace.len() as u64 + self.payload.len()
    }
}

impl Record for Delivery {
    const TREE: &'static str = "events_results";
    const SCHEMA_VERSION: u16 = 1;
}

impl Waiting for Delivery {
    fn bytes(&self) -> u64 {
        OVERHEAD + self.body.len()
    }
}

/// Under `ACCOUNT/FUNCTION/DIED/ID`.
impl Record for DeadEvent {
    const TREE: &'static str = "events_dead";
    const SCHEMA_VERSION: u16 = 1;
}

impl Waiting for DeadEvent {
    fn bytes(&self) -> u64 {
        self.event.bytes()
    }
}

/// As a dead event.
impl Record for DeadResult {
    const TREE: &'static str = "events_dead_results";
    const SCHEMA_VERSION: u16 = 1;
}

impl Waiting for DeadResult {
    fn bytes(&self) -> u64 {
        self.delivery.bytes()
    }
}

pub(super) fn lane_of(function: &FunctionArn) -> LaneName {
    format!("{}/{}", function.account, function.name).into()
}

/// The key of an item. Times are written so that keys are ordered as they are; times before 1970 are as 1970.
pub(super) fn key(lane: &str, place: &Place) -> String {
    format!("{lane}/{:016x}/{}", place.due.max(0), place.id)
}

/// The lane and the place in a key; `None` if this program did not write it.
pub(super) fn parse_key(key: &str) -> Option<(&str, Place)> {
    let (rest, id) = key.rsplit_once('/')?;
    let (lane, due) = rest.rsplit_once('/')?;
    let due = i64::from_str_radix(due, 16).ok()?;
    Some((lane, Place { due, id: id.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written_and_ordered_by_time() {
        let place = |due| Place { due, id: "0d5bd5a1-ce19-4bdd-8f31-4d0a4d1f7d1e".into() };
        let keys: Vec<String> = [0, 9, 10, 1_790_000_000_000]
            .map(|due| {
                let key = key("000000000000/f", &place(due));
                assert_eq!(parse_key(&key), Some(("000000000000/f", place(due))));
                key
            })
            .into();
        assert!(keys.is_sorted());
        assert_eq!(parse_key("f"), None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = LastError::new("E", &"ü".repeat(1_000));
        assert_eq!(error.message.len(), 1_024);
        assert_eq!(beginning("aü", 2), "a");
    }
}
