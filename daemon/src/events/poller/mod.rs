//! The pollers: they read the sources of all enabled mappings and call the functions.
//!
//! ```text
//! read -> filter -> gather a batch -> call -> through: tell the source
//!                                      |  \-> failed: again, in halves, from the first that failed; given up
//!                                      \-> not now: wait
//! ```
//!
//! Each mapping has a keeper, which follows its changes: a worker is started for what is to be read, and stopped, after the
//! call that it makes, when the mapping changes. What a queue has given it by then, or is about to, and no function was called
//! with, it gives back, since a queue hides what it gives; only then the next worker begins. A record is the source's until it is through ([`source::Source`]), so that
//! whatever ends a worker, nothing is lost and what was under way comes again. What a source does not keep itself, [`shards`]
//! does. Nothing that comes later in a stream is told to be through before what comes earlier ([`pieces`]). While the daemon
//! drains, workers wait.

mod backoff;
mod begun;
mod call;
mod failures;
mod gather;
mod messages;
mod pieces;
pub(super) mod record;
mod report;
pub(super) mod shards;
pub(super) mod source;
mod windowed;
mod windows;
mod worker;

use std::{collections::HashSet, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    backoff::Backoff,
    shards::{Follower, stream::ShardedStream},
    source::{Positioned, Source, SourceError},
    worker::{Tools, Worker},
};
use super::{
    mapping::{Delivery, Mapping, MappingId, MappingRegistry, MappingState, SourceKind, StartingPosition},
    sources::{
        dynamodb::TableStream,
        kinesis::KinesisStream,
        nats::{NatsAddress, NatsStream},
        redis::RedisStream,
        sqs::Queue,
    },
};
use crate::{
    aws_services::{AwsEndpoint, AwsEndpoints},
    clock::SharedClock,
    identity::AccountId,
    invoke::Invoker,
    sandbox::Pool,
    store::Store,
};

/// Calls of a queue's mapping that run at once unless it says how many. Source: Lambda begins with five.
const QUEUE_WORKERS: u32 = 5;

/// The most of them, whatever the mapping says: each asks the queue on a connection of its own.
const QUEUE_WORKERS_MAX: u32 = 50;

/// Where sources are, beyond what their ARNs say.
#[derive(Clone, Default)]
pub struct Endpoints {
    /// Redis, with its password if it has one.
    pub redis_url: Option<String>,
    /// NATS, with what it is asked with.
    pub nats: Option<NatsAddress>,
    /// Services of AWS.
    pub aws: AwsEndpoints,
}

impl std::fmt::Debug for Endpoints {
    /// Without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("redis", &self.redis_url.is_some())
            .field("nats", &self.nats)
            .field("aws", &self.aws)
            .finish()
    }
}

/// Keeps one keeper for each mapping.
#[derive(Clone, Debug)]
pub struct Pollers {
    mappings: MappingRegistry,
    endpoints: Endpoints,
    store: Store,
    tools: Tools,
}

impl Pollers {
    /// Pollers of these mappings. For `abandon` see [`follow`](Self::follow).
    #[must_use]
    pub fn new(
        mappings: MappingRegistry,
        endpoints: Endpoints,
        store: Store,
        invoker: Invoker,
        pool: Pool,
        clock: SharedClock,
        abandon: CancellationToken,
    ) -> Self {
        Self { mappings, endpoints, store, tools: Tools { invoker, pool, clock, abandon } }
    }

