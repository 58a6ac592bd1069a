//! How long a sandbox may run on after a call before it is frozen.
//!
//! Freezing and thawing cost a call two tenths of a millisecond, which is much for calls that come one on the other's
//! heels. So a sandbox whose calls do is given a grace of a few times the gap that it sees; any other is frozen at once.
//! Whatever it does in its grace it could have done before it answered.

use std::time::Duration;

/// What the newest gap counts for in the average.
const NEWEST: f64 = 0.25;

/// The grace in gaps: calls don't come like a clock.
const GAPS: f64 = 4.0;

/// What a grace is at the least where there is one: what a caller needs between an answer and its next call.
const LEAST: Duration = Duration::from_micros(500);

/// The longest gap that is taken for what it is, in limits: a pause must be forgotten after a few calls.
const LONGEST: f64 = 8.0;

/// One sandbox's grace.
#[derive(Debug)]
pub(super) struct Grace {
    /// The setting: no grace is longer.
    most: Duration,
    /// The average of the gaps between calls, in seconds.
    gap: Option<f64>,
}

impl Grace {
    /// One that is never longer than `most`, and none as long as nothing is known.
    pub(super) fn new(most: Duration) -> Self {
        Self { most, gap: None }
    }

    /// Takes note of the time between an answer and the next call.
    pub(super) fn note(&mut self, gap: Duration) {
        let gap = gap.as_secs_f64().min(self.most.as_secs_f64() * LONGEST);
        self.gap = Some(self.gap.map_or(gap, |average| average + NEWEST * (gap - average)));
    }

    /// The grace after this call.
    pub(super) fn length(&self) -> Duration {
        match self.gap {
            Some(gap) if gap < self.most.as_secs_f64() => {
                Duration::from_secs_f64(gap * GAPS).max(LEAST).min(self.most)
            }
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(5);

    #[test]
    fn a_sandbox_of_which_nothing_is_known_is_frozen_at_once() {
        assert_eq!(Grace::new(MOST).length(), Duration::ZERO);
    }

    #[test]
    fn calls_one_on_the_others_heels_get_a_grace_that_is_not_longer_than_the_most() {
        let mut grace = Grace::new(MOST);
        grace.note(Duration::from_micros(10));
        assert_eq!(grace.length(), LEAST);
        (0..50).for_each(|_| grace.note(Duration::from_micros(500)));
        let length = grace.length();
        assert!(length > Duration::from_micros(1900) && length <= Duration::from_millis(2), "{length:?}");
        (0..50).for_each(|_| grace.note(Duration::from_millis(4)));
        assert_eq!(grace.length(), MOST);
    }

    #[test]
    fn rare_calls_get_none_and_a_pause_is_forgotten_after_a_few() {
        let mut grace = Grace::new(MOST);
        (0..50).for_each(|_| grace.note(Duration::from_secs(1)));
        assert_eq!(grace.length(), Duration::ZERO);
        let calls = (1..100).find(|_| {
            grace.note(Duration::from_micros(300));
            grace.length() > Duration::ZERO
        });
        assert!(calls.is_some_and(|calls| calls < 12), "{calls:?}");
    }

    #[test]
    fn no_grace_is_a_setting() {
        let mut grace = Grace::new(Duration::ZERO);
        grace.note(Duration::ZERO);
        assert_eq!(grace.length(), Duration::ZERO);
    }
}
