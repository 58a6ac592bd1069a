//! From what a server tells to events in the queue.

use std::future::Future;

use bytes::Bytes;

use super::{Buckets, Message, Notification, ObjectEvent, object_event::encoded};
use crate::{
    functions::FunctionReference,
    identity::AccountId,
    invoke::{Invocation, InvokeError, Invoker},
    runtime_api::RequestId,
};

/// Characters of what is kept of a refusal.
const DETAIL: usize = 1000;

/// What came of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Events that are in the queue.
    pub accepted: u64,
    /// Events that were dropped, since their function can't be called. S3 drops them as well.
    pub refused: u64,
    /// Records that no notification means.
    pub unmeant: u64,
}

/// What came of a bucket's events since the daemon started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that were taken by the queue.
    pub accepted: u64,
    /// Events that were dropped.
    pub refused: u64,
    /// Why the last of those was.
    pub last_refusal: Option<String>,
}

/// Why a message is to be sent again.
#[derive(Debug, thiserror::Error)]
#[error("an event could not be taken, send the notification again: {0}")]
pub struct DeliveryError(#[from] InvokeError);

impl Buckets {
    /// Calls the functions that are to be told of an account's events. Whatever is counted as accepted is durable.
    ///
    /// # Errors
    /// The queue has no room, or can't take an event now.
    pub async fn deliver(
        &self,
        account: AccountId,
        message: Message,
        invoker: &Invoker,
    ) -> Result<Delivered, DeliveryError> {
        self.deliver_by(account, message, &|invocation| invoker.enqueue(invocation)).await
    }

    pub(super) async fn deliver_by<A, F>(
        &self,
        account: AccountId,
        message: Message,
        accept: &A,
    ) -> Result<Delivered, DeliveryError>
    where
        A: Fn(Invocation) -> F,
        F: Future<Output = Result<RequestId, InvokeError>>,
    {
        let mut delivered = Delivered { unmeant: message.others as u64, ..Delivered::default() };
        for event in message.events {
            let configuration = self.get(account, &event.bucket);
            let key = encoded(&event.key);
            let mut is_meant = false;
            for notification in configuration.notifications().iter().filter(|one| one.means(event.kind, &key))
            {
                is_meant = true;
                match self.call(account, &event, notification, &key, accept).await? {
                    Ok(()) => {
                        delivered.accepted += 1;
                        self.tell(account, &event, |tally| tally.accepted += 1);
                    }
                    Err(why) => {
                        tracing::warn!(%account, bucket = %event.bucket, notification = &*notification.id, why,
                            "an event of a bucket is dropped");
                        delivered.refused += 1;
                        let told = format!("{}: {why}", notification.id).chars().take(DETAIL).collect();
                        self.tell(account, &event, |tally| {
                            tally.refused += 1;
                            tally.last_refusal = Some(told);
                        });
                    }
                }
            }
            delivered.unmeant += u64::from(!is_meant);
        }
        if delivered.unmeant > 0 {
            tracing::debug!(%account, events = delivered.unmeant, "no notification means what a server has told");
            *self.state().unmeant.entry(account).or_default() += delivered.unmeant;
        }
        Ok(delivered)
    }

    /// Calls one function, or says why it is not called.
    async fn call<A, F>(
        &self,
        account: AccountId,
        event: &ObjectEvent,
        notification: &Notification,
        key: &str,
        accept: &A,
    ) -> Result<Result<(), String>, DeliveryError>
    where
        A: Fn(Invocation) -> F,
        F: Future<Output = Result<RequestId, InvokeError>>,
    {
        let function = &notification.function;
        if !self.lets_in(account, &event.bucket, function) {
            return Ok(Err(format!(
                "{function} is not there, or its policy does not let {} in with {}",
                super::S3,
                event.bucket.arn(self.region())
            )));
        }
        let invocation = Invocation {
            function: FunctionReference::from(function.clone()),
            qualifier: None,
            payload: Bytes::from(event.event(notification, key, self.region()).to_string()),
            client_context: None,
            tail: false,
            trace: None,
        };
        match accept(invocation).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.may_pass() => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn tell(&self, account: AccountId, event: &ObjectEvent, change: impl FnOnce(&mut Tally)) {
        let mut state = self.state();
        let key = (account, event.bucket.clone());
        // One that has just been forgotten is not counted any more.
        if state.configurations.contains_key(&key) {
            change(state.tallies.entry(key).or_default());
        }
    }
}
