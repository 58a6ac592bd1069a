//! Streams with shards, whose places are kept here: Kinesis does not know who reads it, and DynamoDB's streams do not either.
//!
//! ```text
//! follower: which shards are there? -> those whose parents are through
//!   worker of a shard:  reader -> lane -> worker (as of any source) -> through -> keeper -> checkpoint
//!                             \-> lane -> worker                    -> through --/
//! ```
//!
//! A record's key says which lane it goes through; each lane is a source to an ordinary [worker](super::worker). The
//! checkpoint is the last record before the first that is not through in any lane ([`progress`]), and durable before a worker
//! goes on. So whatever ends, nothing is lost, and what was under way comes again. The state of a window that is open
//! ([`super::windows`]) is written with the checkpoint ([`kept_window`]): a window goes on where it was.

mod checkpoints;
mod follower;
mod keeper;
mod kept_window;
mod lane;
mod lineage;
mod progress;
mod reader;
pub(in crate::events) mod stream;
#[cfg(test)]
mod tests;
mod worker;

use self::checkpoints::Checkpoints;
pub(super) use self::follower::Follower;
use crate::{
    events::mapping::Mapping,
    store::{Store, StoreError},
};

/// Removes what is kept of the stream of a mapping that goes.
pub(super) async fn forget(store: &Store, mapping: &Mapping) -> Result<(), StoreError> {
    Checkpoints::of(store, mapping).forget().await
}
