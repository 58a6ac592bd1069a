//! What people ask of the queue: what waits, what died and why; send it again; throw it away.

use bytes::Bytes;

use super::{
    EventQueue, Payload, Shared,
    books::Place,
    payload::Payloads,
    record::{DeadEvent, DeadResult, QueuedEvent, Waiting, key, parse_key},
};
use crate::{
    functions::FunctionName,
    identity::AccountId,
    invoke::destinations::Delivery,
    store::{Batch, Record, Scan, Store, StoreError, Stored},
};

/// The most events in a page.
const MAX_EVENTS: usize = 1_000;

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// It waits for its function, or runs.
    Waiting,
    /// It has ended, and a destination has yet to take its result.
    Delivering,
    /// It was given up, and nobody wanted to be told; or its result was, which its destination did not take.
    Dead,
}

/// Which events are meant.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Whose.
    pub account: AccountId,
    /// Of one function.
    pub function: Option<FunctionName>,
    /// In one state.
    pub state: Option<EventState>,
}

/// An event in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is.
    pub event: Event,
    /// When it is due, in milliseconds of the queue's clock; when it died, of a dead one.
    pub due: i64,
    /// Whether it runs at this moment.
    pub running: bool,
}

/// An event in any state.
#[derive(Clone, Debug)]
pub enum Event {
    /// See [`EventState::Waiting`].
    Waiting(QueuedEvent),
    /// See [`EventState::Delivering`].
    Delivering(Delivery),
    /// See [`EventState::Dead`].
    Dead(DeadEvent),
    /// See [`EventState::Dead`].
    DeadResult(DeadResult),
}

impl Event {
    /// The invocation's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Waiting(event) => &event.id,
            Self::Delivering(delivery) => &delivery.id,
            Self::Dead(dead) => &dead.event.id,
            Self::DeadResult(dead) => &dead.delivery.id,
        }
    }

    /// Bytes of what it carries.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload().len()
    }

    fn payload(&self) -> &Payload {
        match self {
            Self::Waiting(event) => &event.payload,
            Self::Delivering(delivery) => &delivery.body,
            Self::Dead(dead) => &dead.event.payload,
            Self::DeadResult(dead) => &dead.delivery.body,
        }
    }
}

/// Some events.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// By state, and then by function and time.
    pub events: Vec<Listed>,
    /// Where to go on; nothing if that was all.
    pub next: Option<String>,
}

/// There is no such event, or it has ended well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no event {0}: it was delivered, or purged, or never was; see `thaw events list`")]
pub struct NoSuchEvent(pub String);

/// Why events are not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// There is none of this id.
    #[error(transparent)]
    NoSuchEvent(#[from] NoSuchEvent),
    /// It can't be changed while it runs.
    #[error("the event {0} is running; try again when it has ended")]
    Running(String),
    /// The token does not say where a page ended.
    #[error("the page token is not one that a list has given; begin without one")]
    PageToken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error("looking through the events was not finished")]
    Interrupted,
}

/// What the store keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Waiting,
    Delivering,
    Dead,
    DeadResult,
}

impl Kind {
    /// In the order in which they are listed. A page token is the kind's digit and the key of its last event.
    const ALL: [Self; 4] = [Self::Waiting, Self::Delivering, Self::Dead, Self::DeadResult];

    const fn state(self) -> EventState {
        match self {
            Self::Waiting => EventState::Waiting,
            Self::Delivering => EventState::Delivering,
            Self::Dead | Self::DeadResult => EventState::Dead,
        }
    }
}

impl EventQueue {
    /// A page of events, `limit` at the most, after the page whose token this is.
    ///
    /// # Errors
    /// The token is none; the store fails.
    pub async fn list(
        &self,
        filter: EventFilter,
        after: Option<String>,
        limit: usize,
    ) -> Result<EventPage, EventsError> {
        self.look(move |queue| queue.page(&filter, after.as_deref(), limit.clamp(1, MAX_EVENTS))).await
    }

