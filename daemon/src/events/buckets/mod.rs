//! Object storage as a source of events: what S3 calls bucket notifications.
//!
//! An account says which functions are told of what happens in which bucket ([`Configuration`]), through S3's own API or the
//! daemon's. The objects are on a server beside thawd; it tells every event to the account's webhook, whose token proves that
//! it may. What it sends ([`Message`]) becomes S3's event, one for each notification that means it, and is accepted by the
//! queue of events ([`Buckets::deliver`]).
//!
//! What it guarantees:
//! - The server is told that a message was taken when every event of it is durable. Otherwise it is told to send it again, and
//!   then an event of it may come twice, as S3's may.
//! - A function is called only if its policy lets S3 in for this bucket, at the time of the event.

mod configuration;
mod delivery;
mod error;
mod event_type;
mod message;
mod name;
mod object_event;
mod record;
#[cfg(test)]
mod tests;
mod webhook;

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::task::TaskTracker;

pub use self::{
    configuration::{Configuration, Draft, Filter, MOST_NOTIFICATIONS, Notification},
    delivery::{Delivered, DeliveryError, Tally},
    error::{BucketError, InvalidArgument},
    event_type::EventType,
    message::{MESSAGE_LIMIT, MOST_RECORDS, Message, MessageError},
    name::BucketName,
    object_event::{Object, ObjectEvent, Request},
    webhook::{Webhook, WebhookToken},
};
use crate::{
    changes::to_its_end,
    clock::SharedClock,
    functions::{FunctionArn, FunctionRegistry, Region, ServiceCall},
    identity::AccountId,
    store::Store,
};

/// Buckets that an account may have notifications of.
pub const MOST_BUCKETS: usize = 1000;

/// The service that buckets call as.
const S3: &str = "s3.amazonaws.com";

/// Whether it is looked whether functions can be called, when they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// As S3 does.
    Required,
    /// Their permissions may come later. Source: `x-amz-skip-destination-validation`.
    Skipped,
}

/// Notifications of every bucket, and every webhook. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Buckets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    registry: FunctionRegistry,
    clock: SharedClock,
    state: Mutex<State>,
    /// Held by a change, from its look at what is there until it is shown: one change at a time.
    gate: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    configurations: BTreeMap<Key, Arc<Configuration>>,
    webhooks: HashMap<AccountId, Webhook>,
    /// What came of events since the daemon started, of buckets that are in `configurations`.
    tallies: HashMap<Key, Tally>,
    /// Events of an account that no notification meant, since then.
    unmeant: HashMap<AccountId, u64>,
}

type Key = (AccountId, BucketName);

impl Buckets {
    /// What is in this store.
    ///
    /// # Errors
    /// The store fails, or has a record that can't be read.
    pub fn open(store: Store, registry: FunctionRegistry, clock: SharedClock) -> Result<Self, BucketError> {
        let mut state = State::default();
        for stored in store.scan_all::<Configuration>("") {
            let stored = stored?;
            let Some(key) = key_of(stored.key()) else {
                tracing::error!(key = stored.key(), "a record of notifications is under no name of a bucket");
                continue;
            };
            state.configurations.insert(key, Arc::new(stored.into_value()));
        }
        for stored in store.scan_all::<Webhook>("") {
            let stored = stored?;
            let Ok(account) = stored.key().parse() else {
                tracing::error!(key = stored.key(), "a webhook's record is under no account");
                continue;
            };
            state.webhooks.insert(account, stored.into_value());
        }
        Ok(Self(Arc::new(Shared {
            store,
            registry,
            clock,
            state: Mutex::new(state),
            gate: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
        })))
    }

