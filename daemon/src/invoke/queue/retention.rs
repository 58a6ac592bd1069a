//! What died is thrown away when nobody has cared for it for some days.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{
    EventQueue,
    administration::{Change, Event, EventsError, Listed},
    record::{DeadEvent, DeadResult, parse_key},
};
use crate::store::StoreError;

/// How often it is looked at what is old.
const LOOKED_EVERY: Duration = Duration::from_secs(3_600);

/// How many are looked for at a time.
const AT_ONCE: usize = 1_000;

impl EventQueue {
    /// Throws away what died too long ago, until `stop`.
    pub async fn forget_dead(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => match self.forget_old().await {
                    Ok(0) => {}
                    Ok(forgotten) => tracing::info!(forgotten, "events that died long ago were thrown away"),
                    Err(error) => {
                        // The store has failed, and the daemon ends.
                        tracing::error!(%error, "events that died long ago can't be thrown away");
                        return;
                    }
                },
            }
        }
    }

    async fn forget_old(&self) -> Result<u64, EventsError> {
        let mut forgotten = 0;
        loop {
            let old = self.look(|queue| Ok(queue.old()?)).await?;
            let (all, before) = (old.len() < AT_ONCE, forgotten);
            for found in old {
                match self.change(found, Change::Purge).await {
                    Ok(()) => forgotten += 1,
                    // Somebody was quicker.
                    Err(EventsError::NoSuchEvent(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            // What does not go now is looked at again in an hour, and not for ever.
            if all || forgotten == before {
                return Ok(forgotten);
            }
        }
    }

    fn old(&self) -> Result<Vec<Listed>, StoreError> {
        let retention = i64::try_from(self.0.settings.dead_retention.as_millis()).unwrap_or(i64::MAX);
        let before = self.0.clock.now().saturating_sub(retention);
        let mut old = Vec::new();
        let mut note = |key: &str, event: Event| {
            if let Some((_, place)) = parse_key(key) {
                old.push(Listed { event, due: place.due, running: false });
            }
            old.len() < AT_ONCE
        };
        for stored in self.0.store.scan_all::<DeadEvent>("") {
            let stored = stored?;
            let key = stored.key().to_owned();
            if stored.died_at <= before && !note(&key, Event::Dead(stored.into_value())) {
                return Ok(old);
            }
        }
        for stored in self.0.store.scan_all::<DeadResult>("") {
            let stored = stored?;
            let key = stored.key().to_owned();
            if stored.died_at <= before && !note(&key, Event::DeadResult(stored.into_value())) {
                return Ok(old);
            }
        }
        Ok(old)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{
        super::{
            QueueSettings,
            books::Place,
            record::{Condition, QueuedEvent, key, lane_of},
        },
        *,
    };
    use crate::{
        clock::{Clock, FixedClock},
        invoke::{Delivery, Origin, Purpose, TraceHeader, queue::Payload},
        store::{Store, StoreOptions},
    };

    const DAY: i64 = 86_400_000;

    async fn put_event(store: &Store, id: &str, died_at: i64) {
        let event = QueuedEvent {
            id: id.to_owned(),
            function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            payload: Payload::Inline("{}".into()),
            client_context: None,
            trace: TraceHeader::default(),
            accepted_at: died_at,
            failures: 3,
            setbacks: 0,
            last_error: None,
        };
        let place = Place { due: died_at, id: id.into() };
        let key = key(&lane_of(&event.function), &place);
        let dead = DeadEvent { event, condition: Condition::RetriesExhausted, died_at };
        store.put(&key, &dead).await.unwrap();
    }

    async fn put_result(store: &Store, id: &str, died_at: i64) {
        let delivery = Delivery {
            id: id.to_owned(),
            function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            target: "arn:aws:sqs:us-east-1:000000000000:q".parse().unwrap(),
            purpose: Purpose::OnFailure,
            origin: Origin::Event,
            body: Payload::Inline("{}".into()),
            attributes: Vec::new(),
            trace: None,
            made_at: died_at,
            failures: 9,
            last_error: None,
        };
        let place = Place { due: died_at, id: delivery.place_id() };
        let key = key(&lane_of(&delivery.function), &place);
        store.put(&key, &DeadResult { delivery, died_at }).await.unwrap();
    }

    #[tokio::test]
    async fn what_died_is_kept_for_its_days_and_no_longer() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let wall = FixedClock::at(datetime!(2026-01-15 00:00 UTC));
        let now = wall.now_millis();
        for (id, days) in [("old", 15), ("young", 13)] {
            put_event(&store, id, now - days * DAY).await;
            put_result(&store, id, now - days * DAY).await;
        }
        let settings = QueueSettings {
            max_bytes: 1 << 20,
            retry_delay: Duration::ZERO,
            concurrency: 1,
            function_concurrency: 1,
            dead_retention: Duration::from_secs(14 * 86_400),
        };
        let queue = EventQueue::open(store.clone(), &wall, settings).await.unwrap();
        let (before, _) = queue.bytes();
        assert_eq!(queue.forget_old().await.unwrap(), 2);
        assert_eq!(queue.forget_old().await.unwrap(), 0);
        let events = store.scan_all::<DeadEvent>("").map(|stored| stored.unwrap().event.id.clone());
        assert_eq!(events.collect::<Vec<_>>(), ["young"]);
        let results = store.scan_all::<DeadResult>("").map(|stored| stored.unwrap().delivery.id.clone());
        assert_eq!(results.collect::<Vec<_>>(), ["young"]);
        assert!(queue.bytes().0 < before, "their room is free");
        queue.close().await;
    }
}
