//! What can go wrong between the daemon and its state.

use std::{io, path::PathBuf, sync::Arc};

use super::{Sha256Digest, batch::MAX_BATCH_BYTES};

/// Why the store refused, or could not.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the data directory.
    #[error(
        "the data directory {} is in use by another thawd{}; stop that one first, or give this one a directory of its own",
        directory.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The process that holds it, as it wrote of itself.
        holder: Option<u32>,
    },

    /// The data directory is laid out in a way this program does not know yet.
    #[error(
        "the data directory {} was written by a newer thawd (format {found}, this one reads up to {supported}); \
         run version {written_by} or later",
        directory.display()
    )]
    NewerFormat {
        /// The data directory.
        directory: PathBuf,
        /// The format found there.
        found: u32,
        /// The newest format that this program reads.
        supported: u32,
        /// The version of thawd that wrote the format.
        written_by: String,
    },

    /// A kind of record has been written in a schema that this program does not know yet.
    #[error(
        "the records of {tree} were written by a newer thawd (schema {found}, this one reads up to {supported}); \
         run version {written_by} or later"
    )]
    NewerRecords {
        /// The kind of record.
        tree: &'static str,
        /// The schema found.
        found: u16,
        /// The newest schema that this program reads.
        supported: u16,
        /// The version of thawd that first wrote that schema.
        written_by: String,
    },

    /// A record is in a schema that this program can no longer read.
    #[error(
        "the record {tree}/{key} has the old schema {found}, which this thawd cannot read; run an older version"
    )]
    OlderRecord {
        /// The kind of record.
        tree: &'static str,
        /// Its key.
        key: String,
        /// The schema found.
        found: u16,
    },

    /// A record's bytes are not what this store writes.
    #[error("the record {tree}/{key} is damaged; restore the data directory from a backup")]
    DamagedRecord {
        /// The kind of record.
        tree: &'static str,
        /// Its key.
        key: String,
        /// What the decoder met; nothing when the header is at fault.
        source: Option<serde_json::Error>,
    },

    /// A file of the data directory does not hold what it should.
    #[error("{} is damaged: {reason}; restore the data directory from a backup", path.display())]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A record cannot be encoded.
    #[error("the record {tree}/{key} cannot be encoded")]
    Encode {
        /// The kind of record.
        tree: &'static str,
        /// Its key.
        key: String,
        /// What the encoder met.
        source: serde_json::Error,
    },

    /// A key is empty or too long.
    #[error("a key of {tree} has {length} bytes; it must have 1 to {limit}")]
    InvalidKey {
        /// The kind of record.
        tree: &'static str,
        /// How long the key is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },

    /// A record is larger than an item may be. Its large part belongs in a blob.
    #[error("the record {tree}/{key} has {size} bytes encoded; the limit is {limit}")]
    RecordTooLarge {
        /// The kind of record.
        tree: &'static str,
        /// Its key.
        key: String,
        /// Its size with its key, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },

    /// A batch is larger than one may be.
    #[error("a batch of {size} bytes is over the limit of {MAX_BATCH_BYTES}; split it")]
    BatchTooLarge {
        /// The batch's size, in bytes.
        size: usize,
    },

    /// A record was not as a compare-and-swap expected it: somebody else was quicker. Nothing was changed.
    #[error("the record {tree}/{key} was changed by another request; read it and try again")]
    Conflict {
        /// The kind of record.
        tree: &'static str,
        /// Its key.
        key: String,
    },

    /// The store has failed for good. What was acknowledged before is durable; the daemon must exit.
    #[error(transparent)]
    Failed(Arc<StoreFailure>),

    /// The store has been closed.
    #[error("the store is closed, because the daemon is stopping")]
    Closed,

    /// A watcher fell behind and was cut off. It must watch again and read what it watches anew.
    #[error("a watcher of {tree} fell behind and missed changes")]
    WatchLagged {
        /// The kind of record.
        tree: &'static str,
    },

    /// A blob is larger than whoever accepts it allows.
    #[error("the content is larger than the limit of {limit} bytes")]
    BlobTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },

    /// No blob has this digest.
    #[error("there is no blob {digest}")]
    NoSuchBlob {
        /// The digest asked for.
        digest: Sha256Digest,
    },

    /// A blob's content is not what its name says.
    #[error("the blob {digest} is damaged; restore it from a backup, or upload it again")]
    DamagedBlob {
        /// The blob's name.
        digest: Sha256Digest,
    },

    /// A writer of a blob was used after it failed or was interrupted.
    #[error("the upload was interrupted; start it again")]
    BlobInterrupted,

    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The database failed.
    #[error("cannot {action} the database {}", path.display())]
    Database {
        /// What was tried: a verb.
        action: &'static str,
        /// The database's directory.
        path: PathBuf,
        /// Why not.
        source: sled::Error,
    },
}

/// The one failure that a store does not come back from.
///
/// After a failed sync nobody knows what the disk holds: the kernel may have dropped the pages, and a second sync that
/// succeeds proves nothing. So there is no second sync.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the database {}: nothing more can be stored, so the daemon must stop", path.display())]
pub struct StoreFailure {
    /// What was tried: a verb.
    pub action: &'static str,
    /// The database's directory.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// Names the file in an I/O error: `.map_err(StoreError::file("open", &path))`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
