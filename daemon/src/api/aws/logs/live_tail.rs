//! StartLiveTail: new events as they come, once a second.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use uuid::Uuid;

use super::{
    super::event_stream,
    Answer, ApiError, Caller, Code,
    events::streams,
    wire::{ingestion, message, pattern, required, time},
};
use crate::logs::{Filter, FollowItem, LogError, Streams};

/// CloudWatch's limit for the groups of one session.
const MOST_GROUPS: usize = 10;

/// CloudWatch's limit for the sessions of an account.
pub(super) const MOST_SESSIONS: usize = 15;

/// How often events are sent.
const EVERY: Duration = Duration::from_secs(1);

/// Events of one message; more of a second are left out, and the message says so.
const MOST_EVENTS: usize = 500;

/// Bytes of messages of one message, which together with the last one stays far below the 24 MB that clients take.
const MOST_BYTES: usize = 1024 * 1024;

/// What the messages' payloads are.
const JSON: &str = "application/json";

/// When CloudWatch ends a session.
const LONGEST: Duration = Duration::from_secs(3 * 3600);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartLiveTail {
    log_group_identifiers: Option<Vec<String>>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefixes: Option<Vec<String>>,
    log_event_filter_pattern: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionStart {
    request_id: String,
    session_id: String,
    log_group_identifiers: Vec<String>,
    log_stream_names: Vec<String>,
    log_stream_name_prefixes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_event_filter_pattern: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionUpdate {
    session_metadata: SessionMetadata,
    session_results: Vec<SessionLogEvent>,
}

#[derive(Debug, Serialize)]
struct SessionMetadata {
    sampled: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionLogEvent {
    log_stream_name: String,
    log_group_identifier: String,
    message: String,
    timestamp: i64,
    ingestion_time: i64,
}

/// What is new in one group, whose identifier comes with it.
type News = BoxStream<'static, (String, Result<FollowItem, LogError>)>;

/// A session that is under way.
struct Session {
    news: SelectAll<News>,
    tick: Interval,
    until: Instant,
    /// Its place among [`MOST_SESSIONS`].
    _place: OwnedSemaphorePermit,
}

/// Why a session ends.
enum End {
    /// It took as long as it may.
    Timeout,
    /// Its events can't be read any more.
    Broken(LogError),
}

impl Caller<'_> {
    pub(super) async fn start_live_tail(&self, input: StartLiveTail) -> Result<Answer, ApiError> {
        let identifiers = required("logGroupIdentifiers", input.log_group_identifiers)?;
        if !(1..=MOST_GROUPS).contains(&identifiers.len()) {
            return Err(
                Code::InvalidParameter.because(format!("logGroupIdentifiers: give 1 to {MOST_GROUPS}"))
            );
        }
        let (names, prefixes) = (input.log_stream_names, input.log_stream_name_prefixes);
        let chosen = streams(names.clone(), prefixes.clone())?;
        if identifiers.len() > 1 && !matches!(chosen, Streams::All) {
            return Err(Code::InvalidParameter.because("streams can be chosen where one log group is given"));
        }
        let pattern_text = input.log_event_filter_pattern;
        let filter =
            Filter { streams: chosen, pattern: pattern(pattern_text.as_deref())?, ..Filter::default() };
        let mut news = SelectAll::new();
        for identifier in &identifiers {
            let group = self.group_of(identifier)?;
            self.logs.store.group_info(&group)?;
            // Without the colon and asterisk, as CloudWatch names groups here.
            let arn = self.arn(&group);
            let items = self.logs.store.follow(&group, filter.clone());
            news.push(items.map(move |item| (arn.clone(), item)).boxed());
        }
        let place = self.logs.sessions.clone().try_acquire_owned().map_err(|_| {
            Code::LimitExceeded
                .because(format!("there are {MOST_SESSIONS} live tails already; end one first"))
        })?;
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let session = Session { news, tick, until: Instant::now() + LONGEST, _place: place };
        let start = SessionStart {
            request_id: Uuid::new_v4().to_string(),
            session_id: Uuid::new_v4().to_string(),
            log_group_identifiers: identifiers,
            log_stream_names: names.unwrap_or_default(),
            log_stream_name_prefixes: prefixes.unwrap_or_default(),
            log_event_filter_pattern: pattern_text,
        };
        // Clients of a protocol that is not REST want the answer itself first, which has nothing beside the stream.
        let first = [event_stream::event("initial-response", JSON, b"{}"), encoded("sessionStart", &start)?];
        let messages = stream::iter(first).chain(session.messages());
        Ok(Answer::Events(messages.take_until(self.logs.stop.clone().cancelled_owned()).boxed()))
    }
}

impl Session {
    fn messages(self) -> impl futures_util::Stream<Item = Bytes> + Send {
        stream::unfold(Some(self), |session| async {
            let mut session = session?;
            match session.update().await {
                Ok(Some(message)) => Some((message, Some(session))),
                Ok(None) => None,
                Err(end) => Some((end.message(), None)),
            }
        })
    }

    /// What comes until the next tick; `None` if nothing will any more.
    async fn update(&mut self) -> Result<Option<Bytes>, End> {
        let mut update = SessionUpdate {
            session_metadata: SessionMetadata { sampled: false },
            session_results: Vec::new(),
        };
        let mut bytes = 0;
        loop {
            tokio::select! {
                biased;
                now = self.tick.tick() => {
                    if now >= self.until {
                        return Err(End::Timeout);
                    }
                    let message = encoded("sessionUpdate", &update);
                    return message.map(Some).map_err(|_| End::Broken(LogError::Stopped));
                }
                news = self.news.next() => {
                    let Some((group, item)) = news else { return Ok(None) };
                    let item = item.map_err(End::Broken)?;
                    update.session_metadata.sampled |= item.skipped > 0;
                    for event in item.events {
                        if update.session_results.len() >= MOST_EVENTS || bytes >= MOST_BYTES {
                            update.session_metadata.sampled = true;
                            break;
                        }
                        bytes += event.message.len();
                        update.session_results.push(SessionLogEvent {
                            log_stream_name: event.stream.clone(),
                            log_group_identifier: group.clone(),
                            timestamp: time(event.timestamp_ms),
                            ingestion_time: ingestion(&event),
                            message: message(event),
                        });
                    }
                }
            }
        }
    }
}

impl End {
    fn message(&self) -> Bytes {
        let (name, message) = match self {
            Self::Timeout => {
                ("SessionTimeoutException", "the session has lasted as long as one may".to_owned())
            }
            Self::Broken(error) => ("SessionStreamingException", error.to_string()),
        };
        event_stream::exception(name, JSON, json!({ "message": message }).to_string().as_bytes())
    }
}

fn encoded(name: &str, event: &impl Serialize) -> Result<Bytes, ApiError> {
    let json = serde_json::to_vec(event).map_err(|error| Code::Internal.because(error.to_string()))?;
    Ok(event_stream::event(name, JSON, &json))
}
