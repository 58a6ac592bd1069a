//! The queue of asynchronous invocations: an event that was accepted ends in exactly one of done, sent on, or dead.
//!
//! ```text
//! accept -> waiting ---> the function took it -> its on-success destination, if there is one
//!             ^  |  \                                      \
//!             |  |   `-> given up -> its dead-letter target and on-failure destination, else kept as dead
//!             `--' tried again, later
//! ```
//!
//! A result is tried until its destination has taken it, or it is as old as an event may get; then it is kept as dead. What is
//! dead is thrown away after some days ([`retention`]).
//!
//! An event is a record in the store from before it is acknowledged to its end, and every step is one batch: whatever
//! moment the daemon dies in, the event is at exactly one place when it starts again. What ran when it died runs once
//! more.
//!
//! What waits is chosen by [`books`], kept true to the store by [`lanes`]; [`deliver`] makes the attempts, [`verdict`] has
//! the rules, [`ending`] writes what they say; [`administration`] is for people.

mod administration;
mod books;
mod clock;
mod deliver;
mod ending;
mod lanes;
mod payload;
mod record;
mod results;
mod retention;
mod room;
#[cfg(test)]
mod tests;
mod verdict;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use administration::{Event, EventFilter, EventPage, EventState, EventsError, Listed, NoSuchEvent};
pub(crate) use payload::Payload;
pub(crate) use record::beginning;
pub use record::{Condition, DeadEvent, DeadResult, LastError, QueuedEvent};
pub use results::NewResult;
pub use room::QueueFull;

use self::{
    books::{Limits, Place},
    clock::{NOTED_EVERY, QueueClock},
    lanes::Lanes,
    payload::Payloads,
    record::{key, lane_of},
    room::Room,
};
use super::{ClientContext, TraceHeader, destinations::Delivery};
use crate::{
    clock::Clock,
    functions::FunctionArn,
    runtime_api::RequestId,
    store::{Batch, Store, StoreError},
};

/// How many results may be on their way at once, and how many of one function's.
const RESULTS: Limits = Limits { all: 32, lane: 8 };

/// How the queue behaves.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// What all events may take on the disk, in bytes.
    pub max_bytes: u64,
    /// How long an event waits before its first retry; twice that before the second.
    pub retry_delay: Duration,
    /// How many events may run at once.
    pub concurrency: usize,
    /// How many of one function's.
    pub function_concurrency: usize,
    /// How long what died is kept.
    pub dead_retention: Duration,
}

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no room for it.
    #[error(transparent)]
    Full(#[from] QueueFull),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error("accepting the event was not finished")]
    Interrupted,
}

/// An event that is offered.
#[derive(Debug)]
pub(super) struct NewEvent {
    pub(super) id: RequestId,
    /// As it was called.
    pub(super) function: FunctionArn,
    /// Checked JSON.
    pub(super) payload: Bytes,
    pub(super) client_context: Option<ClientContext>,
    pub(super) trace: TraceHeader,
}

/// The events of all functions. Cheap to clone; clones are the same queue.
#[derive(Clone, Debug)]
pub struct EventQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: QueueClock,
    settings: QueueSettings,
    payloads: Payloads,
    room: Room,
    waiting: Lanes<QueuedEvent>,
    results: Lanes<Delivery>,
    /// What must come to its end whether or not somebody waits for it.
    tasks: TaskTracker,
}

impl EventQueue {
    /// Finds what an earlier life has left, and goes on with it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn open(store: Store, wall: &dyn Clock, settings: QueueSettings) -> Result<Self, StoreError> {
        store.check_schema::<QueuedEvent>()?;
        store.check_schema::<Delivery>()?;
        store.check_schema::<DeadEvent>()?;
        store.check_schema::<DeadResult>()?;
        let clock = QueueClock::open(&store, wall)?;
        let room = Room::new(settings.max_bytes, store.directory().to_owned());
        let limits = Limits { all: settings.concurrency.max(1), lane: settings.function_concurrency.max(1) };
        let opening = {
            let (store, room) = (store.clone(), room.clone());
            tokio::task::spawn_blocking(move || {
                let waiting = Lanes::open(store.clone(), clock, room.clone(), limits)?;
                let results = Lanes::open(store.clone(), clock, room.clone(), RESULTS)?;
                for dead in store.scan_all::<DeadEvent>("") {
                    room.take_anyway(record::Waiting::bytes(dead?.value()));
                }
                for dead in store.scan_all::<DeadResult>("") {
                    room.take_anyway(record::Waiting::bytes(dead?.value()));
                }
                Ok((waiting, results))
            })
        };
        // Only a runtime that is shutting down cancels it.
        let (waiting, results) = opening.await.unwrap_or(Err(StoreError::Closed))?;
        let payloads = Payloads::new(store.clone());
        payloads.collect_all().await?;
        clock.note(&store).await?;
        let shared =
            Shared { store, clock, settings, payloads, room, waiting, results, tasks: TaskTracker::new() };
        Ok(Self(Arc::new(shared)))
    }

    /// Accepts an event. It is durable when this returns, and also if whoever waits for it goes away before.
    pub(super) async fn accept(&self, event: NewEvent) -> Result<(), QueueError> {
        let queue = self.clone();
        match self.0.tasks.spawn(async move { queue.keep(event).await }).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(%error, "accepting an event was not finished");
                Err(QueueError::Interrupted)
            }
        }
    }

    async fn keep(&self, event: NewEvent) -> Result<(), QueueError> {
        let Shared { store, clock, payloads, room, waiting, .. } = &*self.0;
        let NewEvent { id, function, payload, client_context, trace } = event;
        let now = clock.now();
        let bytes = record::OVERHEAD + trace.len() as u64 + payload.len() as u64;
        let taken = room.take(bytes)?;
        let mut keeping = payloads.keeping();
        let payload = keeping.keep(payload).await?;
        let event = QueuedEvent {
            id: id.to_string(),
            function,
            payload,
            client_context,
            trace,
            accepted_at: now,
            failures: 0,
            setbacks: 0,
            last_error: None,
        };
        let (lane, place) = (event.lane(), Place { due: now, id: event.id.as_str().into() });
        let mut batch = Batch::new();
        batch.put(&key(&lane, &place), &event)?;
        Payloads::refer(&mut batch, &event.payload, &event.id)?;
        store.batch(batch).await?;
        drop(keeping);
        taken.keep();
        waiting.added(&lane, place);
        Ok(())
    }

    /// A function changed: what of it waited for room may be tried at once.
    pub fn wake(&self, function: &FunctionArn) {
        self.0.waiting.wake(&lane_of(function));
    }

    /// Bytes that all events take, and that they may.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.0.room.used(), self.0.room.limit())
    }

    /// Notes the time again and again, until `stop`.
    pub async fn keep_time(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(NOTED_EVERY));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {
                    if let Err(error) = self.0.clock.note(&self.0.store).await {
                        // The store has failed, and the daemon ends.
                        tracing::error!(%error, "the queue's time can't be noted");
                        return;
                    }
                }
            }
        }
    }

    /// Waits for what is being written. Call after everything that gives events to the queue has stopped.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}
