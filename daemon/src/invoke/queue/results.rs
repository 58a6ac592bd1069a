//! Results on their way to their destinations: those of events, and what others wish to tell a destination.

use bytes::Bytes;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EventQueue, LastError, QueueError, Shared,
    books::{Ended, Place},
    lanes::Item,
    payload::Payloads,
    record::{OVERHEAD, key, lane_of},
    verdict::{Patience, ResultVerdict, judge_result},
};
use crate::{
    functions::{Destination, FunctionArn},
    invoke::{
        Invoker,
        destinations::{Delivery, Origin, Purpose},
    },
    runtime_api::RequestId,
    store::{Batch, StoreError},
};

/// Something that a destination is to be told of which was no event: records that a poller gave up.
#[derive(Clone, Debug)]
pub struct NewResult {
    /// The function that they were for.
    pub function: FunctionArn,
    /// Whom to tell.
    pub target: Destination,
    /// JSON.
    pub body: Bytes,
    /// Where they are from.
    pub origin: Origin,
}

impl EventQueue {
    /// Takes a result that a destination is to have. It is durable when this returns, also if whoever waits for it goes away
    /// before.
    ///
    /// # Errors
    /// There is no room for it; the store fails.
    pub async fn tell(&self, result: NewResult) -> Result<(), QueueError> {
        let queue = self.clone();
        match self.0.tasks.spawn(async move { queue.keep_result(result).await }).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(%error, "keeping a result was not finished");
                Err(QueueError::Interrupted)
            }
        }
    }

    async fn keep_result(&self, result: NewResult) -> Result<(), QueueError> {
        let Shared { store, clock, payloads, room, results, .. } = &*self.0;
        let NewResult { function, target, body, origin } = result;
        let taken = room.take(OVERHEAD + body.len() as u64)?;
        let mut keeping = payloads.keeping();
        let delivery = Delivery {
            id: RequestId::random().to_string(),
            function,
            target,
            purpose: Purpose::OnFailure,
            origin,
            body: keeping.keep(body).await?,
            attributes: Vec::new(),
            trace: None,
            made_at: clock.now(),
            failures: 0,
            last_error: None,
        };
        let lane = lane_of(&delivery.function);
        let place = Place { due: delivery.made_at, id: delivery.place_id() };
        let mut batch = Batch::new();
        batch.put(&key(&lane, &place), &delivery)?;
        Payloads::refer(&mut batch, &delivery.body, &place.id)?;
        store.batch(batch).await?;
        drop(keeping);
        taken.keep();
        results.added(&lane, place);
        Ok(())
    }
}

