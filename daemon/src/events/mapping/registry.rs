//! All mappings of this machine: in the store, and in memory for whoever asks.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{
    CreateMapping, MappingChange, MappingError, MappingSettings, MappingState, SourceArn, Sources,
    record::{self, MappingRecord},
};
use crate::{
    changes::to_its_end,
    clock::SharedClock,
    functions::{FunctionArn, FunctionReference, FunctionRegistry, InvalidField, RevisionId, RoleArn, Tags},
    identity::AccountId,
    store::{Batch, Store, StoreError, Stored},
};

/// Mappings in a page: Lambda's own limit.
const MAX_PAGE: usize = 100;

/// Mappings that an account may have. Each is read by tasks of its own.
const MAX_MAPPINGS: usize = 1000;

/// What a stream's mapping shows until something has come of it.
const NOTHING_PROCESSED: &str = "No records processed";

/// A mapping's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingId(Uuid);

impl fmt::Display for MappingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MappingId {
    type Err = MappingError;

    /// What is no id is not there.
    fn from_str(text: &str) -> Result<Self, MappingError> {
        text.parse().map(Self).map_err(|_| MappingError::NotFound)
    }
}

/// A mapping as it is now.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its id.
    pub id: MappingId,
    /// Whose it is.
    pub account: AccountId,
    /// Where records come from.
    pub source: SourceArn,
    /// What is called, with the qualifier that the mapping was given.
    pub function: FunctionArn,
    /// How.
    pub settings: MappingSettings,
    /// Whether it is to be read.
    pub enabled: bool,
    /// How far it is.
    pub state: MappingState,
    /// Changes with everything above but the state: what is read by an earlier one is obsolete.
    pub generation: RevisionId,
    /// Words that people put on it.
    pub tags: Tags,
    /// When it was last changed.
    pub last_modified: OffsetDateTime,
    /// What came of the last batch. Not kept beyond the daemon's life.
    last_result: Arc<Mutex<Option<String>>>,
}

impl Mapping {
    /// Its own ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let FunctionArn { region, .. } = &self.function;
        format!(
            "arn:{}:lambda:{region}:{}:event-source-mapping:{}",
            region.partition(),
            self.account,
            self.id
        )
    }

    /// What came of the last batch, for people.
    #[must_use]
    pub fn last_processing_result(&self) -> String {
        let last = self.last_result.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().unwrap_or_else(|| NOTHING_PROCESSED.to_owned())
    }

    /// Notes what came of a batch.
    pub fn note_result(&self, result: impl Into<String>) {
        *self.last_result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.into());
    }

    /// Why it is in its state. Lambda has a word for each of the two families of sources.
    #[must_use]
    pub fn state_transition_reason(&self) -> &'static str {
        if self.source.kind().is_queue() { "USER_INITIATED" } else { "User action" }
    }

    /// Of a function `hello`, for tests.
    #[cfg(test)]
    pub(crate) fn example(source: &str, starting_position: super::StartingPosition) -> Self {
        let source: SourceArn = source.parse().expect("a source");
        let settings = MappingSettings::defaults(&source, Some(starting_position)).expect("settings");
        let record = MappingRecord {
            settings: settings.with(&source, &MappingChange::default()).expect("settings"),
            function: "arn:aws:lambda:us-east-1:000000000000:function:hello".parse().expect("a function"),
            source,
            enabled: true,
            state: MappingState::Enabled,
            generation: RevisionId::random(),
            tags: Tags::default(),
            last_modified: OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000),
        };
        Self::of_record(MappingId(Uuid::nil()), AccountId::DEFAULT, &record)
    }

    fn of_record(id: MappingId, account: AccountId, record: &MappingRecord) -> Self {
        let MappingRecord { source, function, settings, enabled, state, generation, tags, last_modified } =
            record.clone();
        let last_result = Arc::default();
        Self {
            id,
            account,
            source,
            function,
            settings,
            enabled,
            state,
            generation,
            tags,
            last_modified,
            last_result,
        }
    }
}

/// Some mappings in their order, and after which the next page goes on; `None` at the end.
#[derive(Clone, Debug)]
pub struct MappingPage {
    /// The mappings.
    pub mappings: Vec<Arc<Mapping>>,
    /// Where the next page goes on.
    pub next: Option<MappingId>,
}

