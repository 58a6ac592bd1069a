//! All functions in memory, for the path of an invocation: one look-up, no disk.
//!
//! The index follows the store. A change is committed to the store first, with what the index holds as the expected old
//! record, and put in here afterwards. So two changes of a function reach the index in their order, with one exception:
//! after a deletion, somebody who expects *no* record can create the function anew before the deletion gets here.
//! Therefore [`Index::remove`] removes only the revision that was deleted.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use super::{record::FunctionRecord, version::FunctionVersion};
use crate::{
    functions::{FunctionName, RevisionId, RuntimeName},
    identity::AccountId,
    store::{Sha256Digest, Stored},
};

/// A function: its record as the store has it, and what others see of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stored: Stored<FunctionRecord>,
    pub(super) version: Arc<FunctionVersion>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    accounts: HashMap<AccountId, HashMap<FunctionName, Entry>>,
    /// How many functions use each package.
    packages: HashMap<Sha256Digest, usize>,
    /// How many functions of each account use each runtime.
    runtimes: HashMap<(AccountId, RuntimeName), usize>,
}

impl Index {
    pub(super) fn get(&self, account: AccountId, name: &FunctionName) -> Option<&Entry> {
        self.accounts.get(&account)?.get(name)
    }

    /// Puts a function in the place of its earlier state, if there is one.
    pub(super) fn put(&mut self, entry: Entry) {
        let version = entry.version.clone();
        *self.packages.entry(version.package).or_default() += 1;
        *self.runtimes.entry((version.account(), version.runtime.clone())).or_default() += 1;
        let functions = self.accounts.entry(version.account()).or_default();
        if let Some(replaced) = functions.insert(version.name().clone(), entry) {
            self.forget(&replaced.version);
        }
    }

    /// Removes a function if it still is at this revision; says whether it was.
    pub(super) fn remove(&mut self, account: AccountId, name: &FunctionName, revision: RevisionId) -> bool {
        let Some(functions) = self.accounts.get_mut(&account) else { return false };
        if functions.get(name).is_none_or(|entry| entry.version.revision_id != revision) {
            return false;
        }
        if let Some(removed) = functions.remove(name) {
            self.forget(&removed.version);
        }
        true
    }

    /// Whether a function uses this package.
    pub(super) fn uses(&self, package: &Sha256Digest) -> bool {
        self.packages.contains_key(package)
    }

    /// At most `limit` functions of an account with names after `after`, in the order of their names, and whether there
    /// are more.
    ///
    /// Sorts what it must, rather than keep an order that only listing needs.
    pub(super) fn page(
        &self,
        account: AccountId,
        after: Option<&FunctionName>,
        limit: usize,
    ) -> (Vec<Arc<FunctionVersion>>, bool) {
        let functions = self.accounts.get(&account).into_iter().flatten();
        let mut found: Vec<&Entry> = functions
            .filter(|(name, _)| after.is_none_or(|after| *name > after))
            .map(|(_, entry)| entry)
            .collect();
        found.sort_unstable_by(|a, b| a.version.name().cmp(b.version.name()));
        let more = found.len() > limit;
        (found.into_iter().take(limit).map(|entry| entry.version.clone()).collect(), more)
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.values().map(HashMap::len).sum()
    }

    /// The runtimes that functions use, and the accounts of these.
    pub(super) fn runtimes(&self) -> Vec<(AccountId, RuntimeName)> {
        self.runtimes.keys().cloned().collect()
    }

    fn forget(&mut self, version: &FunctionVersion) {
        take_one(&mut self.packages, &version.package);
        take_one(&mut self.runtimes, &(version.account(), version.runtime.clone()));
    }
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
