//! Removing packages that no function refers to, unpacked and as uploaded.
//!
//! A package is in use while an upload of it runs, while it is pinned, and while a function refers to it. Those three
//! overlap in this order: an upload is pinned before it stops to run, and recorded before it is unpinned. So looking at
//! them in the same order never misses all three. That leaves an upload that begins after it was looked for: it stores
//! the blob again, and the store does not remove a blob that was stored again since it was listed.
//!
//! All blobs are packages for now. When others come, they must be told apart here.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{Collected, FunctionRegistry};
use crate::{
    functions::{FunctionError, PackageError},
    store::{Sha256Digest, StoreError},
};

impl FunctionRegistry {
    /// Removes packages that are not in use; with `dry_run`, only counts them. Spares all archives while any upload runs.
    ///
    /// # Errors
    /// The disk fails. What was removed before that is gone.
    pub async fn collect_garbage(&self, dry_run: bool) -> Result<Collected, FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let mut collected = registry.collect_packages(None, dry_run).await?;
            for blob in registry.0.store.blobs().list().await? {
                if registry.collect_blob(blob.digest, blob.stored_at, dry_run).await? {
                    *collected.entry(blob.digest).or_default() += blob.len;
                }
            }
            Ok(Collected { packages: collected.len() as u64, bytes: collected.values().sum() })
        })
        .await
    }

    /// Bytes that all packages take on disk, unpacked and as uploaded. The first call after a start looks at every file.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn package_bytes(&self) -> Result<u64, FunctionError> {
        let packages = self.0.packages.clone();
        let archives: u64 = self.0.store.blobs().list().await?.iter().map(|blob| blob.len).sum();
        match tokio::task::spawn_blocking(move || packages.bytes_on_disk()).await {
            Ok(unpacked) => Ok(archives + unpacked?),
            Err(error) => {
                tracing::error!(%error, "measuring the packages was not finished");
                Err(FunctionError::Interrupted)
            }
        }
    }

    /// Removes a package that a refused request leaves behind, unless somebody else uses it. If that fails, garbage
    /// collection comes again; the caller has its own error already.
    pub(super) async fn discard(&self, digest: Sha256Digest) {
        if let Err(error) = self.try_discard(digest).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(package = %digest, error, "cannot remove the package of a refused request");
        }
    }

    async fn try_discard(&self, digest: Sha256Digest) -> Result<(), FunctionError> {
        self.collect_packages(Some(digest), false).await?;
        let blobs = self.0.store.blobs().list().await?;
        if let Some(blob) = blobs.iter().find(|blob| blob.digest == digest) {
            self.collect_blob(digest, blob.stored_at, false).await?;
        }
        Ok(())
    }

    /// Removes unpacked packages that are not in use, or one; returns them with their bytes.
    async fn collect_packages(
        &self,
        only: Option<Sha256Digest>,
        dry_run: bool,
    ) -> Result<BTreeMap<Sha256Digest, u64>, FunctionError> {
        let registry = self.clone();
        let collected = tokio::task::spawn_blocking(move || -> Result<_, PackageError> {
            let is_referenced = |digest: &Sha256Digest| registry.index().uses(digest);
            let packages = &registry.0.packages;
            match only {
                Some(digest) => {
                    let bytes = packages.collect(&digest, is_referenced, dry_run)?;
                    Ok(bytes.map(|bytes| (digest, bytes)).into_iter().collect())
                }
                None => packages.collect_garbage(is_referenced, dry_run),
            }
        });
        match collected.await {
            Ok(collected) => Ok(collected?),
            Err(error) => {
                tracing::error!(%error, "garbage collection was not finished");
                Err(FunctionError::Interrupted)
            }
        }
    }

    /// Removes an archive that is not in use and was not stored again since `stored_at`; says whether it did, or would.
    async fn collect_blob(
        &self,
        digest: Sha256Digest,
        stored_at: OffsetDateTime,
        dry_run: bool,
    ) -> Result<bool, StoreError> {
        let in_use = self.0.uploads.any() || self.0.packages.is_pinned(&digest) || self.index().uses(&digest);
        if in_use {
            return Ok(false);
        }
        if dry_run {
            return Ok(true);
        }
        self.0.store.blobs().remove_unused(digest, stored_at).await
    }
}
