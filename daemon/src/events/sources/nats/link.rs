//! A connection to NATS and a mapping's consumer there.
//!
//! A link that has failed in any way is given up, and the next one finds out where the consumer is: so nothing here
//! connects anew by itself.

use std::{fmt::Display, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, Message, StatusCode, Subject, Subscriber,
    client::RequestErrorKind,
    jetstream::{
        self, Context, ErrorCode,
        consumer::{
            AckPolicy, Config, Consumer, DeliverPolicy, Info,
            pull::{self, BatchConfig},
        },
        context::{ConsumerInfoError, ConsumerInfoErrorKind},
        stream::{ConsumerErrorKind, Stream},
    },
};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::address::NatsAddress;
use crate::{events::poller::source::SourceError, invoke::PAYLOAD_LIMIT};

/// How long NATS may take to answer, beyond what it is told to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long NATS waits for an acknowledgement before it gives a message again. Longer than a call of a function takes. A batch
/// may be under way for longer; what is given again meanwhile is known and left alone.
const ACK_WAIT: Duration = Duration::from_secs(20 * 60);

/// The same while what was given before is to come again at once.
const ACK_WAIT_HURRIED: Duration = Duration::from_millis(500);

/// Messages that may be given and not acknowledged: twice the largest batch, and so never in its way.
const ACK_PENDING_MAX: i64 = 20_000;

/// How long NATS looks whether there is something already. Old servers wait for it, new ones do not.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes that are read at a time: those of a call. The rest of a batch is read next.
const BYTES: usize = PAYLOAD_LIMIT;

/// What is told when the consumer was removed by somebody else. It is made again.
const GONE: &str = "the consumer is gone";

/// What NATS says of a message that is larger than what was asked for.
const TOO_LARGE: &str = "Message Size Exceeds MaxBytes";

/// An open connection with a consumer.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    context: Context,
    stream: Stream<()>,
    name: String,
    consumer: Consumer<pull::Config>,
    /// What is given comes here. The last part of a request's own subject is its number.
    inbox: Subscriber,
    address: String,
    requests: u64,
    /// The connection has broken.
    broken: CancellationToken,
}

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// What is there, in a size that fits a call.
    There,
    /// The first, as soon as it is there.
    First(Duration),
    /// So many, of any size.
    All(Duration),
}