/// All mappings. Cheap to clone; clones are the same registry.
#[derive(Clone, Debug)]
pub struct MappingRegistry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    functions: FunctionRegistry,
    sources: Arc<dyn Sources>,
    clock: SharedClock,
    index: RwLock<Index>,
    /// Held while anything is changed. Changes are rare, and duplicates are looked for among all.
    gate: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
    tasks: TaskTracker,
}

type Index = BTreeMap<(AccountId, MappingId), Entry>;

#[derive(Debug)]
struct Entry {
    stored: Stored<MappingRecord>,
    mapping: Arc<Mapping>,
}

impl MappingRegistry {
    /// Reads all mappings.
    ///
    /// # Errors
    /// The store can't be read, or holds a record that this program does not understand.
    pub fn open(
        store: Store,
        functions: FunctionRegistry,
        sources: Arc<dyn Sources>,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        let mut index = Index::new();
        for stored in store.scan_all::<MappingRecord>("") {
            let stored = stored?;
            let (account, id) = record::parse_key(stored.key()).ok_or_else(|| StoreError::DamagedRecord {
                tree: "event_source_mappings",
                key: stored.key().to_owned(),
                source: None,
            })?;
            let mapping = Arc::new(Mapping::of_record(id, account, stored.value()));
            index.insert((account, id), Entry { stored, mapping });
        }
        Ok(Self(Arc::new(Shared {
            store,
            functions,
            sources,
            clock,
            index: RwLock::new(index),
            gate: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(()),
            tasks: TaskTracker::new(),
        })))
    }

