//! Keeps sandboxes without a function standing ready, so that a cold call need not wait for Docker.
//!
//! Making one costs a fifth of a second of a CPU, most of it dockerd's, and whoever calls meanwhile would feel it. So they are
//! made one at a time, in the pauses between calls; but one a second in any case, since calls that never pause need them as
//! well.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pool;
use crate::sandbox::spec::Base;

/// How often the stock is looked at when nothing happens: demand fades by itself.
const LOOK: Duration = Duration::from_secs(5);

/// How long no call has to have come for a pause.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a pause is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether there is one.
const YIELD: Duration = Duration::from_millis(20);

/// How long nothing is made after one could not be: dockerd may be starting again, or an image may be gone.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

impl Pool {
    /// Sandboxes of these bases are to stand ready, and of no others.
    pub fn keep_ready(&self, bases: &[Arc<Base>]) {
        let mut books = self.books();
        books.state.keep_ready(bases, Instant::now());
        self.carry_out(&mut books);
        self.inner.restock.notify_one();
    }

    /// Looks after the stock until `stop`.
    pub async fn keep_stocked(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.restock.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            pause(|| self.is_called()).await;
            let failures = self.inner.host.preparations_failed();
            let begun = {
                let mut books = self.books();
                let now = Instant::now();
                books.state.shrink(now);
                let begun = !books.draining && books.state.restocking() == 0 && books.state.restock(now);
                self.carry_out(&mut books);
                begun
            };
            // What is made now tells when it is up, or gone; then comes the next.
            if !begun && self.inner.host.preparations_failed() != failures {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn is_called(&self) -> bool {
        let books = self.books();
        books.state.counts().busy > 0 || books.last_call.is_some_and(|call| call.elapsed() < PAUSE)
    }
}

/// Waits for a pause between calls, as long as there is patience.
async fn pause(is_called: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while is_called() && Instant::now() < until {
        tokio::time::sleep(YIELD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_where_nobody_calls() {
        let begun = Instant::now();
        pause(|| false).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_first_but_not_for_ever() {
        let begun = Instant::now();
        pause(|| begun.elapsed() < Duration::from_millis(300)).await;
        let waited = begun.elapsed();
        assert!(
            waited >= Duration::from_millis(300) && waited <= Duration::from_millis(300) + YIELD,
            "{waited:?}"
        );

        let begun = Instant::now();
        pause(|| true).await;
        let waited = begun.elapsed();
        assert!(waited >= PATIENCE && waited <= PATIENCE + YIELD, "{waited:?}");
    }
}
