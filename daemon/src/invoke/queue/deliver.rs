//! The attempts: takes what is due, calls the function, and has the end written.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EventQueue, LastError, QueuedEvent,
    books::Ended,
    lanes::Item,
    record::Condition,
    verdict::{Patience, Trouble, Verdict, judge},
};
use crate::{
    functions::{ErrorKind, EventInvokeConfig, FunctionVersion},
    invoke::{
        Invocation, InvokeError, Invoked, Invoker,
        destinations::{Ending, Results, results},
    },
    runtime_api::RequestId,
    sandbox::{AcquireError, FunctionError},
    store::StoreError,
};

/// What an attempt came to.
enum Attempt {
    /// The function ran.
    Ran(Invoked),
    /// It could not be run, for want of room or because the daemon takes no calls for now.
    Throttled,
    /// It could not be run.
    Setback(LastError),
    /// There is no such function any more.
    Gone(LastError),
    /// The function called itself in a loop.
    Looped(LastError),
}

impl Invoker {
    /// Makes attempts until `pause`, and waits for those that run. Events that are left wait for the next start.
    pub async fn deliver_events(self, pause: CancellationToken) {
        let queue = &self.inner.queue;
        let attempts = TaskTracker::new();
        loop {
            let next = tokio::select! {
                // The queue is not asked any more once it shall pause.
                biased;
                () = pause.cancelled() => break,
                next = queue.0.waiting.next() => next,
            };
            match next {
                Ok(item) => {
                    let invoker = self.clone();
                    attempts.spawn(async move { invoker.attempt(item).await });
                }
                Err(error) => {
                    // The store has failed, and the daemon ends.
                    tracing::error!(%error, "no more events can be delivered");
                    break;
                }
            }
        }
        attempts.close();
        attempts.wait().await;
    }

    async fn attempt(self, item: Item<QueuedEvent>) {
        let queue = &self.inner.queue;
        let id = item.record.id.clone();
        if let Err(error) = self.attempt_and_write(queue, item).await {
            // The store has failed, and the daemon ends; the event is where it was.
            tracing::error!(request_id = %id, %error, "the end of an attempt can't be written");
        }
    }

    async fn attempt_and_write(&self, queue: &EventQueue, item: Item<QueuedEvent>) -> Result<(), StoreError> {
        let clock = queue.0.clock;
        let event = &item.record;
        let payload = match queue.0.payloads.read(&event.payload).await {
            Ok(payload) => payload,
            Err(error @ (StoreError::NoSuchBlob { .. } | StoreError::DamagedBlob { .. })) => {
                // Somebody has meddled with the data directory. What is left of the event is kept and told.
                queue.0.waiting.ran(&item, Ended::Well);
                let last_error = Some(LastError::new("PayloadLost", &error.to_string()));
                let event = QueuedEvent { last_error, ..event.clone() };
                let verdict = Verdict::GiveUp { event, condition: Condition::RetriesExhausted };
                return queue.carry_out(&item, verdict, |_, _| Results::new()).await;
            }
            Err(error) => return Err(error),
        };
        let (version, config) = self.settings_of(event);
        let patience = Patience::of(config.as_deref(), queue.0.settings.retry_delay);
        if patience.is_over(event, clock.now()) {
            queue.0.waiting.ran(&item, Ended::Well);
            let verdict = Verdict::GiveUp { event: event.clone(), condition: Condition::EventAgeExceeded };
            return queue
                .carry_out(&item, verdict, |event, condition| {
                    results(&ending(event, condition, &payload), version.as_deref(), config.as_deref())
                })
                .await;
        }
        let attempt = self.run_event(event, payload.clone()).await;
        let ended = if matches!(attempt, Attempt::Throttled) { Ended::Throttled } else { Ended::Well };
        queue.0.waiting.ran(&item, ended);
        // As they are now: a call may take fifteen minutes.
        let (version, config) = self.settings_of(event);
        let patience = Patience::of(config.as_deref(), queue.0.settings.retry_delay);
        let now = clock.now();
        let (verdict, invoked) = match attempt {
            Attempt::Ran(invoked) => match &invoked.outcome.result {
                Ok(_) => {
                    let ending =
                        Ending { invoked: Some(&invoked), ..ending(event, Condition::Success, &payload) };
                    return queue.end(&item, results(&ending, version.as_deref(), config.as_deref())).await;
                }
                Err(error) => {
                    let verdict = judge(event.clone(), Trouble::Failed(told(error)), patience, now);
                    (verdict, Some(invoked))
                }
            },
            Attempt::Setback(error) => {
                tracing::debug!(request_id = %event.id, function = %event.function, why = error.message,
                    "an event could not be delivered and is tried again");
                (judge(event.clone(), Trouble::Setback(error), patience, now), None)
            }
            Attempt::Gone(error) => {
                let event = QueuedEvent { last_error: Some(error), ..event.clone() };
                (Verdict::GiveUp { event, condition: Condition::FunctionDeleted }, None)
            }
            Attempt::Looped(error) => {
                let event = QueuedEvent { last_error: Some(error), ..event.clone() };
                (Verdict::GiveUp { event, condition: Condition::RecursiveInvocation }, None)
            }
            Attempt::Throttled => {
                queue.0.waiting.put_back(&item);
                return Ok(());
            }
        };
        queue
            .carry_out(&item, verdict, |event, condition| {
                let ending = Ending { invoked: invoked.as_ref(), ..ending(event, condition, &payload) };
                results(&ending, version.as_deref(), config.as_deref())
            })
            .await
    }

