//! What an event carries: in its record if it is small, else in a file that is named by its content.
//!
//! A file may serve several records. Each has a reference beside it, written and removed in the same batch; whoever
//! removes a reference removes the file with the last one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::store::{Batch, Record, Scan, Sha256Digest, Store, StoreError};

/// The most bytes that are kept in a record. Written as a JSON string they are twice as many at worst, which leaves room
/// for the rest of a record.
const INLINE: usize = 48 * 1024;

/// A payload that waits: text, since it is JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    /// All of it.
    Inline(String),
    /// Where it is.
    File {
        /// Its name.
        digest: Sha256Digest,
        /// Its bytes.
        len: u64,
    },
}

impl Payload {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

/// That a record needs a file. Under `DIGEST/OWNER`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Reference {}

impl Record for Reference {
    const TREE: &'static str = "payload_references";
    const SCHEMA_VERSION: u16 = 1;
}

/// The payloads of a store.
#[derive(Debug)]
pub(super) struct Payloads {
    store: Store,
    /// Read by whoever has stored a file that no reference names yet; written by whoever removes files.
    naming: RwLock<()>,
}

/// Stores payloads whose references are not stored yet. Keep it until they are.
///
/// One for all that go into a batch: whoever took the lock a second time would wait behind a remover that waits for the first.
#[derive(Debug)]
pub(super) struct Keeping<'a> {
    payloads: &'a Payloads,
    naming: Option<RwLockReadGuard<'a, ()>>,
}

impl Keeping<'_> {
    /// Keeps a payload, durably if it needs a file. `text` must be UTF-8, as checked JSON is; what is not becomes a file.
    pub(super) async fn keep(&mut self, text: Bytes) -> Result<Payload, StoreError> {
        if text.len() <= INLINE
            && let Ok(inline) = std::str::from_utf8(&text)
        {
            return Ok(Payload::Inline(inline.to_owned()));
        }
        if self.naming.is_none() {
            self.naming = Some(self.payloads.naming.read().await);
        }
        let len = text.len() as u64;
        let digest = self.payloads.store.payloads().put(text).await?;
        Ok(Payload::File { digest, len })
    }
}

impl Payloads {
    pub(super) fn new(store: Store) -> Self {
        Self { store, naming: RwLock::new(()) }
    }

    /// Begins to keep payloads of one batch.
    pub(super) fn keeping(&self) -> Keeping<'_> {
        Keeping { payloads: self, naming: None }
    }

    /// The payload itself.
    ///
    /// # Errors
    /// Its file is gone or damaged; the disk fails.
    pub(super) async fn read(&self, payload: &Payload) -> Result<Bytes, StoreError> {
        match payload {
            Payload::Inline(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Payload::File { digest, len } => self.store.payloads().read(*digest, *len).await,
        }
    }

    /// Notes in a batch that `owner` needs the payload.
    pub(super) fn refer(batch: &mut Batch, payload: &Payload, owner: &str) -> Result<(), StoreError> {
        match payload {
            Payload::Inline(_) => Ok(()),
            Payload::File { digest, .. } => batch.put(&format!("{digest}/{owner}"), &Reference {}),
        }
    }

    /// Notes in a batch that `owner` no longer does. [`Payloads::collect`] when the batch is durable.
    pub(super) fn release(batch: &mut Batch, payload: &Payload, owner: &str) -> Result<(), StoreError> {
        match payload {
            Payload::Inline(_) => Ok(()),
            Payload::File { digest, .. } => batch.delete::<Reference>(&format!("{digest}/{owner}")),
        }
    }

    /// Removes the file of a payload if nobody needs it.
    pub(super) async fn collect(&self, payload: &Payload) -> Result<(), StoreError> {
        let Payload::File { digest, .. } = payload else { return Ok(()) };
        let _naming = self.naming.write().await;
        self.collect_file(*digest).await
    }

    /// Removes all files that nobody needs: what a life of the daemon that was cut off has left.
    pub(super) async fn collect_all(&self) -> Result<(), StoreError> {
        let _naming = self.naming.write().await;
        for file in self.store.payloads().list().await? {
            self.collect_file(file.digest).await?;
        }
        Ok(())
    }

    async fn collect_file(&self, digest: Sha256Digest) -> Result<(), StoreError> {
        let references = format!("{digest}/");
        if self.store.scan::<Reference>(Scan::prefix(&references).limit(1))?.records.is_empty() {
            self.store.payloads().remove(digest).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    async fn files(store: &Store) -> usize {
        store.payloads().list().await.unwrap().len()
    }

    #[tokio::test]
    async fn a_small_payload_is_part_of_its_record_and_a_large_one_a_file_until_its_last_owner_goes() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let payloads = Payloads::new(store.clone());
        let small = payloads.keeping().keep(Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(small, Payload::Inline("{}".into()));

        let text = Bytes::from("x".repeat(INLINE + 1));
        for owner in ["one", "two"] {
            let mut keeping = payloads.keeping();
            let payload = keeping.keep(text.clone()).await.unwrap();
            let mut batch = Batch::new();
            Payloads::refer(&mut batch, &payload, owner).unwrap();
            store.batch(batch).await.unwrap();
        }
        let large = payloads.keeping().keep(text.clone()).await.unwrap();
        assert_eq!(payloads.read(&large).await.unwrap(), text);
        for (owner, left) in [("one", 1), ("two", 0)] {
            let mut batch = Batch::new();
            Payloads::release(&mut batch, &large, owner).unwrap();
            store.batch(batch).await.unwrap();
            payloads.collect(&large).await.unwrap();
            assert_eq!(files(&store).await, left);
        }
    }

    #[tokio::test]
    async fn a_file_that_was_stored_for_nothing_goes_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let payloads = Payloads::new(store.clone());
        payloads.keeping().keep(Bytes::from("x".repeat(INLINE + 1))).await.unwrap();
        assert_eq!(files(&store).await, 1);
        payloads.collect_all().await.unwrap();
        assert_eq!(files(&store).await, 0);
    }

    #[tokio::test]
    async fn two_large_payloads_are_kept_while_somebody_waits_to_remove_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let payloads = std::sync::Arc::new(Payloads::new(store));
        let large = |letter: &str| Bytes::from(letter.repeat(INLINE + 1));
        let mut keeping = payloads.keeping();
        let first = keeping.keep(large("a")).await.unwrap();
        let removing = {
            let (payloads, first) = (payloads.clone(), first.clone());
            tokio::spawn(async move { payloads.collect(&first).await })
        };
        // The remover stands in line for the lock before the second payload comes.
        tokio::task::yield_now().await;
        keeping.keep(large("b")).await.unwrap();
        assert!(!removing.is_finished(), "nothing is removed meanwhile");
        drop(keeping);
        removing.await.unwrap().unwrap();
    }
}
