//! Asynchronous invocation: the caller is told that his event was taken, which it is as soon as it is durable.

use super::{EVENT_LIMIT, EventQueue, Invocation, InvokeError, Invoker, queue::NewEvent};
use crate::runtime_api::RequestId;

impl Invoker {
    /// Takes an event. Returns the invocation's id, which the function sees too; from then on the event outlives the daemon.
    ///
    /// # Errors
    /// What [`Invoker::dry_run`] finds; the payload is over [`EVENT_LIMIT`]; the queue has no room.
    pub async fn enqueue(&self, invocation: Invocation) -> Result<RequestId, InvokeError> {
        let size = invocation.payload.len();
        if size > EVENT_LIMIT {
            return Err(InvokeError::EventTooLarge { size });
        }
        let (payload, found) = self.check(&invocation).await?;
        let id = RequestId::random();
        let client_context = invocation.client_context;
        let trace = invocation.trace.unwrap_or_default();
        let event = NewEvent { id: id.clone(), function: found.arn, payload, client_context, trace };
        self.inner.queue.accept(event).await?;
        Ok(id)
    }

    /// The events that were taken.
    #[must_use]
    pub fn queue(&self) -> &EventQueue {
        &self.inner.queue
    }
}
