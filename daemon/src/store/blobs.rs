//! Large things: files named by the SHA-256 of their content.
//!
//! Packages and large payloads are blobs; records refer to them by digest. A blob is written under a temporary name,
//! hashed on its way, synced, renamed to its digest, and its directory synced: so what has a name is whole and durable,
//! and no caller can give content a name that is not its own.
//!
//! ```text
//! blobs/incoming/RANDOM      being written; removed when the store is opened
//! blobs/e3/e3b0c442…         finished
//! payloads/…                 the same for payloads that wait
//! ```
//!
//! All work on files is done off the async executor.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;

use super::{
    Sha256Digest, StoreError, disk,
    faults::{Faults, point},
};

/// Where content is gathered before it has a name. Not two hexadecimal digits, so never taken for a blob's directory.
const INCOMING_DIRECTORY: &str = "incoming";

/// Bytes that are read at once of a blob that is passed on.
const PIECE: usize = 64 * 1024;

/// The blobs of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Held while a blob gets its name or loses it, so that [`Blobs::remove_unused`] never takes one just stored.
    naming: Mutex<()>,
    faults: Faults,
}

/// A blob that was found: its open file, which stays readable when the blob is removed.
#[derive(Debug)]
pub struct Blob {
    /// The content, from its beginning.
    pub file: File,
    /// How long it is, in bytes.
    pub len: u64,
}

