//! How many calls run at once, and how many may: of an account, and of a function that has a share of its own.
//!
//! The path of every invocation takes a [`Slot`] here and gives it back when the call has ended. Both are a look into
//! two maps under a mutex that is never held across an await.
//!
//! An account's limit is divided: every function with reserved concurrency has its own part, and all others share the
//! rest. So two counts are kept: of each function, and of all functions together that have no part of their own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::FunctionName;
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
    /// Sum of the functions' shares.
    reserved: u32,
    /// Running calls of functions without a share.
    unreserved_running: u32,
}

/// A function that has a share or running calls.
#[derive(Debug, Default)]
struct Function {
    reserved: Option<u32>,
    running: u32,
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

    /// What of an account's limit is nobody's own share.
    #[must_use]
    pub fn unreserved(&self, account: AccountId) -> u32 {
        let reserved = self.lock().get(&account).map_or(0, |account| account.reserved);
        self.0.limit.saturating_sub(reserved)
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

    /// Counts a call as running, until the slot is dropped.
    ///
    /// # Errors
    /// As many run as may.
    pub fn take(&self, account: AccountId, name: &FunctionName) -> Result<Slot, Throttled> {
        let mut counts = self.lock();
        let counted = counts.entry(account).or_default();
        let own =
            counted.functions.get(name).and_then(|function| Some((function.running, function.reserved?)));
        match own {
            Some((running, share)) if running >= share => return Err(Throttled::Function),
            Some(_) => {}
            None if counted.unreserved_running >= self.0.limit.saturating_sub(counted.reserved) => {
                return Err(Throttled::Account);
            }
            None => counted.unreserved_running += 1,
        }
        counted.functions.entry(name.clone()).or_default().running += 1;
        drop(counts);
        Ok(Slot { concurrency: self.clone(), account, name: name.clone() })
    }

    /// Whether a function could have this share.
    ///
    /// # Errors
    /// Too little would be left for the others.
    pub fn check(&self, account: AccountId, name: &FunctionName, share: u32) -> Result<(), TooMuchReserved> {
        let counts = self.lock();
        let (reserved, own) = counts.get(&account).map_or((0, 0), |counted| {
            (
                counted.reserved,
                counted.functions.get(name).and_then(|function| function.reserved).unwrap_or(0),
            )
        });
        let least = LEAST_UNRESERVED.min(self.0.limit);
        let others = reserved - own;
        if u64::from(others) + u64::from(share) + u64::from(least) > u64::from(self.0.limit) && share > 0 {
            return Err(TooMuchReserved { least });
        }
        Ok(())
    }

    /// Gives a function a share of its own, or takes it away. Calls that run go on and are counted anew.
    pub(super) fn reserve(&self, account: AccountId, name: &FunctionName, share: Option<u32>) {
        let mut counts = self.lock();
        let counted = counts.entry(account).or_default();
        let function = counted.functions.entry(name.clone()).or_default();
        match (function.reserved, share) {
            (None, Some(_)) => counted.unreserved_running -= function.running,
            (Some(_), None) => counted.unreserved_running += function.running,
            _ => {}
        }
        counted.reserved = counted.reserved - function.reserved.unwrap_or(0) + share.unwrap_or(0);
        function.reserved = share;
        if function.running == 0 && share.is_none() {
            counted.functions.remove(name);
        }
    }

    fn give_back(&self, account: AccountId, name: &FunctionName) {
        let mut counts = self.lock();
        let Some(counted) = counts.get_mut(&account) else { return };
        let Some(function) = counted.functions.get_mut(name) else { return };
        function.running -= 1;
        let (running, reserved) = (function.running, function.reserved);
        if reserved.is_none() {
            counted.unreserved_running -= 1;
            if running == 0 {
                counted.functions.remove(name);
            }
        }
    }

    /// The counts agree at every moment, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running call. Dropped, it has ended.
#[derive(Debug)]
pub struct Slot {
    concurrency: Concurrency,
    account: AccountId,
    name: FunctionName,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.concurrency.give_back(self.account, &self.name);
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
        let slot = concurrency.take(ACCOUNT, &one).unwrap();
        assert_eq!(concurrency.take(ACCOUNT, &one).unwrap_err(), Throttled::Function);
        let _other = concurrency.take(ACCOUNT, &two).unwrap();
        drop(slot);
        drop(concurrency.take(ACCOUNT, &one).unwrap());
        concurrency.reserve(ACCOUNT, &one, Some(0));
        assert_eq!(concurrency.take(ACCOUNT, &one).unwrap_err(), Throttled::Function);
        concurrency.reserve(ACCOUNT, &one, None);
        drop(concurrency.take(ACCOUNT, &one).unwrap());
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
        let slots: Vec<_> = (0..100).map(|_| concurrency.take(ACCOUNT, &two).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &two).unwrap_err(), Throttled::Account);
        let _own = concurrency.take(ACCOUNT, &one).unwrap();
        drop(slots);
        assert_eq!(concurrency.running(ACCOUNT, &two), 0);
    }

    #[test]
    fn calls_that_run_while_a_share_changes_are_counted_where_they_belong() {
        let concurrency = Concurrency::new(101);
        let one = name("one");
        let slots: Vec<_> = (0..2).map(|_| concurrency.take(ACCOUNT, &one).unwrap()).collect();
        concurrency.reserve(ACCOUNT, &one, Some(1));
        assert_eq!(concurrency.take(ACCOUNT, &one).unwrap_err(), Throttled::Function);
        let two = name("two");
        let others: Vec<_> = (0..100).map(|_| concurrency.take(ACCOUNT, &two).unwrap()).collect();
        assert_eq!(concurrency.take(ACCOUNT, &two).unwrap_err(), Throttled::Account);
        concurrency.reserve(ACCOUNT, &one, None);
        drop((slots, others));
        let again: Vec<_> = (0..101).map(|_| concurrency.take(ACCOUNT, &two).unwrap()).collect();
        assert_eq!(again.len(), 101);
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_left_when_all_has_ended(
            steps in prop::collection::vec((0..3u8, 0..3u8, prop::option::of(0..5u32)), 0..100)
        ) {
            let concurrency = Concurrency::new(110);
            let names = [name("a1"), name("b2"), name("c3")];
            let mut slots = Vec::new();
            for (what, which, share) in steps {
                let name = &names[usize::from(which)];
                match what {
                    0 => slots.extend(concurrency.take(ACCOUNT, name)),
                    1 if !slots.is_empty() => drop(slots.swap_remove(usize::from(which) % slots.len())),
                    _ => concurrency.reserve(ACCOUNT, name, share),
                }
            }
            slots.clear();
            for name in &names {
                concurrency.reserve(ACCOUNT, name, None);
            }
            let counts = concurrency.lock();
            if let Some(counted) = counts.get(&ACCOUNT) {
                prop_assert_eq!((counted.reserved, counted.unreserved_running), (0, 0));
                prop_assert!(counted.functions.is_empty());
            }
        }
    }
}
