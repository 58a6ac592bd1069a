//! Gathering a batch: until it is full, or its window is over.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    call::RECORDS_LIMIT,
    record::Record,
    source::{Source, SourceError},
};
use crate::events::mapping::MappingSettings;

/// How long a source is asked to wait for a first record. It is interrupted when the mapping changes.
const WAIT: Duration = Duration::from_secs(5);

/// What was read of a source and is not in a batch yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    kept: VecDeque<Record>,
}

impl Buffer {
    /// Gathers the next batch. Empty if nothing came for a while. What filters leave out is done with at once.
    pub(super) async fn gather<S: Source>(
        &mut self,
        source: &mut S,
        settings: &MappingSettings,
    ) -> Result<Vec<Record>, SourceError> {
        let size = usize::try_from(settings.batch_size).unwrap_or(usize::MAX);
        let window = Duration::from_secs(settings.batching_window.into());
        let mut deadline = (!self.kept.is_empty()).then(|| Instant::now() + window);
        while !self.is_full(size) {
            let wait = match deadline {
                None => WAIT,
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            };
            let is_over = deadline.is_some() && wait.is_zero();
            // Whatever is there already is taken along, also without a window.
            let read = source.read(size - self.kept.len(), wait).await?;
            let nothing_came = read.is_empty();
            self.take(source, settings, read).await?;
            if is_over || nothing_came && (deadline.is_none() || Some(Instant::now()) >= deadline) {
                break;
            }
            if deadline.is_none() && !self.kept.is_empty() {
                deadline = Some(Instant::now() + window);
            }
        }
        Ok(self.batch(size))
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

    fn is_full(&self, size: usize) -> bool {
        self.kept.len() >= size || self.kept.iter().map(cost).sum::<usize>() >= RECORDS_LIMIT
    }

    /// The first records that fit into a call; one at least.
    fn batch(&mut self, size: usize) -> Vec<Record> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.kept.front() {
            bytes += cost(next);
            if batch.len() >= size || !batch.is_empty() && bytes > RECORDS_LIMIT {
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
