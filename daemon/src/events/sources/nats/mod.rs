//! Streams of NATS JetStream, read by a durable consumer of the mapping's own.
//!
//! NATS keeps what the consumer was given and what of it is acknowledged, one by one, so there is nothing to keep here:
//! `done` acknowledges. What was given to a connection that broke or to a process that died comes again only when NATS has
//! waited for its acknowledgement, and what is new does not wait for that. So that nothing is overtaken, all that is not
//! acknowledged is collected first ([`NatsStream::collect`]), at once and in its order: at the start, after every failure, and
//! when something was given that did not arrive here. That is noticed by the numbers that deliveries have, or when nothing
//! comes although more is not acknowledged than is known here.
//!
//! ```text
//! link -> collect -> receive <-> receive ...
//!   \________/\________/ a failure: link anew; a delivery is missing: collect
//! ```

mod address;
mod link;
mod message;

use std::{collections::BTreeMap, time::Duration};

use async_nats::{
    Subject,
    jetstream::{self, consumer::DeliverPolicy},
};
use tokio::time::Instant;

pub use self::address::{InvalidNatsAddress, NatsAddress};
use self::link::{Ask, Link};
use crate::events::{
    mapping::{Mapping, SourceArn, StartingPosition},
    poller::{
        record::Record,
        source::{Positioned, Source, SourceError},
    },
};

/// How long is waited for each part of what is collected.
const COLLECT: Duration = Duration::from_secs(1);

/// Parts without anything new after which what is missing is not expected any more: it was deleted from the stream.
const COLLECT_TRIES: u32 = 10;

/// Messages that are collected at a time.
const COLLECT_MESSAGES: usize = 500;

/// A stream.
#[derive(Debug)]
pub(crate) struct NatsStream {
    address: NatsAddress,
    arn: SourceArn,
    durable: String,
    /// Where the consumer begins, if it is made now.
    beginning: DeliverPolicy,
    link: Option<Link>,
    received: Received,
    /// What is not acknowledged and was not given again when it was collected.
    missing: usize,
}

impl NatsStream {
    /// The stream of a mapping. `has_begun` says that the consumer was made before: then one that is not there any more is made
    /// anew from the beginning, lest something that came meanwhile is missed.
    pub(crate) fn new(
        address: &NatsAddress,
        mapping: &Mapping,
        position: StartingPosition,
        has_begun: bool,
    ) -> Self {
        let beginning = match position {
            _ if has_begun => DeliverPolicy::All,
            StartingPosition::TrimHorizon => DeliverPolicy::All,
            StartingPosition::Latest => DeliverPolicy::New,
            StartingPosition::AtTimestamp(start_time) => DeliverPolicy::ByStartTime { start_time },
        };
        Self {
            address: address.clone(),
            arn: mapping.source.clone(),
            durable: format!("thaw-{}", mapping.id),
            beginning,
            link: None,
            received: Received::default(),
            missing: 0,
        }
    }

    async fn link(&mut self) -> Result<&mut Link, SourceError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let opening = Link::open(&self.address, self.arn.name(), &self.durable, self.beginning);
                let (link, made) = opening.await?;
                self.beginning = DeliverPolicy::All;
                self.received.last = None;
                if made {
                    // Numbers that are known are of another consumer, or even of another stream.
                    self.received = Received::default();
                }
                link
            }
        };
        Ok(self.link.insert(link))
    }

    /// What comes of something that is done with the link, which is given up if it fails.
    fn checked<T>(&mut self, done: Result<T, SourceError>) -> Result<T, SourceError> {
        if done.is_err() {
            self.link = None;
            self.received.last = None;
        }
        done
    }

    async fn receive(&mut self, count: usize, ask: Ask) -> Result<(), SourceError> {
        self.link().await?;
        let Self { link: Some(link), received, arn, .. } = self else { return Ok(()) };
        let done = link.receive(count, ask, |message| received.take(arn, &message)).await;
        self.checked(done)
    }

    /// How many messages are not acknowledged by what NATS says.
    async fn pending(&mut self) -> Result<usize, SourceError> {
        let info = self.link().await?.info().await;
        self.checked(info).map(|info| info.num_ack_pending)
    }

    /// Has everything given again that is not acknowledged and not known here.
    async fn collect(&mut self) -> Result<(), SourceError> {
        let mut pending = self.pending().await?;
        if pending > self.received.held.len() {
            let hurried = self.link().await?.hurry(pending).await;
            self.checked(hurried)?;
        }
        let mut tries = 0;
        while pending > self.received.held.len() && tries < COLLECT_TRIES {
            let known = self.received.held.len();
            self.receive(pending.min(COLLECT_MESSAGES), Ask::All(COLLECT)).await?;
            pending = self.pending().await?;
            tries = if self.received.held.len() > known { 0 } else { tries + 1 };
        }
        self.missing = pending.saturating_sub(self.received.held.len());
        if self.missing > 0 {
            tracing::warn!(source = %self.arn, consumer = self.durable, missing = self.missing,
                "messages that were given before do not come again");
        }
        let calmed = self.link().await?.calm().await;
        self.checked(calmed)?;
        let info = self.link().await?.info().await;
        self.received.last = Some(self.checked(info)?.delivered.consumer_sequence);
        Ok(())
    }
}

