//! Waiting longer after each failure.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(100);

/// What is there again is found within this.
const LONGEST: Duration = Duration::from_secs(15);

/// How long to wait after the next failure.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// The pause after a failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }

    /// Waits after a failure. Whether it goes on.
    pub(super) async fn pause(&mut self, stop: &CancellationToken) -> bool {
        let pause = self.next();
        stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..10).map(|_| backoff.next()).collect();
        assert!(pauses.is_sorted() && pauses[0] == FIRST && pauses[9] == LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(), FIRST);
    }
}