    /// Follows the mappings until `stop`, and then until every worker has ended its call, and has given back to its queue what
    /// no function was called with. For that it may have to wait until the queue answers, some seconds; `abandon` ends the wait.
    pub async fn follow(self, stop: CancellationToken) {
        let mut changed = self.mappings.subscribe();
        let mut kept: HashSet<(AccountId, MappingId)> = HashSet::new();
        let keepers = TaskTracker::new();
        loop {
            changed.borrow_and_update();
            let there = self.mappings.all();
            kept.retain(|key| there.iter().any(|mapping| (mapping.account, mapping.id) == *key));
            for mapping in there {
                if kept.insert((mapping.account, mapping.id)) {
                    keepers.spawn(self.clone().keep(mapping, stop.child_token()));
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                told = changed.changed() => if told.is_err() { break },
            }
        }
        keepers.close();
        keepers.wait().await;
    }

    /// Follows one mapping until it is gone.
    async fn keep(self, mut mapping: Arc<Mapping>, stop: CancellationToken) {
        let mut changed = self.mappings.subscribe();
        while !stop.is_cancelled() {
            changed.borrow_and_update();
            let Ok(current) = self.mappings.get(mapping.account, mapping.id) else { return };
            mapping = current;
            if mapping.state == MappingState::Deleting {
                self.forget(&mapping).await;
            }
            let working = stop.child_token();
            let worker = mapping.enabled && mapping.state != MappingState::Deleting;
            let worker =
                worker.then(|| tokio::spawn(self.clone().work(Arc::clone(&mapping), working.clone())));
            if let Err(error) = self.mappings.settle(&mapping).await {
                tracing::error!(mapping = %mapping.id, %error, "an event source mapping could not be settled");
            }
            while let Ok(current) = self.mappings.get(mapping.account, mapping.id)
                && current.generation == mapping.generation
            {
                tokio::select! {
                    () = stop.cancelled() => break,
                    told = changed.changed() => if told.is_err() { break },
                }
                if stop.is_cancelled() {
                    break;
                }
            }
            working.cancel();
            if let Some(worker) = worker
                && let Err(error) = worker.await
            {
                tracing::error!(mapping = %mapping.id, %error, "the worker of an event source mapping broke");
            }
        }
    }

    /// Reads a mapping's source until `stop`.
    async fn work(self, mapping: Arc<Mapping>, stop: CancellationToken) {
        match mapping.source.kind() {
            SourceKind::Redis => self.read_stream(mapping, stop, Self::redis).await,
            SourceKind::Nats => self.read_stream(mapping, stop, Self::nats).await,
            SourceKind::Sqs | SourceKind::SqsFifo => self.read_queue(mapping, stop).await,
            SourceKind::Kinesis => {
                let mappings = self.mappings.clone();
                let stream = needed(self.endpoints.aws.kinesis.as_ref(), "kinesis_endpoint", "Kinesis")
                    .and_then(|endpoint| KinesisStream::new(endpoint, Arc::clone(&mapping), mappings));
                self.read_shards(mapping, stream, stop).await;
            }
            SourceKind::DynamoDb => {
                let stream = needed(self.endpoints.aws.dynamodb.as_ref(), "dynamodb_endpoint", "DynamoDB")
                    .and_then(|endpoint| TableStream::new(endpoint, Arc::clone(&mapping)));
                self.read_shards(mapping, stream, stop).await;
            }
        }
    }

    async fn run<S: Source>(&self, mapping: Arc<Mapping>, source: S, stop: CancellationToken) {
        Worker { mapping, source, windows: None, tools: self.tools.clone(), stop }.run().await;
    }

    /// Reads a stream with shards.
    async fn read_shards<S: ShardedStream>(
        &self,
        mapping: Arc<Mapping>,
        stream: Result<S, SourceError>,
        stop: CancellationToken,
    ) {
        match (stream, &mapping.settings.delivery) {
            (Ok(stream), Delivery::Stream(settings)) => {
                let (settings, tools) = (settings.clone(), self.tools.clone());
                Follower::new(mapping, settings, stream, &self.store, tools, stop).run().await;
            }
            (Ok(_), Delivery::Queue { .. }) => {
                mapping.note_result("PROBLEM: a stream has the settings of a queue")
            }
            (Err(error), _) => mapping.note_result(format!("PROBLEM: {error}")),
        }
    }

    /// Reads a queue by several workers: as many calls run at once.
    async fn read_queue(&self, mapping: Arc<Mapping>, stop: CancellationToken) {
        let Some(endpoint) = &self.endpoints.aws.sqs else {
            mapping.note_result("PROBLEM: the setting sqs_endpoint is missing, which says where SQS is");
            return;
        };
        let most = match &mapping.settings.delivery {
            Delivery::Queue { maximum_concurrency } => maximum_concurrency.unwrap_or(QUEUE_WORKERS),
            Delivery::Stream(_) => QUEUE_WORKERS,
        };
        let (workers, receives) = (TaskTracker::new(), TaskTracker::new());
        for _ in 0..most.min(QUEUE_WORKERS_MAX) {
            match Queue::new(endpoint, &mapping.source) {
                Ok(queue) => {
                    let queue = queue.among(receives.clone()).with_window(mapping.settings.batching_window);
                    let (pollers, mapping, stop) = (self.clone(), Arc::clone(&mapping), stop.clone());
                    workers.spawn(async move { pollers.run(mapping, queue, stop).await });
                }
                Err(error) => mapping.note_result(format!("PROBLEM: {error}")),
            }
        }
        workers.close();
        workers.wait().await;
    }

    /// Reads a stream that keeps how far it was read, as soon as it can be had.
    async fn read_stream<S: Positioned>(self, mapping: Arc<Mapping>, stop: CancellationToken, open: Open<S>) {
        let mut backoff = Backoff::new();
        loop {
            match self.begin(&mapping, open).await {
                Ok(source) => return self.run(mapping, source, stop).await,
                Err(error) => {
                    tracing::warn!(mapping = %mapping.id, source = %mapping.source, %error,
                        "an event source can't be read");
                    mapping.note_result(format!("PROBLEM: {error}"));
                }
            }
            if !backoff.pause(&stop).await {
                return;
            }
        }
    }

    async fn begin<S: Positioned>(&self, mapping: &Mapping, open: Open<S>) -> Result<S, SourceError> {
        let has_begun = begun::has_begun(&self.store, mapping).map_err(SourceError::new)?;
        let mut source = open(self, mapping, has_begun)?;
        source.begin().await?;
        if !has_begun {
            begun::note(&self.store, mapping).await.map_err(SourceError::new)?;
        }
        Ok(source)
    }

    fn redis(&self, mapping: &Mapping, has_begun: bool) -> Result<RedisStream, SourceError> {
        let url = self.endpoints.redis_url.as_deref();
        let url = url
            .ok_or_else(|| SourceError::new("the setting redis_url is missing, which says where Redis is"))?;
        Ok(RedisStream::new(url, mapping, beginning(mapping)?, has_begun))
    }

    fn nats(&self, mapping: &Mapping, has_begun: bool) -> Result<NatsStream, SourceError> {
        let address = self.endpoints.nats.as_ref();
        let address = address
            .ok_or_else(|| SourceError::new("the setting nats_url is missing, which says where NATS is"))?;
        Ok(NatsStream::new(address, mapping, beginning(mapping)?, has_begun))
    }

    /// Removes what a mapping that goes has left in its source. If that does not answer, it is left there.
    async fn forget(&self, mapping: &Arc<Mapping>) {
        let forgotten = match mapping.source.kind() {
            SourceKind::Redis => self.forget_in(mapping, Self::redis).await,
            SourceKind::Nats => self.forget_in(mapping, Self::nats).await,
            _ => Ok(()),
        };
        if let Err(error) = forgotten {
            tracing::warn!(mapping = %mapping.id, source = %mapping.source, %error,
                "what a mapping that is deleted has in its source stays there");
        }
        let forgotten = match begun::forget(&self.store, mapping).await {
            Ok(()) => shards::forget(&self.store, mapping).await,
            failed => failed,
        };
        if let Err(error) = forgotten {
            tracing::error!(mapping = %mapping.id, %error, "what was kept of a mapping's source stays");
        }
    }

    async fn forget_in<S: Positioned>(&self, mapping: &Mapping, open: Open<S>) -> Result<(), SourceError> {
        open(self, mapping, true)?.forget().await
    }
}

/// How a stream of a mapping is opened; the last says whether it was begun before.
type Open<S> = fn(&Pollers, &Mapping, bool) -> Result<S, SourceError>;

/// Where a stream is read from at first.
fn beginning(mapping: &Mapping) -> Result<StartingPosition, SourceError> {
    match &mapping.settings.delivery {
        Delivery::Stream(settings) => Ok(settings.starting_position),
        Delivery::Queue { .. } => Err(SourceError::new("a stream has the settings of a queue")),
    }
}

/// Where a service is, which only a setting says.
fn needed<'a>(
    endpoint: Option<&'a AwsEndpoint>,
    setting: &str,
    service: &str,
) -> Result<&'a AwsEndpoint, SourceError> {
    endpoint.ok_or_else(|| {
        SourceError::new(format_args!("the setting {setting} is missing, which says where {service} is"))
    })
}
