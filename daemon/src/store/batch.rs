//! Several changes that happen together or not at all.

use sled::IVec;

use super::{
    Record, StoreError, Stored,
    record::{database_key, encode},
};

/// The largest batch, encoded. A batch waits in memory and is written in one go; whoever has more than this to change
/// at once has forgotten a blob or a loop.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// What an operation costs beside its bytes, so that many small ones are bounded too.
const OPERATION_BYTES: usize = 64;

/// Changes, over any kinds of records, that are applied in one step; and what must be true for that.
///
/// What is expected is compared with the state before the batch. Of several changes of one key the last counts.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) expectations: Vec<Expectation>,
    pub(super) changes: Vec<Change>,
    size: usize,
}

/// What a record must be for its batch to be applied.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) place: Vec<u8>,
    pub(super) encoded: Option<IVec>,
}

/// A record's new state: a value, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) place: Vec<u8>,
    pub(super) encoded: Option<IVec>,
}

/// The kind of record that an operation is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) tree: &'static str,
    pub(super) schema: u16,
}

impl Kind {
    pub(super) const fn of<R: Record>() -> Self {
        Self { tree: R::TREE, schema: R::SCHEMA_VERSION }
    }
}

impl Batch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a record, whether there was one or not.
    pub fn put<R: Record>(&mut self, key: &str, record: &R) -> Result<(), StoreError> {
        self.put_encoded(key, record).map(drop)
    }

    /// Like [`Self::put`]; gives back what will be stored.
    pub(super) fn put_encoded<R: Record>(&mut self, key: &str, record: &R) -> Result<IVec, StoreError> {
        let encoded = encode(key, record)?;
        self.change::<R>(key, Some(encoded.clone()))?;
        Ok(encoded)
    }

    /// Removes a record; nothing happens if there is none.
    pub fn delete<R: Record>(&mut self, key: &str) -> Result<(), StoreError> {
        self.change::<R>(key, None)
    }

    /// Applies the batch only if the record is still as `expected` was read, or still is not there.
    pub fn expect<R: Record>(&mut self, key: &str, expected: Option<&Stored<R>>) -> Result<(), StoreError> {
        let place = database_key::<R>(key)?;
        let encoded = expected.map(|stored| stored.encoded().clone());
        self.size += OPERATION_BYTES + place.len() + encoded.as_ref().map_or(0, |bytes| bytes.len());
        self.expectations.push(Expectation { kind: Kind::of::<R>(), key: key.to_owned(), place, encoded });
        Ok(())
    }

    /// Stores a record if it is still as `expected` was read, or, with `None`, if there still is none.
    pub fn compare_and_swap<R: Record>(
        &mut self,
        key: &str,
        expected: Option<&Stored<R>>,
        record: &R,
    ) -> Result<(), StoreError> {
        self.expect(key, expected)?;
        self.put(key, record)
    }

    /// Removes a record if it is still as it was read.
    pub fn compare_and_delete<R: Record>(&mut self, expected: &Stored<R>) -> Result<(), StoreError> {
        self.expect(expected.key(), Some(expected))?;
        self.delete::<R>(expected.key())
    }

    fn change<R: Record>(&mut self, key: &str, encoded: Option<IVec>) -> Result<(), StoreError> {
        let place = database_key::<R>(key)?;
        self.size += OPERATION_BYTES + place.len() + encoded.as_ref().map_or(0, |bytes| bytes.len());
        self.changes.push(Change { kind: Kind::of::<R>(), place, encoded });
        Ok(())
    }

    /// What the batch weighs in memory, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let expected = self.expectations.iter().map(|expectation| expectation.kind);
        expected.chain(self.changes.iter().map(|change| change.kind))
    }
}
