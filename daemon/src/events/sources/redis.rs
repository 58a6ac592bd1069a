//! Streams of Redis, read by a consumer group of the mapping's own.
//!
//! Redis keeps what each group was given and has not acknowledged (its pending entries), so there is nothing to keep here:
//! `done` is XACK. A mapping's group has one consumer, always of the same name. What was given to it and lost on the way,
//! because the connection broke or this process died, it asks for again ([`Reading::Pending`]) before it asks for anything
//! new; so nothing has to be claimed from other consumers.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, RedisError, Value,
    aio::MultiplexedConnection,
    streams::{StreamId, StreamReadOptions, StreamReadReply},
};
use serde_json::{Map, Value as Json, json};
use time::OffsetDateTime;

use crate::events::{
    mapping::{Mapping, SourceArn, StartingPosition, seen_by_patterns},
    poller::{
        record::Record,
        source::{Positioned, Source, SourceError},
    },
};

/// The one consumer of a mapping's group.
const CONSUMER: &str = "thawd";

/// How long Redis may take to answer what it does not wait with.
const PATIENCE: Duration = Duration::from_secs(10);

/// Before the first entry that there may be.
const BEGINNING: &str = "0";

/// A stream.
#[derive(Debug)]
pub(crate) struct RedisStream {
    url: String,
    arn: SourceArn,
    group: String,
    /// Where the group begins, if it is made now.
    beginning: String,
    connection: Option<MultiplexedConnection>,
    reading: Reading,
    /// What was read and is not done.
    held: HashSet<String>,
}

/// What is read next.
#[derive(Clone, Debug)]
enum Reading {
    /// What was given before, after this entry.
    Pending(String),
    /// What is new.
    New,
}

impl RedisStream {
    /// The stream of a mapping. `has_begun` says that the group was made before: then one that is not there any more is made
    /// anew from the beginning, lest something that came meanwhile is missed.
    pub(crate) fn new(url: &str, mapping: &Mapping, position: StartingPosition, has_begun: bool) -> Self {
        let beginning = match position {
            _ if has_begun => BEGINNING.to_owned(),
            StartingPosition::TrimHorizon => BEGINNING.to_owned(),
            StartingPosition::Latest => "$".to_owned(),
            StartingPosition::AtTimestamp(moment) => before(moment),
        };
        Self {
            url: url.to_owned(),
            arn: mapping.source.clone(),
            group: format!("thaw-{}", mapping.id),
            beginning,
            connection: None,
            reading: Reading::Pending(BEGINNING.to_owned()),
            held: HashSet::new(),
        }
    }

    async fn connection(&mut self) -> Result<MultiplexedConnection, SourceError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        // A read waits for as long as it is told to; a connection that is gone is noticed after that and a little.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = Client::open(self.url.as_str()).map_err(|error| self.failed(error))?;
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.failed(error))?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// What an answer got lost with is asked for again.
    fn failed(&mut self, error: RedisError) -> SourceError {
        self.connection = None;
        self.reading = Reading::Pending(BEGINNING.to_owned());
        // The error's text may have an address, and never the password.
        SourceError::new(format_args!("Redis: {error}"))
    }

    async fn read_once(&mut self, limit: usize, wait: Duration) -> Result<Vec<StreamId>, SourceError> {
        let mut connection = self.connection().await?;
        let options = StreamReadOptions::default().group(&self.group, CONSUMER).count(limit);
        let (from, options) = match &self.reading {
            Reading::Pending(after) => (after.clone(), options),
            // 0 would wait for ever.
            Reading::New if wait.is_zero() => (">".to_owned(), options),
            Reading::New => {
                let millis = wait.min(PATIENCE / 2).as_millis().max(1);
                (">".to_owned(), options.block(usize::try_from(millis).unwrap_or(usize::MAX)))
            }
        };
        let reply: Result<Option<StreamReadReply>, RedisError> =
            connection.xread_options(&[self.arn.name()], &[&from], &options).await;
        match reply {
            Ok(reply) => Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect()),
            Err(error) if is_no_group(&error) => {
                // The stream was deleted, or Redis came back without what it had.
                self.held.clear();
                self.begin().await?;
                Ok(Vec::new())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn record(&self, entry: StreamId) -> Record {
        let millis = entry.id.split('-').next().and_then(|millis| millis.parse::<i64>().ok());
        let arrived = millis.and_then(|millis| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
        });
        let (fields, binary) = fields(entry.map);
        let seen = fields
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().map_or(Json::Null, seen_by_patterns)));
        let seen: Map<String, Json> = seen.collect();
        let mut redis = json!({
            "stream": self.arn.name(),
            "id": entry.id,
            "timestamp": millis,
            "fields": fields,
        });
        if !binary.is_empty() {
            redis["base64Fields"] = Json::Object(binary);
        }
        let event = json!({
            "eventID": format!("{}:{}", self.arn.name(), entry.id),
            "eventName": "redis:stream:entry",
            "eventVersion": "1.0",
            "eventSource": "redis",
            "awsRegion": self.arn.region().as_str(),
            "eventSourceARN": self.arn.to_string(),
            "redis": redis,
        });
        let mut view = event.clone();
        view["data"] = Json::Object(seen);
        Record::new(entry.id, event, view, arrived)
    }
}

