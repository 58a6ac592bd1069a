//! What the store keeps of a stream that a mapping reads: where reading began, and how far each shard is.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    super::windows::Window,
    keeper::WindowNote,
    kept_window,
    stream::{Place, ShardId},
};
use crate::{
    events::mapping::{Mapping, StartingPosition},
    store::{Batch, Record, Store, StoreError},
};

/// Checkpoints that are removed at once.
const AT_ONCE: usize = 500;

/// Where reading a stream began, under its mapping's `ACCOUNT/UUID`. Decided once: what came while nobody read is not new
/// when reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beginning {
    pub(super) from: Start,
    /// Which stream of its name it is, as soon as that is known.
    pub(super) stream: Option<String>,
}

/// Where a shard begins that has no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Start {
    Oldest,
    Since(#[serde(with = "time::serde::rfc3339")] OffsetDateTime),
}

impl Record for Beginning {
    const TREE: &'static str = "stream_beginnings";
    const SCHEMA_VERSION: u16 = 1;
}

/// How far a shard is, under `ACCOUNT/UUID/SHARD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Checkpoint {
    /// Everything up to the record with this sequence number is through.
    After(String),
    /// It was closed, and all of it is through.
    Through,
}

impl Record for Checkpoint {
    const TREE: &'static str = "shard_checkpoints";
    const SCHEMA_VERSION: u16 = 1;
}

impl Start {
    pub(super) fn place(self) -> Place {
        match self {
            Self::Oldest => Place::Oldest,
            Self::Since(moment) => Place::Since(moment),
        }
    }

    /// Of a mapping that is read for the first time. What is new is what came after its owner had asked for it, or
    /// changed it last, however long it took until somebody looked.
    fn of(mapping: &Mapping, position: StartingPosition) -> Self {
        match position {
            StartingPosition::TrimHorizon => Self::Oldest,
            StartingPosition::Latest => Self::Since(mapping.last_modified),
            StartingPosition::AtTimestamp(moment) => Self::Since(moment),
        }
    }
}

/// What is kept of one mapping's stream.
#[derive(Clone, Debug)]
pub(super) struct Checkpoints {
    store: Store,
    /// `ACCOUNT/UUID`.
    key: String,
}

impl Checkpoints {
    pub(super) fn of(store: &Store, mapping: &Mapping) -> Self {
        Self { store: store.clone(), key: format!("{}/{}", mapping.account, mapping.id) }
    }

    /// Where reading began, or begins now.
    pub(super) async fn beginning(
        &self,
        mapping: &Mapping,
        position: StartingPosition,
    ) -> Result<Beginning, StoreError> {
        if let Some(beginning) = self.store.get::<Beginning>(&self.key)? {
            return Ok(beginning.into_value());
        }
        let beginning = Beginning { from: Start::of(mapping, position), stream: None };
        self.begin(&beginning).await?;
        Ok(beginning)
    }

    pub(super) async fn begin(&self, beginning: &Beginning) -> Result<(), StoreError> {
        self.store.put(&self.key, beginning).await
    }

    pub(super) fn all(&self) -> Result<HashMap<String, Checkpoint>, StoreError> {
        let prefix = format!("{}/", self.key);
        let found = self.store.scan_all::<Checkpoint>(&prefix).map(|stored| {
            let stored = stored?;
            let shard = stored.key().strip_prefix(&prefix).unwrap_or_default().to_owned();
            Ok((shard, stored.into_value()))
        });
        found.collect()
    }

    /// The window of a shard that is open.
    pub(super) fn window(&self, shard: &ShardId) -> Result<Option<Window>, StoreError> {
        kept_window::read(&self.store, &self.key_of(shard))
    }

    /// Notes how far a shard is, if that has moved, and what has become of its window: both or neither.
    pub(super) async fn note(
        &self,
        shard: &ShardId,
        reached: Option<&Checkpoint>,
        window: &WindowNote,
    ) -> Result<(), StoreError> {
        let key = self.key_of(shard);
        let mut batch = Batch::new();
        match window {
            WindowNote::Same => {}
            WindowNote::Open(window) => kept_window::write(&self.store, &key, window, &mut batch).await?,
            WindowNote::Closed => kept_window::close(&key, &mut batch)?,
        }
        if let Some(checkpoint) = reached {
            batch.put(&key, checkpoint)?;
        }
        self.store.batch(batch).await?;
        match window {
            WindowNote::Closed => kept_window::remove_parts(&self.store, &key).await,
            WindowNote::Same | WindowNote::Open(_) => Ok(()),
        }
    }

    fn key_of(&self, shard: &ShardId) -> String {
        format!("{}/{shard}", self.key)
    }

    /// Removes the checkpoints of shards, and their windows.
    pub(super) async fn remove(&self, shards: impl IntoIterator<Item = String>) -> Result<(), StoreError> {
        let shards: Vec<String> = shards.into_iter().collect();
        for some in shards.chunks(AT_ONCE) {
            let mut batch = Batch::new();
            for shard in some {
                batch.delete::<Checkpoint>(&format!("{}/{shard}", self.key))?;
            }
            self.store.batch(batch).await?;
            for shard in some {
                kept_window::remove(&self.store, &format!("{}/{shard}", self.key)).await?;
            }
        }
        Ok(())
    }

    /// Removes everything: the mapping goes.
    pub(super) async fn forget(&self) -> Result<(), StoreError> {
        self.remove(self.all()?.into_keys()).await?;
        kept_window::remove(&self.store, &self.key).await?;
        self.store.delete::<Beginning>(&self.key).await
    }
}