    /// An event with what it carries. Looks through all of the account's.
    ///
    /// # Errors
    /// There is none of this id; the store fails.
    pub async fn show(&self, account: AccountId, id: &str) -> Result<(Listed, Bytes), EventsError> {
        let found =
            self.find(account, id).await?.into_iter().next().ok_or_else(|| NoSuchEvent(id.to_owned()))?;
        let payload = self.0.payloads.read(found.event.payload()).await?;
        Ok((found, payload))
    }

    /// Sends an event again, and its results: what is dead as if it were new, and what waits at once.
    ///
    /// # Errors
    /// There is none of this id; it runs; the store fails.
    pub async fn retry(&self, account: AccountId, id: &str) -> Result<(), EventsError> {
        self.change_found(account, id, Change::Retry).await
    }

    /// Throws an event away, and its results, whatever they wait for.
    ///
    /// # Errors
    /// There is none of this id; it runs; the store fails.
    pub async fn purge(&self, account: AccountId, id: &str) -> Result<(), EventsError> {
        self.change_found(account, id, Change::Purge).await
    }

    /// Does the same with every event that is meant. Returns how many; those that run are passed over.
    ///
    /// # Errors
    /// The store fails; what was done before that is done.
    pub async fn retry_all(&self, filter: EventFilter) -> Result<u64, EventsError> {
        self.change_all(filter, Change::Retry).await
    }

    /// Throws away every event that is meant. Returns how many; those that run are passed over.
    ///
    /// # Errors
    /// The store fails; what was done before that is done.
    pub async fn purge_all(&self, filter: EventFilter) -> Result<u64, EventsError> {
        self.change_all(filter, Change::Purge).await
    }

    async fn change_found(&self, account: AccountId, id: &str, change: Change) -> Result<(), EventsError> {
        for found in self.find(account, id).await? {
            self.change(found, change).await?;
        }
        Ok(())
    }