/// What was received and is not done.
#[derive(Debug, Default)]
struct Received {
    /// By its number in the stream, where it is acknowledged.
    held: BTreeMap<u64, Subject>,
    /// What of it was not read yet.
    ready: BTreeMap<u64, Record>,
    /// The number of the last delivery; `None` if something may be missing before what comes next.
    last: Option<u64>,
}

impl Received {
    /// Notes a message. One that is known already may be acknowledged from now on as it was given last.
    fn take(&mut self, arn: &SourceArn, message: &jetstream::Message) {
        let (info, reply) = match (message.info(), &message.reply) {
            (Ok(info), Some(reply)) => (info, reply.clone()),
            (info, _) => {
                tracing::warn!(source = %arn, error = ?info.err(), "a message of NATS is not of a stream");
                return;
            }
        };
        let (sequence, delivery) = (info.stream_sequence, info.consumer_sequence);
        self.last =
            self.last.filter(|last| delivery <= last.saturating_add(1)).map(|last| last.max(delivery));
        if self.held.insert(sequence, reply).is_none() {
            self.ready.insert(sequence, message::record(arn, message, sequence, info.published));
        }
    }

    /// The first that are ready.
    fn read(&mut self, limit: usize) -> Vec<Record> {
        std::iter::from_fn(|| self.ready.pop_first()).take(limit).map(|(_, record)| record).collect()
    }
}

impl Source for NatsStream {
    const PAYLOAD: Option<&'static str> = Some(message::DATA);
    const BATCH_INFO: &'static str = "NatsStreamBatchInfo";

    async fn read(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, SourceError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.received.last.is_none() {
                self.collect().await?;
            }
            if self.received.ready.is_empty() {
                self.receive(limit, Ask::There).await?;
            } else {
                return Ok(self.received.read(limit));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.received.last.is_some() && self.received.ready.is_empty() {
                if left.is_zero() {
                    return Ok(Vec::new());
                }
                self.receive(1, Ask::First(left)).await?;
                if !self.received.ready.is_empty() && limit > 1 {
                    self.receive(limit - 1, Ask::There).await?;
                } else if self.received.ready.is_empty()
                    && self.pending().await? > self.received.held.len() + self.missing
                {
                    // Given to a connection that is gone, perhaps.
                    self.received.last = None;
                }
            }
        }
    }

    async fn done(&mut self, records: &[Record]) -> Result<(), SourceError> {
        self.link().await?;
        let numbers: Vec<u64> = records.iter().filter_map(|record| record.id.parse().ok()).collect();
        let held = &self.received.held;
        let replies: Vec<Subject> = numbers.iter().filter_map(|number| held.get(number).cloned()).collect();
        let acknowledged = self.link().await?.acknowledge(&replies).await;
        self.checked(acknowledged)?;
        for number in numbers {
            self.received.held.remove(&number);
        }
        Ok(())
    }
}

impl Positioned for NatsStream {
    async fn begin(&mut self) -> Result<(), SourceError> {
        self.link().await.map(drop)
    }

    async fn forget(&mut self) -> Result<(), SourceError> {
        link::remove(&self.address, self.arn.name(), &self.durable).await
    }
}
