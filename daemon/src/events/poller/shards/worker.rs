//! Reads one shard for one mapping, to its end or until it is told to stop.

use std::{marker::PhantomData, sync::Arc};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::worker::{Tools, Worker},
    checkpoints::{Checkpoint, Checkpoints, Start},
    keeper::{self, NOTES},
    lane::Lane,
    reader::{ROOM, Reader},
    stream::{Place, ShardId, ShardedStream},
};
use crate::events::mapping::Mapping;

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
    pub(super) tools: Tools,
    pub(super) stop: CancellationToken,
}

impl<S: ShardedStream> ShardWorker<S> {
    /// Says whether the shard is through. If it is not, whoever reads it next goes on at its checkpoint.
    pub(super) async fn run(self) -> bool {
        let place = match self.checkpoint {
            None => self.from.place(),
            Some(Checkpoint::After(sequence)) => Place::After(sequence),
            Some(Checkpoint::Through) => return true,
        };
        let passed_over = match self.from {
            // Times of records may be cut to whole seconds.
            Start::Since(moment) if !S::FINDS_TIMES => moment.replace_nanosecond(0).ok(),
            _ => None,
        };
        // Ends the reader and the workers when any of them has ended, and when the shard is through.
        let working = self.stop.child_token();
        let (notes, noted) = mpsc::channel(NOTES);
        let mut workers = JoinSet::new();
        let mut lanes = Vec::new();
        for _ in 0..self.lanes {
            let (sender, records) = mpsc::unbounded_channel();
            lanes.push(sender);
            let lane =
                Lane::<S> { shard: self.shard.clone(), records, notes: notes.clone(), stream: PhantomData };
            let worker = Worker {
                mapping: Arc::clone(&self.mapping),
                source: lane,
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
        };
        let keeping = async {
            let is_through = keeper::keep(self.checkpoints, self.shard.clone(), noted).await;
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
}
