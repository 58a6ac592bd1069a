//! Asynchronous invocation, for now: events wait in memory, are tried once, and are lost if the daemon dies.
//!
//! What is to come is a durable queue with retries and destinations; until then a caller of [`Invoker::enqueue`] is told
//! no more than that his event was taken.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Invocation, InvokeError, Invoker};
use crate::runtime_api::RequestId;

/// Events that wait or run at the same time. Of 1 MB each at the most, they take no more than 256 MB.
pub(super) const WAITING: usize = 256;

/// Places for events.
#[derive(Debug)]
pub(super) struct Background(Arc<Semaphore>);

impl Default for Background {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING)))
    }
}

impl Invoker {
    /// Takes an event and calls its function soon. Returns the invocation's id, which the function sees too.
    ///
    /// # Errors
    /// What [`Invoker::dry_run`] finds; or [`InvokeError::QueueFull`].
    pub async fn enqueue(&self, invocation: Invocation) -> Result<RequestId, InvokeError> {
        let place =
            Arc::clone(&self.inner.background.0).try_acquire_owned().map_err(|_| InvokeError::QueueFull)?;
        self.check(&invocation).await?;
        let request_id = RequestId::random();
        let (invoker, id) = (self.clone(), request_id.clone());
        self.inner.calls.spawn(async move {
            let function = invocation.function.to_string();
            // Nobody waits for the answer; whoever looks for a reason finds it in the log.
            if let Err(error) = invoker.invoke_as(id.clone(), invocation).await {
                tracing::warn!(request_id = %id, function, %error, "an event was not delivered");
            }
            drop(place);
        });
        Ok(request_id)
    }
}
