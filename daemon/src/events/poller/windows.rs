//! Tumbling windows: which records of a shard are aggregated together, and the state that the function carries from one call
//! to the next.
//!
//! ```text
//! none -> a record -> open, state {} -> an answer -> open, its state -> ...
//!   ^                                     |
//!   |     a record of a later time, the time is over, the shard is through, or the state is too large
//!   \------------------------------- the last call
//! ```
//!
//! Windows follow one another and begin at multiples of their length since 1970. A record is in the window of the time when it
//! came to the stream. One that came a little out of order is in the window that is open.
//!
//! Plain data; the worker carries it out. Source: "Implementing stateful Kinesis Data Streams processing in Lambda".

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{json, value::RawValue};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{call::RECORDS_LIMIT, record::Record};
use crate::events::mapping::Mapping;

/// Bytes of a state as JSON. One that is larger ends its window.
pub(super) const STATE_LIMIT: usize = 1024 * 1024;

/// What is around the records and the state in an event: the longest ARN, the longest id of a shard, and what is fixed.
const AROUND: usize = 2048;

/// The most bytes of a batch's records in a window.
pub(super) const WINDOWED_RECORDS_LIMIT: usize = RECORDS_LIMIT - STATE_LIMIT - AROUND;

/// A window's last call has to have room for the state that ended it. What is larger is no answer.
const STATE_MAX: usize = RECORDS_LIMIT - AROUND;

/// How long after its end a window is held open for records that came before: it takes a moment until they can be read, and
/// the clocks of a stream's servers are not ours.
const LATENESS: Duration = Duration::SECOND;

/// A window that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: OffsetDateTime,
    /// The first moment after it.
    pub(crate) end: OffsetDateTime,
    /// What the function returned last, as JSON.
    pub(crate) state: Arc<str>,
}

/// How far what was read of a shard reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Horizon {
    /// More may come of any time.
    Unknown,
    /// What came to the shard before this was read.
    Until(OffsetDateTime),
    /// Nothing comes any more.
    End,
}

/// The windows of a shard, of which one is open at the most.
#[derive(Debug)]
pub(super) struct Windows {
    seconds: u32,
    open: Option<Window>,
}

impl Windows {
    /// Goes on with the window that was open, if one was, to its own end. There are none of no seconds.
    pub(super) fn new(seconds: u32, open: Option<Window>) -> Option<Self> {
        (seconds > 0).then_some(Self { seconds, open })
    }

    pub(super) fn open(&self) -> Option<&Window> {
        self.open.as_ref()
    }

    /// Opens the window of a record, unless one is open. If it is not known when the record came, it came `now`.
    pub(super) fn open_for(&mut self, record: &Record, now: OffsetDateTime) {
        let came = record.arrived.unwrap_or(now);
        let seconds = i64::from(self.seconds);
        self.open.get_or_insert_with(|| {
            let into = Duration::new(came.unix_timestamp().rem_euclid(seconds), 0)
                + Duration::nanoseconds(came.nanosecond().into());
            let start = came.saturating_sub(into);
            Window { start, end: start.saturating_add(Duration::seconds(seconds)), state: "{}".into() }
        });
    }

    /// How many of the first records are in the window that is open.
    pub(super) fn belonging(&self, records: &[Record]) -> usize {
        let Some(window) = &self.open else { return 0 };
        let belongs = |record: &&Record| record.arrived.is_none_or(|came| came < window.end);
        records.iter().take_while(belongs).count()
    }

    /// Notes the state that the function has come to.
    pub(super) fn take(&mut self, state: Arc<str>) {
        if let Some(window) = &mut self.open {
            window.state = state;
        }
    }

    /// Whether the window that is open ends before its time.
    pub(super) fn is_too_large(&self) -> bool {
        self.open.as_ref().is_some_and(|window| window.state.len() > STATE_LIMIT)
    }

    /// Whether no record of the window that is open can come any more.
    pub(super) fn is_over(&self, horizon: Horizon) -> bool {
        let Some(window) = &self.open else { return false };
        match horizon {
            Horizon::Unknown => false,
            Horizon::Until(moment) => moment >= window.end.saturating_add(LATENESS),
            Horizon::End => true,
        }
    }

    /// The last call was made.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// What a function that has windows answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) state: Arc<str>,
    /// The answer without it: what is said of records.
    pub(super) rest: Vec<u8>,
}

/// Reads a function's answer. None if it has no state, which is a failure, as on Lambda.
pub(super) fn answer(answer: &[u8]) -> Option<Answer> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(answer).ok()?;
    let state = members.remove("state")?;
    if state.get() == "null" || state.get().len() > STATE_MAX {
        return None;
    }
    Some(Answer { state: state.get().into(), rest: serde_json::to_vec(&members).ok()? })
}