impl Invoker {
    /// Sends results until `pause`. What is left waits for the next start.
    pub async fn deliver_results(self, pause: CancellationToken) {
        let queue = &self.inner.queue;
        let deliveries = TaskTracker::new();
        loop {
            let next = tokio::select! {
                biased;
                () = pause.cancelled() => break,
                next = queue.0.results.next() => next,
            };
            match next {
                Ok(item) => {
                    let invoker = self.clone();
                    deliveries.spawn(async move {
                        let id = item.record.id.clone();
                        if let Err(error) = invoker.send(item).await {
                            tracing::error!(request_id = %id, %error, "the end of a delivery can't be written");
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "no more results can be delivered");
                    break;
                }
            }
        }
        deliveries.close();
        deliveries.wait().await;
    }

    async fn send(&self, item: Item<Delivery>) -> Result<(), StoreError> {
        let queue: &EventQueue = &self.inner.queue;
        let sent = match queue.0.payloads.read(&item.record.body).await {
            Ok(body) => {
                self.inner
                    .destinations
                    .send(&self.inner.queue, &self.inner.registry, &item.record, body)
                    .await
            }
            Err(error @ (StoreError::NoSuchBlob { .. } | StoreError::DamagedBlob { .. })) => {
                tracing::error!(request_id = %item.record.id, %error, "a result is lost");
                Ok(())
            }
            Err(error) => return Err(error),
        };
        queue.0.results.ran(&item, Ended::Well);
        let Err(error) = sent else { return queue.delivered(&item).await };
        let error = LastError::new("DestinationFailed", &error.to_string());
        let patience = self.patience_with(&item.record);
        match judge_result(item.record.clone(), error, patience, queue.0.clock.now()) {
            ResultVerdict::Again { delivery, due } => {
                tracing::warn!(request_id = %delivery.id, destination = %delivery.target, failures = delivery.failures,
                    why = delivery.last_error.as_ref().map_or("", |error| error.message.as_str()),
                    "a destination did not take a result; it is tried again");
                queue.deliver_again(&item, delivery, due).await
            }
            ResultVerdict::GiveUp(delivery) => queue.bury_result(&item, delivery).await,
        }
    }

    /// A result may get as old as an event of its function.
    fn patience_with(&self, delivery: &Delivery) -> Patience {
        let function = delivery.function.clone().into();
        let registry = self.inner.registry.of(delivery.function.account);
        let config = registry.event_invoke_config(&function, None).ok().map(|(config, _)| config);
        Patience::of(config.as_deref(), self.inner.queue.0.settings.retry_delay)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::{
        clock::FixedClock,
        identity::AccountId,
        invoke::queue::{Event, EventFilter, EventState, QueueSettings},
        store::{Store, StoreOptions},
    };

    async fn open(store: &Store) -> EventQueue {
        let settings = QueueSettings {
            max_bytes: 1 << 20,
            retry_delay: Duration::ZERO,
            concurrency: 1,
            function_concurrency: 1,
            dead_retention: Duration::from_secs(86_400),
        };
        let wall = FixedClock::at(datetime!(2026-01-15 00:00 UTC));
        EventQueue::open(store.clone(), &wall, settings).await.unwrap()
    }

    fn told() -> NewResult {
        NewResult {
            function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            target: "arn:aws:sqs:us-east-1:000000000000:q".parse().unwrap(),
            // Larger than what is kept in a record.
            body: Bytes::from(format!("\"{}\"", "x".repeat(100_000))),
            origin: Origin::Mapping { id: "m".into(), shard: "0".into() },
        }
    }

    #[tokio::test]
    async fn a_result_that_is_given_up_is_kept_and_sent_again_as_if_it_were_new() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let queue = open(&store).await;
        queue.tell(told()).await.unwrap();
        let filter = |state| EventFilter { account: AccountId::DEFAULT, function: None, state: Some(state) };
        assert_eq!(queue.list(filter(EventState::Delivering), None, 9).await.unwrap().events.len(), 1);

        // Another life of the daemon goes on with it.
        queue.close().await;
        drop(queue);
        let queue = open(&store).await;
        let item = queue.0.results.next().await.unwrap();
        assert_eq!(queue.0.payloads.read(&item.record.body).await.unwrap(), told().body);
        queue.0.results.ran(&item, Ended::Well);
        let given_up = Delivery {
            failures: 9,
            last_error: Some(LastError::new("DestinationFailed", "it is gone")),
            ..item.record.clone()
        };
        queue.bury_result(&item, given_up).await.unwrap();
        assert!(queue.list(filter(EventState::Delivering), None, 9).await.unwrap().events.is_empty());
        let dead = queue.list(filter(EventState::Dead), None, 9).await.unwrap().events;
        let [listed] = dead.as_slice() else { panic!("{dead:?}") };
        let Event::DeadResult(dead) = &listed.event else { panic!("{listed:?}") };
        assert_eq!(dead.delivery.last_error.as_ref().unwrap().message, "it is gone");

        let (used, _) = queue.bytes();
        queue.retry(AccountId::DEFAULT, &dead.delivery.id).await.unwrap();
        let item = queue.0.results.next().await.unwrap();
        assert_eq!((item.record.failures, &item.record.id), (0, &dead.delivery.id));
        assert_eq!(queue.bytes().0, used);
        queue.0.results.ran(&item, Ended::Well);
        queue.delivered(&item).await.unwrap();
        assert_eq!(queue.bytes().0, 0);
        assert!(store.payloads().list().await.unwrap().is_empty(), "its file is gone");
    }
}
