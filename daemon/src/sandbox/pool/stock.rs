//! Keeps sandboxes without a function standing ready, so that a cold call need not wait for Docker.
//!
//! Making one costs a fifth of a second of a CPU, most of it dockerd's. So they are made one at a time, and while calls have
//! every CPU busy that is put off; but not for ever, since calls that never pause need them as well.

use std::{num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pool;
use crate::sandbox::spec::Base;

/// How often the stock is looked at when nothing happens: demand fades by itself.
const LOOK: Duration = Duration::from_secs(5);

/// How long calls are given way to.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether they are done.
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
        let cpus = available_parallelism().map_or(1, NonZero::get);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.restock.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            self.give_way(cpus).await;
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

    /// Waits while calls need every CPU.
    async fn give_way(&self, cpus: usize) {
        let until = Instant::now() + PATIENCE;
        while self.counts().busy as usize >= cpus && Instant::now() < until {
            tokio::time::sleep(YIELD).await;
        }
    }
}
