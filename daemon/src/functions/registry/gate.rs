//! One change of a function at a time.
//!
//! A change looks at what the function is, writes a batch to the store and then shows it in the index. Between the look
//! and the last step nobody else may change the same function, or a record of one change could miss another's: an alias
//! created beside the function's deletion, say. So each change holds its function's gate, which is an asynchronous mutex,
//! since it is held while the store writes. Nothing on the path of an invocation ever asks for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::{functions::FunctionName, identity::AccountId};

type Key = (AccountId, FunctionName);

/// The gates of the functions that are being changed. Cheap to clone; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates(Arc<Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>>);

impl Gates {
    /// Waits until nobody else changes this function.
    pub(super) async fn enter(&self, account: AccountId, name: &FunctionName) -> Pass {
        let key = (account, name.clone());
        let gate = self.lock().entry(key.clone()).or_default().clone();
        Pass { gates: self.clone(), key, held: Some(gate.lock_owned().await) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<tokio::sync::Mutex<()>>>> {
        // Gates come and go whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change a function, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gates: Gates,
    key: Key,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut gates = self.gates.lock();
        // Whoever waits has a copy, and copies are made under this lock.
        if gates.get(&self.key).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_passes_and_nothing_stays() {
        let (gates, name) = (Gates::default(), "f".parse().unwrap());
        let pass = gates.enter(AccountId::DEFAULT, &name).await;
        let _other = gates.enter(AccountId::DEFAULT, &"g".parse().unwrap()).await;
        let mut second = Box::pin(gates.enter(AccountId::DEFAULT, &name));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(pass);
        drop(second.await);
        assert_eq!(gates.lock().len(), 1);
    }
}
