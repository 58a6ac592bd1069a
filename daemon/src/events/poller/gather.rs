//! Gathering a batch: until it is full, or its window is over.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    call,
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
        let bytes = call::records_limit(settings);
        let window = Duration::from_secs(settings.batching_window.into());
        let mut deadline = (!self.kept.is_empty()).then(|| Instant::now() + window);
        while !self.is_full(size, bytes) {
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
        Ok(self.batch(size, bytes))
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
