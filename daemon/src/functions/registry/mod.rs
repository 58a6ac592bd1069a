//! The registry: which functions there are.
//!
//! The front doors create, read, change and delete functions here; the path of an invocation asks it, synchronously and
//! from memory, which version a reference means; the sandbox pool subscribes to changes.
//!
//! What it guarantees:
//! - A change is durable before it is acknowledged, and visible to [`FunctionRegistry::resolve`] when it is.
//! - A change is made whole or not at all, also when the caller goes away in the middle: from the moment that nothing of
//!   the request is missing, it runs in a task of the registry's own, which [`FunctionRegistry::close`] waits for.
//! - Changes of one function are made one after another (`gate`); none is lost.
//! - A recorded version's package is unpacked. The order is: pin, unpack, record, unpin.
//!
//! New code and new settings are acknowledged in two steps, as on Lambda: a function is `Pending` or its update
//! `InProgress` when the change is durable, and a task of the registry then settles it (`settling`). Meanwhile other
//! changes of its code or settings are refused. Who wants the end of it waits for [`FunctionRegistry::settled`].

mod aliases;
mod attributes;
mod code;
mod code_signing;
mod configuration;
mod deleting;
mod events;
mod fetch;
mod garbage;
mod gate;
mod index;
mod layers;
mod open;
mod permissions;
mod provisioned;
mod publishing;
mod record;
mod requests;
mod settling;
mod targets;
mod upload;
mod urls;
mod version;

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::task::TaskTracker;

pub use self::{
    events::Unsaid,
    fetch::FetchError,
    index::Usage,
    permissions::AddPermission,
    provisioned::Provisioned,
    publishing::PublishVersion,
    requests::{Changed, Collected, CreateFunction, Found, FunctionChange, FunctionPage, Page, UpdateCode},
    targets::ResultServices,
    upload::{CodeUpload, UploadedCode},
    urls::{FunctionUrl, UrlTarget},
    version::{FunctionVersion, LastUpdateStatus, Reason, State},
};
use self::{
    gate::Gates,
    index::{Entry, Index},
    record::FunctionRecord,
    upload::Uploads,
};
use super::{
    Alias, Concurrency, FunctionArn, FunctionError, FunctionName, FunctionReference, InvalidField,
    PackageStore, Qualifier, Region, RevisionId, RuntimeName, Version,
};
use crate::{
    aws_services::S3Client,
    changes::to_its_end,
    clock::SharedClock,
    identity::AccountId,
    store::{Batch, Store, StoreError, Stored},
};

/// The most functions in a page: Lambda's own limit.
pub const MAX_PAGE: usize = 50;

/// Packages unpacked at the same time. Each takes a processor and the disk; more at once would only slow the calls that
/// run meanwhile.
const MAX_UNPACKING: usize = 2;

/// Changes that wait for a subscriber before it misses some and is told so. It then asks anew what is current.
const MAX_WAITING_CHANGES: usize = 1024;

/// What an account may run at once unless it is set: Lambda's own limit.
pub const DEFAULT_CONCURRENCY: u32 = 1000;

/// What the registry needs to know of this machine.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// The region in ARNs.
    pub region: Region,
    /// The account that functions belong to where a reference names none.
    pub account: AccountId,
    /// Calls that an account may run at once.
    pub concurrency: u32,
    /// Where results can be sent to.
    pub results: ResultServices,
    /// Where code can be fetched from.
    pub s3: Option<S3Client>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            region: Region::default(),
            account: AccountId::default(),
            concurrency: DEFAULT_CONCURRENCY,
            results: ResultServices::default(),
            s3: None,
        }
    }
}

/// All functions of this machine, as one account sees them: what a caller does not say of an account is about that one.
/// Cheap to clone; clones are the same registry.
#[derive(Clone, Debug)]
pub struct FunctionRegistry(Arc<Shared>, AccountId);

#[derive(Debug)]
struct Shared {
    options: RegistryOptions,
    store: Store,
    packages: PackageStore,
    clock: SharedClock,
    index: RwLock<Index>,
    gates: Gates,
    /// Held while a function's share of the concurrency is changed: all functions divide one limit.
    shares: tokio::sync::Mutex<()>,
    /// Held while a layer is changed.
    layer_gate: tokio::sync::Mutex<()>,
    /// Held while a code-signing configuration is changed, or which of them a function has.
    signing_gate: tokio::sync::Mutex<()>,
    concurrency: Concurrency,
    changes: broadcast::Sender<FunctionChange>,
    /// Told after what is wanted of versions has changed.
    provisions: watch::Sender<()>,
    /// Told after whatever was shown in the index.
    shown: watch::Sender<()>,
    uploads: Uploads,
    unpacking: Semaphore,
    fetching: Semaphore,
    tasks: TaskTracker,
}