impl Source for RedisStream {
    const PAYLOAD: Option<&'static str> = None;
    const BATCH_INFO: &'static str = "RedisStreamBatchInfo";

    async fn read(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, SourceError> {
        loop {
            let entries = self.read_once(limit, wait).await?;
            if let Reading::Pending(after) = &mut self.reading {
                match entries.last() {
                    Some(last) => *after = last.id.clone(),
                    None => {
                        self.reading = Reading::New;
                        continue;
                    }
                }
            }
            // What was deleted from the stream meanwhile has no fields any more.
            let (gone, found): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.map.is_empty());
            let gone: Vec<String> = gone.into_iter().map(|entry| entry.id).collect();
            self.acknowledge(&gone).await?;
            let new: Vec<StreamId> =
                found.into_iter().filter(|entry| self.held.insert(entry.id.clone())).collect();
            if new.is_empty() && matches!(self.reading, Reading::Pending(_)) {
                continue;
            }
            return Ok(new.into_iter().map(|entry| self.record(entry)).collect());
        }
    }

    async fn done(&mut self, records: &[Record]) -> Result<(), SourceError> {
        let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        self.acknowledge(&ids).await?;
        for id in &ids {
            self.held.remove(id);
        }
        Ok(())
    }
}

impl Positioned for RedisStream {
    async fn begin(&mut self) -> Result<(), SourceError> {
        let mut connection = self.connection().await?;
        let made: Result<String, RedisError> =
            connection.xgroup_create_mkstream(self.arn.name(), &self.group, &self.beginning).await;
        self.beginning = BEGINNING.to_owned();
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn forget(&mut self) -> Result<(), SourceError> {
        let mut connection = self.connection().await?;
        let removed: Result<i64, RedisError> = connection.xgroup_destroy(self.arn.name(), &self.group).await;
        removed.map(drop).map_err(|error| self.failed(error))
    }
}

impl RedisStream {
    async fn acknowledge(&mut self, ids: &[String]) -> Result<(), SourceError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut connection = self.connection().await?;
        let acknowledged: Result<i64, RedisError> = connection.xack(self.arn.name(), &self.group, ids).await;
        acknowledged.map(drop).map_err(|error| self.failed(error))
    }
}

fn is_no_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

/// The last id before a moment.
fn before(moment: OffsetDateTime) -> String {
    let millis = (moment.unix_timestamp_nanos() / 1_000_000).max(1) - 1;
    format!("{millis}-{}", u64::MAX)
}

/// Fields that are text, and in base64 those that are not.
fn fields(map: HashMap<String, Value>) -> (Map<String, Json>, Map<String, Json>) {
    use base64::Engine as _;
    let (mut texts, mut binary) = (Map::new(), Map::new());
    for (name, value) in map {
        let bytes = match value {
            Value::BulkString(bytes) => bytes,
            Value::SimpleString(text) => text.into_bytes(),
            other => format!("{other:?}").into_bytes(),
        };
        match String::from_utf8(bytes) {
            Ok(text) => texts.insert(name, Json::String(text)),
            Err(error) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
                binary.insert(name, Json::String(encoded))
            }
        };
    }
    (texts, binary)
}
