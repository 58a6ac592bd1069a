//! Schedules: calls at times, in AWS's three forms `rate`, `cron` and `at`.
//!
//! Two front doors make them: EventBridge's API makes rules, which may call what the functions' policies let them; and the
//! daemon's own API makes schedules with a time zone. Both are kept in the store and run by one task ([`Schedules::follow`]).
//!
//! What it guarantees:
//! - A run is accepted by the queue of events, durably, and only then noted as run. A daemon that dies in between runs it
//!   again; otherwise no run happens twice.
//! - However long the daemon was away, and however the clock jumps, a schedule runs once at the most to make up for it.
//! - Each schedule has its next run, or none because its expression has none any more (`agenda`).

mod agenda;
mod cron;
mod definition;
mod error;
mod event;
mod expression;
mod input;
mod record;
mod runner;
#[cfg(test)]
mod tests;
mod zone;

use std::{
    collections::BTreeMap,
    future::Future,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use self::agenda::{Agenda, Due, look};
pub use self::{
    definition::{Definition, Key, Kind, LastRun, Missed, Name, Outcome, Progress, Target},
    error::ScheduleError,
    expression::Expression,
    input::{Path, TargetInput},
    zone::Zone,
};
use crate::{
    changes::to_its_end,
    clock::SharedClock,
    functions::{FunctionRegistry, Region, Tags},
    identity::AccountId,
    store::{Batch, Store},
};

/// Rules, and schedules, that an account may have. Source: EventBridge quotas, rules for each event bus.
pub const MOST_SCHEDULES: usize = 300;

/// What a rule may call. Source: EventBridge quotas, targets for each rule.
pub const MOST_TARGETS: usize = 5;

/// Every schedule of this machine. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Schedules(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    registry: FunctionRegistry,
    clock: SharedClock,
    state: Mutex<State>,
    /// Held by a change, from its look at what is there until it is shown: one change at a time.
    gate: tokio::sync::Mutex<()>,
    /// Told when the agenda has changed.
    changed: Notify,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<Key, Entry>,
    agenda: Agenda,
    /// The wall time when it was last looked at.
    seen: OffsetDateTime,
}

#[derive(Clone, Debug)]
struct Entry {
    definition: Arc<Definition>,
    progress: Progress,
    /// A run that not every target has taken yet.
    waiting: Option<runner::Waiting>,
    /// While a run is not decided, how far the schedule is if the daemon dies now.
    undecided: Option<OffsetDateTime>,
}

/// A schedule as it is now.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Which.
    pub key: Key,
    /// What its owner said.
    pub definition: Arc<Definition>,
    /// Its last run.
    pub last: Option<LastRun>,
    /// Its next run; none if it is switched off, calls nothing, or has no time left.
    pub next: Option<OffsetDateTime>,
}

