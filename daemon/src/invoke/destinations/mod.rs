//! Where the results of events go: other functions, log groups, HTTP endpoints, queues, topics and buckets.
//!
//! What is sent is Lambda's record of an invocation ([`record`]), or for a dead-letter target the event itself. A result
//! waits in the queue (`queue/results.rs`) until its destination has taken it.

mod http;
mod log_group;
mod record;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(super) use self::record::{Ending, results};
use super::queue::{EventQueue, LastError, NewEvent, Payload, QueueError};
use crate::{
    clock::SharedClock,
    functions::{Destination, FunctionArn, FunctionRegistry},
    logs::{LogError, LogStore},
    runtime_api::RequestId,
};

/// Why a result is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The function took the event.
    OnSuccess,
    /// It was given up.
    OnFailure,
    /// It was given up, and is sent as it came.
    DeadLetter,
}

impl Purpose {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// A result, before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) target: Destination,
    pub(super) purpose: Purpose,
    pub(super) body: Bytes,
    pub(super) attributes: Vec<(String, String)>,
}

/// The results of one event.
pub(super) type Results = Vec<Outgoing>;

/// A result that waits for its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The invocation that it is of.
    pub id: String,
    /// Whose.
    pub function: FunctionArn,
    /// Where it goes.
    pub target: Destination,
    /// Why.
    pub purpose: Purpose,
    pub(super) body: Payload,
    /// What goes with it beside its body.
    pub(super) attributes: Vec<(String, String)>,
    /// In milliseconds of the queue's clock.
    pub made_at: i64,
    /// How often its destination did not take it.
    pub failures: u32,
    /// What went wrong last.
    pub last_error: Option<LastError>,
}

/// Why a destination did not take a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum DestinationError {
    #[error("{0} is in another account, and takes nothing from this one")]
    OtherAccount(Destination),
    #[error("there is no function {0}")]
    NoFunction(Destination),
    #[error("{0} is no ARN of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME")]
    NoLogGroup(Destination),
    #[error("thawd sends nothing to {service} yet: {target}")]
    Unserved { service: String, target: Destination },
    #[error("the event could not be accepted: {0}")]
    Queue(#[from] QueueError),
    #[error("the log group did not take it: {0}")]
    Log(#[from] LogError),
    #[error("{0} is no address that can be called")]
    NoAddress(Destination),
    #[error("nothing is posted to {host} unless the setting event_http_hosts names it")]
    NotAllowed { host: String },
    #[error("{url} could not be called: {why}")]
    Unreachable { url: String, why: String },
    #[error("{url} answered {status}")]
    Refused { url: String, status: ::http::StatusCode },
}

/// Sends results.
#[derive(Debug)]
pub struct Destinations {
    logs: LogStore,
    clock: SharedClock,
    http: http::Caller,
}

impl Destinations {
    /// Log groups are those of `logs`; endpoints, those at these `HOST:PORT`.
    #[must_use]
    pub fn new(logs: LogStore, clock: SharedClock, http_hosts: Vec<String>) -> Self {
        Self { logs, clock, http: http::Caller::new(http_hosts) }
    }

    /// Sends a result. It is taken when this returns.
    pub(super) async fn send(
        &self,
        queue: &EventQueue,
        registry: &FunctionRegistry,
        result: &Delivery,
        body: Bytes,
    ) -> Result<(), DestinationError> {
        let target = &result.target;
        if target.is_url() {
            return self.http.send(target, result, body).await;
        }
        match target.service() {
            "lambda" => to_function(queue, registry, result, body).await,
            "logs" => log_group::send(&self.logs, &*self.clock, result, body).await,
            service => {
                Err(DestinationError::Unserved { service: service.to_owned(), target: target.clone() })
            }
        }
    }
}

/// Another function's event, accepted like any other.
async fn to_function(
    queue: &EventQueue,
    registry: &FunctionRegistry,
    result: &Delivery,
    payload: Bytes,
) -> Result<(), DestinationError> {
    let target = &result.target;
    let function: FunctionArn =
        target.as_str().parse().map_err(|_| DestinationError::NoFunction(target.clone()))?;
    if function.account != result.function.account {
        return Err(DestinationError::OtherAccount(target.clone()));
    }
    registry
        .of(function.account)
        .find(&function.clone().into(), None)
        .map_err(|_| DestinationError::NoFunction(target.clone()))?;
    let event = NewEvent { id: RequestId::random(), function, payload, client_context: None };
    Ok(queue.accept(event).await?)
}
