//! What a worker does with the messages of a queue.
//!
//! A queue hides what it gives for its visibility time-out, so what no function was called with is given back: when the worker
//! is told to stop, and while the daemon drains. What a function was called with and has failed stays hidden that long, as on
//! Lambda.

use std::{sync::Arc, time::Duration};

use super::{
    call::{self, Called, Request},
    gather::{Buffer, WAIT},
    record::Record,
    report::Report,
    source::Source,
    worker::{Stopped, Worker},
};
use crate::events::mapping::SourceKind;

/// How long messages of a queue wait here for their function. After that they are left to the queue, which gives them again:
/// its visibility time-out is 30 s unless it is set.
const QUEUE_PATIENCE: Duration = Duration::from_secs(20);

/// How long a queue may take to give what it was asked for last, which it may wait with for [`WAIT`], and to take it back.
const GIVE_BACK: Duration = Duration::from_secs(WAIT.as_secs() + 10);

impl<S: Source> Worker<S> {
    /// Each message stands alone: what failed is not done, and the queue gives it again.
    pub(super) async fn process_messages(
        &mut self,
        batch: Vec<Record>,
        buffer: &mut Buffer,
    ) -> Result<(), Stopped> {
        let given = batch.len();
        let batch = self.without_loops(batch);
        let done = if batch.is_empty() {
            Vec::new()
        } else {
            let Some(done) = self.call_with_messages(batch, buffer).await? else { return Ok(()) };
            done
        };
        if self.mapping.source.kind() == SourceKind::SqsFifo && done.len() < given {
            // What was read after them may be of their groups. The queue gives it again, and after them.
            let rest = buffer.take_all();
            if let Err(error) = self.source.give_back(&rest).await {
                self.note_source_failure(&error);
            }
        }
        if done.is_empty() { Ok(()) } else { self.done(&done).await }
    }

    /// Says which messages are done. Those that the function could not be called with before this was told to stop, or because
    /// the daemon drains (`None`), are back in the buffer.
    async fn call_with_messages(
        &mut self,
        batch: Vec<Record>,
        buffer: &mut Buffer,
    ) -> Result<Option<Vec<Record>>, Stopped> {
        let called = self.call(&Request::of(&batch), Some(QUEUE_PATIENCE)).await;
        let done = match called {
            Err(Stopped) => {
                buffer.put_back(batch);
                return Err(Stopped);
            }
            Ok(Called::NotNow(_)) if self.tools.pool.is_draining() => {
                buffer.put_back(batch);
                return Ok(None);
            }
            Ok(Called::NotNow(_)) => Vec::new(),
            Ok(Called::Answered { answer, told }) => match self.report(&answer, &batch) {
                Report::AllDone => {
                    self.mapping.note_result("OK");
                    batch
                }
                Report::Failed(failed) => {
                    self.note_failure(&told, "some records failed");
                    let kept = batch.into_iter().enumerate().filter(|(at, _)| !failed.contains(at));
                    kept.map(|(_, record)| record).collect()
                }
                Report::Unclear => {
                    self.note_failure(&told, "the answer is no report of failed records");
                    Vec::new()
                }
            },
            Ok(Called::Failed(told)) => {
                self.note_failure(&told, &told.why);
                Vec::new()
            }
        };
        Ok(Some(done))
    }

    /// What belongs to a chain of invocations in which the function has been called as often as it may is left to the queue,
    /// and its dead letters, as on Lambda. Of a FIFO queue so is what comes after it.
    fn without_loops(&self, mut batch: Vec<Record>) -> Vec<Record> {
        let is_loop = |record: &Record| call::is_loop(&self.tools.invoker, &self.mapping, record);
        let before = batch.len();
        if self.mapping.source.kind() == SourceKind::SqsFifo {
            batch.truncate(batch.iter().position(is_loop).unwrap_or(before));
        } else {
            batch.retain(|record| !is_loop(record));
        }
        if batch.len() < before {
            self.mapping.note_result("PROBLEM: Function call failed: a recursive loop was detected");
        }
        batch
    }

    /// Gives a queue back what no function was called with: what is in the buffer, and what a read that was dropped brings.
    /// Otherwise it would be hidden from whoever reads the queue next, and the rest of its groups with it.
    pub(super) async fn give_back(&mut self, buffer: &mut Buffer) {
        if !self.mapping.source.kind().is_queue() {
            return;
        }
        let (mapping, abandon) = (Arc::clone(&self.mapping), self.tools.abandon.clone());
        let given = tokio::select! {
            // First: where nothing is to be waited for, there is nothing to abandon.
            biased;
            given = tokio::time::timeout(GIVE_BACK, self.give_all_back(buffer)) => given.is_ok(),
            () = abandon.cancelled() => false,
        };
        if !given {
            tracing::warn!(mapping = %mapping.id, source = %mapping.source,
                "messages that no function was called with may come again only after the queue's visibility time-out");
        }
    }

    async fn give_all_back(&mut self, buffer: &mut Buffer) {
        match self.source.finish().await {
            Ok(late) => buffer.keep(late),
            Err(error) => self.note_source_failure(&error),
        }
        let rest = buffer.take_all();
        if let Err(error) = self.source.give_back(&rest).await {
            self.note_source_failure(&error);
        }
    }
}
