//! The time by which events wait and grow old.
//!
//! It begins as the wall clock's and goes on by the monotonic one, so that a wall clock that is set while the daemon runs
//! neither delays events nor makes them old. Over a restart it never goes back: what was the time once is noted in the
//! store, and a wall clock that shows less is not believed.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    store::{Record, Store, StoreError},
};

/// How often the time is noted, in milliseconds.
pub(super) const NOTED_EVERY: u64 = 60_000;

/// Under one key.
const KEY: &str = "queue";

/// The last time that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// In milliseconds.
    at: i64,
}

impl Record for Noted {
    const TREE: &'static str = "queue_clock";
    const SCHEMA_VERSION: u16 = 1;
}

/// Counts milliseconds, from about the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueClock {
    base: i64,
    started: Instant,
}

impl QueueClock {
    /// Goes on from the wall clock, or from what was noted if that is later.
    pub(super) fn open(store: &Store, wall: &dyn Clock) -> Result<Self, StoreError> {
        let noted = store.get::<Noted>(KEY)?.map_or(i64::MIN, |noted| noted.at);
        let base = wall.now_millis().max(noted);
        Ok(Self { base, started: Instant::now() })
    }

    /// The time now, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        let passed = self.started.elapsed().as_millis();
        self.base.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// When this time will be.
    pub(super) fn instant(&self, at: i64) -> Instant {
        let wait = u64::try_from(at.saturating_sub(self.now())).unwrap_or(0);
        // A day is for ever here: whoever waits looks again.
        Instant::now() + std::time::Duration::from_millis(wait.min(86_400_000))
    }

    /// Notes the time.
    pub(super) async fn note(&self, store: &Store) -> Result<(), StoreError> {
        store.put(KEY, &Noted { at: self.now() }).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::{clock::FixedClock, store::StoreOptions};

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_changes_nothing_while_the_daemon_runs() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let wall = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let clock = QueueClock::open(&store, &wall).unwrap();
        let before = clock.now();
        for set in [
            datetime!(2026-01-01 01:00 UTC),
            datetime!(2025-12-31 23:00 UTC),
            datetime!(2027-01-01 00:00 UTC),
            datetime!(2025-01-01 00:00 UTC),
        ] {
            wall.set(set);
            assert_eq!(clock.now(), before);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), before + 5_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_never_goes_back_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let wall = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let first = QueueClock::open(&store, &wall).unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        first.note(&store).await.unwrap();
        wall.set(datetime!(2025-01-01 00:00 UTC));
        let second = QueueClock::open(&store, &wall).unwrap();
        assert_eq!(second.now(), first.now());
        wall.set(datetime!(2026-01-02 00:00 UTC));
        assert_eq!(QueueClock::open(&store, &wall).unwrap().now(), wall.now_millis());
    }
}