/// The event of a call in a window. The last has no records.
pub(super) fn event(records: &[Record], window: &Window, mapping: &Mapping, shard: &str) -> String {
    let stamp = |moment: OffsetDateTime| moment.format(&Rfc3339).unwrap_or_default();
    let events: Vec<_> = records.iter().map(|record| &record.event).collect();
    let is_last = records.is_empty();
    let mut event = json!({
        "Records": events,
        "window": { "start": stamp(window.start), "end": stamp(window.end) },
        "shardId": shard,
        "eventSourceARN": mapping.source.to_string(),
        "isFinalInvokeForWindow": is_last,
        "isWindowTerminatedEarly": is_last && window.state.len() > STATE_LIMIT,
    })
    .to_string();
    // The state is put in as the function wrote it.
    event.truncate(event.len() - 1);
    event.push_str(",\"state\":");
    event.push_str(&window.state);
    event.push('}');
    event
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::events::mapping::StartingPosition;

    fn at(millis: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(millis)
    }

    fn record(millis: i64) -> Record {
        Record::new(millis.to_string(), json!({ "came": millis }), Value::Null, Some(at(millis)))
    }

    fn opened(seconds: u32, millis: i64) -> Windows {
        let mut windows = Windows::new(seconds, None).unwrap();
        windows.open_for(&record(millis), at(0));
        windows
    }

    #[test]
    fn a_window_begins_at_a_multiple_of_its_length_and_is_shown_as_lambda_shows_it() {
        // The moment and the window of Lambda's own example.
        let windows = opened(120, 1_607_497_475_123);
        let mapping = Mapping::example(
            "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream",
            StartingPosition::TrimHorizon,
        );
        let shown = event(&[record(1)], windows.open().unwrap(), &mapping, "shardId-000000000006");
        assert_eq!(
            serde_json::from_str::<Value>(&shown).unwrap(),
            json!({
                "Records": [{ "came": 1 }],
                "window": { "start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z" },
                "state": {},
                "shardId": "shardId-000000000006",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream",
                "isFinalInvokeForWindow": false,
                "isWindowTerminatedEarly": false,
            })
        );
    }

    #[test]
    fn a_state_comes_back_as_it_was_written_until_its_window_is_closed() {
        let mut windows = opened(10, 5_000);
        let Answer { state, rest } = answer(br#"{"state": {"b": 1.10, "a": 1e400}, "x": 1}"#).unwrap();
        assert_eq!((&*state, &*rest), (r#"{"b": 1.10, "a": 1e400}"#, &br#"{"x":1}"#[..]));
        windows.take(state);
        windows.open_for(&record(9_999), at(0));
        assert_eq!(&*windows.open().unwrap().state, r#"{"b": 1.10, "a": 1e400}"#);
        windows.close();
        windows.open_for(&record(9_999), at(0));
        assert_eq!(&*windows.open().unwrap().state, "{}");
    }

    #[test]
    fn an_answer_without_a_state_is_none() {
        for none in ["null", "{}", "[]", "1", "", r#"{"state": null}"#, r#"{"batchItemFailures": []}"#] {
            assert_eq!(answer(none.as_bytes()), None, "{none}");
        }
        let large = format!(r#"{{"state": "{}"}}"#, "x".repeat(STATE_MAX));
        assert_eq!(answer(large.as_bytes()), None);
    }

    #[test]
    fn a_window_is_over_when_nothing_can_come_any_more() {
        let windows = opened(10, 5_000);
        assert!(!windows.is_over(Horizon::Unknown));
        assert!(!windows.is_over(Horizon::Until(at(10_999))));
        assert!(windows.is_over(Horizon::Until(at(11_000))));
        assert!(windows.is_over(Horizon::End));
        assert!(!Windows::new(10, None).unwrap().is_over(Horizon::End), "there is none");
        assert!(Windows::new(0, None).is_none());
    }

    #[test]
    fn a_state_that_is_too_large_ends_its_window_and_the_last_call_says_so() {
        let mut windows = opened(10, 5_000);
        let mapping =
            Mapping::example("arn:aws:kinesis:us-east-1:000000000000:stream/s", StartingPosition::Latest);
        let ends_early = |windows: &Windows| {
            let event = event(&[], windows.open().unwrap(), &mapping, "0");
            let event: Value = serde_json::from_str(&event).unwrap();
            assert_eq!((&event["Records"], &event["isFinalInvokeForWindow"]), (&json!([]), &json!(true)));
            event["isWindowTerminatedEarly"].as_bool().unwrap()
        };
        windows.take(format!("\"{}\"", "x".repeat(STATE_LIMIT - 2)).into());
        assert!(!windows.is_too_large() && !ends_early(&windows));
        windows.take(format!("\"{}\"", "x".repeat(STATE_LIMIT - 1)).into());
        assert!(windows.is_too_large() && ends_early(&windows));
    }

    #[test]
    fn no_time_breaks_it() {
        for came in [time::PrimitiveDateTime::MIN.assume_utc(), time::PrimitiveDateTime::MAX.assume_utc()] {
            let mut windows = Windows::new(900, None).unwrap();
            windows.open_for(&Record::new(String::new(), json!({}), Value::Null, Some(came)), at(0));
            let window = windows.open().unwrap();
            assert!(window.start <= came && came <= window.end, "{window:?}");
        }
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_window_of_its_time(
            seconds in 1_u32..=900,
            mut came in prop::collection::vec(-10_000_000_i64..10_000_000, 1..50),
        ) {
            came.sort_unstable();
            let mut windows = Windows::new(seconds, None).unwrap();
            let mut left: Vec<Record> = came.iter().map(|millis| record(*millis)).collect();
            let mut last_end = None;
            while !left.is_empty() {
                windows.open_for(&left[0], at(0));
                let window = windows.open().unwrap().clone();
                prop_assert_eq!(window.start.unix_timestamp() % i64::from(seconds), 0);
                prop_assert_eq!(window.end - window.start, Duration::seconds(seconds.into()));
                prop_assert!(last_end.is_none_or(|end| end <= window.start), "they overlap");
                last_end = Some(window.end);
                let rest = left.split_off(windows.belonging(&left));
                prop_assert!(!left.is_empty());
                prop_assert!(left.iter().all(|it| it.arrived.is_some_and(|came| window.start <= came)));
                prop_assert!(rest.iter().all(|it| it.arrived.is_some_and(|came| window.end <= came)));
                windows.close();
                left = rest;
            }
        }

        #[test]
        fn no_answer_breaks_it(bytes: Vec<u8>) {
            let _ = answer(&bytes);
        }
    }
}