    /// The version that an event would take, and how its function takes events. Nothing where there is nothing.
    fn settings_of(
        &self,
        event: &QueuedEvent,
    ) -> (Option<Arc<FunctionVersion>>, Option<Arc<EventInvokeConfig>>) {
        let reference = event.function.clone().into();
        let registry = self.inner.registry.of(event.function.account);
        let version = registry.resolve(&reference, None).ok();
        let config = registry.event_invoke_config(&reference, None).ok().map(|(config, _)| config);
        (version, config)
    }

    async fn run_event(&self, event: &QueuedEvent, payload: Bytes) -> Attempt {
        let invocation = Invocation {
            function: event.function.clone().into(),
            qualifier: None,
            payload,
            client_context: event.client_context.clone(),
            tail: false,
            trace: Some(event.trace.clone()),
        };
        match self.invoke_as(RequestId::known(event.id.as_str().into()), invocation).await {
            Ok(invoked) => Attempt::Ran(invoked),
            Err(
                InvokeError::Throttled(_)
                | InvokeError::Acquire(AcquireError::TooManyRequests { .. } | AcquireError::Draining),
            ) => Attempt::Throttled,
            Err(InvokeError::Function(error)) if error.kind() == ErrorKind::ResourceNotFound => {
                Attempt::Gone(LastError::new("ResourceNotFoundException", &error.to_string()))
            }
            Err(error @ InvokeError::Recursive) => {
                Attempt::Looped(LastError::new("RecursiveInvocationException", &error.to_string()))
            }
            Err(error) => Attempt::Setback(LastError::new("ServiceException", &error.to_string())),
        }
    }
}

fn ending<'a>(event: &'a QueuedEvent, condition: Condition, payload: &'a Bytes) -> Ending<'a> {
    Ending { event, condition, payload, invoked: None }
}

/// What a function's error says, as far as it says it in Lambda's way.
fn told(error: &FunctionError) -> LastError {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        error_type: Option<String>,
        error_message: String,
    }
    match serde_json::from_slice::<Told>(&error.payload) {
        Ok(told) => {
            LastError::new(told.error_type.unwrap_or_else(|| error.error_type.clone()), &told.error_message)
        }
        Err(_) => LastError::new(error.error_type.clone(), &String::from_utf8_lossy(&error.payload)),
    }
}