impl Schedules {
    /// The schedules in this store.
    ///
    /// # Errors
    /// The store fails, or has a record that can't be read.
    pub fn open(store: Store, registry: FunctionRegistry, clock: SharedClock) -> Result<Self, ScheduleError> {
        let now = clock.now();
        let mut state = State { entries: BTreeMap::new(), agenda: Agenda::default(), seen: now };
        for stored in store.scan_all::<Definition>("") {
            let stored = stored?;
            let Some(key) = Key::of_text(stored.key()) else {
                tracing::error!(key = stored.key(), "a schedule's record is under no name of a schedule");
                continue;
            };
            let progress = store.get::<Progress>(stored.key())?.map(|stored| stored.into_value());
            let entry = Entry {
                definition: Arc::new(stored.into_value()),
                progress: progress.unwrap_or_else(|| Progress::beginning(now)),
                waiting: None,
                undecided: None,
            };
            state.entries.insert(key.clone(), entry);
            state.plan(&key, now);
        }
        Ok(Self(Arc::new(Shared {
            store,
            registry,
            clock,
            state: Mutex::new(state),
            gate: tokio::sync::Mutex::default(),
            changed: Notify::new(),
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

    /// One schedule.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, key: &Key) -> Result<Schedule, ScheduleError> {
        let now = self.0.clock.now();
        let state = self.state();
        let entry = state.entries.get(key).ok_or_else(|| ScheduleError::NotFound(key.clone()))?;
        Ok(entry.shown(key, now))
    }

    /// An account's schedules of a kind, by name.
    #[must_use]
    pub fn list(&self, account: AccountId, kind: Kind) -> Vec<Schedule> {
        let now = self.0.clock.now();
        self.state().of(account, kind).map(|(key, entry)| entry.shown(key, now)).collect()
    }

    /// Makes a schedule, or changes one: `change` is given what there is.
    ///
    /// # Errors
    /// What `change` says; too many; the store fails.
    pub async fn put(
        &self,
        key: Key,
        change: impl FnOnce(Option<&Definition>, OffsetDateTime) -> Result<Definition, ScheduleError>
        + Send
        + 'static,
    ) -> Result<Schedule, ScheduleError> {
        let this = self.clone();
        self.run(async move {
            let _alone = this.0.gate.lock().await;
            let now = this.0.clock.now();
            let (old, count) = {
                let state = this.state();
                (state.entries.get(&key).cloned(), state.of(key.account, key.kind).count())
            };
            if old.is_none() && count >= MOST_SCHEDULES {
                return Err(ScheduleError::TooMany { what: "rules or schedules", limit: MOST_SCHEDULES });
            }
            let definition = change(old.as_ref().map(|entry| &*entry.definition), now)?;
            if definition.targets.len() > MOST_TARGETS {
                return Err(ScheduleError::TooMany { what: "targets of a rule", limit: MOST_TARGETS });
            }
            let entry = Entry::changed(old, definition, now);
            let mut batch = Batch::new();
            batch.put(&key.text(), &*entry.definition)?;
            batch.put(&key.text(), &entry.durable())?;
            this.0.store.batch(batch).await?;
            let shown = entry.shown(&key, now);
            let mut state = this.state();
            state.entries.insert(key.clone(), entry);
            state.plan(&key, now);
            drop(state);
            this.0.changed.notify_one();
            Ok(shown)
        })
        .await
    }

    /// Changes a schedule that is there.
    ///
    /// # Errors
    /// It is not there; as [`Schedules::put`].
    pub async fn update(
        &self,
        key: Key,
        change: impl FnOnce(&mut Definition) -> Result<(), ScheduleError> + Send + 'static,
    ) -> Result<Schedule, ScheduleError> {
        let missing = key.clone();
        self.put(key, move |old, _| {
            let mut definition = old.cloned().ok_or(ScheduleError::NotFound(missing))?;
            change(&mut definition)?;
            Ok(definition)
        })
        .await
    }

    /// Switches a schedule on or off.
    ///
    /// # Errors
    /// As [`Schedules::update`].
    pub async fn set_enabled(&self, key: Key, enabled: bool) -> Result<Schedule, ScheduleError> {
        self.update(key, move |definition| {
            definition.enabled = enabled;
            Ok(())
        })
        .await
    }

    /// Sets a schedule's tags anew, from those it has.
    ///
    /// # Errors
    /// What `change` says; as [`Schedules::update`].
    pub async fn tag(
        &self,
        key: Key,
        change: impl FnOnce(&Tags) -> Result<Tags, ScheduleError> + Send + 'static,
    ) -> Result<(), ScheduleError> {
        let tagged = self.update(key, move |definition| {
            definition.tags = change(&definition.tags)?;
            Ok(())
        });
        tagged.await.map(drop)
    }

    /// Deletes a schedule; one that is not there has been deleted already.
    ///
    /// # Errors
    /// It is a rule that has targets still; the store fails.
    pub async fn delete(&self, key: Key) -> Result<(), ScheduleError> {
        let this = self.clone();
        self.run(async move {
            let _alone = this.0.gate.lock().await;
            match this.state().entries.get(&key) {
                None => return Ok(()),
                Some(entry) if key.kind == Kind::Rule && !entry.definition.targets.is_empty() => {
                    return Err(ScheduleError::HasTargets);
                }
                Some(_) => {}
            }
            let mut batch = Batch::new();
            batch.delete::<Definition>(&key.text())?;
            batch.delete::<Progress>(&key.text())?;
            this.0.store.batch(batch).await?;
            let mut state = this.state();
            state.entries.remove(&key);
            state.agenda.set(&key, None);
            Ok(())
        })
        .await
    }

    /// Waits for the changes that are being made; later ones are refused.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Runs a change to its end, whether or not the caller still waits.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, ScheduleError>> + Send + 'static,
    ) -> Result<T, ScheduleError> {
        to_its_end(&self.0.tasks, "a change of a schedule", change).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes of it are whole before anything can fail.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(&self, account: AccountId, kind: Kind) -> impl Iterator<Item = (&Key, &Entry)> {
        // No name is before this one.
        let from = "-".parse().ok().map(|name| Key { account, kind, name });
        let range = self.entries.range((from.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded));
        range.take_while(move |(key, _)| key.account == account && key.kind == kind)
    }

    /// Puts a schedule where it belongs on the agenda.
    fn plan(&mut self, key: &Key, now: OffsetDateTime) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let next = match look(&entry.definition, &mut entry.progress, now) {
            Due::Later(next) => next,
            Due::Run(_) | Due::Skip(_) => Some(now),
        };
        let again = entry.waiting.as_ref().map(|waiting| waiting.again);
        self.agenda.set(key, next.into_iter().chain(again).min());
    }
}

impl Entry {
    /// What a schedule is after a change.
    fn changed(old: Option<Self>, definition: Definition, now: OffsetDateTime) -> Self {
        let definition = Arc::new(definition);
        let Some(old) = old else {
            return Self { definition, progress: Progress::beginning(now), waiting: None, undecided: None };
        };
        let goes_on = old.definition.expression == definition.expression
            && old.definition.zone == definition.zone
            && old.definition.enabled == definition.enabled
            && old.definition.targets.is_empty() == definition.targets.is_empty();
        if goes_on {
            return Self { definition, ..old };
        }
        // What was to run while it was another, or off, is not missed.
        let progress = Progress { last: old.progress.last, ..Progress::beginning(now) };
        Self { definition, progress, waiting: None, undecided: None }
    }

    /// How far the schedule is, as the store is to know it.
    fn durable(&self) -> Progress {
        let progress = self.progress.clone();
        Progress { considered: self.undecided.unwrap_or(progress.considered), ..progress }
    }

    fn shown(&self, key: &Key, now: OffsetDateTime) -> Schedule {
        let next = match look(&self.definition, &mut self.progress.clone(), now) {
            Due::Later(next) => next,
            Due::Run(next) => Some(next),
            Due::Skip(_) => self.definition.expression.next(&self.definition.zone, self.progress.anchor, now),
        };
        Schedule {
            key: key.clone(),
            definition: Arc::clone(&self.definition),
            last: self.progress.last.clone(),
            next,
        }
    }
}