    /// The region that ARNs carry.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.0.registry.region()
    }

    /// The functions, as this account sees them.
    #[must_use]
    pub fn functions(&self, account: AccountId) -> FunctionRegistry {
        self.0.registry.of(account)
    }

    /// A bucket's notifications; none if nobody has said anything of it.
    #[must_use]
    pub fn get(&self, account: AccountId, bucket: &BucketName) -> Arc<Configuration> {
        self.state().configurations.get(&(account, bucket.clone())).cloned().unwrap_or_default()
    }

    /// Every bucket of an account that has notifications, by name.
    #[must_use]
    pub fn list(&self, account: AccountId) -> Vec<(BucketName, Arc<Configuration>)> {
        let state = self.state();
        let of_account = state.configurations.iter().filter(|((owner, _), _)| *owner == account);
        of_account.map(|((_, bucket), configuration)| (bucket.clone(), Arc::clone(configuration))).collect()
    }

    /// What came of a bucket's events since the daemon started.
    #[must_use]
    pub fn tally(&self, account: AccountId, bucket: &BucketName) -> Tally {
        self.state().tallies.get(&(account, bucket.clone())).cloned().unwrap_or_default()
    }

    /// How many of an account's events no notification meant, since the daemon started.
    #[must_use]
    pub fn unmeant(&self, account: AccountId) -> u64 {
        self.state().unmeant.get(&account).copied().unwrap_or_default()
    }

    /// Sets a bucket's notifications anew, from those it has. Without any the bucket is forgotten.
    ///
    /// # Errors
    /// What `change` says; notifications that are wrong together; functions that S3 may not call; too many buckets; the
    /// store fails.
    pub async fn set(
        &self,
        account: AccountId,
        bucket: BucketName,
        validation: Validation,
        change: impl FnOnce(&[Notification]) -> Result<Vec<Notification>, BucketError> + Send + 'static,
    ) -> Result<Arc<Configuration>, BucketError> {
        let this = self.clone();
        self.run(async move {
            let _alone = this.0.gate.lock().await;
            let key = (account, bucket);
            let old = this.state().configurations.get(&key).cloned();
            let configuration =
                Configuration::new(change(old.as_deref().map_or(&[][..], Configuration::notifications))?)?;
            if validation == Validation::Required {
                this.check_destinations(account, &key.1, &configuration)?;
            }
            if old.is_none() && this.list(account).len() >= MOST_BUCKETS {
                return Err(BucketError::TooMany { limit: MOST_BUCKETS });
            }
            let configuration = Arc::new(configuration);
            let place = format!("{account}/{}", key.1);
            if configuration.notifications().is_empty() {
                this.0.store.delete::<Configuration>(&place).await?;
                let mut state = this.state();
                state.configurations.remove(&key);
                state.tallies.remove(&key);
            } else {
                this.0.store.put(&place, &*configuration).await?;
                this.state().configurations.insert(key, Arc::clone(&configuration));
            }
            Ok(configuration)
        })
        .await
    }

    /// When an account's webhook got its token; `None` if it has none yet, so that nothing is taken.
    #[must_use]
    pub fn webhook(&self, account: AccountId) -> Option<Webhook> {
        self.state().webhooks.get(&account).cloned()
    }

    /// Gives an account's webhook a new token, the only one that counts from now on.
    ///
    /// # Errors
    /// The store fails.
    pub async fn make_token(&self, account: AccountId) -> Result<WebhookToken, BucketError> {
        let this = self.clone();
        self.run(async move {
            let _alone = this.0.gate.lock().await;
            let token = WebhookToken::random();
            let webhook = Webhook::new(&token, this.0.clock.now());
            this.0.store.put(&account.to_string(), &webhook).await?;
            this.state().webhooks.insert(account, webhook);
            Ok(token)
        })
        .await
    }

    /// Waits for the changes that are being made; later ones are refused.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Whether S3 may call every function that is named. All that it may not are told at once, as S3 does.
    fn check_destinations(
        &self,
        account: AccountId,
        bucket: &BucketName,
        configuration: &Configuration,
    ) -> Result<(), InvalidArgument> {
        let functions = configuration.notifications().iter().map(|notification| &notification.function);
        let refused = functions.filter(|function| !self.lets_in(account, bucket, function));
        let mut told: Vec<String> = refused.map(ToString::to_string).collect();
        told.sort();
        told.dedup();
        if told.is_empty() {
            return Ok(());
        }
        // The wording is S3's, the null included.
        let arguments = told.into_iter();
        let arguments = arguments
            .map(|arn| (format!("{arn}, null"), format!("Not authorized to invoke function [{arn}]")));
        Err(InvalidArgument {
            message: "Unable to validate the following destination configurations".into(),
            arguments: arguments.collect(),
            numbered: true,
        })
    }

    /// Whether a function is there, of the bucket's own account, and its policy lets S3 call it for this bucket.
    fn lets_in(&self, account: AccountId, bucket: &BucketName, function: &FunctionArn) -> bool {
        let source_arn = bucket.arn(self.region());
        let call = ServiceCall { service: S3, source_arn: &source_arn, source_account: account };
        function.account == account && self.functions(account).lets_in(function, &call)
    }

    /// Runs a change to its end, whether or not the caller still waits.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, BucketError>> + Send + 'static,
    ) -> Result<T, BucketError> {
        to_its_end(&self.0.tasks, "a change of a bucket's notifications", change).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes of it are whole before anything can fail.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(text: &str) -> Option<Key> {
    let (account, bucket) = text.split_once('/')?;
    Some((account.parse().ok()?, bucket.parse().ok()?))
}
