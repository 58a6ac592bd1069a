//! The daemon's durable state: records in sled, large things in files beside it.
//!
//! Called by every layer that keeps something: functions, invoke, runtimes, identity, logs. Nobody else opens sled.
//!
//! What it guarantees:
//! - **Acknowledged is durable.** When a write returns `Ok`, the record is on the disk, through a kill or a power cut.
//!   When the disk fails, the store stops for ever and says so to [`Store::failed`], so that the daemon can exit.
//! - **In order.** Writes take effect one after another, in the order in which they were queued; a batch as one.
//! - **Reads see the newest state, acknowledged or not.** A write is visible a moment (one sync) before it is durable.
//!   That does no harm inside the daemon: whatever a reader then writes is queued behind what it has read, so nothing
//!   that is acknowledged ever rests on something that could still be lost. Only a bare answer to the outside may show
//!   what a crash within that moment takes back; whoever must not say so writes an empty [`Batch`] first, or follows
//!   [`Store::watch`], which shows durable changes only. After a failure reads are refused, too.
//! - **One daemon a directory**, and never an older one than has written it.
//!
//! A write whose future is dropped may still happen: giving up waiting is not giving up the write.
//!
//! The interface is what a distributed store could serve as well: get, put, delete, scan, compare-and-swap, batch, watch.

mod batch;
mod blobs;
mod digest;
mod disk;
mod error;
mod faults;
mod format;
mod lock;
mod open;
mod record;
mod scan;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
};

use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

#[cfg(any(test, feature = "failpoints"))]
pub use self::faults::FAILPOINTS_VARIABLE;
use self::{
    batch::Kind,
    lock::DirectoryLock,
    record::{Schema, database_key, record_key},
    watch::Watchers,
    writer::{Request, Write},
};
pub use self::{
    batch::{Batch, MAX_BATCH_BYTES},
    blobs::{Blob, BlobInfo, BlobWriter, Blobs},
    digest::{InvalidDigest, Sha256Digest},
    error::{StoreError, StoreFailure},
    faults::Faults,
    format::FORMAT_VERSION,
    open::StoreOptions,
    record::{MAX_ITEM_BYTES, MAX_KEY_BYTES, Record, Stored},
    scan::{MAX_PAGE_BYTES, MAX_PAGE_RECORDS, Page, Scan},
    watch::{Watch, WatchEvent},
};

/// How much of the batches that wait is kept in memory at most. Several of the largest; a group of them still fits into
/// one segment of the database.
const MAX_WAITING_BYTES: usize = 8 * MAX_BATCH_BYTES;

/// A handle to the state. Cheap to clone; the last one to go waits for the writes that were queued.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Request>>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
    room: Arc<Semaphore>,
    failed: tokio::sync::watch::Receiver<Option<Arc<StoreFailure>>>,
    watchers: Arc<Watchers>,
    applying: Arc<RwLock<()>>,
    /// The schemas noted when the store was opened.
    schemas: HashMap<String, Schema>,
    instance_id: Uuid,
    blobs: Blobs,
    payloads: Blobs,
    directory: PathBuf,
    database: sled::Db,
    /// After the database: whoever gets the lock next may open it.
    _lock: DirectoryLock,
}

