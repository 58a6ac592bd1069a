//! The one thread that writes.
//!
//! ```text
//! requests -> queue -> [ take what waits -> check -> apply -> flush -> sync ] -> tell watchers -> acknowledge
//! ```
//!
//! - One thread, so that expectations are checked in an order and nobody else's flush is waited for.
//! - One sync for all that waited: 64 writers get ten times what one gets.
//! - sled's `flush` writes the file but asks the kernel for `sync_file_range` only, which leaves the disk's own cache
//!   and the file's length to chance; so a handle of our own to the same file does `sync_data`. Never `flush_async`: it
//!   can hang when it is called concurrently.
//! - A failure is for ever (see [`StoreFailure`]). A panic inside the database counts as one.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use sled::IVec;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::{
    Batch, StoreError, StoreFailure,
    batch::{Change, Expectation, Kind},
    faults::{Faults, point},
    format::THAWD_VERSION,
    record::{Schema, database_key, encode},
    watch::Watchers,
};

/// The most requests that share a sync. Measured: beyond this the sync is no longer what a request waits for.
const MAX_GROUP: usize = 512;

/// The most requests that wait. Two groups: one is being synced while the next gathers.
pub(super) const MAX_WAITING_REQUESTS: usize = 2 * MAX_GROUP;

/// What somebody asks of the writer.
pub(super) enum Request {
    /// Apply a batch.
    Write(Write),
    /// Finish what waits, take no more, say so.
    Close(oneshot::Sender<()>),
}

/// A batch that waits.
pub(super) struct Write {
    pub(super) batch: Batch,
    pub(super) acknowledge: oneshot::Sender<Result<(), StoreError>>,
    /// The room that the batch takes among all that wait.
    pub(super) _room: OwnedSemaphorePermit,
}

/// The writer thread's own things.
pub(super) struct Writer {
    pub(super) database: sled::Db,
    /// A handle to the database's file that nobody else has: it sees every write-back error itself.
    pub(super) file: File,
    pub(super) directory: PathBuf,
    /// Held while a group is applied, so that a page of a scan shows all of it or nothing.
    pub(super) applying: Arc<RwLock<()>>,
    /// The newest schema noted of each kind of record.
    pub(super) schemas: HashMap<String, u16>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) failed: watch::Sender<Option<Arc<StoreFailure>>>,
    pub(super) faults: Faults,
}

impl Writer {
    /// Serves the queue until it is closed: by request, or because the last handle to the store is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut closing = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Write(write) => group.push(write),
                    Request::Close(done) => {
                        queue.close();
                        closing.push(done);
                    }
                }
                next = if group.len() < MAX_GROUP { queue.try_recv().ok() } else { None };
            }
            self.serve(group);
        }
        self.watchers.end();
        // Dropping these tells whoever closed; and so does a failure to send, since then nobody waits.
        drop(closing);
    }

    fn serve(&mut self, group: Vec<Write>) {
        let failure = self.failed.borrow().clone();
        let outcomes = match failure {
            Some(failure) => Err(failure),
            None => self.commit_or_fail(&group),
        };
        match outcomes {
            Ok(outcomes) => {
                for (write, outcome) in group.into_iter().zip(outcomes) {
                    // Whoever no longer waits has given up on the answer, not on the write.
                    let _ = write.acknowledge.send(outcome);
                }
            }
            Err(failure) => {
                for write in group {
                    let _ = write.acknowledge.send(Err(StoreError::Failed(failure.clone())));
                }
            }
        }
    }

    /// A failure is known to readers and to `main` before any waiter hears of it.
    fn commit_or_fail(&mut self, group: &[Write]) -> Result<Vec<Result<(), StoreError>>, Arc<StoreFailure>> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(group)));
        let error = match outcome {
            Ok(Ok(outcomes)) => return Ok(outcomes),
            Ok(Err(failure)) => failure,
            Err(panic) => self.failure("write", io::Error::other(panic_text(panic.as_ref()))),
        };
        let failure = Arc::new(error);
        tracing::error!(error = &*failure as &dyn std::error::Error, "the store has failed");
        self.failed.send_replace(Some(failure.clone()));
        self.watchers.end();
        Err(failure)
    }

    /// Makes a group durable. What comes back is for each request, in order; an error is for all of them.
    fn commit(&mut self, group: &[Write]) -> Result<Vec<Result<(), StoreError>>, StoreFailure> {
        let mut state = BTreeMap::<&[u8], Option<&IVec>>::new();
        let mut outcomes = Vec::with_capacity(group.len());
        let mut applied = Vec::new();
        for Write { batch, .. } in group {
            match self.first_conflict(&state, &batch.expectations)? {
                Some(Expectation { kind, key, .. }) => {
                    outcomes.push(Err(StoreError::Conflict { tree: kind.tree, key: key.clone() }));
                }
                None => {
                    for change in &batch.changes {
                        state.insert(&change.place, change.encoded.as_ref());
                        applied.push(change);
                    }
                    outcomes.push(Ok(()));
                }
            }
        }
        if state.is_empty() {
            // What the refusals are based on was synced with an earlier group.
            return Ok(outcomes);
        }

        let mut batch = sled::Batch::default();
        for (place, encoded) in &state {
            match encoded {
                Some(encoded) => batch.insert(*place, (*encoded).clone()),
                None => batch.remove(*place),
            }
        }
        self.note_schemas(&applied, &mut batch).map_err(|error| self.failure("write", error))?;
        {
            let _applying = self.applying.write().unwrap_or_else(PoisonError::into_inner);
            self.database.apply_batch(batch).map_err(|error| self.failure("write", error))?;
        }
        self.pass(point::COMMIT_APPLIED)?;
        self.database.flush().map_err(|error| self.failure("flush", error))?;
        self.pass(point::COMMIT_FLUSHED)?;
        self.file.sync_data().map_err(|error| self.failure("sync", error))?;
        self.pass(point::COMMIT_SYNCED)?;

        self.watchers.tell(applied);
        Ok(outcomes)
    }

    /// The first expectation that does not hold, in the state that the requests before have made.
    fn first_conflict<'e>(
        &self,
        state: &BTreeMap<&[u8], Option<&IVec>>,
        expectations: &'e [Expectation],
    ) -> Result<Option<&'e Expectation>, StoreFailure> {
        for expectation in expectations {
            let holds = match state.get(expectation.place.as_slice()) {
                Some(current) => *current == expectation.encoded.as_ref(),
                None => {
                    let current =
                        self.database.get(&expectation.place).map_err(|error| self.failure("read", error))?;
                    current == expectation.encoded
                }
            };
            if !holds {
                return Ok(Some(expectation));
            }
        }
        Ok(None)
    }

    /// With the first record of a new schema goes a note that an older program will find when it opens the store.
    fn note_schemas(&mut self, applied: &[&Change], batch: &mut sled::Batch) -> Result<(), StoreError> {
        for Change { kind: Kind { tree, schema }, .. } in applied {
            if self.schemas.get(*tree).is_some_and(|noted| noted >= schema) {
                continue;
            }
            let note = Schema { version: *schema, written_by: THAWD_VERSION.to_owned() };
            batch.insert(database_key::<Schema>(tree)?, encode(tree, &note)?);
            self.schemas.insert((*tree).to_owned(), *schema);
        }
        Ok(())
    }

    fn pass(&self, point: &'static str) -> Result<(), StoreFailure> {
        self.faults.pass(point).map_err(|error| self.failure("sync", error))
    }

    fn failure(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreFailure {
        StoreFailure { action, path: self.directory.clone(), source: source.into() }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("the database panicked: {}", text.unwrap_or("it did not say why"))
}
