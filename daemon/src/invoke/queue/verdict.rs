//! What becomes of an event after an attempt: Lambda's rules, and nothing else.
//!
//! Source: "How Lambda handles errors and retries with asynchronous invocation". A function that fails is tried twice more,
//! after one minute and after two. What is not the function's doing is tried again after 1 second, then twice as long each
//! time up to 5 minutes, and is no attempt. An event that waits longer than it may is given up, and so is a result.

use super::{
    books::LONGEST_PAUSE,
    record::{Condition, LastError, QueuedEvent},
};
use crate::{functions::EventInvokeConfig, invoke::destinations::Delivery};

/// Lambda's own choice: tried again so often.
const RETRIES: u32 = 2;

/// Lambda's own choice: six hours.
const AGE_SECONDS: u32 = 21_600;

/// How long after its first setback an event is tried again, in milliseconds.
const FIRST_SETBACK: i64 = 1_000;

/// How often and how long a function's events are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// How often an event is tried again after its function failed.
    pub(super) retries: u32,
    /// How old an event may get, in milliseconds.
    pub(super) age: i64,
    /// How long it waits before its first retry, in milliseconds; before the second, twice that.
    pub(super) delay: i64,
}

impl Patience {
    /// As configured; Lambda's own choice where nothing is.
    pub(super) fn of(config: Option<&EventInvokeConfig>, delay: std::time::Duration) -> Self {
        let retries = config.and_then(|config| config.maximum_retry_attempts).map_or(RETRIES, Into::into);
        let age: u32 = config.and_then(|config| config.maximum_event_age).map_or(AGE_SECONDS, Into::into);
        Self {
            retries,
            age: i64::from(age) * 1_000,
            delay: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Whether an event has become too old.
    pub(super) fn is_over(&self, event: &QueuedEvent, now: i64) -> bool {
        now.saturating_sub(event.accepted_at) >= self.age
    }
}

/// How an attempt went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The function ran and failed.
    Failed(LastError),
    /// It could not be run, and not for want of room.
    Setback(LastError),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try it again when it is due.
    Again {
        /// What it is then.
        event: QueuedEvent,
        /// In milliseconds of the queue's clock.
        due: i64,
    },
    /// Give it up.
    GiveUp {
        /// What it was at the end.
        event: QueuedEvent,
        /// Why.
        condition: Condition,
    },
}

/// Judges an event after an attempt that went wrong.
pub(super) fn judge(event: QueuedEvent, trouble: Trouble, patience: Patience, now: i64) -> Verdict {
    let (event, wait) = match trouble {
        Trouble::Failed(error) => {
            let failures = event.failures.saturating_add(1);
            let event = QueuedEvent { failures, setbacks: 0, last_error: Some(error), ..event };
            if failures > patience.retries {
                return Verdict::GiveUp { event, condition: Condition::RetriesExhausted };
            }
            (event, patience.delay.saturating_mul(failures.into()))
        }
        Trouble::Setback(error) => {
            let wait = FIRST_SETBACK.saturating_mul(1 << event.setbacks.min(16)).min(LONGEST_PAUSE);
            let setbacks = event.setbacks.saturating_add(1);
            (QueuedEvent { setbacks, last_error: Some(error), ..event }, wait)
        }
    };
    if patience.is_over(&event, now) {
        return Verdict::GiveUp { event, condition: Condition::EventAgeExceeded };
    }
    // No later than it becomes too old, so that whoever waits for its end is told in time.
    let due = now.saturating_add(wait).min(event.accepted_at.saturating_add(patience.age));
    Verdict::Again { event, due }
}

/// What is to be done with a result that its destination did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResultVerdict {
    /// Send it again when it is due.
    Again {
        /// What it is then.
        delivery: Delivery,
        /// In milliseconds of the queue's clock.
        due: i64,
    },
    /// Give it up.
    GiveUp(Delivery),
}

