//! Has sandboxes made ahead of the calls that are expected, under the keep-alive policy "histogram".

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Books, Pool};

impl Pool {
    /// Looks ahead until `stop`.
    pub async fn look_ahead(self, stop: CancellationToken) {
        loop {
            let next = {
                let mut books = self.books();
                books.looks_at = books.state.next_due();
                books.looks_at
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.expected.notified() => continue,
                () = until(next) => {}
            }
            let mut books = self.books();
            let now = Instant::now();
            for spec in books.state.take_due(now) {
                if !books.draining {
                    let makes_one = books.state.expect(&spec, now);
                    tracing::debug!(function = %spec.function_arn, makes_one, "a call is expected");
                }
            }
            self.carry_out(&mut books);
        }
    }

    /// A call ended: the next that is expected may be another than the one that is looked for.
    pub(super) fn look_again(&self, books: &Books) {
        let next = books.state.next_due();
        if next.is_some() && books.looks_at.is_none_or(|looks_at| next < Some(looks_at)) {
            self.inner.expected.notify_one();
        }
    }
}

/// Waits until a time; for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
