//! What the benchmark asks of thawd.

use std::{
    io::{Cursor, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bollard::Docker;
use bytes::Bytes;
use thaw_proto::v1::{
    CreateEventSourceRequest, CreateFunctionRequest, EventState, GetStatusRequest, GetStatusResponse,
    InvocationType, InvokeRequest, ListEventsRequest, ListSandboxesRequest, PurgeEventsRequest,
    PutConcurrencyRequest, ReadLogsRequest, Sandbox, SandboxState, StopSandboxRequest,
    admin_service_client::AdminServiceClient, attribute_service_client::AttributeServiceClient,
    event_service_client::EventServiceClient, event_source_service_client::EventSourceServiceClient,
    function_service_client::FunctionServiceClient, invocation_service_client::InvocationServiceClient,
    log_service_client::LogServiceClient,
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{EVENT, docker, subject::Subject};

/// A sandbox is gone within a second of being stopped, and made within one.
const SOON: Duration = Duration::from_secs(60);

/// How often something that takes long is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How much of a package one message carries.
const CHUNK: usize = 1 << 20;

/// A client of thawd.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
}

/// A call that was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) time: Duration,
    /// Its sandbox was made for it, and was not made ahead.
    pub(crate) is_cold: bool,
    pub(crate) request_id: String,
}

impl Client {
    /// On this connection.
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Creates a function that echoes, in Python.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn create(&self, name: &str, memory_mb: u32) -> anyhow::Result<()> {
        self.create_of(&Subject::python(), name, memory_mb).await
    }

    /// Creates a function of this subject.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn create_of(
        &self,
        subject: &Subject,
        name: &str,
        memory_mb: u32,
    ) -> anyhow::Result<()> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(subject.file, SimpleFileOptions::default().unix_permissions(subject.mode))?;
        zip.write_all(&subject.content)?;
        let request = CreateFunctionRequest {
            function_name: name.to_owned(),
            runtime: subject.runtime.to_owned(),
            handler: subject.handler.to_owned(),
            role: "arn:aws:iam::000000000000:role/bench".to_owned(),
            timeout: 30,
            memory_size: memory_mb,
            ..CreateFunctionRequest::default()
        };
        let package: Bytes = zip.finish()?.into_inner().into();
        // A message of gRPC's has 4 MB at the most, a compiled function may have more.
        let chunks = (0..package.len()).step_by(CHUNK).map(move |start| CreateFunctionRequest {
            chunk: package.slice(start..package.len().min(start + CHUNK)),
            ..CreateFunctionRequest::default()
        });
        let messages = tokio_stream::iter(std::iter::once(request).chain(chunks));
        FunctionServiceClient::new(self.channel.clone()).create_function(messages).await?;
        Ok(())
    }

    /// One call: how long it took, and its id.
    ///
    /// # Errors
    /// If it fails or its answer is not its event.
    pub(crate) async fn invoke(&self, name: &str) -> anyhow::Result<(Duration, String)> {
        let Answered { time, request_id, .. } = self.call(name).await?;
        Ok((time, request_id))
    }

    /// One call, and whether it waited for its sandbox.
    ///
    /// # Errors
    /// If it fails or its answer is not its event. A refusal is a [`tonic::Status`].
    pub(crate) async fn call(&self, name: &str) -> anyhow::Result<Answered> {
        let mut client = InvocationServiceClient::new(self.channel.clone());
        let request = InvokeRequest {
            function_name: name.to_owned(),
            payload: EVENT.into(),
            ..InvokeRequest::default()
        };
        let begun = Instant::now();
        let answer = client.invoke(request).await;
        let time = begun.elapsed();
        let answer = answer?.into_inner();
        ensure!(answer.function_error.is_empty(), "the function failed: {:?}", answer.payload);
        ensure!(is_event(&answer.payload), "the function answered {:?}", answer.payload);
        Ok(Answered { time, is_cold: answer.init_duration.is_some(), request_id: answer.request_id })
    }

    /// A call of thawd that does nothing.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) async fn health(&self) -> anyhow::Result<Duration> {
        let mut client = HealthClient::new(self.channel.clone());
        let begun = Instant::now();
        client.check(HealthCheckRequest { service: String::new() }).await?;
        Ok(begun.elapsed())
    }

    /// How thawd is.
    ///
    /// # Errors
    /// If it does not say.
    pub(crate) async fn status(&self) -> anyhow::Result<GetStatusResponse> {
        Ok(AdminServiceClient::new(self.channel.clone()).get_status(GetStatusRequest {}).await?.into_inner())
    }

    /// Waits until so many sandboxes stand ready and none is on its way, in or out.
    ///
    /// # Errors
    /// If that does not happen.
    pub(crate) async fn wait_ready(&self, count: u32) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let status = self.status().await?;
            if status.sandboxes_ready >= count && status.sandboxes_starting + status.sandboxes_stopping == 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < SOON, "not {count} sandboxes stand ready: {status:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The sandboxes of a function.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn sandboxes(&self, name: &str) -> anyhow::Result<Vec<Sandbox>> {
        let request = ListSandboxesRequest { function_name: name.to_owned() };
        let mut client = AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(16 << 20);
        Ok(client.list_sandboxes(request).await?.into_inner().sandboxes)
    }

    /// The first process of the one sandbox that a function has.
    ///
    /// # Errors
    /// If it has none.
    pub(crate) async fn process(&self, engine: &Docker, name: &str) -> anyhow::Result<i64> {
        let sandboxes = self.sandboxes(name).await?;
        let sandbox = sandboxes.first().context("the calls left no sandbox")?;
        docker::process(engine, &sandbox.container_id).await
    }

    /// Stops every sandbox of a function and waits until it is gone.
    ///
    /// # Errors
    /// If that does not happen.
    pub(crate) async fn stop_sandboxes(&self, name: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let sandboxes = self.sandboxes(name).await?;
            if sandboxes.is_empty() {
                return Ok(());
            }
            ensure!(begun.elapsed() < SOON, "a sandbox that was stopped is still there");
            for Sandbox { id, .. } in sandboxes.into_iter().filter(|it| it.state() != SandboxState::Stopping)
            {
                let request = StopSandboxRequest { id, after_call: true };
                AdminServiceClient::new(self.channel.clone()).stop_sandbox(request).await?;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends an event: how long it took until it was accepted.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) async fn send_event(&self, name: &str) -> anyhow::Result<Duration> {
        let mut client = InvocationServiceClient::new(self.channel.clone());
        let request = InvokeRequest {
            function_name: name.to_owned(),
            payload: EVENT.into(),
            invocation_type: InvocationType::Event.into(),
            ..InvokeRequest::default()
        };
        let begun = Instant::now();
        let answer = client.invoke(request).await?.into_inner();
        ensure!(answer.status_code == 202, "an event was answered with {}", answer.status_code);
        Ok(begun.elapsed())
    }

    /// Bytes that all events of this machine take, as long as one of this function is left.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn queued_bytes(&self, name: &str) -> anyhow::Result<Option<u64>> {
        let request = ListEventsRequest {
            function_name: name.to_owned(),
            page_size: 1,
            ..ListEventsRequest::default()
        };
        let page = EventServiceClient::new(self.channel.clone()).list_events(request).await?.into_inner();
        Ok((!page.events.is_empty()).then_some(page.used_bytes))
    }

    /// Throws away the events of a function that wait.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn purge_events(&self, name: &str) -> anyhow::Result<()> {
        let request = PurgeEventsRequest {
            function_name: name.to_owned(),
            state: EventState::Waiting.into(),
            ..PurgeEventsRequest::default()
        };
        EventServiceClient::new(self.channel.clone()).purge_events(request).await?;
        Ok(())
    }

    /// Gives a function a share of the account's concurrency, or takes it away.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn set_concurrency(&self, name: &str, reserved: Option<u32>) -> anyhow::Result<()> {
        let request = PutConcurrencyRequest {
            function_name: name.to_owned(),
            reserved_concurrent_executions: reserved,
        };
        AttributeServiceClient::new(self.channel.clone()).put_concurrency(request).await?;
        Ok(())
    }

    /// Feeds a function with a stream from its beginning.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn map(&self, name: &str, source_arn: &str) -> anyhow::Result<()> {
        let request = CreateEventSourceRequest {
            function_name: name.to_owned(),
            event_source_arn: source_arn.to_owned(),
            starting_position: "TRIM_HORIZON".to_owned(),
            ..CreateEventSourceRequest::default()
        };
        EventSourceServiceClient::new(self.channel.clone()).create_event_source(request).await?;
        Ok(())
    }

    /// Every REPORT line of a function.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn reports(&self, name: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.reports_in_time(name).await?.into_iter().map(|(_, line)| line).collect())
    }

    /// Every REPORT line of a function, and the time since 1970 at which it was written.
    ///
    /// # Errors
    /// If thawd refuses.
    pub(crate) async fn reports_in_time(&self, name: &str) -> anyhow::Result<Vec<(Duration, String)>> {
        let mut client = LogServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        let mut request = ReadLogsRequest { function_name: name.to_owned(), ..ReadLogsRequest::default() };
        let mut reports = Vec::new();
        loop {
            let page = client.read_logs(request.clone()).await?.into_inner();
            for event in page.events.into_iter().filter(|event| event.message.starts_with("REPORT ")) {
                let stamp = event.timestamp.context("a line without its time")?;
                let moment = Duration::new(u64::try_from(stamp.seconds)?, u32::try_from(stamp.nanos)?);
                reports.push((moment, event.message));
            }
            if page.next_page_token.is_empty() {
                return Ok(reports);
            }
            request.page_token = page.next_page_token;
        }
    }
}

/// The answer may be spaced differently.
pub(crate) fn is_event(answer: &[u8]) -> bool {
    let given = serde_json::from_slice::<serde_json::Value>(answer).ok();
    given.is_some() && given == serde_json::from_str(EVENT).ok()
}

/// Whose REPORT line it is.
pub(crate) fn request_id(line: &str) -> Option<&str> {
    line.strip_prefix("REPORT RequestId: ")?.split('\t').next()
}

/// A field of a REPORT line, in milliseconds.
///
/// # Errors
/// If there is none.
pub(crate) fn field(line: &str, name: &str) -> anyhow::Result<f64> {
    let value = line.split(name).nth(1).and_then(|rest| rest.split(' ').next());
    value.with_context(|| format!("no{name}in: {line}"))?.parse().with_context(|| line.to_owned())
}