    async fn change_all(&self, filter: EventFilter, change: Change) -> Result<u64, EventsError> {
        let (mut changed, mut after) = (0, None);
        loop {
            let page = self.list(filter.clone(), after, MAX_EVENTS).await?;
            for found in page.events {
                match self.change(found, change).await {
                    Ok(()) => changed += 1,
                    // It ran meanwhile, or somebody else was quicker.
                    Err(EventsError::Running(_) | EventsError::NoSuchEvent(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(changed),
            }
        }
    }

    fn page(
        &self,
        filter: &EventFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EventPage, EventsError> {
        let mut page = EventPage::default();
        let (first, mut after) = match after {
            None => (0, None),
            Some(token) => {
                let (kind, key) = token.split_at_checked(1).ok_or(EventsError::PageToken)?;
                let kind = kind.parse().ok().filter(|kind| *kind < Kind::ALL.len());
                (kind.ok_or(EventsError::PageToken)?, Some(key.to_owned()))
            }
        };
        for (number, kind) in Kind::ALL.into_iter().enumerate().skip(first) {
            if filter.state.is_some_and(|state| state != kind.state()) {
                after = None;
                continue;
            }
            let left = limit - page.events.len();
            if left == 0 {
                page.next = Some(format!("{number}"));
                break;
            }
            let prefix = match &filter.function {
                Some(name) => format!("{}/{name}/", filter.account),
                None => format!("{}/", filter.account),
            };
            let (found, more) = self.of_kind(kind, &prefix, after.as_deref(), left)?;
            let last = found.last().map(|(key, _)| key.clone());
            page.events.extend(found.into_iter().map(|(_, listed)| listed));
            if more {
                page.next = last.map(|last| format!("{number}{last}"));
                break;
            }
            after = None;
        }
        Ok(page)
    }

    fn of_kind(
        &self,
        kind: Kind,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, Listed)>, bool), StoreError> {
        let Shared { store, waiting, results, .. } = &*self.0;
        match kind {
            Kind::Waiting => {
                let in_hand = |lane: &str, place: &Place| waiting.is_in_hand(lane, place);
                listed::<QueuedEvent>(store, prefix, after, limit, Event::Waiting, in_hand)
            }
            Kind::Delivering => {
                let in_hand = |lane: &str, place: &Place| results.is_in_hand(lane, place);
                listed::<Delivery>(store, prefix, after, limit, Event::Delivering, in_hand)
            }
            Kind::Dead => listed::<DeadEvent>(store, prefix, after, limit, Event::Dead, |_, _| false),
            Kind::DeadResult => {
                listed::<DeadResult>(store, prefix, after, limit, Event::DeadResult, |_, _| false)
            }
        }
    }

    /// All that there is of an id: of an event that has ended, several results perhaps. Never nothing.
    async fn find(&self, account: AccountId, id: &str) -> Result<Vec<Listed>, EventsError> {
        let id = id.to_owned();
        self.look(move |queue| {
            let filter = EventFilter { account, function: None, state: None };
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = queue.page(&filter, after.as_deref(), MAX_EVENTS)?;
                found.extend(page.events.into_iter().filter(|listed| listed.event.id() == id));
                match page.next {
                    Some(next) => after = Some(next),
                    None if found.is_empty() => return Err(NoSuchEvent(id).into()),
                    None => return Ok(found),
                }
            }
        })
        .await
    }

    pub(super) async fn change(&self, found: Listed, change: Change) -> Result<(), EventsError> {
        let queue = self.clone();
        let changing = self.0.tasks.spawn(async move {
            match found.event {
                Event::Waiting(event) => queue.change_waiting(event, found.due, change).await,
                Event::Delivering(delivery) => queue.change_result(delivery, found.due, change).await,
                Event::Dead(dead) => queue.change_dead(dead, found.due, change).await,
                Event::DeadResult(dead) => queue.change_dead_result(dead, found.due, change).await,
            }
        });
        changing.await.unwrap_or(Err(EventsError::Interrupted))
    }

    async fn change_waiting(&self, event: QueuedEvent, due: i64, change: Change) -> Result<(), EventsError> {
        let Shared { store, clock, waiting, room, .. } = &*self.0;
        let (lane, place) = (event.lane(), Place { due, id: event.id.as_str().into() });
        if !waiting.withdraw(&lane, &place) {
            return Err(EventsError::Running(event.id.to_string()));
        }
        let changed = match change {
            Change::Retry => {
                let again = Place { due: clock.now().min(due), id: place.id.clone() };
                let changed = moved(store, &lane, &place, &again, &event).await;
                if changed.is_ok() {
                    waiting.added(&lane, again);
                    waiting.wake(&lane);
                }
                changed
            }
            Change::Purge => removed::<QueuedEvent>(store, &lane, &place, &event.payload).await,
        };
        waiting.let_go(&lane, place);
        if change == Change::Purge && changed.is_ok() {
            room.give(event.bytes());
            self.collect(&event.payload).await?;
        }
        changed
    }

    async fn change_result(&self, delivery: Delivery, due: i64, change: Change) -> Result<(), EventsError> {
        let Shared { store, clock, results, room, .. } = &*self.0;
        let lane = super::lane_of(&delivery.function);
        let place = Place { due, id: delivery.place_id() };
        if !results.withdraw(&lane, &place) {
            return Err(EventsError::Running(delivery.id.to_string()));
        }
        let changed = match change {
            Change::Retry => {
                let again = Place { due: clock.now().min(due), id: place.id.clone() };
                let changed = moved(store, &lane, &place, &again, &delivery).await;
                if changed.is_ok() {
                    results.added(&lane, again);
                }
                changed
            }
            Change::Purge => removed::<Delivery>(store, &lane, &place, &delivery.body).await,
        };
        results.let_go(&lane, place);
        if change == Change::Purge && changed.is_ok() {
            room.give(delivery.bytes());
            self.collect(&delivery.body).await?;
        }
        changed
    }

    async fn change_dead(&self, dead: DeadEvent, due: i64, change: Change) -> Result<(), EventsError> {
        let Shared { store, clock, waiting, room, .. } = &*self.0;
        let lane = super::lane_of(&dead.event.function);
        let place = Place { due, id: dead.event.id.as_str().into() };
        let mut batch = removal(&store.get::<DeadEvent>(&key(&lane, &place))?, &dead.event.id)?;
        match change {
            Change::Retry => {
                let now = clock.now();
                let event = QueuedEvent { accepted_at: now, failures: 0, setbacks: 0, ..dead.event };
                let place = Place { due: now, id: event.id.as_str().into() };
                batch.put(&key(&lane, &place), &event)?;
                store.batch(batch).await?;
                waiting.added(&lane, place);
            }
            Change::Purge => {
                Payloads::release(&mut batch, &dead.event.payload, &dead.event.id)?;
                store.batch(batch).await?;
                room.give(dead.bytes());
                self.collect(&dead.event.payload).await?;
            }
        }
        Ok(())
    }

    async fn change_dead_result(
        &self,
        dead: DeadResult,
        due: i64,
        change: Change,
    ) -> Result<(), EventsError> {
        let Shared { store, clock, results, room, .. } = &*self.0;
        let lane = super::lane_of(&dead.delivery.function);
        let place = Place { due, id: dead.delivery.place_id() };
        let mut batch = removal(&store.get::<DeadResult>(&key(&lane, &place))?, &dead.delivery.id)?;
        match change {
            Change::Retry => {
                let now = clock.now();
                let delivery = Delivery { made_at: now, failures: 0, ..dead.delivery };
                let place = Place { due: now, id: place.id };
                batch.put(&key(&lane, &place), &delivery)?;
                store.batch(batch).await?;
                results.added(&lane, place);
            }
            Change::Purge => {
                Payloads::release(&mut batch, &dead.delivery.body, &place.id)?;
                store.batch(batch).await?;
                room.give(dead.bytes());
                self.collect(&dead.delivery.body).await?;
            }
        }
        Ok(())
    }

    /// Does what goes through much of the store, on a thread that may take its time.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, EventsError> + Send + 'static,
    ) -> Result<T, EventsError> {
        let queue = self.clone();
        match tokio::task::spawn_blocking(move || work(&queue)).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "looking through the events was not finished");
                Err(EventsError::Interrupted)
            }
        }
    }
}

