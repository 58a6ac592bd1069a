//! The gRPC server on its Unix socket.

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::unistd::{Group, chown};
use thaw_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        admin_service_server::AdminServiceServer, attribute_service_server::AttributeServiceServer,
        bucket_service_server::BucketServiceServer, code_signing_service_server::CodeSigningServiceServer,
        event_invoke_config_service_server::EventInvokeConfigServiceServer,
        event_service_server::EventServiceServer, event_source_service_server::EventSourceServiceServer,
        function_service_server::FunctionServiceServer,
        function_url_service_server::FunctionUrlServiceServer,
        invocation_service_server::InvocationServiceServer, layer_service_server::LayerServiceServer,
        log_service_server::LogServiceServer, runtime_service_server::RuntimeServiceServer,
        schedule_service_server::ScheduleServiceServer, version_service_server::VersionServiceServer,
    },
};
use time::OffsetDateTime;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{
    admin::Admin, attributes::Attributes, buckets::BucketDoor, code_signing::CodeSigning,
    event_invoke_configs::EventInvokeConfigs, event_sources::EventSources, events::Events,
    functions::Functions, invocation::Invocations, layers::Layers, logs::Logs, runtimes::Runtimes,
    schedules::ScheduleDoor, urls::Urls, versions::Versions,
};
use crate::{
    events::{buckets::Buckets, mapping::MappingRegistry, schedules::Schedules},
    functions::{FunctionRegistry, Region, UrlBase},
    invoke::{Invoker, PAYLOAD_LIMIT},
    logs::LogStore,
    runtimes::RuntimeCatalog,
    sandbox::Pool,
};

/// The most bytes of a message: a payload of 6 MB, or a response of a little more, and room for everything around it.
const MESSAGE_LIMIT: usize = PAYLOAD_LIMIT + 256 * 1024;

/// Streams that one connection may have open: calls that wait for their functions are many and cheap.
const CONCURRENT_STREAMS: u32 = 10_000;

/// What the services work with.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Makes calls.
    pub invoker: Invoker,
    /// The control plane.
    pub registry: FunctionRegistry,
    /// What runs at times.
    pub schedules: Schedules,
    /// What buckets call.
    pub buckets: Buckets,
    /// Which sources feed functions.
    pub mappings: MappingRegistry,
    /// Every sandbox.
    pub pool: Pool,
    /// What functions printed.
    pub logs: LogStore,
    /// The images.
    pub runtimes: Arc<RuntimeCatalog>,
    /// The region that ARNs carry.
    pub region: Region,
    /// Where state is kept, for people.
    pub data_dir: PathBuf,
    /// When the daemon started.
    pub started: OffsetDateTime,
    /// Where the AWS API listens, for people.
    pub aws_address: Option<SocketAddr>,
    /// Where function URLs are, as they are told.
    pub url_base: UrlBase,
    /// How long a drain waits for running calls, unless it is told.
    pub drain_limit: Duration,
}

