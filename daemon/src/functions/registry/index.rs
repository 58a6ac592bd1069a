//! All functions in memory, for the path of an invocation: one look-up, no disk.
//!
//! The index follows the store. A change is committed to the store first and put in here afterwards; the function's gate
//! keeps other changes of it out until both have happened.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use super::{code_signing::CodeSignings, layers::Layers, record::FunctionRecord, version::FunctionVersion};
use crate::{
    functions::{
        Alias, AliasName, CodeSigningId, EventInvokeConfig, FunctionName, FunctionUrlConfig, Policy,
        ProvisionedConcurrency, Qualifier, RuntimeName, UrlId, Version, VersionNumber,
    },
    identity::AccountId,
    store::{Sha256Digest, Stored},
};

/// A function: its record as the store has it, and what others see of it and of what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stored: Stored<FunctionRecord>,
    pub(super) latest: Arc<FunctionVersion>,
    pub(super) versions: BTreeMap<VersionNumber, Arc<FunctionVersion>>,
    pub(super) aliases: BTreeMap<AliasName, Arc<Alias>>,
    /// By the resource that they are of: the function as a whole, or a qualifier of it.
    pub(super) policies: HashMap<Option<Qualifier>, Arc<Policy>>,
    pub(super) event_configs: BTreeMap<Qualifier, Arc<EventInvokeConfig>>,
    pub(super) provisioned: BTreeMap<Qualifier, Arc<ProvisionedConcurrency>>,
    /// Of the function as a whole, and of its aliases.
    pub(super) urls: BTreeMap<Option<AliasName>, Arc<FunctionUrlConfig>>,
    pub(super) code_signing: Option<CodeSigningId>,
}

impl Entry {
    /// A function that has nothing yet but its record.
    pub(super) fn new(stored: Stored<FunctionRecord>, latest: Arc<FunctionVersion>) -> Self {
        Self {
            stored,
            latest,
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            policies: HashMap::new(),
            event_configs: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            urls: BTreeMap::new(),
            code_signing: None,
        }
    }

    pub(super) fn version(&self, version: Version) -> Option<&Arc<FunctionVersion>> {
        match version {
            Version::Latest => Some(&self.latest),
            Version::Number(number) => self.versions.get(&number),
        }
    }

    /// Whether the function has this version or alias.
    pub(super) fn has(&self, qualifier: &Qualifier) -> bool {
        match qualifier {
            Qualifier::Version(version) => self.version(*version).is_some(),
            Qualifier::Alias(alias) => self.aliases.contains_key(alias),
            Qualifier::Nothing(_) => false,
        }
    }

    /// `$LATEST` and the published versions, in this order.
    pub(super) fn all_versions(&self) -> impl Iterator<Item = &Arc<FunctionVersion>> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }
}

/// What an account's functions and layers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many functions there are.
    pub functions: u64,
    /// Bytes of all archives of all their versions, and of all layers.
    pub code_bytes: u64,
}

/// What a URL belongs to.
#[derive(Clone, Debug)]
pub(super) struct UrlOwner {
    pub(super) account: AccountId,
    pub(super) name: FunctionName,
    pub(super) alias: Option<AliasName>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    accounts: HashMap<AccountId, HashMap<FunctionName, Entry>>,
    /// How many versions use each package, their layers counted.
    packages: HashMap<Sha256Digest, usize>,
    /// How many versions of each account use each runtime.
    runtimes: HashMap<(AccountId, RuntimeName), usize>,
    usage: HashMap<AccountId, Usage>,
    urls: HashMap<UrlId, UrlOwner>,
    pub(super) layers: Layers,
    pub(super) code_signings: CodeSignings,
}

impl Index {
    /// No functions yet, but these layers and code-signing configurations.
    pub(super) fn with(layers: Layers, code_signings: CodeSignings) -> Self {
        Self { layers, code_signings, ..Self::default() }
    }

    pub(super) fn get(&self, account: AccountId, name: &FunctionName) -> Option<&Entry> {
        self.accounts.get(&account)?.get(name)
    }

    /// Adds a function that has just been created, or read from the store.
    pub(super) fn insert(&mut self, entry: Entry) {
        let version = entry.latest.clone();
        self.count(&version);
        for published in entry.versions.values() {
            self.count(published);
        }
        for (alias, url) in &entry.urls {
            let (account, name) = (version.account(), version.name().clone());
            self.urls.insert(url.id, UrlOwner { account, name, alias: alias.clone() });
        }
        self.usage.entry(version.account()).or_default().functions += 1;
        self.accounts.entry(version.account()).or_default().insert(version.name().clone(), entry);
    }

    /// A function that is to be changed in a way that no count depends on.
    pub(super) fn get_mut(&mut self, account: AccountId, name: &FunctionName) -> Option<&mut Entry> {
        self.accounts.get_mut(&account)?.get_mut(name)
    }

