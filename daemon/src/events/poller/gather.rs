//! Gathering a batch: until it is full, or its window is over.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    call,
    record::Record,
    source::{Source, SourceError},
};
use crate::events::mapping::MappingSettings;

/// How long a source is asked to wait at a time. A queue's worker that is told to stop may have to wait for as long, since
/// what a queue gives meanwhile is not to be lost (`Source::finish`).
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// What was read of a source and is not in a batch yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    kept: VecDeque<Record>,
}

impl Buffer {
    /// Gathers the next batch. Empty if nothing came for a while. What filters leave out is done with at once. With
    /// `is_draining` no more is read than what is under way. `None` after `stop`: what was read is [kept](Self::take_all).
    pub(super) async fn gather<S: Source>(
        &mut self,
        source: &mut S,
        settings: &MappingSettings,
        is_draining: impl Fn() -> bool,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<Record>>, SourceError> {
        let size = usize::try_from(settings.batch_size).unwrap_or(usize::MAX);
        let bytes = call::records_limit(settings);
        let window = Duration::from_secs(settings.batching_window.into());
        let mut deadline = (!self.kept.is_empty()).then(|| Instant::now() + window);
        while !self.is_full(size, bytes) {
            let wait = match deadline {
                None => WAIT,
                Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(WAIT),
            };
            let is_over = deadline.is_some() && wait.is_zero();
            // Whatever is there already is taken along, also without a window.
            let reading = source.read(size - self.kept.len(), wait);
            let Some(read) = stop.run_until_cancelled(reading).await else { return Ok(None) };
            let read = read?;
            let nothing_came = read.is_empty();
            self.take(source, settings, read).await?;
            if is_draining()
                || is_over
                || nothing_came && (deadline.is_none() || Some(Instant::now()) >= deadline)
            {
                break;
            }
            if deadline.is_none() && !self.kept.is_empty() {
                deadline = Some(Instant::now() + window);
            }
        }
        Ok(Some(self.batch(size, bytes)))
    }

    /// Takes what a source gave last, whatever filters say.
    pub(super) fn keep(&mut self, records: Vec<Record>) {
        self.kept.extend(records);
    }

    /// Puts a batch back that nobody was given.
    pub(super) fn put_back(&mut self, batch: Vec<Record>) {
        for record in batch.into_iter().rev() {
            self.kept.push_front(record);
        }
    }

    /// Takes out everything that is in no batch.
    pub(super) fn take_all(&mut self) -> Vec<Record> {
        self.kept.drain(..).collect()
    }

    async fn take<S: Source>(
        &mut self,
        source: &mut S,
        settings: &MappingSettings,
        read: Vec<Record>,
    ) -> Result<(), SourceError> {
        let (kept, left_out): (Vec<Record>, Vec<Record>) =
            read.into_iter().partition(|record| settings.filters.keeps(&record.seen, S::PAYLOAD));
        self.kept.extend(kept);
        if left_out.is_empty() { Ok(()) } else { source.done(&left_out).await }
    }

    /// Whether everything that was read is in a batch.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn is_full(&self, size: usize, bytes: usize) -> bool {
        self.kept.len() >= size || self.kept.iter().map(cost).sum::<usize>() >= bytes
    }

    /// The first records that fit into a call; one at least.
    fn batch(&mut self, size: usize, most: usize) -> Vec<Record> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.kept.front() {
            bytes += cost(next);
            if batch.len() >= size || !batch.is_empty() && bytes > most {
                break;
            }
            batch.extend(self.kept.pop_front());
        }
        batch
    }
}

/// Bytes that a record takes in an event, with a comma.
fn cost(record: &Record) -> usize {
    record.size + 1
}
