//! Streams of Kinesis.

use std::{sync::Arc, time::Duration};

use aws_sdk_kinesis::{
    Client,
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata, SdkError},
    types::{Record as KinesisRecord, ShardIteratorType},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::aws;
use crate::{
    aws_services::AwsEndpoint,
    events::{
        mapping::{Mapping, MappingRegistry, SourceArn, seen_by_patterns},
        poller::{
            record::Record,
            shards::stream::{Keyed, Listing, Page, Place, ReadError, Shard, ShardId, ShardedStream},
            source::SourceError,
        },
    },
};

/// Records of a page. Source: the API's limit.
const PAGE: i32 = 10_000;

/// Shards that are listed at a time. Source: the API's limit.
const SHARDS_PAGE: i32 = 10_000;

/// Shards that a stream may have, with those that are closed and still kept: each that is read takes memory.
const SHARDS_MAX: usize = 10_000;

/// A stream.
#[derive(Clone, Debug)]
pub(crate) struct KinesisStream {
    client: Client,
    mapping: Arc<Mapping>,
    /// Knows the role of the mapping's function.
    mappings: MappingRegistry,
}

/// Whether there is such a stream.
pub(super) async fn is_there(endpoint: &AwsEndpoint, arn: &SourceArn) -> Result<bool, SourceError> {
    let config = endpoint.sdk_config(arn.account(), arn.region().as_str()).map_err(SourceError::new)?;
    let described = Client::new(&config).describe_stream_summary().stream_name(arn.name()).send().await;
    match described {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

impl KinesisStream {
    pub(crate) fn new(
        endpoint: &AwsEndpoint,
        mapping: Arc<Mapping>,
        mappings: MappingRegistry,
    ) -> Result<Self, SourceError> {
        let arn = &mapping.source;
        let config = endpoint.sdk_config(arn.account(), arn.region().as_str()).map_err(SourceError::new)?;
        // How often a shard is read is decided by whoever reads it.
        let config = aws_sdk_kinesis::config::Builder::from(&config).retry_config(RetryConfig::disabled());
        Ok(Self { client: Client::from_conf(config.build()), mapping, mappings })
    }

    fn record(&self, shard: &ShardId, role: Option<&str>, record: KinesisRecord) -> Keyed {
        let KinesisRecord { sequence_number, approximate_arrival_timestamp, data, partition_key, .. } =
            record;
        let key = partition_key.unwrap_or_default();
        let arn = &self.mapping.source;
        let arrived = approximate_arrival_timestamp.as_ref().and_then(aws::moment);
        let event = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key,
                "sequenceNumber": sequence_number,
                "data": STANDARD.encode(&data),
                "approximateArrivalTimestamp": arrived.map(aws::seconds),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{sequence_number}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": arn.region().as_str(),
            "eventSourceARN": arn.to_string(),
        });
        let seen =
            if self.mapping.settings.filters.is_empty() { Value::Null } else { seen(&event, data.as_ref()) };
        Keyed { key, record: Record::new(sequence_number, event, seen, arrived) }
    }
}

impl ShardedStream for KinesisStream {
    const PAYLOAD: Option<&'static str> = Some("data");
    const BATCH_INFO: &'static str = "KinesisBatchInfo";
    const FINDS_TIMES: bool = true;
    // As often as Lambda asks.
    const REST: Duration = Duration::from_secs(1);

    async fn shards(&self) -> Result<Listing, SourceError> {
        let name = self.mapping.source.name();
        let summary = self.client.describe_stream_summary().stream_name(name).send().await.map_err(failed)?;
        let created = summary.stream_description_summary.map(|summary| summary.stream_creation_timestamp);
        let mut shards = Vec::new();
        let mut token = None;
        loop {
            let asking = self.client.list_shards().max_results(SHARDS_PAGE);
            // A token stands for the stream.
            let asking = match token.take() {
                None => asking.stream_name(name),
                Some(token) => asking.next_token(token),
            };
            let listed = asking.send().await.map_err(failed)?;
            for shard in listed.shards.unwrap_or_default() {
                let parents = shard.parent_shard_id.iter().chain(&shard.adjacent_parent_shard_id);
                let parents = parents.map(|id| ShardId::new(id)).collect::<Result<_, _>>()?;
                shards.push(Shard { id: ShardId::new(&shard.shard_id)?, parents });
            }
            if shards.len() > SHARDS_MAX {
                return Err(SourceError::new(format_args!(
                    "Kinesis: the stream has more than {SHARDS_MAX} shards"
                )));
            }
            match listed.next_token.filter(|token| !token.is_empty()) {
                None => break,
                next => token = next,
            }
        }
        let stream = created.map(|created| created.as_nanos().to_string());
        Ok(Listing { stream, shards })
    }

    async fn iterator(&self, shard: &ShardId, place: &Place) -> Result<String, ReadError> {
        let asking = self.client.get_shard_iterator().stream_name(self.mapping.source.name());
        let asking = asking.shard_id(shard.as_str());
        let asking = match place {
            Place::Oldest => asking.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Place::Since(moment) => {
                asking.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(aws::date_time(*moment))
            }
            Place::After(sequence) => asking
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence),
        };
        let found = asking.send().await.map_err(|error| match (place, error.code()) {
            // Only a sequence number that the shard does not know is an argument that it does not take.
            (Place::After(_), Some("InvalidArgumentException")) => ReadError::Trimmed(failed(error)),
            _ => read_error(error),
        })?;
        found.shard_iterator.ok_or_else(|| SourceError::new("Kinesis gives no iterator").into())
    }

    async fn page(&self, shard: &ShardId, iterator: &str) -> Result<Page, ReadError> {
        let read = self.client.get_records().shard_iterator(iterator).limit(PAGE).send().await;
        let read = read.map_err(read_error)?;
        let is_latest = read.millis_behind_latest.map_or(read.records.is_empty(), |behind| behind == 0);
        let role = self.mappings.role_of(&self.mapping);
        let role = role.as_ref().map(|role| role.as_str());
        let records = read.records.into_iter().map(|record| self.record(shard, role, record)).collect();
        Ok(Page { records, next: read.next_shard_iterator, is_latest })
    }
}

/// What patterns are about: what was sent, beside what is around it.
fn seen(event: &Value, data: &[u8]) -> Value {
    let mut seen = event.clone();
    if let (Some(seen), Some(members)) = (seen.as_object_mut(), event["kinesis"].as_object()) {
        seen.extend(members.clone());
    }
    seen["data"] = seen_by_patterns(&String::from_utf8_lossy(data));
    seen
}

fn read_error<E: ProvideErrorMetadata + std::error::Error + 'static>(error: SdkError<E>) -> ReadError {
    match error.code() {
        Some("ExpiredIteratorException") => ReadError::Expired,
        Some(
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "ThrottlingException",
        ) => ReadError::Throttled(failed(error)),
        _ => ReadError::Failed(failed(error)),
    }
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(error: SdkError<E>) -> SourceError {
    aws::failed("Kinesis", &error)
}
