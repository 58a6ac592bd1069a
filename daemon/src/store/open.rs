//! Opening the state: the lock, the format, what sled needs done first, the database, the writer thread.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
    thread,
    time::Duration,
};

use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    Inner, MAX_WAITING_BYTES, Store, StoreError, Stored,
    blobs::Blobs,
    disk,
    faults::Faults,
    format,
    lock::DirectoryLock,
    record::{Schema, database_prefix, record_key},
    watch::Watchers,
    writer::{MAX_WAITING_REQUESTS, Writer},
};

const DATABASE_DIRECTORY: &str = "state";
const BLOB_DIRECTORY: &str = "blobs";
const PAYLOAD_DIRECTORY: &str = "payloads";

/// The file, in its directory, that sled keeps its log in.
const DATABASE_FILE: &str = "db";

/// Where sled notes its own settings.
const DATABASE_SETTINGS: &str = "conf";

/// sled's log is made of these. Its largest: see [`super::MAX_ITEM_BYTES`] for why. Part of the format: sled refuses to
/// open a database with another.
const SEGMENT_BYTES: usize = 16 * 1024 * 1024;

/// Ten times this is what sled really takes. The state of a machine's functions is small, and the page cache is behind.
const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How often the database's lock is tried; with [`LOCK_PAUSE`], two seconds, which is long for a process to start in.
const LOCK_ATTEMPTS: u32 = 200;

/// How long to wait between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How to open a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data directory: all durable state is under it. Created if need be.
    pub data_directory: PathBuf,
    /// The database's cache, in bytes; it takes about ten times this of memory.
    pub cache_bytes: u64,
    /// Where the store is to fail, in tests.
    pub faults: Faults,
}

impl StoreOptions {
    /// The ordinary store under a data directory.
    #[must_use]
    pub fn new(data_directory: impl Into<PathBuf>) -> Self {
        Self {
            data_directory: data_directory.into(),
            cache_bytes: DEFAULT_CACHE_BYTES,
            faults: Faults::default(),
        }
    }
}

pub(super) fn open(options: &StoreOptions) -> Result<Store, StoreError> {
    let data_directory = &options.data_directory;
    disk::create_directory(data_directory)?;
    let lock = DirectoryLock::take(data_directory)?;
    let directory = data_directory.join(DATABASE_DIRECTORY);
    format::check(data_directory, directory.join(DATABASE_FILE).exists())?;
    let instance_id = format::instance_id(data_directory)?;
    let blobs = Blobs::open(data_directory.join(BLOB_DIRECTORY), options.faults.clone())?;
    let payloads = Blobs::open(data_directory.join(PAYLOAD_DIRECTORY), options.faults.clone())?;

    let (database, file) = open_database(&directory, options.cache_bytes)?;
    let schemas = read_schemas(&database, &directory)?;

    let (queue, requests) = mpsc::channel(MAX_WAITING_REQUESTS);
    let (fail, failed) = watch::channel(None);
    let watchers = Arc::new(Watchers::default());
    let applying = Arc::new(RwLock::new(()));
    let writer = Writer {
        database: database.clone(),
        file,
        directory: directory.clone(),
        applying: applying.clone(),
        schemas: schemas.iter().map(|(tree, schema)| (tree.clone(), schema.version)).collect(),
        watchers: watchers.clone(),
        failed: fail,
        faults: options.faults.clone(),
    };
    let writer = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run(requests))
        .map_err(StoreError::file("start the writer of", &directory))?;

    let inner = Inner {
        queue: Some(queue),
        writer: Mutex::new(Some(writer)),
        room: Arc::new(Semaphore::new(MAX_WAITING_BYTES)),
        failed,
        watchers,
        applying,
        schemas,
        instance_id,
        blobs,
        payloads,
        directory,
        database,
        _lock: lock,
    };
    Ok(Store { inner: Arc::new(inner) })
}

/// Opens sled, and its file once more for the writer to sync.
fn open_database(directory: &Path, cache_bytes: u64) -> Result<(sled::Db, File), StoreError> {
    disk::create_directory(directory)?;
    remove_leftovers(directory)?;
    wait_for_copies_of_lock(directory)?;
    let database = sled::Config::new()
        .path(directory)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(cache_bytes)
        .open()
        .map_err(|source| StoreError::Database { action: "open", path: directory.to_owned(), source })?;

    // sled syncs neither its settings nor the names of its files, the new snapshot's among them.
    let settings = directory.join(DATABASE_SETTINGS);
    File::open(&settings).and_then(|file| file.sync_all()).map_err(StoreError::file("sync", &settings))?;
    let path = directory.join(DATABASE_FILE);
    let file = File::options().write(true).open(&path).map_err(StoreError::file("open", &path))?;
    file.sync_all().map_err(StoreError::file("sync", &path))?;
    disk::sync_directory(directory)?;
    Ok((database, file))
}

/// sled locks its file and gives that up only by closing it. A process that some thread of an earlier owner was just
/// starting holds a copy until its `exec`, milliseconds later; sled itself would refuse at once. Whoever holds it longer
/// is no daemon, for the directory's lock is ours: then sled is to say so.
fn wait_for_copies_of_lock(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(DATABASE_FILE);
    let file = match File::options().write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return file.unlock().map_err(StoreError::file("unlock", path)),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", path)(error)),
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "opening is synchronous: there need not be a runtime yet")]
fn pause() {
    thread::sleep(LOCK_PAUSE);
}

/// Removes what sled does not get over by itself after a kill while it was opening. The lock is ours, so nobody is
/// at it.
fn remove_leftovers(directory: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::file("list", directory))?;
    for entry in entries {
        let entry = entry.map_err(StoreError::file("list", directory))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A snapshot that was being written: sled would take it for the newest and find it damaged.
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %entry.path().display(), "removing an unfinished snapshot of the database");
            disk::remove_file(&entry.path())?;
        }
    }
    // Settings are written before there is a database, not in one go. Without a database they say nothing.
    if !directory.join(DATABASE_FILE).exists() {
        disk::remove_file(&directory.join(DATABASE_SETTINGS))?;
    }
    disk::sync_directory(directory)
}

fn read_schemas(database: &sled::Db, directory: &Path) -> Result<HashMap<String, Schema>, StoreError> {
    let mut schemas = HashMap::new();
    for item in database.scan_prefix(database_prefix::<Schema>("")) {
        let (place, encoded) = item.map_err(|source| StoreError::Database {
            action: "read",
            path: directory.to_owned(),
            source,
        })?;
        let stored = Stored::<Schema>::decode(record_key::<Schema>(&place)?, encoded)?;
        schemas.insert(stored.key().to_owned(), stored.into_value());
    }
    Ok(schemas)
}
