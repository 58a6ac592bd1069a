//! What the store keeps of pollers: that a source was begun to be read.
//!
//! Where in a source a mapping is, Redis and SQS keep themselves. What they lose is read again from the beginning rather than
//! from the starting position, which may mean "what comes from now on".

use serde::{Deserialize, Serialize};

use crate::{
    events::mapping::Mapping,
    store::{Record, Store, StoreError},
};

/// A source that is read, under its mapping's `ACCOUNT/UUID`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Begun {}

impl Record for Begun {
    const TREE: &'static str = "event_source_positions";
    const SCHEMA_VERSION: u16 = 1;
}

fn key(mapping: &Mapping) -> String {
    format!("{}/{}", mapping.account, mapping.id)
}

pub(super) fn has_begun(store: &Store, mapping: &Mapping) -> Result<bool, StoreError> {
    Ok(store.get::<Begun>(&key(mapping))?.is_some())
}

pub(super) async fn note(store: &Store, mapping: &Mapping) -> Result<(), StoreError> {
    store.put(&key(mapping), &Begun {}).await
}

pub(super) async fn forget(store: &Store, mapping: &Mapping) -> Result<(), StoreError> {
    store.delete::<Begun>(&key(mapping)).await
}