impl Link {
    /// Connects, and finds the consumer or makes it. Whether it was made.
    pub(super) async fn open(
        address: &NatsAddress,
        stream: &str,
        durable: &str,
        beginning: DeliverPolicy,
    ) -> Result<(Self, bool), SourceError> {
        let (client, broken) = connect(address).await?;
        let context = jetstream::new(client.clone());
        let found = stream_of(&context, stream).await?;
        let (consumer, made) = match found.consumer_info(durable).await {
            Ok(info) => {
                // How it is set is asked of NATS wherever it matters.
                (Consumer::new(pull::Config::default(), info, context.clone()), false)
            }
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let config = pull::Config {
                    durable_name: Some(durable.to_owned()),
                    description: Some("an event source mapping of thawd".to_owned()),
                    deliver_policy: beginning,
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: ACK_WAIT,
                    // The poller counts tries.
                    max_deliver: -1,
                    max_ack_pending: ACK_PENDING_MAX,
                    ..pull::Config::default()
                };
                (found.create_consumer(config).await.map_err(failed)?, true)
            }
            Err(error) => return Err(no_info(stream, &error)),
        };
        let address = client.new_inbox();
        let inbox = client.subscribe(format!("{address}.*")).await.map_err(failed)?;
        let name = stream.to_owned();
        let link =
            Self { client, context, stream: found, name, consumer, inbox, address, requests: 0, broken };
        Ok((link, made))
    }

    /// Where the consumer is.
    pub(super) async fn info(&self) -> Result<Info, SourceError> {
        self.unbroken(self.consumer.get_info()).await?.map_err(|error| no_info(&self.name, &error))
    }

    /// Receives at most `count` messages; `take` has those that came before whatever happens.
    pub(super) async fn receive(
        &mut self,
        count: usize,
        ask: Ask,
        mut take: impl FnMut(jetstream::Message),
    ) -> Result<(), SourceError> {
        let (wait, no_wait, max_bytes) = match ask {
            Ask::There => (LOOK, true, BYTES),
            Ask::First(wait) => (wait, false, 0),
            Ask::All(wait) => (wait, false, 0),
        };
        self.requests += 1;
        let own: Subject = format!("{}.{}", self.address, self.requests).into();
        let wanted =
            BatchConfig { batch: count, expires: Some(wait), no_wait, max_bytes, ..BatchConfig::default() };
        let asked = self.consumer.request_batch(wanted, own.clone());
        self.unbroken(asked).await?.map_err(failed)?;
        let deadline = Instant::now() + wait + PATIENCE;
        let mut received = 0;
        while received < count {
            let next = timeout_at(deadline, self.inbox.next());
            let next = self.broken.run_until_cancelled(next).await;
            let Some(Ok(Some(message))) = next else { return Err(silent(next.is_none())) };
            match message.status {
                None | Some(StatusCode::OK) => {
                    received += 1;
                    take(jetstream::Message { message, context: self.context.clone() });
                }
                // Of a request that was given up.
                Some(_) if message.subject != own => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => break,
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::REQUEST_TERMINATED) if description(&message) == TOO_LARGE => break,
                Some(status) => {
                    return Err(failed(format_args!("{status} {}", description(&message))));
                }
            }
        }
        Ok(())
    }

    /// Acknowledges messages, by what was said with them. When this is over NATS has heard it.
    pub(super) async fn acknowledge(&self, replies: &[Subject]) -> Result<(), SourceError> {
        let Some((last, others)) = replies.split_last() else { return Ok(()) };
        let all = async {
            for reply in others {
                self.client.publish(reply.clone(), "+ACK".into()).await.map_err(failed)?;
            }
            // In their order on one connection: whoever has heard this one has heard them all.
            match self.client.request(last.clone(), "+ACK".into()).await {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(failed(GONE)),
                Err(error) => Err(failed(error)),
            }
        };
        self.unbroken(all).await?
    }

    /// Has what was given and not acknowledged given again at once, and nothing else meanwhile.
    ///
    /// NATS looks through it again when the time changes that it waits for acknowledgements; and gives nothing new as long as
    /// so much is not acknowledged as may be.
    pub(super) async fn hurry(&self, pending: usize) -> Result<(), SourceError> {
        let most = i64::try_from(pending).unwrap_or(i64::MAX);
        self.configure(ACK_WAIT_HURRIED, most).await
    }

    /// Ends the hurry, if there is one.
    pub(super) async fn calm(&self) -> Result<(), SourceError> {
        self.configure(ACK_WAIT, ACK_PENDING_MAX).await
    }

    async fn configure(&self, ack_wait: Duration, max_ack_pending: i64) -> Result<(), SourceError> {
        let now = self.info().await?.config;
        let wanted = Config { ack_wait, max_ack_pending, ..now.clone() };
        if wanted == now {
            return Ok(());
        }
        let changed = self.unbroken(self.stream.create_consumer(wanted)).await?;
        changed.map(drop).map_err(failed)
    }

    /// What comes of something, unless the connection breaks or nothing does for long.
    async fn unbroken<T>(&self, doing: impl Future<Output = T>) -> Result<T, SourceError> {
        let done = self.broken.run_until_cancelled(tokio::time::timeout(PATIENCE * 2, doing)).await;
        let is_broken = done.is_none();
        done.and_then(Result::ok).ok_or_else(|| silent(is_broken))
    }
}

/// Removes a consumer. One that is not there is removed.
pub(super) async fn remove(address: &NatsAddress, stream: &str, durable: &str) -> Result<(), SourceError> {
    let (client, _broken) = connect(address).await?;
    let found = stream_of(&jetstream::new(client), stream).await?;
    match found.delete_consumer(durable).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ConsumerErrorKind::JetStream(why) if is_gone(&why)) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

async fn connect(address: &NatsAddress) -> Result<(Client, CancellationToken), SourceError> {
    let broken = CancellationToken::new();
    let told = broken.clone();
    let options = ConnectOptions::new()
        .name("thawd")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ignore_discovered_servers()
        // A client that does not find its server again ends by itself.
        .max_reconnects(1)
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                told.cancel();
            }
            std::future::ready(())
        });
    let client = address.log_in(options).connect(address.url()).await.map_err(failed)?;
    Ok((client, broken))
}

fn description(message: &Message) -> &str {
    message.description.as_deref().unwrap_or_default()
}

/// What has failed, without its address or a password.
fn failed(error: impl Display) -> SourceError {
    SourceError::new(format_args!("NATS: {error}"))
}

fn silent(is_broken: bool) -> SourceError {
    failed(if is_broken { "the connection broke" } else { "it does not answer" })
}

fn no_info(stream: &str, error: &ConsumerInfoError) -> SourceError {
    match error.kind() {
        ConsumerInfoErrorKind::StreamNotFound => failed(format_args!("there is no stream {stream}")),
        ConsumerInfoErrorKind::NotFound => failed(GONE),
        ConsumerInfoErrorKind::NoResponders => {
            failed("JetStream does not answer; is it enabled for who asks?")
        }
        _ => failed(error),
    }
}

/// A stream by its name; whether it is there is found out by what is asked of it.
async fn stream_of(context: &Context, name: &str) -> Result<Stream<()>, SourceError> {
    context.get_stream_no_info(name).await.map_err(failed)
}

/// Whether the consumer is not there, or not even its stream.
fn is_gone(error: &jetstream::Error) -> bool {
    [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&error.error_code())
}