/// Judges a result that its destination did not take: it is tried again after 1 second, then twice as long each time up to
/// 5 minutes, until it is as old as an event may get.
pub(super) fn judge_result(
    delivery: Delivery,
    error: LastError,
    patience: Patience,
    now: i64,
) -> ResultVerdict {
    let wait = FIRST_SETBACK.saturating_mul(1 << delivery.failures.min(16)).min(LONGEST_PAUSE);
    let failures = delivery.failures.saturating_add(1);
    let delivery = Delivery { failures, last_error: Some(error), ..delivery };
    let end = delivery.made_at.saturating_add(patience.age);
    if now >= end {
        return ResultVerdict::GiveUp(delivery);
    }
    // Once more at its end, however long the pause would be.
    ResultVerdict::Again { delivery, due: now.saturating_add(wait).min(end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoke::{Origin, Purpose, TraceHeader, queue::payload::Payload};

    const START: i64 = 1_790_000_000_000;
    const PATIENCE: Patience = Patience { retries: 2, age: 21_600_000, delay: 60_000 };

    fn event() -> QueuedEvent {
        QueuedEvent {
            id: "1".into(),
            function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            payload: Payload::Inline("{}".into()),
            client_context: None,
            trace: TraceHeader::default(),
            accepted_at: START,
            failures: 0,
            setbacks: 0,
            last_error: None,
        }
    }

    fn failed() -> Trouble {
        Trouble::Failed(LastError::new("E", "no"))
    }

    fn setback() -> Trouble {
        Trouble::Setback(LastError::new("E", "no"))
    }

    #[test]
    fn a_failing_function_is_tried_three_times_after_one_minute_and_after_two() {
        let Verdict::Again { event, due } = judge(event(), failed(), PATIENCE, START) else { panic!() };
        assert_eq!(due, START + 60_000);
        let Verdict::Again { event, due } = judge(event, failed(), PATIENCE, due) else { panic!() };
        assert_eq!(due, START + 180_000);
        let Verdict::GiveUp { event, condition } = judge(event, failed(), PATIENCE, due) else { panic!() };
        assert_eq!((event.failures, condition), (3, Condition::RetriesExhausted));
    }

    #[test]
    fn a_setback_is_no_attempt_and_waits_twice_as_long_each_time_up_to_five_minutes() {
        let (mut event, mut now, mut waits) = (event(), START, Vec::new());
        for _ in 0..11 {
            let Verdict::Again { event: next, due } = judge(event, setback(), PATIENCE, now) else {
                panic!()
            };
            waits.push((due - now) / 1_000);
            (event, now) = (next, due);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(event.failures, 0);
        let Verdict::Again { event, .. } = judge(event, failed(), PATIENCE, now) else { panic!() };
        assert_eq!((event.failures, event.setbacks), (1, 0));
    }

    #[test]
    fn an_event_is_given_up_when_it_is_too_old_and_not_before() {
        let patience = Patience { age: 60_000, ..PATIENCE };
        let Verdict::Again { due, .. } = judge(event(), failed(), patience, START + 30_000) else { panic!() };
        assert_eq!(due, START + 60_000, "no later than its end");
        assert!(!patience.is_over(&event(), START + 59_999) && patience.is_over(&event(), START + 60_000));
        let over = judge(event(), setback(), patience, START + 60_000);
        assert!(matches!(over, Verdict::GiveUp { condition: Condition::EventAgeExceeded, .. }));
    }

    #[test]
    fn without_retries_the_first_failure_is_the_end() {
        let patience = Patience { retries: 0, ..PATIENCE };
        assert!(matches!(judge(event(), failed(), patience, START), Verdict::GiveUp { .. }));
    }

    fn delivery() -> Delivery {
        Delivery {
            id: "1".into(),
            function: event().function,
            target: "arn:aws:sqs:us-east-1:000000000000:q".parse().unwrap(),
            purpose: Purpose::OnSuccess,
            origin: Origin::Event,
            body: Payload::Inline("{}".into()),
            attributes: Vec::new(),
            trace: None,
            made_at: START,
            failures: 0,
            last_error: None,
        }
    }

    #[test]
    fn a_destination_is_tried_up_to_every_five_minutes_until_the_result_is_too_old() {
        let (mut result, mut now, mut waits) = (delivery(), START, Vec::new());
        loop {
            match judge_result(result, LastError::new("E", "no"), PATIENCE, now) {
                ResultVerdict::Again { delivery, due } => {
                    waits.push((due - now) / 1_000);
                    (result, now) = (delivery, due);
                }
                ResultVerdict::GiveUp(given_up) => {
                    assert_eq!(given_up.last_error, Some(LastError::new("E", "no")));
                    break;
                }
            }
        }
        assert_eq!(waits[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(now, START + PATIENCE.age, "it is tried at its end");
    }
}
