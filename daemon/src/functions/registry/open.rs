//! Opening the registry: reading all functions, and making sure that their packages are there.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::task::TaskTracker;

use super::{
    FunctionRegistry, FunctionVersion, MAX_UNPACKING, MAX_WAITING_CHANGES, RegistryOptions, Shared,
    code_signing::{CodeSignings, SigningOfFunction},
    fetch::MAX_FETCHING,
    gate::Gates,
    index::{Entry, Index},
    layers::Layers,
    record::{AliasRecord, FunctionRecord, VersionRecord, parse_key},
    upload::Uploads,
};
use crate::{
    clock::SharedClock,
    functions::{
        Alias, Concurrency, EventInvokeConfig, FunctionArn, FunctionError, FunctionName, FunctionUrlConfig,
        PackageError, PackageStore, Policy, ProvisionedConcurrency, Qualifier, Version,
    },
    identity::AccountId,
    store::{Record, Sha256Digest, Store, StoreError, Stored},
};

impl FunctionRegistry {
    /// Reads all functions and what belongs to them. A package that is missing is unpacked from its archive again; a
    /// version whose package can't be had is there, but [`super::State::Failed`]. What an earlier life acknowledged and
    /// did not settle is settled.
    ///
    /// # Errors
    /// The store can't be read, or holds a record that this program does not understand.
    pub async fn open(
        store: Store,
        packages: PackageStore,
        clock: SharedClock,
        options: RegistryOptions,
    ) -> Result<Self, FunctionError> {
        let reader = Reader { store: &store, packages: &packages };
        let mut entries = HashMap::new();
        for stored in store.scan_all::<FunctionRecord>("") {
            let stored = stored?;
            let (account, name, _) = parse_key(stored.key()).ok_or_else(|| damaged(&stored))?;
            let arn = FunctionArn::new(options.region.clone(), account, name.clone());
            let latest = reader.version(arn, Version::Latest, &stored.latest).await;
            entries.insert((account, name), Entry::new(stored, Arc::new(latest)));
        }
        reader.read_what_belongs_to(&mut entries).await?;

        let concurrency = Concurrency::new(options.concurrency);
        let layers = Layers::read(&store, &options.region)?;
        for package in layers.packages() {
            if let Err(error) = restore(&store, &packages, package).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%package, error, "a layer has no content");
            }
        }
        let mut index = Index::with(layers, CodeSignings::read(&store, &options.region)?);
        let mut unsettled = Vec::new();
        for ((account, name), entry) in entries {
            if let Some(share) = entry.stored.reserved_concurrency {
                concurrency.reserve(account, &name, Some(share));
            }
            concurrency.provision(account, &name, &entry.provisioned_by_version());
            if entry.all_versions().any(|version| version.is_changing()) {
                unsettled.push((account, name));
            }
            index.insert(entry);
        }
        tracing::info!(functions = index.len(), "functions loaded");
        let (changes, _) = broadcast::channel(MAX_WAITING_CHANGES);
        let account = options.account;
        let shared = Arc::new(Shared {
            options,
            store,
            packages,
            clock,
            index: RwLock::new(index),
            gates: Gates::default(),
            shares: tokio::sync::Mutex::default(),
            layer_gate: tokio::sync::Mutex::default(),
            signing_gate: tokio::sync::Mutex::default(),
            concurrency,
            changes,
            provisions: watch::Sender::new(()),
            shown: watch::Sender::new(()),
            uploads: Uploads::default(),
            unpacking: Semaphore::new(MAX_UNPACKING),
            fetching: Semaphore::new(MAX_FETCHING),
            tasks: TaskTracker::new(),
        });
        let registry = Self(shared, account);
        for (account, name) in unsettled {
            registry.settle(account, &name).await?;
        }
        Ok(registry)
    }
}

type Entries = HashMap<(AccountId, FunctionName), Entry>;

struct Reader<'a> {
    store: &'a Store,
    packages: &'a PackageStore,
}

