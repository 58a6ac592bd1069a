//! A lane: what one worker sees of a shard.
//!
//! A shard has as many lanes as batches of it may run at once. Records of one key are all in the same lane, which has one
//! batch at a time: so they stay in their order, and are never in two batches at once.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    marker::PhantomData,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time,
};

use super::{
    super::{
        record::Record,
        source::{Source, SourceError},
        windows::{Horizon, Window},
    },
    keeper::{Note, WindowNote},
    stream::{ShardId, ShardedStream},
};

/// A record that waits for its worker, and the room that it takes meanwhile.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) record: Record,
    pub(super) room: OwnedSemaphorePermit,
}

impl Waiting {
    /// It waits no more, and others have its room.
    fn taken(self) -> Record {
        drop(self.room);
        self.record
    }
}

/// The worker's end of a lane.
#[derive(Debug)]
pub(super) struct Lane<S> {
    pub(super) shard: ShardId,
    pub(super) records: mpsc::UnboundedReceiver<Waiting>,
    pub(super) notes: mpsc::Sender<Note>,
    /// What of the shard is in `records`, or was, if anybody wants to know.
    pub(super) horizon: Option<watch::Receiver<Horizon>>,
    pub(super) stream: PhantomData<fn() -> S>,
}

/// In which of so many lanes the records of a key are.
pub(super) fn of_key(key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let lanes = u64::try_from(lanes.max(1)).unwrap_or(1);
    usize::try_from(hasher.finish() % lanes).unwrap_or_default()
}

impl<S: ShardedStream> Source for Lane<S> {
    const PAYLOAD: Option<&'static str> = S::PAYLOAD;
    const BATCH_INFO: &'static str = S::BATCH_INFO;

    fn shard(&self) -> &str {
        self.shard.as_str()
    }

    async fn read(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, SourceError> {
        let first = tokio::select! {
            biased;
            first = self.records.recv() => first,
            () = moved(self.horizon.as_mut()) => return Ok(Vec::new()),
            () = time::sleep(wait) => return Ok(Vec::new()),
        };
        let Some(first) = first else {
            // The shard is not read any more. This worker is about to hear of it, or has a window to end.
            let _ = time::timeout(wait, moved(self.horizon.as_mut())).await;
            return Ok(Vec::new());
        };
        let mut records = vec![first.taken()];
        while records.len() < limit
            && let Ok(next) = self.records.try_recv()
        {
            records.push(next.taken());
        }
        Ok(records)
    }

    async fn done(&mut self, records: &[Record]) -> Result<(), SourceError> {
        self.note(records, WindowNote::Same).await
    }

    fn horizon(&self) -> Horizon {
        // This first: what it tells of was in `records` before.
        let horizon = self.horizon.as_ref().map_or(Horizon::Unknown, |horizon| *horizon.borrow());
        if self.records.is_empty() { horizon } else { Horizon::Unknown }
    }

    async fn done_in(&mut self, records: &[Record], window: Option<&Window>) -> Result<(), SourceError> {
        let window = window.cloned().map_or(WindowNote::Closed, WindowNote::Open);
        self.note(records, window).await
    }
}

/// Waits until the horizon moves.
async fn moved(horizon: Option<&mut watch::Receiver<Horizon>>) {
    if let Some(horizon) = horizon
        && horizon.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

impl<S> Lane<S> {
    /// Tells the keeper of records that are through. When this returns that is durable.
    async fn note(&self, records: &[Record], window: WindowNote) -> Result<(), SourceError> {
        let ids = records.iter().map(|record| record.id.clone()).collect();
        let (heard, kept) = oneshot::channel();
        let gone = || SourceError::new("the checkpoint of the shard is not kept any more");
        self.notes.send(Note::Ended { ids, window, heard: Some(heard) }).await.map_err(|_| gone())?;
        kept.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_has_one_lane_and_keys_are_spread_over_all() {
        let lanes: HashSet<usize> = (0..100).map(|key| of_key(&key.to_string(), 10)).collect();
        assert_eq!(lanes.len(), 10);
        assert!(lanes.iter().all(|lane| *lane < 10));
        assert_eq!(of_key("a", 10), of_key("a", 10));
        assert_eq!(of_key("a", 1), 0);
    }
}