impl Blob {
    /// The content in pieces, for whoever passes it on. A piece that can't be read is the last.
    pub fn into_pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let file = tokio::fs::File::from_std(self.file);
        stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    Some((Ok(Bytes::from(piece)), Some(file)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// A blob in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The SHA-256 of the content.
    pub digest: Sha256Digest,
    /// How long it is, in bytes.
    pub len: u64,
    /// When it was last stored: storing the same content again counts.
    pub stored_at: OffsetDateTime,
}

impl Blobs {
    /// Opens the directory, which the caller has locked, and removes what was never finished.
    pub(super) fn open(root: PathBuf, faults: Faults) -> Result<Self, StoreError> {
        let incoming = root.join(INCOMING_DIRECTORY);
        disk::create_directory(&incoming)?;
        for path in list_directory(&incoming)? {
            tracing::info!(file = %path.display(), "removing an unfinished upload");
            disk::remove_file(&path)?;
        }
        Ok(Self { inner: Arc::new(Inner { root, naming: Mutex::new(()), faults }) })
    }

    /// Stores content that is in memory. Durable when it returns.
    pub async fn put(&self, content: Bytes) -> Result<Sha256Digest, StoreError> {
        let mut writer = self.writer(content.len() as u64).await?;
        writer.append(content).await?;
        let (digest, _) = writer.finish().await?;
        Ok(digest)
    }

    /// Begins to store content that comes in pieces, at most `limit` bytes of it.
    pub async fn writer(&self, limit: u64) -> Result<BlobWriter, StoreError> {
        let blobs = self.inner.clone();
        let incoming = blocking(move || {
            let directory = blobs.root.join(INCOMING_DIRECTORY);
            let file =
                NamedTempFile::new_in(&directory).map_err(StoreError::file("create a file in", directory))?;
            Ok(Incoming { blobs, file, hasher: Sha256::new(), len: 0 })
        })
        .await?;
        Ok(BlobWriter { incoming: Some(incoming), limit })
    }

    /// Opens a blob. Its content is not hashed again.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlob`] when there is none.
    pub async fn open_blob(&self, digest: Sha256Digest) -> Result<Blob, StoreError> {
        let blobs = self.inner.clone();
        blocking(move || blobs.open(digest)).await
    }

    /// Reads a blob of at most `limit` bytes into memory, and makes sure that it is what its name says.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlob`], [`StoreError::BlobTooLarge`], [`StoreError::DamagedBlob`].
    pub async fn read(&self, digest: Sha256Digest, limit: u64) -> Result<Bytes, StoreError> {
        let blobs = self.inner.clone();
        blocking(move || {
            let Blob { file, len } = blobs.open(digest)?;
            if len > limit {
                return Err(StoreError::BlobTooLarge { limit });
            }
            let mut content = Vec::new();
            file.take(len).read_to_end(&mut content).map_err(StoreError::file("read", blobs.path(digest)))?;
            if Sha256Digest::of(&content) != digest {
                return Err(StoreError::DamagedBlob { digest });
            }
            Ok(content.into())
        })
        .await
    }

    /// Makes sure that a blob is what its name says, however large it is.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlob`], [`StoreError::DamagedBlob`].
    pub async fn check(&self, digest: Sha256Digest) -> Result<(), StoreError> {
        let blobs = self.inner.clone();
        blocking(move || {
            let mut hasher = Sha256::new();
            let mut file = blobs.open(digest)?.file;
            io::copy(&mut file, &mut hasher).map_err(StoreError::file("read", blobs.path(digest)))?;
            if Sha256Digest::from_hasher(hasher) == digest {
                Ok(())
            } else {
                Err(StoreError::DamagedBlob { digest })
            }
        })
        .await
    }

    /// Removes a blob; `false` when there was none. Durable when it returns. Who has it open can read on.
    pub async fn remove(&self, digest: Sha256Digest) -> Result<bool, StoreError> {
        let blobs = self.inner.clone();
        blocking(move || blobs.remove(digest, |_| true)).await
    }

    /// Removes a blob unless it was stored, or stored again, after `since`; `false` when it stays or there was none.
    ///
    /// For garbage collection: a blob is stored before the record that refers to it, so what is young may be about to be
    /// referred to.
    pub async fn remove_unused(
        &self,
        digest: Sha256Digest,
        since: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let blobs = self.inner.clone();
        blocking(move || blobs.remove(digest, |stored_at| stored_at <= since)).await
    }

    /// All blobs, in the order of their digests. Their number is that of packages and waiting payloads, so they are
    /// listed in one go.
    pub async fn list(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let blobs = self.inner.clone();
        blocking(move || blobs.list()).await
    }

    /// Where a blob is, or would be. For what needs a path, and only reads.
    #[must_use]
    pub fn path(&self, digest: Sha256Digest) -> PathBuf {
        self.inner.path(digest)
    }
}

impl Inner {
    fn path(&self, digest: Sha256Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(name)
    }

    fn open(&self, digest: Sha256Digest) -> Result<Blob, StoreError> {
        let path = self.path(digest);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((len, file)) => Ok(Blob { file, len }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NoSuchBlob { digest }),
            Err(error) => Err(StoreError::file("open", path)(error)),
        }
    }

    fn remove(
        &self,
        digest: Sha256Digest,
        may_go: impl FnOnce(OffsetDateTime) -> bool,
    ) -> Result<bool, StoreError> {
        let path = self.path(digest);
        {
            let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
            let stored_at = match fs::metadata(&path) {
                Ok(metadata) => stored_at(&metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(StoreError::file("examine", path)(error)),
            };
            if !may_go(stored_at) {
                return Ok(false);
            }
            disk::remove_file(&path)?;
        }
        disk::sync_directory(&self.directory(digest))?;
        Ok(true)
    }

    fn directory(&self, digest: Sha256Digest) -> PathBuf {
        self.root.join(&digest.to_string()[..2])
    }

    fn list(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let mut found = Vec::new();
        for directory in list_directory(&self.root)? {
            if directory.ends_with(INCOMING_DIRECTORY) || !directory.is_dir() {
                continue;
            }
            for path in list_directory(&directory)? {
                found.extend(self.info(&path)?);
            }
        }
        found.sort_unstable_by_key(|blob| blob.digest);
        Ok(found)
    }

    /// Nothing for what was removed meanwhile, and for files that are no blobs.
    fn info(&self, path: &Path) -> Result<Option<BlobInfo>, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(digest) = name.and_then(|name| name.parse().ok()) else { return Ok(None) };
        match fs::metadata(path) {
            Ok(metadata) => {
                Ok(Some(BlobInfo { digest, len: metadata.len(), stored_at: stored_at(&metadata) }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file("examine", path)(error)),
        }
    }
}

/// Content on its way in. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    /// `None` after a failure, or when an append was given up.
    incoming: Option<Incoming>,
    limit: u64,
}

#[derive(Debug)]
struct Incoming {
    blobs: Arc<Inner>,
    /// Removed when dropped.
    file: NamedTempFile,
    hasher: Sha256,
    len: u64,
}

impl BlobWriter {
    /// Adds a piece. Large pieces are better than many: each is a trip to another thread. Not to be cancelled: a writer
    /// whose append was given up can only be dropped.
    ///
    /// # Errors
    /// [`StoreError::BlobTooLarge`] with the piece that exceeds the limit, of which nothing is kept.
    pub async fn append(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let mut incoming = self.incoming.take().ok_or(StoreError::BlobInterrupted)?;
        let limit = self.limit;
        if incoming.len.saturating_add(piece.len() as u64) > limit {
            return Err(StoreError::BlobTooLarge { limit });
        }
        let incoming = blocking(move || {
            incoming.append(&piece)?;
            Ok(incoming)
        })
        .await?;
        self.incoming = Some(incoming);
        Ok(())
    }

    /// How much has been added, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.incoming.as_ref().map_or(0, |incoming| incoming.len)
    }

    /// Whether nothing has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the content its name: its digest, and its length. Durable when it returns.
    pub async fn finish(self) -> Result<(Sha256Digest, u64), StoreError> {
        let incoming = self.incoming.ok_or(StoreError::BlobInterrupted)?;
        blocking(move || incoming.finish()).await
    }
}

impl Incoming {
    fn append(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(piece).map_err(StoreError::file("write", self.file.path()))?;
        self.hasher.update(piece);
        self.len += piece.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<(Sha256Digest, u64), StoreError> {
        let Self { blobs, file, hasher, len } = self;
        let digest = Sha256Digest::from_hasher(hasher);
        let path = blobs.path(digest);
        let directory = blobs.directory(digest);
        let pass = |point| blobs.faults.pass(point).map_err(StoreError::file("write", &path));

        pass(point::BLOB_WRITTEN)?;
        file.as_file().sync_all().map_err(StoreError::file("sync", file.path()))?;
        pass(point::BLOB_SYNCED)?;
        disk::create_directory(&directory)?;
        {
            // Over a blob of the same content, if there is one: that says that it is young again.
            let _naming = blobs.naming.lock().unwrap_or_else(PoisonError::into_inner);
            file.persist(&path).map_err(|error| StoreError::file("write", &path)(error.error))?;
        }
        pass(point::BLOB_RENAMED)?;
        disk::sync_directory(&directory)?;
        Ok((digest, len))
    }
}

/// When a blob got its name. Renaming changes an inode's change time; its modification time is that of the last piece,
/// and an upload may be slow.
fn stored_at(metadata: &fs::Metadata) -> OffsetDateTime {
    let nanoseconds = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn list_directory(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::file("list", directory))?;
    entries.map(|entry| Ok(entry.map_err(StoreError::file("list", directory))?.path())).collect()
}

/// Does `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels such work.
            Err(_) => Err(StoreError::Closed),
        },
    }
}

#[cfg(test)]
mod tests;
