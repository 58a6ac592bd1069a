//! How many calls run at once, and how many may: of an account, and of a function that has a share of its own.
//!
//! The path of every invocation takes a [`Slot`] here and gives it back when the call has ended. Both are a look into
//! two maps under a mutex that is never held across an await.
//!
//! An account's limit is divided: every function with reserved concurrency has its own part, and all others share the
//! rest. Provisioned concurrency is a part of a version's own: of its function's part if that has one, else of the
//! account's limit. So three counts are kept: of each version; of each function, what its versions' own parts don't
//! hold; and of that, the sum of all functions together that have no part of their own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{FunctionName, Version};
use crate::identity::AccountId;

/// What must remain for the functions without a share of their own. Source: Lambda's PutFunctionConcurrency.
pub const LEAST_UNRESERVED: u32 = 100;

/// Why a call may not run now. The words are Lambda's `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("Rate Exceeded.")]
pub enum Throttled {
    /// The function's own share is in use, or is nothing.
    Function,
    /// What is left of the account's limit is in use.
    Account,
}

impl Throttled {
    /// Lambda's word for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Function => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account => "ConcurrentInvocationLimitExceeded",
        }
    }
}

/// A share that can't be had: too little would be left for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
     minimum value of [{least}]."
)]
pub struct TooMuchReserved {
    /// What must be left.
    pub least: u32,
}

/// Provisioned concurrency that can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuchProvisioned {
    /// All versions of the function together would have more than the function's share.
    #[error(
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )]
    MoreThanReserved,
    /// It is more than there is.
    #[error(
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
    )]
    MoreThanUnreserved {
        /// What no other function has for itself.
        unreserved: u32,
    },
    /// Too little would be left for the others.
    #[error(
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum \
         value of [{least}]."
    )]
    TooLittleLeft {
        /// What must be left.
        least: u32,
    },
}

/// The counts of all accounts. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Concurrency(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u32,
    counts: Mutex<HashMap<AccountId, Account>>,
}

#[derive(Debug, Default)]
struct Account {
    functions: HashMap<FunctionName, Function>,
    /// Sum of what functions have for themselves.
    set_aside: u32,
    /// Running calls of functions without a share, but for those that their versions' own parts hold.
    unreserved_running: u32,
}

/// A function that has something for itself, or running calls.
#[derive(Debug, Default)]
struct Function {
    reserved: Option<u32>,
    /// Sum of its versions' parts.
    provisioned: u32,
    running: u32,
    /// Running calls that no version's own part holds.
    spilled: u32,
    /// Few: only what runs or has a part.
    versions: Vec<OfVersion>,
}

#[derive(Debug)]
struct OfVersion {
    version: Version,
    provisioned: u32,
    running: u32,
}

impl OfVersion {
    fn spilled(&self) -> u32 {
        self.running.saturating_sub(self.provisioned)
    }
}

impl Function {
    /// What it has for itself.
    fn set_aside(&self) -> u32 {
        self.reserved.unwrap_or(self.provisioned)
    }

    /// What it takes of what all share.
    fn unreserved_running(&self) -> u32 {
        if self.reserved.is_none() { self.spilled } else { 0 }
    }

    fn of(&self, version: Version) -> Option<&OfVersion> {
        self.versions.iter().find(|of| of.version == version)
    }

    fn of_mut(&mut self, version: Version) -> &mut OfVersion {
        let at = self.versions.iter().position(|of| of.version == version).unwrap_or_else(|| {
            self.versions.push(OfVersion { version, provisioned: 0, running: 0 });
            self.versions.len() - 1
        });
        &mut self.versions[at]
    }

    fn tidy(&mut self) {
        self.versions.retain(|of| of.running > 0 || of.provisioned > 0);
    }

    fn is_unused(&self) -> bool {
        self.running == 0 && self.reserved.is_none() && self.provisioned == 0
    }
}