    /// Replaces what `$LATEST` of a function is.
    pub(super) fn set_latest(&mut self, stored: Stored<FunctionRecord>, latest: Arc<FunctionVersion>) {
        self.count(&latest);
        let Some(entry) = self.get_mut(latest.account(), latest.name()) else { return };
        entry.stored = stored;
        let replaced = std::mem::replace(&mut entry.latest, latest);
        self.forget(&replaced);
    }

    /// Adds a published version, or replaces one by a later state of itself.
    pub(super) fn set_version(&mut self, number: VersionNumber, version: Arc<FunctionVersion>) {
        self.count(&version);
        let Some(entry) = self.get_mut(version.account(), version.name()) else { return };
        if let Some(replaced) = entry.versions.insert(number, version) {
            self.forget(&replaced);
        }
    }

    pub(super) fn remove_version(&mut self, account: AccountId, name: &FunctionName, number: VersionNumber) {
        let removed = self.get_mut(account, name).and_then(|entry| entry.versions.remove(&number));
        if let Some(removed) = removed {
            self.forget(&removed);
        }
    }

    /// Removes a function with all that belongs to it.
    pub(super) fn remove(&mut self, account: AccountId, name: &FunctionName) {
        let Some(removed) = self.accounts.get_mut(&account).and_then(|functions| functions.remove(name))
        else {
            return;
        };
        for version in removed.all_versions() {
            self.forget(version);
        }
        for url in removed.urls.values() {
            self.urls.remove(&url.id);
        }
        if let Some(usage) = self.usage.get_mut(&account) {
            usage.functions -= 1;
        }
    }

    /// What the URL with this id belongs to.
    pub(super) fn url_owner(&self, id: UrlId) -> Option<&UrlOwner> {
        self.urls.get(&id)
    }

    /// Adds a URL, or replaces it by a later state of itself.
    pub(super) fn set_url(
        &mut self,
        account: AccountId,
        name: &FunctionName,
        alias: Option<AliasName>,
        url: Arc<FunctionUrlConfig>,
    ) {
        let Some(entry) = self.get_mut(account, name) else { return };
        let id = url.id;
        entry.urls.insert(alias.clone(), url);
        self.urls.insert(id, UrlOwner { account, name: name.clone(), alias });
    }

    pub(super) fn remove_url(&mut self, account: AccountId, name: &FunctionName, alias: &Option<AliasName>) {
        let removed = self.get_mut(account, name).and_then(|entry| entry.urls.remove(alias));
        if let Some(removed) = removed {
            self.urls.remove(&removed.id);
        }
    }

    /// Whether a function or a layer uses this package.
    pub(super) fn uses(&self, package: &Sha256Digest) -> bool {
        self.packages.contains_key(package) || self.layers.uses(package)
    }

    /// What the functions and layers of an account take.
    pub(super) fn usage(&self, account: AccountId) -> Usage {
        let usage = self.usage.get(&account).copied().unwrap_or_default();
        Usage { code_bytes: usage.code_bytes + self.layers.code_bytes(account), ..usage }
    }

    /// The functions of an account with names after `after`, or that name and later ones, in the order of their names.
    ///
    /// Sorts what it must, rather than keep an order that only listing needs.
    pub(super) fn sorted(&self, account: AccountId, after: Option<&FunctionName>) -> Vec<&Entry> {
        let functions = self.accounts.get(&account).into_iter().flatten();
        let mut found: Vec<&Entry> = functions
            .filter(|(name, _)| after.is_none_or(|after| *name >= after))
            .map(|(_, entry)| entry)
            .collect();
        found.sort_unstable_by(|a, b| a.latest.name().cmp(b.latest.name()));
        found
    }

    /// All functions, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.accounts.values().flat_map(HashMap::values)
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.values().map(HashMap::len).sum()
    }

    /// The runtimes that functions use, and the accounts of these.
    pub(super) fn runtimes(&self) -> Vec<(AccountId, RuntimeName)> {
        self.runtimes.keys().cloned().collect()
    }

    fn count(&mut self, version: &FunctionVersion) {
        for package in packages(version) {
            *self.packages.entry(package).or_default() += 1;
        }
        *self.runtimes.entry((version.account(), version.runtime.clone())).or_default() += 1;
        self.usage.entry(version.account()).or_default().code_bytes += version.code_size;
    }

    fn forget(&mut self, version: &FunctionVersion) {
        for package in packages(version) {
            take_one(&mut self.packages, &package);
        }
        take_one(&mut self.runtimes, &(version.account(), version.runtime.clone()));
        if let Some(usage) = self.usage.get_mut(&version.account()) {
            usage.code_bytes -= version.code_size;
        }
    }
}

/// The packages that a version needs.
fn packages(version: &FunctionVersion) -> impl Iterator<Item = Sha256Digest> {
    std::iter::once(version.package).chain(version.layers.iter().map(|layer| layer.package))
}

/// Counts one less, and forgets what is counted when there is none.
fn take_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
