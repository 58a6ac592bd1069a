//! Changes that bring a package: creating a function, replacing its code.

use super::{
    Changed, CreateFunction, FunctionRegistry, UpdateCode, UploadedCode, check_revision, check_settled,
    code_signing::{SigningOfFunction, check_untrusted},
    index::Entry,
    publishing::next_version,
    record::{self, FormerFunction, FunctionRecord, Progress, VersionRecord},
};
use crate::{
    functions::{
        Description, FunctionError, FunctionName, FunctionReference, PackageError, RecursiveLoop, RevisionId,
        RuntimeManagement, Settings,
    },
    identity::AccountId,
    store::{Batch, Blob, Sha256Digest},
};

/// What happens to an archive once it is open.
enum Purpose {
    Keep,
    Check,
}

impl FunctionRegistry {
    /// Creates a function with code that was uploaded. It is pending when this returns; see
    /// [`FunctionRegistry::settled`].
    ///
    /// # Errors
    /// The name is taken; a setting or the package is refused. Nothing of either then stays.
    pub async fn create(
        &self,
        function: CreateFunction,
        code: UploadedCode,
    ) -> Result<Changed, FunctionError> {
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
    ) -> Result<Changed, FunctionError> {
        let CreateFunction { name, settings, layers, tags, code_signing, publish } = function;
        settings.runtime.check_available()?;
        self.check_free(&name)?;
        if let Some(target) = &settings.dead_letter {
            self.check_dead_letter(self.1, target)?;
        }
        let layers = self.layers_of(self.1, &layers)?;
        if let Some(arn) = &code_signing {
            check_untrusted(&*self.known_code_signing(self.1, arn)?, &name)?;
        }
        self.keep_archive(&code).await?;
        self.check_total(code.digest(), &layers).await?;

        let account = self.1;
        let _pass = self.0.gates.enter(account, &name).await;
        self.check_free(&name)?;
        let arn = self.arn(account, &name);
        let key = record::key(account, &name);
        let former = self.0.store.get::<FormerFunction>(&key)?;
        let revision_id = RevisionId::random();
        let latest = VersionRecord {
            revision_id,
            generation: revision_id,
            settings: Settings { layers, ..settings },
            package: code.digest(),
            code_size: code.size(),
            last_modified: self.0.clock.now(),
            progress: Progress::Creating,
            runtime_management: RuntimeManagement::default(),
        };
        let mut record = FunctionRecord {
            latest,
            last_version: former.as_ref().map_or(0, |former| former.last_version),
            last_publish: None,
            tags,
            reserved_concurrency: None,
            recursive_loop: RecursiveLoop::default(),
        };
        let mut batch = Batch::new();
        let published = publish
            .then(|| next_version(&mut record, None::<Description>, Progress::Creating))
            .transpose()?;
        if let Some((number, version)) = &published {
            batch.put(&record::version_key(account, &name, *number), version)?;
        }
        let _signing = self.0.signing_gate.lock().await;
        if let Some(arn) = &code_signing {
            check_untrusted(&*self.known_code_signing(self.1, arn)?, &name)?;
            batch.put(&key, &SigningOfFunction { config: arn.id.clone() })?;
        }
        batch.compare_and_swap(&key, None, &record)?;
        // `code` holds its pin until the record, and with it the reference, is there.
        let stored = self.write_record(batch, &arn).await.map_err(|error| match error {
            FunctionError::UpdateInProgress { .. } => FunctionError::AlreadyExists { name: name.clone() },
            error => error,
        })?;
        let latest = self.latest(&arn, stored.value(), None);
        let mut entry = Entry::new(stored, latest.clone());
        entry.code_signing = code_signing.map(|arn| arn.id);
        let published = published.map(|(number, record)| self.published(&arn, number, &record));
        entry.versions.extend(published.clone());
        let mut index = self.index_mut();
        index.insert(entry);
        self.announce(&latest, Some(latest.generation));
        drop(index);
        self.settle_soon(&arn);
        Ok(Changed { latest, published: published.map(|(_, version)| version) })
    }

