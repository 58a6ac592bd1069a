//! Events that somebody sends, instead of a function printing them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    GroupKey, LogError, LogStore, MESSAGE_MAX_BYTES, StreamState, groups::has_stream, run_blocking,
    writer::Job,
};

/// CloudWatch's limit for the events of one request.
const PUT_MAX_EVENTS: usize = 10_000;

/// CloudWatch's limit for their messages, each with [`EVENT_OVERHEAD_BYTES`].
const PUT_MAX_BYTES: usize = 1024 * 1024;

/// What CloudWatch counts for an event besides its message.
const EVENT_OVERHEAD_BYTES: usize = 26;

/// Older events than this are not taken.
const OLDEST: Duration = Duration::from_secs(14 * 86_400);

/// Events further in the future than this are not taken.
const NEWEST: Duration = Duration::from_secs(2 * 3600);

/// The longest time between the first and the last event of one request.
const SPAN: Duration = Duration::from_secs(86_400);

/// An event that somebody sends.
#[derive(Clone, Debug)]
pub struct PutEvent {
    /// When it happened, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// What happened.
    pub message: String,
}

/// Which events of a request were not taken. They are in order, so each says a part at its start or its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// This one and those after it are too far in the future.
    pub too_new_from: Option<usize>,
    /// Those before this one are too old.
    pub too_old_before: Option<usize>,
    /// Those before this one are older than what the group keeps.
    pub expired_before: Option<usize>,
}

/// Why none of a request's events is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// There is none, or too many.
    #[error("a request has 1 to {PUT_MAX_EVENTS} log events; this one has {0}")]
    Count(usize),
    /// Together they are too large.
    #[error("Upload too large: {0} bytes exceeds limit of {PUT_MAX_BYTES}")]
    TooLarge(usize),
    /// One is too large, or has no message.
    #[error("Log event too large: {0} bytes exceeds limit of {MESSAGE_MAX_BYTES}")]
    EventTooLarge(usize),
    /// One has no message.
    #[error("a log event has a message of one character at least")]
    NoMessage,
    /// One is older than the one before it.
    #[error("Log events in a single PutLogEvents request must be in chronological order.")]
    Order,
    /// They are too far apart.
    #[error("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")]
    Span,
}

impl LogStore {
    /// Stores events in a stream that exists, and returns when they can be read. As of all lines, a power cut may take
    /// the newest.
    ///
    /// # Errors
    /// The events are not ones that CloudWatch takes, group or stream does not exist, or the disk does not take them.
    pub async fn put(
        &self,
        key: &GroupKey,
        stream: &str,
        events: Vec<PutEvent>,
    ) -> Result<Rejected, LogError> {
        check(&events)?;
        let group = self.group(key)?;
        let name = stream.to_owned();
        let known = {
            let group = group.clone();
            run_blocking(move || has_stream(&group, &name)).await?
        };
        if !known {
            return Err(LogError::StreamMissing(stream.to_owned()));
        }
        let retention = group.file().and_then(|file| file.retention);
        let kept = retention.map_or(self.0.state.settings.retention, |retention| retention.duration());
        let (rejected, events) = sort_out(events, self.0.state.clock.now_millis(), kept);
        if events.is_empty() {
            return Ok(rejected);
        }
        // A megabyte each waits for the disk, so only a few may.
        let _turn = self.0.puts.acquire().await.map_err(|_| LogError::Stopped)?;
        let stream = Arc::new(StreamState {
            group,
            name: stream.into(),
            queued: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        });
        let (reply, answer) = oneshot::channel();
        self.0.jobs.send(Job::Put { stream, events, reply }).map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)??;
        Ok(rejected)
    }
}

fn check(events: &[PutEvent]) -> Result<(), PutError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(PutError::Count(0)) };
    if events.len() > PUT_MAX_EVENTS {
        return Err(PutError::Count(events.len()));
    }
    for event in events {
        match event.message.len() {
            0 => return Err(PutError::NoMessage),
            length if length > MESSAGE_MAX_BYTES => return Err(PutError::EventTooLarge(length)),
            _ => {}
        }
    }
    let bytes = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > PUT_MAX_BYTES {
        return Err(PutError::TooLarge(bytes));
    }
    if !events.is_sorted_by_key(|event| event.timestamp_ms) {
        return Err(PutError::Order);
    }
    if last.timestamp_ms.saturating_sub(first.timestamp_ms) > millis(SPAN) {
        return Err(PutError::Span);
    }
    Ok(())
}

/// The events that are taken at `now_ms` by a group that keeps them for `kept`, and which are not.
fn sort_out(mut events: Vec<PutEvent>, now_ms: i64, kept: Duration) -> (Rejected, Vec<PutEvent>) {
    let before = |age: Duration| {
        let oldest = now_ms.saturating_sub(millis(age));
        events.partition_point(|event| event.timestamp_ms < oldest)
    };
    let (too_old, expired) = (before(OLDEST), before(kept));
    let newest = now_ms.saturating_add(millis(NEWEST));
    let too_new = events.partition_point(|event| event.timestamp_ms <= newest);
    let rejected = Rejected {
        too_new_from: (too_new < events.len()).then_some(too_new),
        too_old_before: (too_old > 0).then_some(too_old),
        expired_before: (expired > too_old).then_some(expired),
    };
    events.truncate(too_new);
    events.drain(..too_old.max(expired).min(events.len()));
    (rejected, events)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
