//! Following changes as they become durable.
//!
//! The writer thread tells the watchers after it has synced and before it goes on, and never waits for one: a watcher
//! that falls behind is cut off, told so, and has to read anew.

use std::{
    marker::PhantomData,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;

use super::{
    Record, StoreError, StoreFailure, Stored,
    batch::Change,
    record::{database_prefix, record_key},
};

/// How many changes wait for a watcher before it counts as lagging: two full groups of the writer.
const MAX_WAITING_CHANGES: usize = 1024;

type Failed = tokio::sync::watch::Receiver<Option<Arc<StoreFailure>>>;

/// A change that has become durable.
#[derive(Debug)]
pub enum WatchEvent<R> {
    /// A record was stored.
    Put(Stored<R>),
    /// The record of this key was removed, or found to be gone already.
    Deleted(String),
}

/// The changes of the records under a prefix. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch<R> {
    changes: mpsc::Receiver<Change>,
    lagged: Arc<AtomicBool>,
    failed: Failed,
    kind: PhantomData<fn() -> R>,
}

impl<R: Record> Watch<R> {
    /// Waits for the next change. In the order of the writes, each once; safe to cancel.
    ///
    /// # Errors
    /// [`StoreError::WatchLagged`] after the changes that still were in time; [`StoreError::Closed`] and
    /// [`StoreError::Failed`] when no more will come.
    pub async fn next(&mut self) -> Result<WatchEvent<R>, StoreError> {
        let Some(change) = self.changes.recv().await else { return Err(self.why_ended()) };
        let key = record_key::<R>(&change.place)?;
        match change.encoded {
            Some(encoded) => Stored::decode(key, encoded).map(WatchEvent::Put),
            None => Ok(WatchEvent::Deleted(key)),
        }
    }

    fn why_ended(&self) -> StoreError {
        if self.lagged.load(Ordering::Acquire) {
            return StoreError::WatchLagged { tree: R::TREE };
        }
        match self.failed.borrow().as_ref() {
            Some(failure) => StoreError::Failed(failure.clone()),
            None => StoreError::Closed,
        }
    }
}

/// Everybody who watches.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Watching>);

#[derive(Debug, Default)]
struct Watching {
    watchers: Vec<Watcher>,
    ended: bool,
}

#[derive(Debug)]
struct Watcher {
    prefix: Vec<u8>,
    changes: mpsc::Sender<Change>,
    lagged: Arc<AtomicBool>,
}

impl Watchers {
    pub(super) fn add<R: Record>(&self, prefix: &str, failed: Failed) -> Watch<R> {
        let (sender, changes) = mpsc::channel(MAX_WAITING_CHANGES);
        let lagged = Arc::new(AtomicBool::new(false));
        let mut watching = self.lock();
        // Without its sender the watch ends at once, as it should when the store has.
        if !watching.ended {
            watching.watchers.push(Watcher {
                prefix: database_prefix::<R>(prefix),
                changes: sender,
                lagged: lagged.clone(),
            });
        }
        Watch { changes, lagged, failed, kind: PhantomData }
    }

    pub(super) fn tell<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) {
        let mut watching = self.lock();
        watching.watchers.retain(|watcher| !watcher.changes.is_closed());
        if watching.watchers.is_empty() {
            return;
        }
        for change in changes {
            watching.watchers.retain(|watcher| watcher.tell(change));
        }
    }

    /// Ends every watch, and those to come.
    pub(super) fn end(&self) {
        let mut watching = self.lock();
        watching.ended = true;
        watching.watchers.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watching> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Whether the watcher is still to be told.
    fn tell(&self, change: &Change) -> bool {
        if !change.place.starts_with(&self.prefix) {
            return true;
        }
        match self.changes.try_send(change.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagged.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
