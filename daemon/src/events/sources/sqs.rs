//! Queues of SQS.
//!
//! A queue hides a message that it has given out for its visibility time-out, and gives it again after that, unless it is
//! deleted: so `done` deletes, and nothing is to be kept here. Of a FIFO queue's groups, nothing is given out as long as
//! something of them is hidden: which keeps their order, however many workers there are.
//!
//! A queue that is asked to wait for messages can't be told that nobody waits any more: it gives what comes to the request that
//! it has, and hides it. So each request is a task of its own, whose answer is awaited also when nobody wants it any more
//! ([`Source::finish`]), and what it brings is shown again at once ([`Source::give_back`]). Nothing is shown while another
//! worker of the same mapping still asks: it would get it, and give it back in its turn, and a queue that counts how often a
//! message was received has it among the dead letters before any function has seen it. What is shown again of a FIFO queue's
//! group, it gives in its order: before all of it is shown, it gives nothing of the group.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::receive_message::ReceiveMessageError,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::aws;
use crate::{
    aws_services::AwsEndpoint,
    events::{
        mapping::{SourceArn, seen_by_patterns},
        poller::{
            record::Record,
            source::{Source, SourceError},
        },
    },
};

/// Messages that SQS gives, deletes or shows again at a time, at most.
const MESSAGES: usize = 10;

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    client: Client,
    arn: SourceArn,
    /// Once it was asked for.
    url: Option<String>,
    /// Its messages are gathered over a batching window.
    is_gathered: bool,
    /// The request for messages that is under way.
    receiving: Option<AbortOnDropHandle<Result<Vec<Message>, SdkError<ReceiveMessageError>>>>,
    /// Those of all workers of the mapping.
    receives: TaskTracker,
}

impl Queue {
    pub(crate) fn new(endpoint: &AwsEndpoint, arn: &SourceArn) -> Result<Self, SourceError> {
        let config = endpoint.sdk_config(arn.account(), arn.region().as_str()).map_err(SourceError::new)?;
        Ok(Self::of(Client::new(&config), arn.clone()))
    }

    fn of(client: Client, arn: SourceArn) -> Self {
        Self { client, arn, url: None, is_gathered: false, receiving: None, receives: TaskTracker::new() }
    }

    /// The queue for one of a mapping's workers, whose requests for messages are all among these.
    pub(crate) fn among(self, receives: TaskTracker) -> Self {
        Self { receives, ..self }
    }

    /// The queue for a mapping with a batching window of so many seconds.
    pub(crate) fn with_window(self, seconds: u32) -> Self {
        Self { is_gathered: seconds > 0, ..self }
    }

    /// For how long it hides a message that it has given, in seconds; `None` if there is no such queue.
    pub(super) async fn visibility_timeout(&mut self) -> Result<Option<u32>, SourceError> {
        const NAME: QueueAttributeName = QueueAttributeName::VisibilityTimeout;
        let found = self.client.get_queue_url().queue_name(self.arn.name()).send().await;
        let url = match found {
            Ok(found) => found.queue_url,
            Err(SdkError::ServiceError(error)) if error.err().is_queue_does_not_exist() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let asking = self.client.get_queue_attributes().set_queue_url(url).attribute_names(NAME);
        let attributes = match asking.send().await {
            Ok(found) => found.attributes.unwrap_or_default(),
            Err(SdkError::ServiceError(error)) if error.err().is_queue_does_not_exist() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let seconds = attributes.get(&NAME).and_then(|text| text.parse().ok());
        seconds.map(Some).ok_or_else(|| SourceError::new("SQS does not tell the queue's visibility time-out"))
    }

    async fn url(&mut self) -> Result<String, SourceError> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let found = self.client.get_queue_url().queue_name(self.arn.name()).send().await;
        let found = found.map_err(|error| self.failed(error))?;
        let url = found.queue_url.ok_or_else(|| SourceError::new("SQS does not tell the queue's URL"))?;
        self.url = Some(url.clone());
        Ok(url)
    }

    /// A queue that was deleted and made again has another URL, perhaps.
    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
        &mut self,
        error: SdkError<E>,
    ) -> SourceError {
        self.url = None;
        aws::failed("SQS", &error)
    }

    /// Begins to ask for messages.
    fn receive(
        &self,
        url: String,
        most: i32,
        seconds: i32,
    ) -> AbortOnDropHandle<Result<Vec<Message>, SdkError<ReceiveMessageError>>> {
        let asking = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(most)
            .wait_time_seconds(seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        AbortOnDropHandle::new(
            self.receives.spawn(async move { Ok(asking.send().await?.messages.unwrap_or_default()) }),
        )
    }

    /// The messages of the request that is under way, if there is one. May be dropped, and called again.
    async fn received(&mut self) -> Result<Vec<Message>, SourceError> {
        let Some(receiving) = &mut self.receiving else { return Ok(Vec::new()) };
        let received = receiving.await;
        self.receiving = None;
        received.map_err(SourceError::new)?.map_err(|error| self.failed(error))
    }

    /// Whether a request for several messages was done with all of them. One that has been given out again meanwhile is not this
    /// worker's any more: whoever has it now decides.
    fn checked(&self, failed: Vec<BatchResultErrorEntry>, what: &str) -> Result<(), SourceError> {
        for failed in failed {
            if !failed.sender_fault {
                return Err(SourceError::new(format_args!("SQS does not {what} a message: {}", failed.code)));
            }
            tracing::warn!(queue = %self.arn, code = failed.code, what,
                "a message has been given out again meanwhile, and may come twice");
        }
        Ok(())
    }

    fn record(&self, message: Message) -> Option<Record> {
        let id = message.message_id?;
        let body = message.body.unwrap_or_default();
        let attributes = message.attributes.unwrap_or_default();
        let arrived = attributes
            .get(&MessageSystemAttributeName::SentTimestamp)
            .and_then(|millis| millis.parse::<i128>().ok())
            .and_then(|millis| OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).ok());
        let attributes: Map<String, Value> =
            attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value.into())).collect();
        let of_sender: Map<String, Value> = message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, attribute(&value)))
            .collect();
        let mut event = json!({
            "messageId": id,
            "receiptHandle": message.receipt_handle,
            "body": body,
            "attributes": attributes,
            "messageAttributes": of_sender,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn.to_string(),
            "awsRegion": self.arn.region().as_str(),
        });
        // Where Lambda gathers messages over a window it tells also that there is none.
        if message.md5_of_message_attributes.is_some() || self.is_gathered {
            event["md5OfMessageAttributes"] = message.md5_of_message_attributes.into();
        }
        let mut seen = event.clone();
        seen["body"] = seen_by_patterns(&body);
        Some(Record::new(id, event, seen, arrived))
    }
}

