//! Reads one shard for one mapping, to its end or until it is told to stop.

use std::{marker::PhantomData, sync::Arc};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        windows::{Horizon, Window, Windows},
        worker::{Tools, Worker},
    },
    checkpoints::{Checkpoint, Checkpoints, Start},
    keeper::{self, NOTES, WindowNote},
    lane::Lane,
    reader::{ROOM, Reader},
    stream::{Place, ShardId, ShardedStream},
};
use crate::{events::mapping::Mapping, store::StoreError};

/// A shard to read.
#[derive(Debug)]
pub(super) struct ShardWorker<S> {
    pub(super) mapping: Arc<Mapping>,
    pub(super) stream: S,
    pub(super) shard: ShardId,
    pub(super) checkpoints: Checkpoints,
    /// Where the stream began to be read.
    pub(super) from: Start,
    /// How far this shard is, if it is at all.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Batches that run at once.
    pub(super) lanes: usize,
    /// Seconds of a tumbling window; 0 for none. With windows there is one lane.
    pub(super) tumbling_window: u32,
    pub(super) tools: Tools,
    pub(super) stop: CancellationToken,
}

impl<S: ShardedStream> ShardWorker<S> {
    /// Says whether the shard is through. If it is not, whoever reads it next goes on at its checkpoint.
    pub(super) async fn run(self) -> bool {
        let place = match &self.checkpoint {
            None => self.from.place(),
            Some(Checkpoint::After(sequence)) => Place::After(sequence.clone()),
            Some(Checkpoint::Through) => return true,
        };
        let passed_over = match self.from {
            // Times of records may be cut to whole seconds.
            Start::Since(moment) if !S::FINDS_TIMES => moment.replace_nanosecond(0).ok(),
            _ => None,
        };
        let open = match self.open_window().await {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(mapping = %self.mapping.id, shard = %self.shard, %error,
                    "the window of a shard can't be read");
                self.mapping.note_result(format!("PROBLEM: {error}"));
                return false;
            }
        };
        let is_open = open.is_some();
        let (mut horizon, mut seen) = (None, None);
        let mut windows = Windows::new(self.tumbling_window, open);
        if windows.is_some() {
            let (sender, receiver) = watch::channel(Horizon::Unknown);
            (horizon, seen) = (Some(sender), Some(receiver));
        }
        // Ends the reader and the workers when any of them has ended, and when the shard is through.
        let working = self.stop.child_token();
        let (notes, noted) = mpsc::channel(NOTES);
        let mut workers = JoinSet::new();
        let mut lanes = Vec::new();
        for _ in 0..self.lanes {
            let (sender, records) = mpsc::unbounded_channel();
            lanes.push(sender);
            let lane = Lane::<S> {
                shard: self.shard.clone(),
                records,
                notes: notes.clone(),
                horizon: seen.take(),
                stream: PhantomData,
            };
            let worker = Worker {
                mapping: Arc::clone(&self.mapping),
                source: lane,
                windows: windows.take(),
                tools: self.tools.clone(),
                stop: working.clone(),
            };
            workers.spawn(worker.run());
        }
        let reader = Reader {
            mapping: Arc::clone(&self.mapping),
            stream: self.stream,
            shard: self.shard.clone(),
            place,
            passed_over,
            lanes,
            room: Arc::new(Semaphore::new(ROOM)),
            notes,
            horizon,
            clock: Arc::clone(&self.tools.clock),
        };
        let keeping = async {
            let is_through = keeper::keep(self.checkpoints, self.shard.clone(), is_open, noted).await;
            working.cancel();
            is_through
        };
        let ending = async {
            while let Some(ended) = workers.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(mapping = %self.mapping.id, shard = %self.shard, %error,
                        "a worker of a shard broke");
                }
                working.cancel();
            }
        };
        let (is_through, (), ()) = tokio::join!(keeping, reader.run(working.clone()), ending);
        is_through
    }

    /// The window that was open when the shard was read last. If there are to be none any more, it is dropped.
    async fn open_window(&self) -> Result<Option<Window>, StoreError> {
        let Some(open) = self.checkpoints.window(&self.shard)? else { return Ok(None) };
        if self.tumbling_window > 0 {
            return Ok(Some(open));
        }
        tracing::info!(mapping = %self.mapping.id, shard = %self.shard, start = %open.start,
            "a window is dropped: the mapping has none any more");
        self.checkpoints.note(&self.shard, None, &WindowNote::Closed).await?;
        Ok(None)
    }
}
