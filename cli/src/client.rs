//! The connection to the daemon.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use thaw_proto::v1::{
    admin_service_client::AdminServiceClient, attribute_service_client::AttributeServiceClient,
    bucket_service_client::BucketServiceClient, code_signing_service_client::CodeSigningServiceClient,
    event_invoke_config_service_client::EventInvokeConfigServiceClient,
    event_service_client::EventServiceClient, event_source_service_client::EventSourceServiceClient,
    function_service_client::FunctionServiceClient, function_url_service_client::FunctionUrlServiceClient,
    invocation_service_client::InvocationServiceClient, layer_service_client::LayerServiceClient,
    log_service_client::LogServiceClient, runtime_service_client::RuntimeServiceClient,
    schedule_service_client::ScheduleServiceClient, version_service_client::VersionServiceClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::failure::Failure;

/// The most bytes of a message: a response of 6 MB and room for what is around it.
const MESSAGE_LIMIT: usize = 8 * 1024 * 1024;

/// The most bytes of a list that comes whole: of a thousand buckets, each of whose notifications are one record.
const LIST_LIMIT: usize = 128 * 1024 * 1024;

/// How often a daemon that has not answered yet is asked whether it is still there, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Connects when a command needs it: usage errors are found without a daemon.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    async fn connect(&self) -> Result<Channel, Failure> {
        // tonic tells only that it could not connect; why decides what to do about it.
        if let Err(error) = tokio::net::UnixStream::connect(&self.socket).await {
            return Err(unreachable(&self.socket, &error));
        }
        let endpoint = Endpoint::from_shared(format!("unix:{}", self.socket.display()))
            .map_err(|error| Failure::Usage(format!("--socket {}: {error}", self.socket.display())))?
            // A daemon that hangs is not waited for; one that is busy answers this at once.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        endpoint
            .connect()
            .await
            .map_err(|error| Failure::Unreachable(format!("{}: {error}", self.socket.display())))
    }

    pub(crate) async fn functions(&self) -> Result<FunctionServiceClient<Channel>, Failure> {
        Ok(FunctionServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn versions(&self) -> Result<VersionServiceClient<Channel>, Failure> {
        Ok(VersionServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn attributes(&self) -> Result<AttributeServiceClient<Channel>, Failure> {
        Ok(AttributeServiceClient::new(self.connect().await?))
    }

    pub(crate) async fn code_signing(&self) -> Result<CodeSigningServiceClient<Channel>, Failure> {
        Ok(CodeSigningServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn event_invoke_configs(
        &self,
    ) -> Result<EventInvokeConfigServiceClient<Channel>, Failure> {
        Ok(EventInvokeConfigServiceClient::new(self.connect().await?))
    }

    pub(crate) async fn event_sources(&self) -> Result<EventSourceServiceClient<Channel>, Failure> {
        Ok(EventSourceServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn urls(&self) -> Result<FunctionUrlServiceClient<Channel>, Failure> {
        Ok(FunctionUrlServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn layers(&self) -> Result<LayerServiceClient<Channel>, Failure> {
        Ok(LayerServiceClient::new(self.connect().await?))
    }

    pub(crate) async fn invocations(&self) -> Result<InvocationServiceClient<Channel>, Failure> {
        Ok(InvocationServiceClient::new(self.connect().await?)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn events(&self) -> Result<EventServiceClient<Channel>, Failure> {
        Ok(EventServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn logs(&self) -> Result<LogServiceClient<Channel>, Failure> {
        Ok(LogServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn runtimes(&self) -> Result<RuntimeServiceClient<Channel>, Failure> {
        Ok(RuntimeServiceClient::new(self.connect().await?))
    }

    pub(crate) async fn schedules(&self) -> Result<ScheduleServiceClient<Channel>, Failure> {
        Ok(ScheduleServiceClient::new(self.connect().await?).max_decoding_message_size(MESSAGE_LIMIT))
    }

    pub(crate) async fn buckets(&self) -> Result<BucketServiceClient<Channel>, Failure> {
        Ok(BucketServiceClient::new(self.connect().await?).max_decoding_message_size(LIST_LIMIT))
    }

    pub(crate) async fn admin(&self) -> Result<AdminServiceClient<Channel>, Failure> {
        Ok(AdminServiceClient::new(self.connect().await?))
    }
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let socket = socket.display();
    Failure::Unreachable(match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "no daemon listens on {socket}: start it with `systemctl start thawd` or ./deploy/quickstart, or name its \
             socket with --socket or THAW_SOCKET"
        ),
        std::io::ErrorKind::ConnectionRefused => {
            format!(
                "the daemon that made {socket} is gone: start it with `systemctl start thawd` or ./deploy/quickstart"
            )
        }
        std::io::ErrorKind::PermissionDenied => format!(
            "you may not use {socket}: run this with sudo, or join the group that the daemon's setting socket_group names"
        ),
        _ => format!("the daemon can't be reached on {socket}: {error}"),
    })
}
