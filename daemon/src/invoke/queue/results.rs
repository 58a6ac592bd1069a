//! The results of events on their way to their destinations.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{EventQueue, LastError, books::Ended, lanes::Item, verdict::wait_for_destination};
use crate::{
    invoke::{Invoker, destinations::Delivery},
    store::StoreError,
};

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
        let failures = item.record.failures.saturating_add(1);
        tracing::warn!(request_id = %item.record.id, destination = %item.record.target, failures, %error,
            "a destination did not take a result; it is tried again");
        let last_error = Some(LastError::new("DestinationFailed", &error.to_string()));
        let due = queue.0.clock.now().saturating_add(wait_for_destination(failures));
        let delivery = Delivery { failures, last_error, ..item.record.clone() };
        queue.deliver_again(&item, delivery, due).await
    }
}
