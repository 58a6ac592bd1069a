//! A queue of SQS as a destination: one message a result.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_sqs::{
    Client,
    types::{
        MessageAttributeValue, MessageSystemAttributeNameForSends as SystemAttribute,
        MessageSystemAttributeValue,
    },
};

use super::{Attribute, Delivery, DestinationError, config, own, refusal};
use crate::{aws_services::AwsEndpoint, functions::Destination};

/// The most bytes of a message with its attributes. Source: SQS's quotas.
pub(super) const LARGEST: usize = 1_048_576;

/// How many queues' URLs are known at once.
const KNOWN: usize = 1_000;

/// Sends to queues.
#[derive(Debug)]
pub(super) struct Queues {
    endpoint: Option<AwsEndpoint>,
    /// URLs of queues that were asked for.
    urls: Mutex<HashMap<Destination, String>>,
}

impl Queues {
    pub(super) fn new(endpoint: Option<AwsEndpoint>) -> Self {
        Self { endpoint, urls: Mutex::default() }
    }

    /// Sends a result.
    pub(super) async fn send(&self, result: &Delivery, body: String) -> Result<(), DestinationError> {
        let endpoint = self.endpoint.as_ref().ok_or(DestinationError::NoSetting("sqs_endpoint"))?;
        let (target, arn) = (&result.target, own(result)?);
        let client = Client::new(&config(endpoint, result, arn.region)?);
        let url = match self.known(target) {
            Some(url) => url,
            None => {
                let found = client.get_queue_url().queue_name(arn.resource).send().await;
                let url = found.map_err(|error| refusal("SQS", error))?.queue_url;
                let url = url.ok_or_else(|| DestinationError::NoQueue(target.clone()))?;
                self.note(target, &url);
                url
            }
        };
        let mut message = client.send_message().queue_url(url).message_body(body);
        for attribute in result.attributes() {
            message = message.message_attributes(attribute.name, value(&attribute)?);
        }
        if let Some(trace) = &result.trace {
            let value = MessageSystemAttributeValue::builder().data_type("String");
            let value = value.string_value(trace.to_string()).build();
            let value = value
                .map_err(|error| DestinationError::Service { service: "SQS", why: error.to_string() })?;
            message = message.message_system_attributes(SystemAttribute::AwsTraceHeader, value);
        }
        message.send().await.map(drop).map_err(|error| {
            // A queue that was deleted and made again has another URL, perhaps.
            self.lock().remove(target);
            refusal("SQS", error)
        })
    }

    fn known(&self, target: &Destination) -> Option<String> {
        self.lock().get(target).cloned()
    }

    fn note(&self, target: &Destination, url: &str) {
        let mut urls = self.lock();
        if urls.len() >= KNOWN {
            urls.clear();
        }
        urls.insert(target.clone(), url.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Destination, String>> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value(attribute: &Attribute<'_>) -> Result<MessageAttributeValue, DestinationError> {
    let value = MessageAttributeValue::builder().data_type(attribute.kind.as_str());
    let value = value.string_value(&attribute.value).build();
    value.map_err(|error| DestinationError::Service { service: "SQS", why: error.to_string() })
}