/// Why the server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody answers on the socket.
    #[error("another daemon listens on {0}; stop it, or set `socket` to another path")]
    InUse(PathBuf),
    /// The group does not exist.
    #[error("socket_group: there is no group {0} on this machine")]
    NoSuchGroup(String),
    /// The socket could not be made.
    #[error("could not listen on {path}: {source}")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server broke.
    #[error("the gRPC server ended: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors that were compiled in are broken.
    #[error("reflection can't be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `stop`, then lets open calls end. Health is SERVING from the moment the socket is there.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    doors: Doors,
    socket: &Path,
    group: Option<&str>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let listener = listen(socket, group).await?;
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let functions = FunctionServiceServer::new(Functions {
        registry: doors.registry.clone(),
        runtimes: Arc::clone(&doors.runtimes),
        region: doors.region.clone(),
    });
    let versions = VersionServiceServer::new(Versions {
        registry: doors.registry.clone(),
        region: doors.region.clone(),
    });
    let attributes = AttributeServiceServer::new(Attributes {
        registry: doors.registry.clone(),
        mappings: doors.mappings.clone(),
        invoker: doors.invoker.clone(),
        region: doors.region.clone(),
    });
    let event_invoke_configs = EventInvokeConfigServiceServer::new(EventInvokeConfigs {
        registry: doors.registry.clone(),
        region: doors.region.clone(),
    });
    let code_signing = CodeSigningServiceServer::new(CodeSigning {
        registry: doors.registry.clone(),
        region: doors.region.clone(),
    });
    let event_sources = EventSourceServiceServer::new(EventSources {
        mappings: doors.mappings,
        account: doors.registry.account(),
    });
    let urls = FunctionUrlServiceServer::new(Urls {
        registry: doors.registry.clone(),
        region: doors.region.clone(),
        base: doors.url_base,
    });
    let layers = LayerServiceServer::new(Layers { registry: doors.registry.clone() });
    let log_service = LogServiceServer::new(Logs {
        logs: doors.logs.clone(),
        registry: doors.registry.clone(),
        region: doors.region.clone(),
        stop: stop.clone(),
    });
    let events = Events {
        queue: doors.invoker.queue().clone(),
        account: doors.registry.account(),
        region: doors.region.clone(),
    };
    let schedules = ScheduleServiceServer::new(ScheduleDoor {
        schedules: doors.schedules,
        invoker: doors.invoker.clone(),
        account: doors.registry.account(),
    });
    let buckets = BucketServiceServer::new(BucketDoor {
        buckets: doors.buckets,
        account: doors.registry.account(),
        aws_address: doors.aws_address,
    });
    let invocations = Invocations { invoker: doors.invoker, region: doors.region.clone() };
    let admin = Admin {
        pool: doors.pool,
        registry: doors.registry,
        logs: doors.logs.clone(),
        region: doors.region.clone(),
        data_dir: doors.data_dir,
        started: doors.started,
        drain_limit: doors.drain_limit,
        aws_address: doors.aws_address,
    };
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    health.set_serving::<InvocationServiceServer<Invocations>>().await;
    let stopping = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
            health.set_not_serving::<InvocationServiceServer<Invocations>>().await;
        }
    };
    tracing::info!(socket = %socket.display(), "serving gRPC");
    Server::builder()
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(
            functions.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT),
        )
        .add_service(versions)
        .add_service(attributes)
        .add_service(event_invoke_configs)
        .add_service(code_signing)
        .add_service(event_sources)
        .add_service(urls)
        .add_service(layers.max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(
            InvocationServiceServer::new(invocations)
                .max_decoding_message_size(MESSAGE_LIMIT)
                .max_encoding_message_size(MESSAGE_LIMIT),
        )
        .add_service(EventServiceServer::new(events))
        .add_service(log_service)
        .add_service(schedules)
        .add_service(buckets)
        .add_service(RuntimeServiceServer::new(Runtimes { runtimes: doors.runtimes }))
        .add_service(AdminServiceServer::new(admin))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stopping)
        .await?;
    Ok(())
}

/// Makes the socket: mode 0660, of root and the configured group. One that a daemon left behind is replaced; one on
/// which somebody answers is not.
async fn listen(socket: &Path, group: Option<&str>) -> Result<UnixListener, ServeError> {
    let failed = |source| ServeError::Listen { path: socket.to_owned(), source };
    match fs::symlink_metadata(socket) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(socket).await.is_ok() {
                return Err(ServeError::InUse(socket.to_owned()));
            }
            fs::remove_file(socket).map_err(failed)?;
        }
        // A file that is no socket was not made by a daemon: binding fails on it and names it.
        Ok(_) | Err(_) => {}
    }
    if let Some(parent) = socket.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    fs::set_permissions(socket, Permissions::from_mode(0o660)).map_err(failed)?;
    if let Some(name) = group {
        let found = Group::from_name(name).map_err(|error| failed(error.into()))?;
        let found = found.ok_or_else(|| ServeError::NoSuchGroup(name.to_owned()))?;
        chown(socket, None, Some(found.gid)).map_err(|error| failed(error.into()))?;
    }
    Ok(listener)
}