    /// Replaces a function's code by code that was uploaded. Running calls finish on the old code; no later call sees it.
    ///
    /// Returns the function as it is then; in a dry run, as it would be, but with the revision that it has.
    ///
    /// # Errors
    /// There is no such function; it is at another revision; another change of it has not settled; the package is
    /// refused.
    pub async fn update_code(
        &self,
        reference: &FunctionReference,
        update: UpdateCode,
        code: UploadedCode,
    ) -> Result<Changed, FunctionError> {
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

    /// Checks what [`FunctionRegistry::update_code`] would refuse without the code. Others may change the function meanwhile.
    ///
    /// # Errors
    /// As there.
    pub fn check_update_code(
        &self,
        reference: &FunctionReference,
        revision_id: Option<RevisionId>,
    ) -> Result<(), FunctionError> {
        let (account, name) = self.latest_of(reference)?;
        self.updatable(account, &name, revision_id).map(drop)
    }

    /// The function, if its code may be changed now.
    fn updatable(
        &self,
        account: AccountId,
        name: &FunctionName,
        revision_id: Option<RevisionId>,
    ) -> Result<Entry, FunctionError> {
        let entry = self.entry(account, name)?;
        check_revision(entry.latest.revision_id, revision_id)?;
        check_settled(&entry)?;
        self.check_may_deploy(&entry)?;
        Ok(entry)
    }

    async fn update_code_with(
        &self,
        reference: &FunctionReference,
        update: UpdateCode,
        code: UploadedCode,
    ) -> Result<Changed, FunctionError> {
        let (account, name) = self.latest_of(reference)?;
        let entry = self.updatable(account, &name, update.revision_id)?;
        if update.dry_run {
            self.open_archive(&code, Purpose::Check).await?;
        } else {
            self.keep_archive(&code).await?;
            self.check_total(code.digest(), &entry.latest.layers).await?;
        }
        let changed = |entry: &Entry| {
            let mut record = entry.stored.value().clone();
            record.latest.package = code.digest();
            record.latest.code_size = code.size();
            if let Some(architecture) = update.architecture {
                record.latest.settings.architecture = architecture;
            }
            record
        };
        if update.dry_run {
            let latest = self.latest(&entry.latest.arn, &changed(&entry), None);
            return Ok(Changed { latest, published: None });
        }
        // Others may have changed it while the archive was opened.
        let _pass = self.0.gates.enter(account, &name).await;
        let entry = self.updatable(account, &name, update.revision_id)?;
        self.commit(&entry, changed(&entry), update.publish).await
    }

    /// Makes new code or settings what a function is, in its first step. The gate is held.
    pub(super) async fn commit(
        &self,
        entry: &Entry,
        mut record: FunctionRecord,
        publish: bool,
    ) -> Result<Changed, FunctionError> {
        let arn = &entry.latest.arn;
        record.latest.revision_id = RevisionId::random();
        record.latest.generation = record.latest.revision_id;
        record.latest.last_modified = self.0.clock.now();
        record.latest.progress = Progress::Updating;
        let mut batch = self.batch(entry)?;
        let published = publish
            .then(|| next_version(&mut record, None::<Description>, Progress::Creating))
            .transpose()?;
        if let Some((number, version)) = &published {
            batch.put(&record::version_key(arn.account, &arn.name, *number), version)?;
        }
        batch.put(entry.stored.key(), &record)?;
        let stored = self.write_record(batch, arn).await?;
        // Settings alone don't bring a lost package back.
        let lost = entry.latest.state.failure().filter(|_| entry.latest.package == stored.latest.package);
        let latest = self.latest(arn, stored.value(), lost);
        let mut index = self.index_mut();
        index.set_latest(stored, latest.clone());
        let published = published.map(|(number, record)| self.published(arn, number, &record));
        if let Some((number, version)) = &published {
            index.set_version(*number, version.clone());
        }
        self.announce(&latest, Some(latest.generation));
        drop(index);
        self.settle_soon(arn);
        Ok(Changed { latest, published: published.map(|(_, version)| version) })
    }

    /// The archive of a version or layer, as it was uploaded.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn archive(&self, package: Sha256Digest) -> Result<Blob, FunctionError> {
        Ok(self.0.store.blobs().open_blob(package).await?)
    }

    /// Unpacks an uploaded archive.
    pub(super) async fn keep_archive(&self, code: &UploadedCode) -> Result<(), FunctionError> {
        self.open_archive(code, Purpose::Keep).await
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