impl Concurrency {
    /// Each account may run `limit` calls at once.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self(Arc::new(Shared { limit, counts: Mutex::default() }))
    }

    /// What each account may run at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.0.limit
    }

    /// What of an account's limit no function has for itself.
    #[must_use]
    pub fn unreserved(&self, account: AccountId) -> u32 {
        let set_aside = self.lock().get(&account).map_or(0, |account| account.set_aside);
        self.0.limit.saturating_sub(set_aside)
    }

    /// How many calls of a function run.
    #[must_use]
    pub fn running(&self, account: AccountId, name: &FunctionName) -> u32 {
        let counts = self.lock();
        counts
            .get(&account)
            .and_then(|account| account.functions.get(name))
            .map_or(0, |function| function.running)
    }

    /// Counts a call of a version as running, until the slot is dropped.
    ///
    /// # Errors
    /// As many run as may.
    pub fn take(&self, account: AccountId, name: &FunctionName, version: Version) -> Result<Slot, Throttled> {
        let mut counts = self.lock();
        let counted = counts.entry(account).or_default();
        let function = counted.functions.get(name);
        let own = function.and_then(|function| function.of(version));
        let spills = own.is_none_or(|own| own.running >= own.provisioned);
        let share = function.and_then(|function| {
            Some((function.spilled, function.reserved?.saturating_sub(function.provisioned)))
        });
        match share {
            _ if !spills => {}
            Some((spilled, share)) if spilled >= share => return Err(Throttled::Function),
            Some(_) => {}
            None if counted.unreserved_running >= self.0.limit.saturating_sub(counted.set_aside) => {
                return Err(Throttled::Account);
            }
            None => counted.unreserved_running += 1,
        }
        let function = counted.functions.entry(name.clone()).or_default();
        function.running += 1;
        function.spilled += u32::from(spills);
        function.of_mut(version).running += 1;
        drop(counts);
        Ok(Slot { concurrency: self.clone(), account, name: name.clone(), version })
    }

    /// Whether a function could have this share.
    ///
    /// # Errors
    /// Too little would be left for the others.
    pub fn check(&self, account: AccountId, name: &FunctionName, share: u32) -> Result<(), TooMuchReserved> {
        let counts = self.lock();
        let others = others(&counts, account, name);
        let least = LEAST_UNRESERVED.min(self.0.limit);
        if u64::from(others) + u64::from(share) + u64::from(least) > u64::from(self.0.limit) && share > 0 {
            return Err(TooMuchReserved { least });
        }
        Ok(())
    }

    /// Whether the versions of a function, which has this share, could have this many calls for themselves: `requested`
    /// of one of them, `total` of all.
    ///
    /// # Errors
    /// It is more than the function has, or too little would be left for the others.
    pub fn check_provisioned(
        &self,
        account: AccountId,
        name: &FunctionName,
        share: Option<u32>,
        requested: u32,
        total: u64,
    ) -> Result<(), TooMuchProvisioned> {
        if let Some(share) = share {
            return if total > u64::from(share) { Err(TooMuchProvisioned::MoreThanReserved) } else { Ok(()) };
        }
        let others = u64::from(others(&self.lock(), account, name));
        let limit = u64::from(self.0.limit);
        // What its other versions have is not there for this one.
        let unreserved = limit.saturating_sub(others + total.saturating_sub(u64::from(requested)));
        if u64::from(requested) > unreserved {
            // Within the limit, which is one of 32 bits.
            let unreserved = u32::try_from(unreserved).unwrap_or(u32::MAX);
            return Err(TooMuchProvisioned::MoreThanUnreserved { unreserved });
        }
        let least = LEAST_UNRESERVED.min(self.0.limit);
        if others + total + u64::from(least) > limit {
            return Err(TooMuchProvisioned::TooLittleLeft { least });
        }
        Ok(())
    }

    /// Gives a function a share of its own, or takes it away. Calls that run go on and are counted anew.
    pub(super) fn reserve(&self, account: AccountId, name: &FunctionName, share: Option<u32>) {
        self.change(account, name, |function| function.reserved = share);
    }

    /// Gives versions of a function parts of their own, and takes away those of all others. Calls that run go on and are
    /// counted anew.
    pub(super) fn provision(&self, account: AccountId, name: &FunctionName, parts: &[(Version, u32)]) {
        self.change(account, name, |function| {
            function.versions.iter_mut().for_each(|of| of.provisioned = 0);
            for (version, part) in parts {
                function.of_mut(*version).provisioned += part;
            }
            function.provisioned = function.versions.iter().map(|of| of.provisioned).sum();
            function.spilled = function.versions.iter().map(OfVersion::spilled).sum();
        });
    }

    fn change(&self, account: AccountId, name: &FunctionName, change: impl FnOnce(&mut Function)) {
        let mut counts = self.lock();
        let counted = counts.entry(account).or_default();
        let function = counted.functions.entry(name.clone()).or_default();
        counted.set_aside -= function.set_aside();
        counted.unreserved_running -= function.unreserved_running();
        change(function);
        function.tidy();
        counted.set_aside += function.set_aside();
        counted.unreserved_running += function.unreserved_running();
        if function.is_unused() {
            counted.functions.remove(name);
        }
    }

    fn give_back(&self, account: AccountId, name: &FunctionName, version: Version) {
        let mut counts = self.lock();
        let Some(counted) = counts.get_mut(&account) else { return };
        let Some(function) = counted.functions.get_mut(name) else { return };
        let of_version = function.of_mut(version);
        let spilled = of_version.spilled() > 0;
        of_version.running -= 1;
        let ended = of_version.running == 0;
        function.running -= 1;
        if spilled {
            function.spilled -= 1;
            counted.unreserved_running -= u32::from(function.reserved.is_none());
        }
        if ended {
            function.tidy();
        }
        if function.is_unused() {
            counted.functions.remove(name);
        }
    }

    /// The counts agree at every moment, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all functions of an account but this one have for themselves.
