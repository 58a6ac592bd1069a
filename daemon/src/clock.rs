//! The one place that reads the time.
//!
//! Wall time is for stamps that people and functions see; it may jump. Waiting and measuring use the monotonic clock,
//! which is tokio's, so that tests can pause it. Everything that stamps takes a [`Clock`] so that tests can set it.

use std::{fmt, sync::Arc};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// `2019-11-14T18:16:05.568Z`: how AWS writes a time into events and records. Of a time in UTC.
pub const MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Reads wall time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall time now, in UTC.
    fn now(&self) -> OffsetDateTime;

    /// Milliseconds since the Unix epoch, as Lambda's deadlines and log events count.
    fn now_millis(&self) -> i64 {
        // 64 bits of milliseconds last 292 million years.
        (self.now().unix_timestamp_nanos() / 1_000_000) as i64
    }
}

/// A clock that is shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that stands where it is put. For tests.
#[derive(Debug)]
pub struct FixedClock(std::sync::Mutex<OffsetDateTime>);

impl FixedClock {
    /// A clock that shows `now` until it is set.
    #[must_use]
    pub fn at(now: OffsetDateTime) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, now: OffsetDateTime) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
