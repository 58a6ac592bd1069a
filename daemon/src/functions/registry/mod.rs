//! The registry: which functions there are.
//!
//! The front doors create, read, change and delete functions here; the path of an invocation asks it, synchronously and
//! from memory, which version a reference means; the sandbox pool subscribes to changes.
//!
//! What it guarantees:
//! - A change is durable before it is acknowledged, and visible to [`FunctionRegistry::resolve`] when it is.
//! - A change is made whole or not at all, also when the caller goes away in the middle: from the moment that nothing of
//!   the request is missing, it runs in a task of the registry's own, which [`FunctionRegistry::close`] waits for.
//! - Of two changes of a function at the same moment, one is refused ([`FunctionError::UpdateInProgress`]); none is lost.
//! - A recorded function's package is unpacked. The order is: pin, unpack, record, unpin.

mod code;
mod garbage;
mod index;
mod open;
mod record;
mod requests;
mod upload;
mod version;

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use tokio::sync::{Semaphore, broadcast};
use tokio_util::task::TaskTracker;

use self::{
    index::{Entry, Index},
    record::FunctionRecord,
    upload::Uploads,
};
pub use self::{
    requests::{Collected, CreateFunction, FunctionChange, FunctionPage, UpdateCode, UpdateConfiguration},
    upload::{CodeUpload, UploadedCode},
    version::{FunctionVersion, LastUpdateStatus, State},
};
use super::{
    FunctionArn, FunctionError, FunctionName, FunctionReference, InvalidField, PackageStore, Qualifier,
    Region, RevisionId, RuntimeName,
};
use crate::{
    clock::SharedClock,
    identity::AccountId,
    store::{Store, StoreError, Stored},
};

/// The most functions in a page: Lambda's own limit.
pub const MAX_PAGE: usize = 50;

/// Packages unpacked at the same time. Each takes a processor and the disk; more at once would only slow the calls that
/// run meanwhile.
const MAX_UNPACKING: usize = 2;

/// Changes that wait for a subscriber before it misses some and is told so. It then asks anew what is current.
const MAX_WAITING_CHANGES: usize = 1024;

/// What the registry needs to know of this machine.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// The region in ARNs.
    pub region: Region,
    /// The account that functions belong to where a reference names none.
    pub account: AccountId,
}

/// All functions of this machine. Cheap to clone; clones are the same registry.
#[derive(Clone, Debug)]
pub struct FunctionRegistry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: RegistryOptions,
    store: Store,
    packages: PackageStore,
    clock: SharedClock,
    index: RwLock<Index>,
    changes: broadcast::Sender<FunctionChange>,
    uploads: Uploads,
    unpacking: Semaphore,
    tasks: TaskTracker,
}

impl FunctionRegistry {
    /// Which version is meant: by a reference that may carry a qualifier, and a qualifier beside it. On the path of every
    /// invocation: no disk, no waiting. Whether the version can run is in its [`FunctionVersion::state`].
    ///
    /// # Errors
    /// The two qualifiers differ; the region or account is another; there is no such function or version.
    pub fn resolve(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let qualifier = reference.qualifier_with(qualifier)?;
        let account = self.account_of(reference)?;
        let found = self.index().get(account, reference.name()).map(|entry| entry.version.clone());
        match (found, qualifier) {
            (Some(version), None | Some(&Qualifier::LATEST)) => Ok(version),
            (_, qualifier) => {
                let arn = self.arn(account, reference.name());
                let arn =
                    qualifier.map_or_else(|| arn.clone(), |qualifier| arn.with_qualifier(qualifier.clone()));
                Err(FunctionError::NotFound { arn })
            }
        }
    }

    /// Whether this is the function's current state, rather than one before an update or a deletion.
    #[must_use]
    pub fn is_current(&self, version: &FunctionVersion) -> bool {
        self.index()
            .get(version.account(), version.name())
            .is_some_and(|entry| entry.version.revision_id == version.revision_id)
    }

    /// At most `limit` functions with names after `after`; never more than [`MAX_PAGE`], and that many for 0.
    #[must_use]
    pub fn list(&self, after: Option<&FunctionName>, limit: usize) -> FunctionPage {
        let limit = if limit == 0 { MAX_PAGE } else { limit.min(MAX_PAGE) };
        let (functions, more) = self.index().page(self.0.options.account, after, limit);
        let next = functions.last().filter(|_| more).map(|last| last.name().clone());
        FunctionPage { functions, next }
    }

    /// How many functions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The runtimes that functions use, each with the accounts that these belong to.
    #[must_use]
    pub fn runtimes_in_use(&self) -> Vec<(AccountId, RuntimeName)> {
        self.index().runtimes()
    }

    /// The packages of the functions.
    #[must_use]
    pub fn packages(&self) -> &PackageStore {
        &self.0.packages
    }