fn others(counts: &HashMap<AccountId, Account>, account: AccountId, name: &FunctionName) -> u32 {
    counts
        .get(&account)
        .map_or(0, |counted| counted.set_aside - counted.functions.get(name).map_or(0, Function::set_aside))
}

/// A running call. Dropped, it has ended.
#[derive(Debug)]
pub struct Slot {
    concurrency: Concurrency,
    account: AccountId,
    name: FunctionName,
    version: Version,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.concurrency.give_back(self.account, &self.name, self.version);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: AccountId = AccountId::DEFAULT;

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    #[test]
    fn a_function_with_a_share_has_it_and_no_more() {
        let concurrency = Concurrency::new(1000);
        let (one, two) = (name("one"), name("two"));
        concurrency.reserve(ACCOUNT, &one, Some(1));
        let slot = concurrency.take(ACCOUNT, &one, Version::Latest).unwrap();
        assert_eq!(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap_err(), Throttled::Function);
        let _other = concurrency.take(ACCOUNT, &two, Version::Latest).unwrap();
        drop(slot);
        drop(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap());
        concurrency.reserve(ACCOUNT, &one, Some(0));
        assert_eq!(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap_err(), Throttled::Function);
        concurrency.reserve(ACCOUNT, &one, None);
        drop(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap());
    }

