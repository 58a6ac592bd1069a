//! Changes that bring a package: creating a function, replacing its code.

use std::sync::Arc;

use super::{
    CreateFunction, FunctionRegistry, FunctionVersion, State, UpdateCode, UploadedCode, check_revision,
    record::FunctionRecord,
};
use crate::functions::{FunctionError, FunctionReference, PackageError, RevisionId};

/// What happens to an archive once it is open.
enum Purpose {
    Keep,
    Check,
}

impl FunctionRegistry {
    /// Creates a function with code that was uploaded.
    ///
    /// # Errors
    /// The name is taken; the package is refused. Nothing of either then stays.
    pub async fn create(
        &self,
        function: CreateFunction,
        code: UploadedCode,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let digest = code.digest();
            let created = registry.create_with(function, code).await;
            if created.is_err() {
                registry.discard(digest).await;
            }
            created
        })
        .await
    }

    async fn create_with(
        &self,
        function: CreateFunction,
        code: UploadedCode,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let CreateFunction {
            name,
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
        } = function;
        self.check_free(&name)?;
        self.open_archive(&code, Purpose::Keep).await?;
        let record = FunctionRecord {
            revision_id: RevisionId::random(),
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
            package: code.digest(),
            code_size: code.size(),
            last_modified: self.0.clock.now(),
        };
        let arn = self.arn(self.0.options.account, &name);
        // `code` holds its pin until the record, and with it the reference, is there.
        self.commit(&arn, None, record, State::Active).await
    }

    /// Replaces a function's code by code that was uploaded. Running calls finish on the old code; no later call sees it.
    ///
    /// Returns the function as it is then; in a dry run, as it would be, but with the revision that it has.
    ///
    /// # Errors
    /// There is no such function; it is at another revision, or changed at the same moment; the package is refused.
    pub async fn update_code(
        &self,
        reference: &FunctionReference,
        update: UpdateCode,
        code: UploadedCode,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let (registry, reference) = (self.clone(), reference.clone());
        self.run(async move {
            let digest = code.digest();
            let updated = registry.update_code_with(&reference, update, code).await;
            if updated.is_err() || update.dry_run {
                registry.discard(digest).await;
            }
            updated
        })
        .await
    }

    async fn update_code_with(
        &self,
        reference: &FunctionReference,
        update: UpdateCode,
        code: UploadedCode,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let entry = self.entry(reference)?;
        check_revision(&entry, update.revision_id)?;
        let arn = entry.version.arn.clone();
        let mut record =
            FunctionRecord { package: code.digest(), code_size: code.size(), ..entry.stored.value().clone() };
        if update.dry_run {
            self.open_archive(&code, Purpose::Check).await?;
            return Ok(Arc::new(FunctionVersion::latest(arn, &record, State::Active)));
        }
        self.open_archive(&code, Purpose::Keep).await?;
        record.revision_id = RevisionId::random();
        record.last_modified = self.0.clock.now();
        self.commit(&arn, Some(&entry.stored), record, State::Active).await
    }

    /// Unpacks an uploaded archive, or only sees whether it could be.
    async fn open_archive(&self, code: &UploadedCode, purpose: Purpose) -> Result<(), FunctionError> {
        // Never closed, so an error can only mean that the daemon ends.
        let _permit = self.0.unpacking.acquire().await.map_err(|_| FunctionError::Interrupted)?;
        let blobs = self.0.store.blobs();
        let archive = blobs.open_blob(code.digest()).await?;
        let (packages, pin, origin) = (self.0.packages.clone(), code.pin.clone(), blobs.path(code.digest()));
        let opened = tokio::task::spawn_blocking(move || match purpose {
            Purpose::Keep => packages.unpack(&pin, archive.file),
            Purpose::Check => packages.check(&origin, archive.file),
        });
        match opened.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(PackageError::ArchiveTooLarge { limit, .. })) => Err(FunctionError::TooLarge { limit }),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(%error, package = %code.digest(), "unpacking was not finished");
                Err(FunctionError::Interrupted)
            }
        }
    }
}
