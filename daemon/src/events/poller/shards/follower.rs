//! Follows which shards a stream has, and has those read that may be.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    super::{backoff::Backoff, source::SourceError, worker::Tools},
    checkpoints::{Beginning, Checkpoint, Checkpoints, Start},
    lineage,
    stream::{Listing, ShardId, ShardedStream},
    worker::ShardWorker,
};
use crate::{
    events::mapping::{Mapping, StreamSettings},
    store::Store,
};

/// How often it is looked which shards there are. When one has ended, its children are looked for at once.
const LOOK: Duration = Duration::from_secs(10);

/// Reads a stream for a mapping.
#[derive(Debug)]
pub(in crate::events::poller) struct Follower<S> {
    mapping: Arc<Mapping>,
    settings: StreamSettings,
    stream: S,
    checkpoints: Checkpoints,
    tools: Tools,
    stop: CancellationToken,
    /// The shards that are read, and what ends that.
    read: HashMap<ShardId, CancellationToken>,
    reading: JoinSet<(ShardId, Result<bool, JoinError>)>,
}

impl<S: ShardedStream> Follower<S> {
    pub(in crate::events::poller) fn new(
        mapping: Arc<Mapping>,
        settings: StreamSettings,
        stream: S,
        store: &Store,
        tools: Tools,
        stop: CancellationToken,
    ) -> Self {
        let checkpoints = Checkpoints::of(store, &mapping);
        let (read, reading) = (HashMap::new(), JoinSet::new());
        Self { mapping, settings, stream, checkpoints, tools, stop, read, reading }
    }

    /// Reads until it is told to stop, and then until the calls that run have ended.
    pub(in crate::events::poller) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new();
        while !stop.is_cancelled() {
            let looked = stop.run_until_cancelled(self.look()).await;
            let rest = match looked {
                None => break,
                Some(Ok(())) => {
                    backoff.reset();
                    LOOK
                }
                Some(Err(error)) => {
                    tracing::warn!(mapping = %self.mapping.id, source = %self.mapping.source, %error,
                        "the shards of a stream can't be told");
                    self.mapping.note_result(format!("PROBLEM: {error}"));
                    backoff.next()
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
                Some(ended) = self.reading.join_next() => {
                    // One that broke, or was ended, is taken up again after a pause.
                    if !self.is_through(ended) && !backoff.pause(&stop).await {
                        break;
                    }
                }
            }
        }
        self.end_all().await;
    }

    /// Looks which shards there are, and has those read that may be and are not.
    async fn look(&mut self) -> Result<(), SourceError> {
        let beginning = self.checkpoints.beginning(&self.mapping, self.settings.starting_position).await;
        let beginning = beginning.map_err(SourceError::new)?;
        let listing = self.stream.shards().await?;
        let from = self.same_stream(beginning, &listing).await?;
        let mut checkpoints = self.checkpoints.all().map_err(SourceError::new)?;
        self.drop_what_is_gone(&listing, &mut checkpoints).await?;
        let is_through = |id: &ShardId| checkpoints.get(id.as_str()) == Some(&Checkpoint::Through);
        for shard in lineage::readable(&listing.shards, is_through) {
            if self.read.contains_key(&shard.id) {
                continue;
            }
            let stop = self.stop.child_token();
            let worker = ShardWorker {
                mapping: Arc::clone(&self.mapping),
                stream: self.stream.clone(),
                shard: shard.id.clone(),
                checkpoints: self.checkpoints.clone(),
                from,
                checkpoint: checkpoints.get(shard.id.as_str()).cloned(),
                lanes: usize::try_from(self.settings.parallelization_factor).unwrap_or(1).max(1),
                tumbling_window: self.settings.tumbling_window,
                tools: self.tools.clone(),
                stop: stop.clone(),
            };
            let id = shard.id.clone();
            tracing::info!(mapping = %self.mapping.id, source = %self.mapping.source, shard = %id, "a shard is read");
            self.read.insert(id.clone(), stop);
            // One that breaks is known by its id.
            self.reading.spawn(async move { (id, tokio::spawn(worker.run()).await) });
        }
        Ok(())
    }

    /// Where shards without a checkpoint begin. If the stream is not the one that was read, but another of its name, what is
    /// known of that is of no use, and all of the new one is meant.
    async fn same_stream(
        &mut self,
        mut beginning: Beginning,
        listing: &Listing,
    ) -> Result<Start, SourceError> {
        if listing.stream.is_none() || beginning.stream == listing.stream {
            return Ok(beginning.from);
        }
        if beginning.stream.is_some() {
            tracing::warn!(mapping = %self.mapping.id, source = %self.mapping.source,
                "the stream was made anew, and is read from its beginning");
            self.end_all().await;
            let known = self.checkpoints.all().map_err(SourceError::new)?;
            self.checkpoints.remove(known.into_keys()).await.map_err(SourceError::new)?;
            beginning.from = Start::Oldest;
        }
        beginning.stream.clone_from(&listing.stream);
        self.checkpoints.begin(&beginning).await.map_err(SourceError::new)?;
        Ok(beginning.from)
    }

    /// A shard goes when its last record has grown too old.
    async fn drop_what_is_gone(
        &mut self,
        listing: &Listing,
        checkpoints: &mut HashMap<String, Checkpoint>,
    ) -> Result<(), SourceError> {
        let is_there = |id: &str| listing.shards.iter().any(|shard| shard.id.as_str() == id);
        for (id, stop) in &self.read {
            if !is_there(id.as_str()) {
                tracing::warn!(mapping = %self.mapping.id, source = %self.mapping.source, shard = %id,
                    "a shard is gone that was not through");
                stop.cancel();
            }
        }
        let gone: Vec<String> = checkpoints
            .keys()
            .filter(|id| !is_there(id) && !self.read.keys().any(|read| read.as_str() == id.as_str()))
            .cloned()
            .collect();
        checkpoints.retain(|id, _| !gone.contains(id));
        self.checkpoints.remove(gone).await.map_err(SourceError::new)
    }

    /// Whether a shard that is not read any more is through.
    fn is_through(&mut self, ended: Result<(ShardId, Result<bool, JoinError>), JoinError>) -> bool {
        let (mapping, source) = (self.mapping.id, &self.mapping.source);
        match ended {
            Ok((shard, Ok(is_through))) => {
                tracing::info!(%mapping, %source, %shard, is_through, "a shard is not read any more");
                self.read.remove(&shard);
                is_through
            }
            Ok((shard, Err(error))) => {
                tracing::error!(%mapping, %source, %shard, %error, "the reading of a shard broke");
                self.read.remove(&shard);
                false
            }
            Err(error) => {
                tracing::error!(%mapping, %source, %error, "the reading of a shard broke");
                false
            }
        }
    }

    async fn end_all(&mut self) {
        self.read.values().for_each(CancellationToken::cancel);
        while let Some(ended) = self.reading.join_next().await {
            self.is_through(ended);
        }
        self.read.clear();
    }
}