    #[test]
    fn the_others_share_what_is_left() {
        let concurrency = Concurrency::new(103);
        let (one, two) = (name("one"), name("two"));
        assert!(concurrency.check(ACCOUNT, &one, 3).is_ok());
        let told = concurrency.check(ACCOUNT, &one, 4).unwrap_err().to_string();
        assert!(told.ends_with("below its minimum value of [100]."), "{told}");
        concurrency.reserve(ACCOUNT, &one, Some(3));
        assert!(concurrency.check(ACCOUNT, &one, 2).is_ok(), "its own share does not count against it");
        assert!(concurrency.check(ACCOUNT, &two, 1).is_err() && concurrency.check(ACCOUNT, &two, 0).is_ok());
        assert_eq!(concurrency.unreserved(ACCOUNT), 100);
        let slots: Vec<_> =
            (0..100).map(|_| concurrency.take(ACCOUNT, &two, Version::Latest).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &two, Version::Latest).unwrap_err(), Throttled::Account);
        let _own = concurrency.take(ACCOUNT, &one, Version::Latest).unwrap();
        drop(slots);
        assert_eq!(concurrency.running(ACCOUNT, &two), 0);
    }

    #[test]
    fn calls_that_run_while_a_share_changes_are_counted_where_they_belong() {
        let concurrency = Concurrency::new(101);
        let one = name("one");
        let slots: Vec<_> =
            (0..2).map(|_| concurrency.take(ACCOUNT, &one, Version::Latest).unwrap()).collect();
        concurrency.reserve(ACCOUNT, &one, Some(1));
        assert_eq!(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap_err(), Throttled::Function);
        let two = name("two");
        let others: Vec<_> =
            (0..100).map(|_| concurrency.take(ACCOUNT, &two, Version::Latest).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &two, Version::Latest).unwrap_err(), Throttled::Account);
        concurrency.reserve(ACCOUNT, &one, None);
        drop((slots, others));
        let again: Vec<_> =
            (0..101).map(|_| concurrency.take(ACCOUNT, &two, Version::Latest).unwrap()).collect();
        assert_eq!(again.len(), 101);
    }

    fn number(number: u64) -> Version {
        Version::Number(number.try_into().unwrap())
    }

    #[test]
    fn a_versions_own_part_is_there_for_it_and_for_no_other() {
        let concurrency = Concurrency::new(103);
        let (one, two) = (name("one"), name("two"));
        concurrency.provision(ACCOUNT, &one, &[(number(1), 2)]);
        assert_eq!(concurrency.unreserved(ACCOUNT), 101);
        let others: Vec<_> =
            (0..101).map(|_| concurrency.take(ACCOUNT, &two, Version::Latest).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap_err(), Throttled::Account);
        let own: Vec<_> = (0..2).map(|_| concurrency.take(ACCOUNT, &one, number(1)).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &one, number(1)).unwrap_err(), Throttled::Account);
        drop(others);
        let spilled = concurrency.take(ACCOUNT, &one, number(1)).unwrap();
        assert_eq!(concurrency.running(ACCOUNT, &one), 3);
        drop((own, spilled));
        concurrency.provision(ACCOUNT, &one, &[]);
        assert_eq!(concurrency.unreserved(ACCOUNT), 103);
    }

    #[test]
    fn a_share_that_versions_have_for_themselves_leaves_nothing_for_latest() {
        let concurrency = Concurrency::new(1000);
        let one = name("one");
        concurrency.reserve(ACCOUNT, &one, Some(2));
        concurrency.provision(ACCOUNT, &one, &[(number(1), 2)]);
        assert_eq!(concurrency.unreserved(ACCOUNT), 998, "it is counted once");
        assert_eq!(concurrency.take(ACCOUNT, &one, Version::Latest).unwrap_err(), Throttled::Function);
        drop(concurrency.take(ACCOUNT, &one, number(1)).unwrap());
    }

    #[test]
    fn no_more_is_provisioned_than_may_be() {
        let concurrency = Concurrency::new(110);
        let one = name("one");
        let check = |requested, total| concurrency.check_provisioned(ACCOUNT, &one, None, requested, total);
        assert_eq!(check(111, 111), Err(TooMuchProvisioned::MoreThanUnreserved { unreserved: 110 }));
        assert_eq!(check(110, 110), Err(TooMuchProvisioned::TooLittleLeft { least: 100 }));
        assert!(check(10, 10).is_ok() && check(5, 11).is_err());
        let reserved = |total| concurrency.check_provisioned(ACCOUNT, &one, Some(2), 1, total);
        assert!(reserved(2).is_ok());
        assert_eq!(reserved(3), Err(TooMuchProvisioned::MoreThanReserved));
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_left_when_all_has_ended(
            steps in prop::collection::vec((0..5u8, 0..3u8, prop::option::of(0..5u32)), 0..100)
        ) {
            let concurrency = Concurrency::new(110);
            let names = [name("a1"), name("b2"), name("c3")];
            let mut slots = Vec::new();
            for (what, which, share) in steps {
                let name = &names[usize::from(which)];
                match what {
                    0 => slots.extend(concurrency.take(ACCOUNT, name, Version::Latest)),
                    3 => slots.extend(concurrency.take(ACCOUNT, name, number(1))),
                    4 => {
                        let part = share.map(|part| (number(1), part));
                        concurrency.provision(ACCOUNT, name, part.as_slice());
                    }
                    1 if !slots.is_empty() => drop(slots.swap_remove(usize::from(which) % slots.len())),
                    _ => concurrency.reserve(ACCOUNT, name, share),
                }
            }
            slots.clear();
            for name in &names {
                concurrency.reserve(ACCOUNT, name, None);
                concurrency.provision(ACCOUNT, name, &[]);
            }
            let counts = concurrency.lock();
            if let Some(counted) = counts.get(&ACCOUNT) {
                prop_assert_eq!((counted.set_aside, counted.unreserved_running), (0, 0));
                prop_assert!(counted.functions.is_empty());
            }
        }
    }
}
