//! What a poller asks of a stream with shards. Each kind of stream is a file in `events::sources`.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::super::{record::Record, source::SourceError};

/// The longest id of a shard. Source: Kinesis' API; those of DynamoDB have 65 at the most.
const SHARD_ID_MAX: usize = 128;

/// The id of a shard, which is a part of keys in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardId(Arc<str>);

impl ShardId {
    /// # Errors
    /// It is none.
    pub(crate) fn new(id: &str) -> Result<Self, SourceError> {
        if id.is_empty() || id.len() > SHARD_ID_MAX || id.chars().any(|character| character.is_control()) {
            return Err(SourceError::new("the stream has a shard whose id is none"));
        }
        Ok(Self(id.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard. One that was split or merged is closed, and has children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    /// What it came of: none, one, or two that were merged. They may be gone.
    pub(crate) parents: Vec<ShardId>,
}

/// The shards that a stream has.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Tells the stream from another that had its name before, if the name does not.
    pub(crate) stream: Option<String>,
    pub(crate) shards: Vec<Shard>,
}

/// Where in a shard to read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the oldest record that there is.
    Oldest,
    /// At the first record of this time or later.
    Since(OffsetDateTime),
    /// After the record with this sequence number.
    After(String),
}

/// Some records of a shard, in their order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Keyed>,
    /// What to read on with. None at the end of a closed shard.
    pub(crate) next: Option<String>,
    /// Whether nothing was behind them in the shard when they were read, as far as the stream tells.
    pub(crate) is_latest: bool,
}

/// A record, whose id is its sequence number, and what its order is kept among.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: String,
    pub(crate) record: Record,
}

/// Why a shard could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Another iterator can be had.
    #[error("the iterator has expired")]
    Expired,
    /// The place is not in the shard any more.
    #[error("{0}")]
    Trimmed(SourceError),
    /// It is read too often, by whomever.
    #[error("{0}")]
    Throttled(SourceError),
    #[error(transparent)]
    Failed(#[from] SourceError),
}

/// A stream, asked by a task for each of its shards and one that follows which there are. Clones are the same stream.
pub(crate) trait ShardedStream: Clone + fmt::Debug + Send + Sync + 'static {
    /// See [`Source::PAYLOAD`](super::super::source::Source::PAYLOAD).
    const PAYLOAD: Option<&'static str>;

    /// See [`Source::BATCH_INFO`](super::super::source::Source::BATCH_INFO).
    const BATCH_INFO: &'static str;

    /// Whether it finds records by their time. Otherwise [`Place::Since`] is read as [`Place::Oldest`], and what is older is
    /// passed over here.
    const FINDS_TIMES: bool;

    /// How long a shard that had nothing new is left alone.
    const REST: Duration;

    /// All shards that there are, also closed ones whose records are still kept.
    fn shards(&self) -> impl Future<Output = Result<Listing, SourceError>> + Send;

    /// What to read from a place on with.
    fn iterator(
        &self,
        shard: &ShardId,
        place: &Place,
    ) -> impl Future<Output = Result<String, ReadError>> + Send;

    /// Reads what comes next, which may be nothing.
    fn page(&self, shard: &ShardId, iterator: &str) -> impl Future<Output = Result<Page, ReadError>> + Send;
}