impl Source for Queue {
    const PAYLOAD: Option<&'static str> = Some("body");
    const BATCH_INFO: &'static str = "SqsBatchInfo";

    async fn read(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, SourceError> {
        let seconds = i32::try_from(wait.as_secs().min(20)).unwrap_or_default();
        if self.receiving.is_none() {
            let url = self.url().await?;
            let most = i32::try_from(limit.clamp(1, MESSAGES)).unwrap_or(1);
            self.receiving = Some(self.receive(url, most, seconds));
        }
        let messages = self.received().await?;
        if messages.is_empty() && seconds == 0 {
            // SQS waits for whole seconds only.
            tokio::time::sleep(wait).await;
        }
        Ok(messages.into_iter().filter_map(|message| self.record(message)).collect())
    }

    async fn done(&mut self, records: &[Record]) -> Result<(), SourceError> {
        let url = self.url().await?;
        for some in records.chunks(MESSAGES) {
            let entries = entries(some, |id, handle| {
                DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build()
            })?;
            let deleting = self.client.delete_message_batch().queue_url(&url);
            let deleted = deleting.set_entries(Some(entries)).send().await;
            let deleted = deleted.map_err(|error| self.failed(error))?;
            self.checked(deleted.failed, "delete")?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Vec<Record>, SourceError> {
        let received = self.received().await;
        self.receives.close();
        self.receives.wait().await;
        Ok(received?.into_iter().filter_map(|message| self.record(message)).collect())
    }

    async fn give_back(&mut self, records: &[Record]) -> Result<(), SourceError> {
        if records.is_empty() {
            return Ok(());
        }
        let url = self.url().await?;
        for some in records.chunks(MESSAGES) {
            let entries = entries(some, |id, handle| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder();
                entry.id(id).receipt_handle(handle).visibility_timeout(0).build()
            })?;
            let showing = self.client.change_message_visibility_batch().queue_url(&url);
            let shown = showing.set_entries(Some(entries)).send().await;
            let shown = shown.map_err(|error| self.failed(error))?;
            self.checked(shown.failed, "show again")?;
        }
        tracing::debug!(queue = %self.arn, messages = records.len(), "messages are given back");
        Ok(())
    }
}

/// The entries of a request for several messages: each of an id in it, and of what the queue knows the message by.
fn entries<E>(
    records: &[Record],
    entry: impl Fn(String, &str) -> Result<E, BuildError>,
) -> Result<Vec<E>, SourceError> {
    let handle = |record: &Record| record.event["receiptHandle"].as_str().unwrap_or_default().to_owned();
    let entries = records.iter().enumerate().map(|(at, record)| entry(at.to_string(), &handle(record)));
    entries.collect::<Result<_, _>>().map_err(SourceError::new)
}

/// An attribute that the sender gave a message, as Lambda's events have it.
fn attribute(value: &MessageAttributeValue) -> Value {
    let encode = |blob: &aws_sdk_sqs::primitives::Blob| STANDARD.encode(blob);
    let mut attribute = json!({
        "stringListValues": value.string_list_values(),
        "binaryListValues": value.binary_list_values().iter().map(encode).collect::<Vec<_>>(),
        "dataType": value.data_type(),
    });
    if let Some(text) = value.string_value() {
        attribute["stringValue"] = text.into();
    }
    if let Some(blob) = value.binary_value() {
        attribute["binaryValue"] = encode(blob).into();
    }
    attribute
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::{BehaviorVersion, Config};

    use super::*;

    #[test]
    fn a_digest_of_no_attributes_is_told_only_of_what_was_gathered() {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        let arn = "arn:aws:sqs:us-east-1:000000000000:orders".parse().unwrap();
        let queue = Queue::of(Client::from_conf(config), arn);
        let message = |digest: Option<&str>| {
            let message = Message::builder().message_id("1").body("{}");
            message.set_md5_of_message_attributes(digest.map(str::to_owned)).build()
        };
        let told = |queue: &Queue, digest| {
            queue.record(message(digest)).unwrap().event.get("md5OfMessageAttributes").cloned()
        };
        assert_eq!((told(&queue, None), told(&queue, Some("d"))), (None, Some("d".into())));
        let queue = queue.with_window(1);
        assert_eq!((told(&queue, None), told(&queue, Some("d"))), (Some(Value::Null), Some("d".into())));
    }
}