    /// Every change from now on. A subscriber that falls behind is told so by the channel, and then finds out with
    /// [`FunctionRegistry::is_current`] what is obsolete.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<FunctionChange> {
        self.0.changes.subscribe()
    }

    /// Refuses a name that is taken: for a front door, before it lets a package be uploaded.
    ///
    /// # Errors
    /// [`FunctionError::AlreadyExists`].
    pub fn check_free(&self, name: &FunctionName) -> Result<(), FunctionError> {
        match self.index().get(self.0.options.account, name) {
            Some(_) => Err(FunctionError::AlreadyExists { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Begins to take an archive.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn begin_upload(&self) -> Result<CodeUpload, FunctionError> {
        CodeUpload::begin(&self.0.store, &self.0.packages, &self.0.uploads).await
    }

    /// Changes settings of a function. Running calls finish with the old ones; no later call sees them.
    ///
    /// # Errors
    /// There is no such function; it is at another revision, or changed at the same moment.
    pub async fn update_configuration(
        &self,
        reference: &FunctionReference,
        update: UpdateConfiguration,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let entry = self.entry(reference)?;
        check_revision(&entry, update.revision_id)?;
        let UpdateConfiguration {
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
            revision_id: _,
        } = update;
        let old = entry.stored.value();
        let new = FunctionRecord {
            revision_id: RevisionId::random(),
            runtime: runtime.unwrap_or_else(|| old.runtime.clone()),
            handler: handler.unwrap_or_else(|| old.handler.clone()),
            role: role.unwrap_or_else(|| old.role.clone()),
            description: description.unwrap_or_else(|| old.description.clone()),
            timeout: timeout.unwrap_or(old.timeout),
            memory: memory.unwrap_or(old.memory),
            ephemeral_storage: ephemeral_storage.unwrap_or(old.ephemeral_storage),
            environment: environment.unwrap_or_else(|| old.environment.clone()),
            package: old.package,
            code_size: old.code_size,
            last_modified: self.0.clock.now(),
        };
        let (registry, state) = (self.clone(), entry.version.state.clone());
        self.run(async move { registry.commit(&entry.version.arn, Some(&entry.stored), new, state).await })
            .await
    }

    /// Deletes a function. Running calls finish; its package stays until garbage collection.
    ///
    /// # Errors
    /// There is no such function; it changed at the same moment; the reference has a qualifier.
    pub async fn delete(&self, reference: &FunctionReference) -> Result<(), FunctionError> {
        let entry = self.entry(reference)?;
        if reference.qualifier().is_some() {
            return Err(InvalidField::new(
                "function_name",
                "$LATEST version cannot be deleted without deleting the function.",
            )
            .into());
        }
        let registry = self.clone();
        self.run(async move {
            let Shared { store, index, changes, .. } = &*registry.0;
            let version = &entry.version;
            store
                .compare_and_delete(&entry.stored)
                .await
                .map_err(|error| in_progress(error, &version.arn))?;
            let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
            if index.remove(version.account(), version.name(), version.revision_id) {
                announce(changes, version, None);
            }
            Ok(())
        })
        .await
    }

    /// Waits for the changes that are being made; later ones are refused. Before the store is closed.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Stores a function's new record in the place of `old`, then shows it to everybody.
    async fn commit(
        &self,
        arn: &FunctionArn,
        old: Option<&Stored<FunctionRecord>>,
        new: FunctionRecord,
        state: State,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let key = record::key(arn.account, &arn.name);
        let stored = self.0.store.compare_and_swap(&key, old, new).await.map_err(|error| match error {
            StoreError::Conflict { .. } if old.is_none() => {
                FunctionError::AlreadyExists { name: arn.name.clone() }
            }
            error => in_progress(error, arn),
        })?;
        let version = Arc::new(FunctionVersion::latest(arn.clone(), stored.value(), state));
        let mut index = self.0.index.write().unwrap_or_else(PoisonError::into_inner);
        index.put(Entry { stored, version: version.clone() });
        // Under the lock, so that changes are announced in the order in which they became visible.
        announce(&self.0.changes, &version, Some(version.revision_id));
        Ok(version)
    }

    /// Runs a change to its end, whether or not the caller still waits.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, FunctionError>> + Send + 'static,
    ) -> Result<T, FunctionError> {
        if self.0.tasks.is_closed() {
            return Err(FunctionError::Interrupted);
        }
        match self.0.tasks.spawn(change).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a change of a function was not finished");
                Err(FunctionError::Interrupted)
            }
        }
    }

    /// The function that a change is meant for.
    fn entry(&self, reference: &FunctionReference) -> Result<Entry, FunctionError> {
        // Finds what is wrong with the reference in the same words.
        let version = self.resolve(reference, None)?;
        let entry = self.index().get(version.account(), version.name()).cloned();
        entry.ok_or_else(|| FunctionError::NotFound { arn: version.arn.clone() })
    }

    fn account_of(&self, reference: &FunctionReference) -> Result<AccountId, FunctionError> {
        let RegistryOptions { region, account } = &self.0.options;
        if let Some(other) = reference.foreign_region(region) {
            return Err(FunctionError::OtherRegion { region: other.clone(), here: region.clone() });
        }
        // Another account has no functions here, so it is not found rather than told from this one.
        Ok(reference.account_or(*account))
    }

    fn arn(&self, account: AccountId, name: &FunctionName) -> FunctionArn {
        FunctionArn::new(self.0.options.region.clone(), account, name.clone())
    }

    /// The index is whole at every moment, also after a panic elsewhere: each change of it is one insertion or removal.
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.0.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_revision(entry: &Entry, expected: Option<RevisionId>) -> Result<(), FunctionError> {
    match expected {
        Some(expected) if expected != entry.version.revision_id => Err(FunctionError::PreconditionFailed),
        _ => Ok(()),
    }
}

fn in_progress(error: StoreError, arn: &FunctionArn) -> FunctionError {
    match error {
        StoreError::Conflict { .. } => FunctionError::UpdateInProgress { arn: arn.clone() },
        error => error.into(),
    }
}

fn announce(
    changes: &broadcast::Sender<FunctionChange>,
    version: &FunctionVersion,
    revision: Option<RevisionId>,
) {
    let change = FunctionChange { account: version.account(), name: version.name().clone(), revision };
    // An error only says that nobody has subscribed.
    let _ = changes.send(change);
}

#[cfg(test)]
mod tests;