/// What is to be done with events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Retry,
    Purge,
}

fn listed<R: Waiting>(
    store: &Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    event: impl Fn(R) -> Event,
    in_hand: impl Fn(&str, &Place) -> bool,
) -> Result<(Vec<(String, Listed)>, bool), StoreError> {
    let scan = Scan::prefix(prefix).limit(limit);
    let page =
        store.scan::<R>(after.filter(|after| !after.is_empty()).map_or(scan, |after| scan.after(after)))?;
    let more = page.more;
    let found = page.records.into_iter().filter_map(|stored| {
        let key = stored.key().to_owned();
        let (lane, place) = parse_key(&key)?;
        let running = in_hand(lane, &place);
        let due = place.due;
        Some((key, Listed { event: event(stored.into_value()), due, running }))
    });
    Ok((found.collect(), more))
}

/// A batch that removes a record as it is, if it still is there.
fn removal<R: Record>(found: &Option<Stored<R>>, id: &str) -> Result<Batch, EventsError> {
    let stored = found.as_ref().ok_or_else(|| NoSuchEvent(id.to_owned()))?;
    let mut batch = Batch::new();
    batch.compare_and_delete(stored)?;
    Ok(batch)
}

/// Removes a record with its reference to a payload, if it still is at this place.
async fn removed<R: Waiting>(
    store: &Store,
    lane: &str,
    place: &Place,
    payload: &Payload,
) -> Result<(), EventsError> {
    let mut batch = removal(&store.get::<R>(&key(lane, place))?, &place.id)?;
    Payloads::release(&mut batch, payload, &place.id)?;
    Ok(store.batch(batch).await?)
}

/// Moves a record to another place of its lane, if it still is at this one.
async fn moved<R: Waiting>(
    store: &Store,
    lane: &str,
    from: &Place,
    to: &Place,
    record: &R,
) -> Result<(), EventsError> {
    let found = store.get::<R>(&key(lane, from))?;
    let mut batch = removal(&found, &from.id)?;
    batch.put(&key(lane, to), record)?;
    Ok(store.batch(batch).await?)
}