impl Reader<'_> {
    async fn read_what_belongs_to(&self, entries: &mut Entries) -> Result<(), FunctionError> {
        for stored in self.store.scan_all::<VersionRecord>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            let Some(Qualifier::Version(Version::Number(number))) = qualifier else {
                return Err(damaged(&stored).into());
            };
            let version = self.version(entry.latest.arn.clone(), Version::Number(number), &stored).await;
            entry.versions.insert(number, Arc::new(version));
        }
        for stored in self.store.scan_all::<AliasRecord>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            let Some(Qualifier::Alias(name)) = qualifier else { return Err(damaged(&stored).into()) };
            let alias = Alias::of_record(&entry.latest.arn, name.clone(), &stored);
            entry.aliases.insert(name, Arc::new(alias));
        }
        for stored in self.store.scan_all::<Policy>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            entry.policies.insert(qualifier, Arc::new(stored.into_value()));
        }
        for stored in self.store.scan_all::<EventInvokeConfig>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            let qualifier = qualifier.ok_or_else(|| damaged(&stored))?;
            entry.event_configs.insert(qualifier, Arc::new(stored.into_value()));
        }
        for stored in self.store.scan_all::<ProvisionedConcurrency>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            let qualifier = qualifier.ok_or_else(|| damaged(&stored))?;
            entry.provisioned.insert(qualifier, Arc::new(stored.into_value()));
        }
        for stored in self.store.scan_all::<FunctionUrlConfig>("") {
            let stored = stored?;
            let Some((entry, qualifier)) = self.owner(entries, &stored).await? else { continue };
            let alias = match qualifier {
                None => None,
                Some(Qualifier::Alias(alias)) => Some(alias),
                Some(_) => return Err(damaged(&stored).into()),
            };
            entry.urls.insert(alias, Arc::new(stored.into_value()));
        }
        for stored in self.store.scan_all::<SigningOfFunction>("") {
            let stored = stored?;
            let Some((entry, _)) = self.owner(entries, &stored).await? else { continue };
            entry.code_signing = Some(stored.into_value().config);
        }
        Ok(())
    }

    /// The function that a record belongs to. Without one, the daemon died while it deleted a function: then the record
    /// goes, too.
    async fn owner<'e, R: Record>(
        &self,
        entries: &'e mut Entries,
        stored: &Stored<R>,
    ) -> Result<Option<(&'e mut Entry, Option<Qualifier>)>, StoreError> {
        let (account, name, qualifier) = parse_key(stored.key()).ok_or_else(|| damaged(stored))?;
        match entries.get_mut(&(account, name)) {
            Some(entry) => Ok(Some((entry, qualifier))),
            None => {
                tracing::info!(tree = R::TREE, key = stored.key(), "removing what a deleted function left");
                self.store.delete::<R>(stored.key()).await?;
                Ok(None)
            }
        }
    }

    async fn version(&self, arn: FunctionArn, version: Version, record: &VersionRecord) -> FunctionVersion {
        let layers = record.settings.layers.iter().map(|layer| layer.package);
        let mut failed = None;
        for package in std::iter::once(record.package).chain(layers) {
            if let Err(error) = restore(self.store, self.packages, package).await {
                let source: &dyn std::error::Error = &error;
                tracing::error!(function = %arn, %version, %package, error = source, "a function has no code");
                failed = Some(format!("The function's package is missing ({error}). Update its code."));
            }
        }
        FunctionVersion::of_record(arn, version, record, failed)
    }
}

fn damaged<R: Record>(stored: &Stored<R>) -> StoreError {
    StoreError::DamagedRecord { tree: R::TREE, key: stored.key().to_owned(), source: None }
}

/// Makes sure that a package is unpacked.
async fn restore(store: &Store, packages: &PackageStore, digest: Sha256Digest) -> Result<(), PackageError> {
    if packages.contains(&digest) {
        return Ok(());
    }
    tracing::warn!(package = %digest, "a package is missing and is unpacked again");
    // Checked to be what its digest says: after a loss, damage is likely too.
    store.blobs().check(digest).await?;
    let archive = store.blobs().open_blob(digest).await?;
    let (packages, pin) = (packages.clone(), packages.reserve(digest));
    match tokio::task::spawn_blocking(move || packages.unpack(&pin, archive.file)).await {
        Ok(unpacked) => unpacked,
        Err(_) => Err(PackageError::Missing { digest }),
    }
}
