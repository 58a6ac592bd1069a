//! Listens, and serves each connection until its caller goes or the daemon ends.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::door::Door;
use crate::{
    clock::SharedClock,
    events::{buckets::Buckets, mapping::MappingRegistry, schedules::Schedules},
    functions::{FunctionRegistry, UrlBase},
    identity::sigv4::Verifier,
    invoke::Invoker,
    logs::LogStore,
};

/// Connections at the same time; more wait to be accepted. A client of AWS keeps ten or so.
const CONNECTIONS: usize = 1024;

/// The longest request head, in bytes: an Authorization header and a client context of 4 KB, generously.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long a caller may take to send a request's head, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(60);

/// What the door works with.
#[derive(Clone, Debug)]
pub struct AwsDoors {
    /// The control plane.
    pub registry: FunctionRegistry,
    /// Which sources feed functions.
    pub mappings: MappingRegistry,
    /// Makes calls.
    pub invoker: Invoker,
    /// What functions log.
    pub logs: LogStore,
    /// Who may call.
    pub verifier: Arc<Verifier>,
    /// What runs at times.
    pub schedules: Schedules,
    /// What buckets call.
    pub buckets: Buckets,
    /// The time that signatures are checked against.
    pub clock: SharedClock,
    /// Where function URLs are, as they are told.
    pub url_base: UrlBase,
}

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not listen on {address} for the AWS API: {source}; set aws_listen to another address, or to none"
)]
pub struct AwsServeError {
    address: SocketAddr,
    source: io::Error,
}

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// It is not this machine's, or taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, AwsServeError> {
        let failed = |source| AwsServeError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: with the port that the system chose, if it was to choose one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets requests that are under way end.
    pub async fn serve(self, doors: AwsDoors, stop: CancellationToken) {
        let door = Arc::new(Door::new(doors, stop.clone()));
        let connections = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        tracing::info!(address = %self.address, "serving the AWS API");
        loop {
            // The semaphore is never closed, so this is only ever cancelled or granted.
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
            };
            let (stream, peer) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file descriptors, or the peer was gone already; neither lasts.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                },
            };
            let (door, stop) = (Arc::clone(&door), stop.clone());
            connections.spawn(async move {
                connection(stream, peer, door, stop).await;
                drop(slot);
            });
        }
        connections.close();
        connections.wait().await;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, door: Arc<Door>, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on a connection");
    }
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.take(request, peer.ip()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