    /// Creates a mapping of an account.
    ///
    /// # Errors
    /// The function does not exist; the source is not of this account and region, is not there, does not answer or can't
    /// feed this function; something of the settings is refused; the function is mapped to this source already.
    pub async fn create(
        &self,
        account: AccountId,
        create: CreateMapping,
    ) -> Result<Arc<Mapping>, MappingError> {
        let CreateMapping { source, starting_position, tags, change } = create;
        let defaults = MappingSettings::defaults(&source, starting_position)?;
        let settings = defaults.with(&source, &change)?;
        let function = self.function(account, change.function.as_ref())?;
        self.check_source(account, &source)?;
        self.check_on_failure(account, &change)?;
        // Before it is asked: whoever maps twice hears that rather than what the source says.
        self.check_new(account, &source, &function)?;
        self.look_at(account, &source, &function).await?;
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.gate.lock().await;
            registry.check_new(account, &source, &function)?;
            let enabled = change.enabled.unwrap_or(true);
            let record = MappingRecord {
                source,
                function,
                settings,
                enabled,
                // There is nothing to wait for where nothing is to be read.
                state: if enabled { MappingState::Creating } else { MappingState::Disabled },
                generation: RevisionId::random(),
                tags,
                last_modified: registry.0.clock.now(),
            };
            registry.write(account, MappingId(Uuid::new_v4()), record).await
        })
        .await
    }

    /// Changes a mapping.
    ///
    /// # Errors
    /// There is no such mapping; a change of it is under way; the function does not exist; something is refused.
    pub async fn update(
        &self,
        account: AccountId,
        id: MappingId,
        change: MappingChange,
    ) -> Result<Arc<Mapping>, MappingError> {
        self.check_on_failure(account, &change)?;
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.gate.lock().await;
            let mut record = registry.changeable(account, id, "update")?;
            if change.function.is_some() {
                record.function = registry.function(account, change.function.as_ref())?;
            }
            record.settings = record.settings.with(&record.source, &change)?;
            let was_enabled = record.enabled;
            record.enabled = change.enabled.unwrap_or(was_enabled);
            record.state = match (was_enabled, record.enabled) {
                (false, true) => MappingState::Enabling,
                (true, false) => MappingState::Disabling,
                _ => MappingState::Updating,
            };
            record.generation = RevisionId::random();
            record.last_modified = registry.0.clock.now();
            registry.write(account, id, record).await
        })
        .await
    }

    /// Deletes a mapping: as soon as what runs has ended, see [`MappingRegistry::settle`].
    ///
    /// # Errors
    /// There is no such mapping, or a change of it is under way.
    pub async fn delete(&self, account: AccountId, id: MappingId) -> Result<Arc<Mapping>, MappingError> {
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.gate.lock().await;
            let mut record = registry.changeable(account, id, "delete")?;
            record.state = MappingState::Deleting;
            record.generation = RevisionId::random();
            record.last_modified = registry.0.clock.now();
            registry.write(account, id, record).await
        })
        .await
    }

    /// Says that a mapping is followed as it was at a generation: it becomes what it was on its way to be. Nothing happens
    /// if it has changed since.
    ///
    /// # Errors
    /// The store could not do it.
    pub async fn settle(&self, followed: &Mapping) -> Result<(), MappingError> {
        let (account, id, generation) = (followed.account, followed.id, followed.generation);
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.gate.lock().await;
            let Some(mut record) = registry.record(account, id) else { return Ok(()) };
            if record.generation != generation || !record.state.is_changing() {
                return Ok(());
            }
            if record.state == MappingState::Deleting {
                return registry.remove(account, id).await;
            }
            record.state = if record.enabled { MappingState::Enabled } else { MappingState::Disabled };
            registry.write(account, id, record).await.map(drop)
        })
        .await
    }

    /// A mapping of an account.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, account: AccountId, id: MappingId) -> Result<Arc<Mapping>, MappingError> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(&(account, id)).map(|entry| Arc::clone(&entry.mapping)).ok_or(MappingError::NotFound)
    }

    /// At most `limit` mappings of an account after one of them, of this source and function if they are said. Never more
    /// than a hundred, and that many for 0. A function without a qualifier stands for it with any.
    #[must_use]
    pub fn list(
        &self,
        account: AccountId,
        source: Option<&SourceArn>,
        function: Option<&FunctionReference>,
        after: Option<MappingId>,
        limit: usize,
    ) -> MappingPage {
        let limit = if limit == 0 { MAX_PAGE } else { limit.min(MAX_PAGE) };
        let function = function.map(|function| function.arn_for(self.0.functions.region(), account));
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        let of_account = index
            .iter()
            .filter(|((owner, id), _)| *owner == account && after.is_none_or(|after| *id > after));
        let meant = of_account.map(|(_, entry)| &entry.mapping).filter(|mapping| {
            source.is_none_or(|source| mapping.source == *source)
                && function.as_ref().is_none_or(|function| is_meant(function, &mapping.function))
        });
        let mut mappings: Vec<Arc<Mapping>> = meant.take(limit + 1).cloned().collect();
        let more = mappings.len() > limit;
        mappings.truncate(limit);
        let next = mappings.last().filter(|_| more).map(|last| last.id);
        MappingPage { mappings, next }
    }

    /// The role of a mapping's function, if that is there and has one.
    #[must_use]
    pub fn role_of(&self, mapping: &Mapping) -> Option<RoleArn> {
        let reference = FunctionReference::from(mapping.function.clone());
        self.0.functions.resolve(&reference, None).ok()?.settings.role.clone()
    }

    /// Every mapping, for the pollers.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Mapping>> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        index.values().map(|entry| Arc::clone(&entry.mapping)).collect()
    }

    /// Told after every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Adds tags to a mapping, or replaces some.
    ///
    /// # Errors
    /// There is no such mapping; they are too many.
    pub async fn tag(&self, account: AccountId, id: MappingId, tags: Tags) -> Result<(), MappingError> {
        self.change_tags(account, id, |old| old.with(tags)).await
    }

    /// Removes tags from a mapping; those that it does not have are removed already.
    ///
    /// # Errors
    /// There is no such mapping.
    pub async fn untag(
        &self,
        account: AccountId,
        id: MappingId,
        keys: Vec<String>,
    ) -> Result<(), MappingError> {
        self.change_tags(account, id, move |old| Ok(old.without(&keys))).await
    }

    /// Waits for the changes that are being made; later ones are refused. Before the store is closed.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn change_tags(
        &self,
        account: AccountId,
        id: MappingId,
        change: impl FnOnce(&Tags) -> Result<Tags, InvalidField> + Send + 'static,
    ) -> Result<(), MappingError> {
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.gate.lock().await;
            let mut record = registry.record(account, id).ok_or(MappingError::NotFound)?;
            record.tags = change(&record.tags)?;
            registry.write(account, id, record).await.map(drop)
        })
        .await
    }

    /// The function to call: it is there now, whatever becomes of it.
    fn function(
        &self,
        account: AccountId,
        reference: Option<&FunctionReference>,
    ) -> Result<FunctionArn, MappingError> {
        let invalid = |told| MappingError::from(InvalidField::new("function_name", told));
        let reference = reference.ok_or_else(|| invalid("FunctionName is missing."))?;
        let functions = self.0.functions.of(account);
        let arn = reference.arn_for(functions.region(), account);
        // By its ARN: a name alone would be looked for in the account that functions have if nobody says.
        if arn.account != account || functions.resolve(&arn.clone().into(), None).is_err() {
            return Err(invalid("Function does not exist"));
        }
        Ok(arn)
    }

    fn check_on_failure(&self, account: AccountId, change: &MappingChange) -> Result<(), InvalidField> {
        match &change.on_failure {
            Some(Some(destination)) => self.0.functions.check_on_failure(account, destination),
            _ => Ok(()),
        }
    }

    fn check_source(&self, account: AccountId, source: &SourceArn) -> Result<(), InvalidField> {
        let invalid = |told: String| Err(InvalidField::new("event_source_arn", told));
        let here = self.0.functions.region();
        if source.region() != here {
            return invalid(format!("The event source must be in this region ({here}): {source}"));
        }
        if source.account() != account {
            return invalid(format!("The event source must be of this account ({account}): {source}"));
        }
        Ok(())
    }

    async fn look_at(
        &self,
        account: AccountId,
        source: &SourceArn,
        function: &FunctionArn,
    ) -> Result<(), MappingError> {
        let found = self.0.functions.of(account).resolve(&function.clone().into(), None);
        // It was there a moment ago.
        let found = found.map_err(|_| InvalidField::new("function_name", "Function does not exist"))?;
        self.0.sources.look_at(source, found.settings.timeout.get()).await
    }

    fn check_new(
        &self,
        account: AccountId,
        source: &SourceArn,
        function: &FunctionArn,
    ) -> Result<(), MappingError> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        let own =
            || index.iter().filter(|((owner, _), _)| *owner == account).map(|(_, entry)| &entry.mapping);
        if let Some(there) = own().find(|mapping| mapping.source == *source && mapping.function == *function)
        {
            return Err(MappingError::Exists {
                source_arn: source.clone(),
                function: function.name.clone(),
                id: there.id,
            });
        }
        if own().count() >= MAX_MAPPINGS {
            return Err(MappingError::TooMany { limit: MAX_MAPPINGS });
        }
        Ok(())
    }

    fn record(&self, account: AccountId, id: MappingId) -> Option<MappingRecord> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(&(account, id)).map(|entry| entry.stored.value().clone())
    }

    fn changeable(
        &self,
        account: AccountId,
        id: MappingId,
        change: &'static str,
    ) -> Result<MappingRecord, MappingError> {
        let record = self.record(account, id).ok_or(MappingError::NotFound)?;
        if record.state.is_changing() { Err(MappingError::InUse { change }) } else { Ok(record) }
    }

    /// Writes a record and shows it. The gate is held.
    async fn write(
        &self,
        account: AccountId,
        id: MappingId,
        record: MappingRecord,
    ) -> Result<Arc<Mapping>, MappingError> {
        let key = record::key(account, id);
        let before = {
            let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
            index.get(&(account, id)).map(|entry| (entry.stored.clone(), Arc::clone(&entry.mapping)))
        };
        let mut mapping = Mapping::of_record(id, account, &record);
        if let Some((_, before)) = &before {
            mapping.last_result = Arc::clone(&before.last_result);
        }
        let stored = before.map(|(stored, _)| stored);
        let stored = self.0.store.compare_and_swap(&key, stored.as_ref(), record).await?;
        let mapping = Arc::new(mapping);
        let entry = Entry { stored, mapping: Arc::clone(&mapping) };
        self.0.index.write().unwrap_or_else(PoisonError::into_inner).insert((account, id), entry);
        self.0.changed.send_replace(());
        Ok(mapping)
    }

    async fn remove(&self, account: AccountId, id: MappingId) -> Result<(), MappingError> {
        let mut batch = Batch::new();
        batch.delete::<MappingRecord>(&record::key(account, id))?;
        self.0.store.batch(batch).await?;
        self.0.index.write().unwrap_or_else(PoisonError::into_inner).remove(&(account, id));
        self.0.changed.send_replace(());
        Ok(())
    }

    /// Runs a change to its end, whether or not the caller still waits.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, MappingError>> + Send + 'static,
    ) -> Result<T, MappingError> {
        to_its_end(&self.0.tasks, "a change of an event source mapping", change).await
    }
}

/// Whether what a list asks for means a mapping's function.
fn is_meant(asked: &FunctionArn, mapped: &FunctionArn) -> bool {
    asked.region == mapped.region
        && asked.account == mapped.account
        && asked.name == mapped.name
        && (asked.qualifier.is_none() || asked.qualifier == mapped.qualifier)
}
