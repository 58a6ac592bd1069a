//! The streams of DynamoDB's tables.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodbstreams::{
    Client,
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata, SdkError},
    types::{AttributeValue, Record as TableRecord, ShardIteratorType, StreamRecord},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::aws;
use crate::{
    aws_services::AwsEndpoint,
    events::{
        mapping::{Mapping, SourceArn},
        poller::{
            record::Record,
            shards::stream::{Keyed, Listing, Page, Place, ReadError, Shard, ShardId, ShardedStream},
            source::SourceError,
        },
    },
};

/// Records of a page. Source: the API's limit.
const PAGE: i32 = 1000;

/// Shards that a stream may have, with those that are closed and still kept: each that is read takes memory.
const SHARDS_MAX: usize = 10_000;

/// A table's stream. Its ARN has the time when it was made: another stream of the same table has another ARN.
#[derive(Clone, Debug)]
pub(crate) struct TableStream {
    client: Client,
    mapping: Arc<Mapping>,
}

/// Whether there is such a stream.
pub(super) async fn is_there(endpoint: &AwsEndpoint, arn: &SourceArn) -> Result<bool, SourceError> {
    let config = endpoint.sdk_config(arn.account(), arn.region().as_str()).map_err(SourceError::new)?;
    let described = Client::new(&config).describe_stream().stream_arn(arn.to_string()).limit(1).send().await;
    match described {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

impl TableStream {
    pub(crate) fn new(endpoint: &AwsEndpoint, mapping: Arc<Mapping>) -> Result<Self, SourceError> {
        let arn = &mapping.source;
        let config = endpoint.sdk_config(arn.account(), arn.region().as_str()).map_err(SourceError::new)?;
        // How often a shard is read is decided by whoever reads it.
        let config =
            aws_sdk_dynamodbstreams::config::Builder::from(&config).retry_config(RetryConfig::disabled());
        Ok(Self { client: Client::from_conf(config.build()), mapping })
    }

    fn record(&self, record: TableRecord) -> Result<Keyed, SourceError> {
        let change = record.dynamodb.unwrap_or_else(|| StreamRecord::builder().build());
        let sequence = change
            .sequence_number
            .ok_or_else(|| SourceError::new("DynamoDB gives a record without a sequence number"))?;
        let keys = change.keys.map(attributes);
        // The names of attributes are ordered in it.
        let key = keys.as_ref().map(Value::to_string).unwrap_or_default();
        let arrived = change.approximate_creation_date_time.as_ref().and_then(aws::moment);
        let mut dynamodb = Map::new();
        let mut set = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                dynamodb.insert(member.to_owned(), value);
            }
        };
        set("ApproximateCreationDateTime", arrived.map(seconds));
        set("Keys", keys);
        set("NewImage", change.new_image.map(attributes));
        set("OldImage", change.old_image.map(attributes));
        set("SequenceNumber", Some(sequence.clone().into()));
        set("SizeBytes", change.size_bytes.map(Value::from));
        set("StreamViewType", change.stream_view_type.map(|view| view.as_str().into()));
        let mut event = json!({
            "eventID": record.event_id,
            "eventName": record.event_name.map(|name| name.as_str().to_owned()),
            "eventVersion": record.event_version.unwrap_or_else(|| "1.1".to_owned()),
            "eventSource": "aws:dynamodb",
            "awsRegion": self.mapping.source.region().as_str(),
            "dynamodb": dynamodb,
            "eventSourceARN": self.mapping.source.to_string(),
        });
        // That an item has outlived its time is told by who has removed it.
        if let Some(identity) = record.user_identity {
            event["userIdentity"] = json!({ "type": identity.r#type, "principalId": identity.principal_id });
        }
        let seen = if self.mapping.settings.filters.is_empty() { Value::Null } else { event.clone() };
        Ok(Keyed { key, record: Record::new(sequence, event, seen, arrived) })
    }
}

impl ShardedStream for TableStream {
    const PAYLOAD: Option<&'static str> = None;
    const BATCH_INFO: &'static str = "DDBStreamBatchInfo";
    const FINDS_TIMES: bool = false;
    // As often as Lambda asks.
    const REST: Duration = Duration::from_millis(250);

    async fn shards(&self) -> Result<Listing, SourceError> {
        let mut shards = Vec::new();
        let mut after = None;
        loop {
            let asking = self.client.describe_stream().stream_arn(self.mapping.source.to_string());
            let described = asking.set_exclusive_start_shard_id(after.take()).send().await.map_err(failed)?;
            let Some(stream) = described.stream_description else { break };
            let listed = stream.shards.unwrap_or_default();
            let came = !listed.is_empty();
            for shard in listed {
                let parents = shard.parent_shard_id.iter().map(|id| ShardId::new(id));
                let parents = parents.collect::<Result<_, _>>()?;
                shards.push(Shard {
                    id: ShardId::new(shard.shard_id.as_deref().unwrap_or_default())?,
                    parents,
                });
            }
            if shards.len() > SHARDS_MAX {
                let told = format_args!("DynamoDB: the stream has more than {SHARDS_MAX} shards");
                return Err(SourceError::new(told));
            }
            match stream.last_evaluated_shard_id {
                Some(last) if came => after = Some(last),
                _ => break,
            }
        }
        Ok(Listing { stream: None, shards })
    }

    async fn iterator(&self, shard: &ShardId, place: &Place) -> Result<String, ReadError> {
        let asking = self
            .client
            .get_shard_iterator()
            .stream_arn(self.mapping.source.to_string())
            .shard_id(shard.as_str());
        let asking = match place {
            Place::Oldest | Place::Since(_) => asking.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Place::After(sequence) => {
                asking.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
            }
        };
        let found = asking.send().await.map_err(read_error)?;
        found.shard_iterator.ok_or_else(|| SourceError::new("DynamoDB gives no iterator").into())
    }

    async fn page(&self, _: &ShardId, iterator: &str) -> Result<Page, ReadError> {
        let read = self.client.get_records().shard_iterator(iterator).limit(PAGE).send().await;
        let read = read.map_err(read_error)?;
        let records = read.records.unwrap_or_default().into_iter().map(|record| self.record(record));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let is_latest = records.is_empty();
        Ok(Page { records, next: read.next_shard_iterator, is_latest })
    }
}

fn read_error<E: ProvideErrorMetadata + std::error::Error + 'static>(error: SdkError<E>) -> ReadError {
    match error.code() {
        Some("ExpiredIteratorException") => ReadError::Expired,
        Some("TrimmedDataAccessException") => ReadError::Trimmed(failed(error)),
        Some("LimitExceededException" | "ProvisionedThroughputExceededException" | "ThrottlingException") => {
            ReadError::Throttled(failed(error))
        }
        _ => ReadError::Failed(failed(error)),
    }
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(error: SdkError<E>) -> SourceError {
    aws::failed("DynamoDB", &error)
}

/// Seconds, which are whole where DynamoDB tells no more than that.
fn seconds(moment: time::OffsetDateTime) -> Value {
    if moment.millisecond() == 0 { moment.unix_timestamp().into() } else { aws::seconds(moment).into() }
}

fn attributes(attributes: HashMap<String, AttributeValue>) -> Value {
    attributes.into_iter().map(|(name, value)| (name, attribute(value))).collect::<Map<_, _>>().into()
}

/// A value with its type, as DynamoDB writes it.
fn attribute(value: AttributeValue) -> Value {
    let encode = |blob: aws_sdk_dynamodbstreams::primitives::Blob| STANDARD.encode(blob);
    match value {
        AttributeValue::B(blob) => json!({ "B": encode(blob) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.into_iter().map(encode).collect::<Vec<_>>() }),
        AttributeValue::L(values) => json!({ "L": values.into_iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(values) => json!({ "M": attributes(values) }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        // A type that is newer than this client.
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::primitives::Blob;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn values_are_written_as_dynamodb_writes_them() {
        let bytes = || Blob::new([0xff, 0xff]);
        let values = HashMap::from([
            ("b".to_owned(), AttributeValue::B(bytes())),
            ("bs".to_owned(), AttributeValue::Bs(vec![bytes()])),
            ("n".to_owned(), AttributeValue::N("12.50".to_owned())),
            ("ns".to_owned(), AttributeValue::Ns(vec!["1".to_owned()])),
            ("ss".to_owned(), AttributeValue::Ss(vec!["x".to_owned()])),
            ("bool".to_owned(), AttributeValue::Bool(false)),
            ("null".to_owned(), AttributeValue::Null(true)),
            (
                "m".to_owned(),
                AttributeValue::M(HashMap::from([(
                    "l".to_owned(),
                    AttributeValue::L(vec![AttributeValue::S("y".to_owned())]),
                )])),
            ),
        ]);
        assert_eq!(
            attributes(values),
            json!({
                "b": { "B": "//8=" },
                "bs": { "BS": ["//8="] },
                "n": { "N": "12.50" },
                "ns": { "NS": ["1"] },
                "ss": { "SS": ["x"] },
                "bool": { "BOOL": false },
                "null": { "NULL": true },
                "m": { "M": { "l": { "L": [{ "S": "y" }] } } },
            })
        );
    }

    #[test]
    fn a_time_in_whole_seconds_is_a_whole_number() {
        let moment = OffsetDateTime::from_unix_timestamp(1_479_499_740).unwrap();
        assert_eq!(seconds(moment).to_string(), "1479499740");
        assert_eq!(seconds(moment + Duration::from_millis(500)).to_string(), "1479499740.5");
    }
}
