//! Where results go: other functions, log groups, HTTP endpoints, queues, topics and buckets.
//!
//! What is sent is Lambda's record of an invocation ([`record`]), or for a dead-letter target the event itself; and what
//! pollers tell of records that they gave up. A result waits in the queue (`queue/results.rs`) until its destination has
//! taken it: this is the one place that sends.
//!
//! An account's results go to what is its own, by its own credential. Each is sent at least once; once, unless the daemon
//! dies or the connection breaks between the taking and the hearing of it.

mod bucket;
mod delivery;
mod fitting;
mod http;
mod log_group;
mod record;
mod sns;
mod sqs;

use std::{error::Error, fmt::Debug};

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::{
    error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata},
    retry::RetryConfig,
};
use aws_types::SdkConfig;
use bytes::Bytes;

pub use self::delivery::{Delivery, Origin, Purpose};
use self::{delivery::Attribute, sqs::Queues};
pub(super) use self::{
    delivery::{Outgoing, Results},
    record::{Ending, results},
};
use super::{
    EVENT_LIMIT,
    queue::{EventQueue, NewEvent, QueueError},
};
use crate::{
    aws_services::{AwsEndpoint, AwsEndpoints, NoCredential, S3Client, S3Error},
    clock::SharedClock,
    functions::{Destination, DestinationArn, FunctionArn, FunctionRegistry},
    logs::{LogError, LogStore, MESSAGE_MAX_BYTES},
    runtime_api::RequestId,
    web_client::{Unreachable, WebClient},
};

/// Why a destination did not take a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum DestinationError {
    #[error("{0} is in another account, and takes nothing from this one")]
    OtherAccount(Destination),
    #[error("there is no function {0}")]
    NoFunction(Destination),
    #[error("{0} is no ARN of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME")]
    NoLogGroup(Destination),
    #[error("{0} is no ARN of a bucket: arn:aws:s3:::BUCKET")]
    NoBucket(Destination),
    #[error("SQS does not tell the URL of {0}")]
    NoQueue(Destination),
    #[error("thawd sends nothing to {service}: {target}")]
    Unserved { service: String, target: Destination },
    #[error("the setting {0} is missing, which says where the service is")]
    NoSetting(&'static str),
    #[error(transparent)]
    NoCredential(#[from] NoCredential),
    #[error("the event could not be accepted: {0}")]
    Queue(#[from] QueueError),
    #[error("the log group did not take it: {0}")]
    Log(#[from] LogError),
    #[error("{0} is no address that can be called")]
    NoAddress(Destination),
    #[error("nothing is posted to {host} unless the setting event_http_hosts names it")]
    NotAllowed { host: String },
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    S3(#[from] S3Error),
    #[error("{url} answered {answer}")]
    Refused { url: String, answer: String },
    #[error("{service}: {why}")]
    Service { service: &'static str, why: String },
}

/// Sends results.
#[derive(Debug)]
pub struct Destinations {
    logs: LogStore,
    clock: SharedClock,
    client: WebClient,
    http_hosts: Vec<String>,
    queues: Queues,
    sns: Option<AwsEndpoint>,
    s3: Option<S3Client>,
}

impl Destinations {
    /// Log groups are those of `logs`; endpoints, those at these `HOST:PORT`; queues, topics and buckets, those of `services`.
    #[must_use]
    pub fn new(logs: LogStore, clock: SharedClock, http_hosts: Vec<String>, services: &AwsEndpoints) -> Self {
        Self {
            logs,
            clock,
            client: services.web.clone(),
            http_hosts,
            queues: Queues::new(services.sqs.clone()),
            sns: services.sns.clone(),
            s3: services.s3.clone(),
        }
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
            return http::send(&self.client, &self.http_hosts, target, result, body).await;
        }
        match target.service() {
            "lambda" => {
                to_function(queue, registry, result, fitting::within(result, body, EVENT_LIMIT)).await
            }
            "logs" => {
                let body = fitting::within(result, body, MESSAGE_MAX_BYTES);
                log_group::send(&self.logs, &*self.clock, result, body).await
            }
            "sqs" => self.queues.send(result, text(fitting::within(result, body, sqs::LARGEST))).await,
            "sns" => {
                sns::send(self.sns.as_ref(), result, text(fitting::within(result, body, sns::LARGEST))).await
            }
            "s3" => bucket::send(self.s3.as_ref(), result, body, self.clock.now()).await,
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
    let trace = result.trace.clone().unwrap_or_default();
    let event = NewEvent { id: RequestId::random(), function, payload, client_context: None, trace };
    Ok(queue.accept(event).await?)
}

/// The parts of a queue's or topic's ARN, if it is of the result's account.
fn own(result: &Delivery) -> Result<DestinationArn<'_>, DestinationError> {
    let other = || DestinationError::OtherAccount(result.target.clone());
    let arn = result.target.arn().ok_or_else(other)?;
    if arn.account == result.function.account.to_string() { Ok(arn) } else { Err(other()) }
}

/// What a client is made of that tries once: the queue tries again, and knows how often.
fn config(endpoint: &AwsEndpoint, result: &Delivery, region: &str) -> Result<SdkConfig, NoCredential> {
    let config = endpoint.sdk_config(result.function.account, region)?;
    Ok(config.to_builder().retry_config(RetryConfig::disabled()).build())
}

/// What a service said, or why it said nothing.
fn refusal<E, R>(service: &'static str, error: SdkError<E, R>) -> DestinationError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug,
{
    let why = match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
        (None, _) => DisplayErrorContext(&error).to_string(),
    };
    DestinationError::Service { service, why }
}

/// A body as a text, which JSON is.
fn text(body: Bytes) -> String {
    String::from_utf8_lossy(&body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoke::queue::Payload;

    /// A result of event `e1` of function `f`.
    pub(super) fn delivery(target: &str, purpose: Purpose) -> Delivery {
        Delivery {
            id: "e1".into(),
            function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            target: target.parse().unwrap(),
            purpose,
            origin: Origin::Event,
            body: Payload::Inline("{}".into()),
            attributes: Vec::new(),
            trace: None,
            made_at: 0,
            failures: 0,
            last_error: None,
        }
    }

    #[test]
    fn what_is_of_another_account_takes_nothing() {
        let own_queue = delivery("arn:aws:sqs:us-east-1:000000000000:q", Purpose::OnSuccess);
        assert_eq!(own(&own_queue).unwrap().resource, "q");
        for other in ["arn:aws:sqs:us-east-1:111111111111:q", "arn:aws:sns:us-east-1::t"] {
            let other = delivery(other, Purpose::OnSuccess);
            assert!(matches!(own(&other), Err(DestinationError::OtherAccount(_))));
        }
    }
}
