//! Code on its way in.
//!
//! An upload is a blob of the store that nobody refers to yet. Garbage collection must not take it between its last byte
//! and the record that names it, so an upload is counted while it runs and leaves a pin behind when it is finished.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

use crate::{
    functions::{FunctionError, PackagePin, PackageStore},
    store::{BlobWriter, Sha256Digest, Store, StoreError},
};

/// How many uploads run now.
#[derive(Clone, Debug, Default)]
pub(super) struct Uploads(Arc<AtomicUsize>);

impl Uploads {
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    fn begin(&self) -> Running {
        self.0.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }
}

#[derive(Debug)]
struct Running(Uploads);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An archive that is being uploaded. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct CodeUpload {
    writer: BlobWriter,
    packages: PackageStore,
    limit: u64,
    running: Running,
}

impl CodeUpload {
    /// An archive of at most `limit` bytes.
    pub(super) async fn begin(
        store: &Store,
        packages: &PackageStore,
        uploads: &Uploads,
        limit: u64,
    ) -> Result<Self, FunctionError> {
        let running = uploads.begin();
        let writer = store.blobs().writer(limit).await?;
        Ok(Self { writer, packages: packages.clone(), limit, running })
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// [`FunctionError::TooLarge`] with the bytes that exceed the limit, or the disk fails. The upload is then over.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), FunctionError> {
        self.writer.append(bytes).await.map_err(|error| match error {
            StoreError::BlobTooLarge { .. } => FunctionError::TooLarge { limit: self.limit },
            error => error.into(),
        })
    }

    /// Whether not a byte has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    /// Ends the upload. The archive is durable, and safe from garbage collection while the result lives.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn finish(self) -> Result<UploadedCode, FunctionError> {
        let (digest, size) = self.writer.finish().await?;
        // Pinned before it stops to count as running.
        let pin = self.packages.reserve(digest);
        drop(self.running);
        Ok(UploadedCode { pin, size })
    }
}

/// An archive that was uploaded, and whose content nobody has looked at yet.
#[derive(Debug)]
pub struct UploadedCode {
    pub(super) pin: PackagePin,
    pub(super) size: u64,
}

impl UploadedCode {
    /// The SHA-256 of the archive.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.pin.digest()
    }

    /// Bytes of the archive.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}