impl FunctionRegistry {
    /// The same registry as another account sees it.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Self {
        Self(Arc::clone(&self.0), account)
    }

    /// Which version is meant: by a reference that may carry a qualifier, and a qualifier beside it; of an alias, the
    /// version that it points to. No disk, no waiting. Whether the version can run is in its [`FunctionVersion::state`].
    ///
    /// # Errors
    /// The two qualifiers differ; the region or account is another; there is no such function, version or alias.
    pub fn resolve(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        self.find(reference, qualifier).map(|found| found.version)
    }

    /// As [`FunctionRegistry::resolve`], with the ARN that was asked for.
    ///
    /// # Errors
    /// As there.
    pub fn find(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Found, FunctionError> {
        self.choose(reference, qualifier, |alias| alias.version)
    }

    /// Which version a call takes: as [`FunctionRegistry::find`], but an alias with two versions chooses by their
    /// weights. On the path of every invocation.
    ///
    /// # Errors
    /// As there.
    pub fn find_for_call(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Found, FunctionError> {
        self.choose(reference, qualifier, |alias| alias.choose(draw()))
    }

    fn choose(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        of_alias: impl FnOnce(&Alias) -> Version,
    ) -> Result<Found, FunctionError> {
        let qualifier = reference.qualifier_with(qualifier)?;
        let account = self.account_of(reference)?;
        let arn = self.arn(account, reference.name());
        let index = self.index();
        let version = index.get(account, reference.name()).and_then(|entry| match qualifier {
            None => Some(&entry.latest),
            Some(Qualifier::Version(version)) => entry.version(*version),
            Some(Qualifier::Alias(alias)) => entry.version(of_alias(entry.aliases.get(alias)?)),
            Some(Qualifier::Nothing(_)) => None,
        });
        let version = version.cloned();
        drop(index);
        let arn = match qualifier {
            Some(qualifier) => arn.with_qualifier(qualifier.clone()),
            None => arn,
        };
        match version {
            Some(version) => Ok(Found { version, arn }),
            None => Err(FunctionError::NotFound { arn }),
        }
    }

    /// Whether this version still has this code and these settings, rather than is one before an update or a deletion.
    #[must_use]
    pub fn is_current(&self, version: &FunctionVersion) -> bool {
        self.index()
            .get(version.account(), version.name())
            .and_then(|entry| entry.version(version.version))
            .is_some_and(|current| current.generation == version.generation)
    }

    /// At most `limit` functions with names after `after`; never more than [`MAX_PAGE`], and that many for 0.
    #[must_use]
    pub fn list(&self, after: Option<&FunctionName>, limit: usize) -> FunctionPage {
        let index = self.index();
        let all = index.sorted(self.1, after).into_iter().map(|entry| entry.latest.clone());
        let later = all.filter(|version| after.is_none_or(|after| version.name() > after));
        let Page { items, next } = Page::of(later, page_limit(limit), |last| last.name().clone());
        FunctionPage { functions: items, next }
    }

    /// The same of all their versions, each function's `$LATEST` first.
    #[must_use]
    pub fn list_all_versions(
        &self,
        after: Option<&(FunctionName, Version)>,
        limit: usize,
    ) -> Page<Arc<FunctionVersion>, (FunctionName, Version)> {
        let index = self.index();
        let entries = index.sorted(self.1, after.map(|(name, _)| name));
        let all = entries.into_iter().flat_map(Entry::all_versions).filter(|version| {
            after.is_none_or(|(name, last)| (version.name(), version.version) > (name, *last))
        });
        Page::of(all.cloned(), page_limit(limit), |last| (last.name().clone(), last.version))
    }

    /// What the functions and layers of an account take.
    #[must_use]
    pub fn usage(&self, account: AccountId) -> Usage {
        self.index().usage(account)
    }

    /// The account that functions belong to where a reference names none.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.1
    }

    /// The region in ARNs.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.0.options.region
    }

    /// How many calls run, and how many may.
    #[must_use]
    pub fn concurrency(&self) -> &Concurrency {
        &self.0.concurrency
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
        match self.index().get(self.1, name) {
            Some(_) => Err(FunctionError::AlreadyExists { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Begins to take an archive.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn begin_upload(&self) -> Result<CodeUpload, FunctionError> {
        let limit = self.0.packages.limits().max_zip_bytes;
        CodeUpload::begin(&self.0.store, &self.0.packages, &self.0.uploads, limit).await
    }

    /// Waits for the changes that are being made; later ones are refused. Before the store is closed.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// A batch that is only applied if the function's record is as it is known. It always is, unless somebody else
    /// writes to the store.
    fn batch(&self, entry: &Entry) -> Result<Batch, FunctionError> {
        let mut batch = Batch::new();
        batch.expect(entry.stored.key(), Some(&entry.stored))?;
        Ok(batch)
    }

    async fn write(&self, batch: Batch, arn: &FunctionArn) -> Result<(), FunctionError> {
        self.0.store.batch(batch).await.map_err(|error| match error {
            StoreError::Conflict { .. } => FunctionError::UpdateInProgress { arn: arn.clone() },
            error => error.into(),
        })
    }

    /// Writes a batch that holds the function's new record, and reads that back as it is stored. The function's gate is
    /// held, so that it is this one.
    async fn write_record(
        &self,
        batch: Batch,
        arn: &FunctionArn,
    ) -> Result<Stored<FunctionRecord>, FunctionError> {
        self.write(batch, arn).await?;
        let key = record::key(arn.account, &arn.name);
        self.0.store.get(&key)?.ok_or_else(|| FunctionError::NotFound { arn: arn.clone() })
    }

    /// Runs a change to its end, whether or not the caller still waits.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, FunctionError>> + Send + 'static,
    ) -> Result<T, FunctionError> {
        to_its_end(&self.0.tasks, "a change of a function", change).await
    }

    /// The function that a change is meant for, as it is now.
    fn entry(&self, account: AccountId, name: &FunctionName) -> Result<Entry, FunctionError> {
        let entry = self.index().get(account, name).cloned();
        entry.ok_or_else(|| FunctionError::NotFound { arn: self.arn(account, name) })
    }

    /// A look at something of a function.
    fn look<T>(
        &self,
        reference: &FunctionReference,
        look: impl FnOnce(&Entry) -> T,
    ) -> Result<T, FunctionError> {
        let account = self.account_of(reference)?;
        let found = self.index().get(account, reference.name()).map(look);
        found.ok_or_else(|| FunctionError::NotFound { arn: self.arn(account, reference.name()) })
    }

    /// The function of a reference whose qualifier, if it has one, is `$LATEST`.
    fn latest_of(&self, reference: &FunctionReference) -> Result<(AccountId, FunctionName), FunctionError> {
        let version = self.resolve(reference, None)?;
        match version.version {
            Version::Latest => Ok((version.account(), version.name().clone())),
            Version::Number(_) => Err(InvalidField::new(
                "function_name",
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )
            .into()),
        }
    }

    fn account_of(&self, reference: &FunctionReference) -> Result<AccountId, FunctionError> {
        let region = &self.0.options.region;
        if let Some(other) = reference.foreign_region(region) {
            return Err(FunctionError::OtherRegion { region: other.clone(), here: region.clone() });
        }
        // A name alone is that of whoever asks.
        Ok(reference.account_or(self.1))
    }

    fn arn(&self, account: AccountId, name: &FunctionName) -> FunctionArn {
        FunctionArn::new(self.0.options.region.clone(), account, name.clone())
    }

    /// The index is whole at every moment, also after a panic elsewhere: each change of it is made of insertions and
    /// removals that can't fail.
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.0.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For who has just made a change durable, and holds the function's gate.
    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells subscribers of a version's new generation. Under the index's lock, so that changes are announced in the
    /// order in which they became visible.
    fn announce(&self, version: &FunctionVersion, generation: Option<RevisionId>) {
        let change = FunctionChange {
            account: version.account(),
            name: version.name().clone(),
            version: version.version,
            generation,
        };
        // An error only says that nobody has subscribed.
        let _ = self.0.changes.send(change);
    }
}

fn check_revision(current: RevisionId, expected: Option<RevisionId>) -> Result<(), FunctionError> {
    match expected {
        Some(expected) if expected != current => {
            Err(FunctionError::PreconditionFailed { call: FunctionError::OF_FUNCTION })
        }
        _ => Ok(()),
    }
}

/// Code and settings are changed one at a time: the last change must have settled.
fn check_settled(entry: &Entry) -> Result<(), FunctionError> {
    if entry.latest.is_changing() {
        return Err(FunctionError::UpdateInProgress { arn: entry.latest.arn.clone() });
    }
    Ok(())
}

/// How many of something a page has whose caller asks for `limit`; 0 stands for the most.
fn page_limit(limit: usize) -> usize {
    if limit == 0 { MAX_PAGE } else { limit.min(MAX_PAGE) }
}

/// A random number of [0, 1): 53 bits, which is all that an f64 holds.
fn draw() -> f64 {
    const BITS: u32 = 53;
    let random = uuid::Uuid::new_v4().as_u128() & ((1 << BITS) - 1);
    #[expect(clippy::cast_precision_loss, reason = "so many bits fit")]
    let (random, all) = (random as f64, (1_u64 << BITS) as f64);
    random / all
}

#[cfg(test)]
mod tests;
