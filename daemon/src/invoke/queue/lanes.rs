//! Items that wait in the store, each in its lane until it is due: the books, kept true to the store.

use std::{
    marker::PhantomData,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{
    books::{Books, Ended, LaneName, Limits, Next, Place, WINDOW},
    clock::QueueClock,
    record::{Waiting, key, parse_key},
    room::Room,
};
use crate::store::{Scan, Store, StoreError};

/// All items of a kind.
#[derive(Debug)]
pub(super) struct Lanes<R> {
    store: Store,
    clock: QueueClock,
    room: Room,
    books: Mutex<Books>,
    changed: Notify,
    of: PhantomData<fn() -> R>,
}

/// An item that was given out.
#[derive(Clone, Debug)]
pub(super) struct Item<R> {
    pub(super) lane: LaneName,
    pub(super) place: Place,
    pub(super) record: R,
}

impl<R> Item<R> {
    /// Its key in the store.
    pub(super) fn key(&self) -> String {
        key(&self.lane, &self.place)
    }
}

impl<R: Waiting> Lanes<R> {
    /// Looks at everything once: for what lanes there are, and how much room they take.
    pub(super) fn open(
        store: Store,
        clock: QueueClock,
        room: Room,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let mut books = Books::new(limits);
        let mut last = String::new();
        for stored in store.scan_all::<R>("") {
            let stored = stored?;
            room.take_anyway(stored.bytes());
            let Some((lane, _)) = parse_key(stored.key()) else {
                tracing::error!(tree = R::TREE, key = stored.key(), "a record has a key that nothing reads");
                continue;
            };
            if lane != last {
                lane.clone_into(&mut last);
                books.add_unread(&lane.into(), clock.now());
            }
        }
        Ok(Self { store, clock, room, books: Mutex::new(books), changed: Notify::new(), of: PhantomData })
    }

    /// An item is durable at this place.
    pub(super) fn added(&self, lane: &LaneName, place: Place) {
        {
            let mut books = self.lock();
            // Whoever looks into the store may have found it before its writer heard that it is durable; then it may be
            // done with already.
            match self.store.get::<R>(&key(lane, &place)) {
                Ok(Some(_)) => books.add(lane, place, self.clock.now()),
                Ok(None) => {}
                // The store has failed, and the daemon ends.
                Err(error) => tracing::error!(%error, "an item that was stored can't be read"),
            }
        }
        self.changed.notify_one();
    }

    /// Waits for the next item that may run. For one task: items come one after another.
    ///
    /// # Errors
    /// The store has failed.
    pub(super) async fn next(&self) -> Result<Item<R>, StoreError> {
        loop {
            let now = self.clock.now();
            let next = {
                let mut books = self.lock();
                match books.next(now) {
                    Next::Fill(lane, edge) => {
                        // Under the lock, so that nothing is added in between. From memory, and bounded.
                        let page = self.store.scan::<R>(
                            Scan::prefix(&format!("{lane}/")).after(&key(&lane, &edge)).limit(WINDOW),
                        )?;
                        let places = page.records.iter().filter_map(|stored| parse_key(stored.key()));
                        let places = places.map(|(_, place)| place).collect();
                        books.fill(&lane, places, page.more, now);
                        continue;
                    }
                    next => next,
                }
            };
            match next {
                Next::Run(lane, place) => match self.store.get::<R>(&key(&lane, &place))? {
                    Some(stored) => return Ok(Item { lane, place, record: stored.into_value() }),
                    None => {
                        let mut books = self.lock();
                        books.ran(&lane, Ended::Well, now);
                        books.gone(&lane, &place, now);
                    }
                },
                Next::At(at) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(self.clock.instant(at)) => {}
                    }
                }
                Next::Nothing | Next::Fill(..) => self.changed.notified().await,
            }
        }
    }

    /// An item runs no more.
    pub(super) fn ran(&self, item: &Item<R>, ended: Ended) {
        self.lock().ran(&item.lane, ended, self.clock.now());
        self.changed.notify_one();
    }

    /// An item that was given out has left the store, durably.
    pub(super) fn gone(&self, item: &Item<R>) {
        self.room.give(item.record.bytes());
        self.lock().gone(&item.lane, &item.place, self.clock.now());
        self.changed.notify_one();
    }

    /// An item that was given out waits at another time, durably. Its size is as it was.
    pub(super) fn moved(&self, item: &Item<R>, place: Place) {
        self.lock().gone(&item.lane, &item.place, self.clock.now());
        self.added(&item.lane, place);
    }

    /// An item that was given out waits as it did.
    pub(super) fn put_back(&self, item: &Item<R>) {
        self.lock().put_back(&item.lane, item.place.clone(), self.clock.now());
        self.changed.notify_one();
    }

    /// Takes an item that nobody has into hand, to change it in the store; [`Lanes::let_go`] ends that. `false` if
    /// somebody has it.
    pub(super) fn withdraw(&self, lane: &LaneName, place: &Place) -> bool {
        self.lock().withdraw(lane, place, self.clock.now())
    }

    /// An item that was withdrawn was changed, or was not: it waits where it is in the store, if it still is.
    pub(super) fn let_go(&self, lane: &LaneName, place: Place) {
        self.lock().gone(lane, &place, self.clock.now());
        self.added(lane, place);
    }

    /// A lane may go on at once.
    pub(super) fn wake(&self, lane: &LaneName) {
        self.lock().wake(lane, self.clock.now());
        self.changed.notify_one();
    }

    /// Which of these places are given out.
    pub(super) fn is_in_hand(&self, lane: &str, place: &Place) -> bool {
        self.lock().is_in_hand(lane, place)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