impl Store {
    /// Opens the state under a data directory, or creates it. Blocks: call it before serving, or off the executor.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another daemon has the directory, [`StoreError::NewerFormat`] when a newer one wrote
    /// it; else what the disk or the database met.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        open::open(options)
    }

    /// This data directory's own id, the same for its whole life: the label of everything that the daemon makes.
    #[must_use]
    pub fn instance_id(&self) -> Uuid {
        self.inner.instance_id
    }

    /// The large things that functions are made of: packages, as uploaded.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// The large things on their way to a function or from it: payloads that wait. Apart from [`Store::blobs`], since
    /// other rules say when one goes.
    #[must_use]
    pub fn payloads(&self) -> &Blobs {
        &self.inner.payloads
    }

    /// Refuses a kind of record that a newer thawd has written; every use of the kind would be refused as well.
    ///
    /// For `main`, so that the daemon does not start rather than fail in the middle of its work.
    pub fn check_schema<R: Record>(&self) -> Result<(), StoreError> {
        self.check_kind(Kind::of::<R>())
    }

    /// Reads a record. From memory, or at worst from the page cache: short enough for async code.
    pub fn get<R: Record>(&self, key: &str) -> Result<Option<Stored<R>>, StoreError> {
        self.check_readable::<R>()?;
        let place = database_key::<R>(key)?;
        let encoded = self.inner.database.get(place).map_err(|error| self.database_error(error))?;
        encoded.map(|encoded| Stored::decode(key.to_owned(), encoded)).transpose()
    }

    /// Reads a page of records, as they were at one moment.
    pub fn scan<R: Record>(&self, scan: Scan<'_>) -> Result<Page<R>, StoreError> {
        self.check_readable::<R>()?;
        let mut page = Page { records: Vec::new(), more: false };
        let Some(range) = scan.range::<R>() else { return Ok(page) };
        let mut found = Vec::new();
        {
            let _applying = self.inner.applying.read().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = 0;
            for item in self.inner.database.range(range) {
                if found.len() >= scan.page_records() || bytes > MAX_PAGE_BYTES {
                    page.more = true;
                    break;
                }
                let (place, encoded) = item.map_err(|error| self.database_error(error))?;
                bytes += encoded.len();
                found.push((place, encoded));
            }
        }
        for (place, encoded) in found {
            page.records.push(Stored::decode(record_key::<R>(&place)?, encoded)?);
        }
        Ok(page)
    }

    /// Reads all records of a kind whose key begins with `prefix`, page by page. Each page is of one moment, not the
    /// whole. For kinds whose number is bounded, and for what runs in the background.
    pub fn scan_all<R: Record>(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = Result<Stored<R>, StoreError>> + use<R> {
        let (store, prefix) = (self.clone(), prefix.to_owned());
        // Where to go on; nothing when there is no more.
        let mut position = Some(None::<String>);
        std::iter::from_fn(move || {
            let after = position.take()?;
            let scan = Scan::prefix(&prefix);
            match store.scan::<R>(after.as_deref().map_or(scan, |after| scan.after(after))) {
                Ok(page) => {
                    position =
                        page.records.last().filter(|_| page.more).map(|last| Some(last.key().to_owned()));
                    Some(page.records.into_iter().map(Ok).collect())
                }
                Err(error) => Some(vec![Err(error)]),
            }
        })
        .flatten()
    }

    /// Stores a record, whether there was one or not. Durable when it returns.
    pub async fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(key, record)?;
        self.batch(batch).await
    }

    /// Removes a record; nothing happens if there is none. Durable when it returns.
    pub async fn delete<R: Record>(&self, key: &str) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete::<R>(key)?;
        self.batch(batch).await
    }

    /// Stores a record if it is still as `expected` was read; with `None`, if there still is none. Durable when it
    /// returns. Gives back what is stored now, for the next swap.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not, and nothing was changed.
    pub async fn compare_and_swap<R: Record>(
        &self,
        key: &str,
        expected: Option<&Stored<R>>,
        record: R,
    ) -> Result<Stored<R>, StoreError> {
        let mut batch = Batch::new();
        batch.expect(key, expected)?;
        let encoded = batch.put_encoded(key, &record)?;
        self.batch(batch).await?;
        Ok(Stored::new(key.to_owned(), record, encoded))
    }

    /// Removes a record if it is still as it was read. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not, and nothing was changed.
    pub async fn compare_and_delete<R: Record>(&self, expected: &Stored<R>) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.compare_and_delete(expected)?;
        self.batch(batch).await
    }

    /// Applies a batch: all of it or, in case of an error, nothing. Durable when it returns. Waits while too much
    /// waits already. An empty batch returns when everything queued before it is durable.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when something is not as the batch expects; [`StoreError::Failed`] when the store has
    /// failed: then it is not known whether the batch would be found again.
    pub async fn batch(&self, batch: Batch) -> Result<(), StoreError> {
        self.check_alive()?;
        for kind in batch.kinds() {
            self.check_kind(kind)?;
        }
        let size = batch.size();
        if size > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge { size });
        }
        // MAX_BATCH_BYTES fits.
        let room = u32::try_from(size).unwrap_or(u32::MAX);
        let room = self.inner.room.clone().acquire_many_owned(room).await.map_err(|_| self.why_gone())?;
        let (acknowledge, acknowledged) = oneshot::channel();
        let write = Request::Write(Write { batch, acknowledge, _room: room });
        let queue = self.inner.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(write).await.map_err(|_| self.why_gone())?;
        acknowledged.await.map_err(|_| self.why_gone())?
    }

    /// Follows the records whose key begins with `prefix`: every change that becomes durable from now on.
    ///
    /// To keep a copy: watch first, then scan, then follow.
    #[must_use]
    pub fn watch<R: Record>(&self, prefix: &str) -> Watch<R> {
        self.inner.watchers.add(prefix, self.inner.failed.clone())
    }

    /// Waits until the store fails, and says why. For `main`, which then exits with the reason. Waits for ever when
    /// the store is closed in good order.
    pub async fn failed(&self) -> Arc<StoreFailure> {
        let mut failed = self.inner.failed.clone();
        let failure = match failed.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone(),
            Err(_) => None,
        };
        match failure {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Makes what is queued durable, takes no more writes, ends the writer thread. Reads go on.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if let Some(queue) = &self.inner.queue
            && queue.send(Request::Close(done)).await.is_ok()
        {
            // Nothing is ever sent: the writer drops its end when it is through.
            let _ = closed.await;
        }
    }

    fn check_readable<R: Record>(&self) -> Result<(), StoreError> {
        self.check_alive()?;
        self.check_kind(Kind::of::<R>())
    }

    fn check_alive(&self) -> Result<(), StoreError> {
        match self.inner.failed.borrow().as_ref() {
            Some(failure) => Err(StoreError::Failed(failure.clone())),
            None => Ok(()),
        }
    }

    fn check_kind(&self, kind: Kind) -> Result<(), StoreError> {
        match self.inner.schemas.get(kind.tree) {
            Some(noted) if noted.version > kind.schema => Err(StoreError::NewerRecords {
                tree: kind.tree,
                found: noted.version,
                supported: kind.schema,
                written_by: noted.written_by.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Why the writer takes or answers no more.
    fn why_gone(&self) -> StoreError {
        self.check_alive().err().unwrap_or(StoreError::Closed)
    }

    fn database_error(&self, source: sled::Error) -> StoreError {
        StoreError::Database { action: "read", path: self.inner.directory.clone(), source }
    }

    /// Where the database's own files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // The thread turns its panics into failures of the store; there is nothing left to learn from this one.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.inner.directory).finish_non_exhaustive()
    }
}
