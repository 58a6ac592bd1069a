//! Writing what becomes of an event: each time one batch.

use super::{
    EventQueue, Payload, Shared,
    books::Place,
    lanes::Item,
    payload::Payloads,
    record::{Condition, DeadEvent, DeadResult, QueuedEvent, Waiting as _, key},
    verdict::Verdict,
};
use crate::{
    invoke::destinations::{Delivery, Origin, Results},
    store::{Batch, StoreError},
};

impl EventQueue {
    /// Writes a verdict on an event that went wrong. `results` are for those who want to be told if it is given up.
    pub(super) async fn carry_out(
        &self,
        item: &Item<QueuedEvent>,
        verdict: Verdict,
        results: impl FnOnce(&QueuedEvent, Condition) -> Results,
    ) -> Result<(), StoreError> {
        match verdict {
            Verdict::Again { event, due } => self.again(item, event, due).await,
            Verdict::GiveUp { event, condition } => {
                let results = results(&event, condition);
                if results.is_empty() {
                    return self.bury(item, event, condition).await;
                }
                tracing::warn!(request_id = %event.id, function = %event.function, condition = condition.as_str(),
                    "an event was given up and is sent on");
                self.end(item, results).await
            }
        }
    }

    async fn again(&self, item: &Item<QueuedEvent>, event: QueuedEvent, due: i64) -> Result<(), StoreError> {
        let place = Place { due, id: event.id.as_str().into() };
        let mut batch = Batch::new();
        batch.delete::<QueuedEvent>(&item.key())?;
        batch.put(&key(&item.lane, &place), &event)?;
        self.0.store.batch(batch).await?;
        self.0.waiting.moved(item, place);
        Ok(())
    }

    /// Ends an event, and sends its results to whoever wants them.
    pub(super) async fn end(&self, item: &Item<QueuedEvent>, results: Results) -> Result<(), StoreError> {
        let Shared { store, payloads, room, waiting, results: lanes, clock, .. } = &*self.0;
        let event = &item.record;
        let mut batch = Batch::new();
        batch.delete::<QueuedEvent>(&item.key())?;
        Payloads::release(&mut batch, &event.payload, &event.id)?;
        let (mut keeping, mut added) = (payloads.keeping(), Vec::new());
        for result in results {
            let body = keeping.keep(result.body).await?;
            let delivery = Delivery {
                id: event.id.clone(),
                function: event.function.clone(),
                target: result.target,
                purpose: result.purpose,
                origin: Origin::Event,
                body,
                attributes: result.attributes,
                trace: result.trace,
                made_at: clock.now(),
                failures: 0,
                last_error: None,
            };
            let place = Place { due: delivery.made_at, id: delivery.place_id() };
            Payloads::refer(&mut batch, &delivery.body, &place.id)?;
            batch.put(&key(&item.lane, &place), &delivery)?;
            added.push((place, delivery.bytes()));
        }
        store.batch(batch).await?;
        drop(keeping);
        for (place, bytes) in added {
            // However full it is: this event was accepted.
            room.take_anyway(bytes);
            lanes.added(&item.lane, place);
        }
        waiting.gone(item);
        self.collect(&event.payload).await
    }

    /// Keeps an event as dead, for people to look at and to send again.
    async fn bury(
        &self,
        item: &Item<QueuedEvent>,
        event: QueuedEvent,
        condition: Condition,
    ) -> Result<(), StoreError> {
        let Shared { store, room, waiting, clock, .. } = &*self.0;
        let why = event.last_error.as_ref().map_or("", |error| error.error_type.as_str());
        if !room.is_ample() {
            tracing::warn!(request_id = %event.id, function = %event.function, condition = condition.as_str(), why,
                "an event was given up, and is not kept since the queue is nearly full");
            return self.end(item, Results::new()).await;
        }
        tracing::warn!(request_id = %event.id, function = %event.function, condition = condition.as_str(), why,
            "an event was given up; see `thaw events`");
        let dead = DeadEvent { event, condition, died_at: clock.now() };
        let place = Place { due: dead.died_at, id: dead.event.id.as_str().into() };
        let mut batch = Batch::new();
        batch.delete::<QueuedEvent>(&item.key())?;
        batch.put(&key(&item.lane, &place), &dead)?;
        store.batch(batch).await?;
        room.take_anyway(dead.bytes());
        waiting.gone(item);
        Ok(())
    }

    /// Ends a result that its destination has, or that nobody wants any more.
    pub(super) async fn delivered(&self, item: &Item<Delivery>) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete::<Delivery>(&item.key())?;
        Payloads::release(&mut batch, &item.record.body, &item.place.id)?;
        self.0.store.batch(batch).await?;
        self.0.results.gone(item);
        self.collect(&item.record.body).await
    }

    /// Tries a result again later.
    pub(super) async fn deliver_again(
        &self,
        item: &Item<Delivery>,
        delivery: Delivery,
        due: i64,
    ) -> Result<(), StoreError> {
        let place = Place { due, id: item.place.id.clone() };
        let mut batch = Batch::new();
        batch.delete::<Delivery>(&item.key())?;
        batch.put(&key(&item.lane, &place), &delivery)?;
        self.0.store.batch(batch).await?;
        self.0.results.moved(item, place);
        Ok(())
    }

    /// Keeps a result as dead that its destination does not take.
    pub(super) async fn bury_result(
        &self,
        item: &Item<Delivery>,
        delivery: Delivery,
    ) -> Result<(), StoreError> {
        let Shared { store, room, results, clock, .. } = &*self.0;
        let why = delivery.last_error.as_ref().map_or("", |error| error.message.as_str());
        if !room.is_ample() {
            tracing::error!(request_id = %delivery.id, destination = %delivery.target, why,
                "a result was given up, and is not kept since the queue is nearly full");
            return self.delivered(item).await;
        }
        tracing::error!(request_id = %delivery.id, destination = %delivery.target, why,
            "a result was given up; see `thaw events`");
        let dead = DeadResult { delivery, died_at: clock.now() };
        let place = Place { due: dead.died_at, id: item.place.id.clone() };
        let mut batch = Batch::new();
        batch.delete::<Delivery>(&item.key())?;
        batch.put(&key(&item.lane, &place), &dead)?;
        store.batch(batch).await?;
        room.take_anyway(dead.bytes());
        results.gone(item);
        Ok(())
    }

    /// Removes a payload's file if nobody needs it. If that fails, the next start comes again.
    pub(super) async fn collect(&self, payload: &Payload) -> Result<(), StoreError> {
        if let Err(error) = self.0.payloads.collect(payload).await {
            tracing::warn!(%error, "the file of a payload that nobody needs can't be removed");
        }
        Ok(())
    }
}
