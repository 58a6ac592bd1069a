//! What a test begins with: a running daemon and typed calls to it.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use serde_json::Value;
use thaw_proto::v1::{
    DeleteFunctionRequest, FunctionConfiguration, GetFunctionRequest, InvocationType, InvokeRequest,
    ListSandboxesRequest, LogEvent, LogType, ReadLogsRequest, Sandbox, SandboxState,
    UpdateFunctionCodeRequest, admin_service_client::AdminServiceClient,
    attribute_service_client::AttributeServiceClient, event_service_client::EventServiceClient,
    event_source_service_client::EventSourceServiceClient, function_service_client::FunctionServiceClient,
    invocation_service_client::InvocationServiceClient, layer_service_client::LayerServiceClient,
    log_service_client::LogServiceClient, runtime_service_client::RuntimeServiceClient,
    version_service_client::VersionServiceClient,
};
use tokio::sync::OnceCell;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

use crate::{
    answer::Answer,
    daemon::Daemon,
    engine::Engine,
    functions::{NewFunction, RUNTIME, chunks},
    remains::Remains,
    wait::eventually,
};

/// More than the largest payload and what is around it.
const MESSAGE_LIMIT: usize = 16 << 20;

/// A daemon that the tests of a module share. It is started by the first of them.
#[derive(Debug)]
pub struct SharedDaemon {
    settings: &'static [(&'static str, &'static str)],
    daemon: OnceCell<Daemon>,
}

impl SharedDaemon {
    /// A daemon with these settings.
    #[must_use]
    pub const fn new(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self { settings, daemon: OnceCell::const_new() }
    }

    /// A world around it.
    pub async fn world(&'static self) -> World {
        Engine::connect().await.require_image(RUNTIME).await;
        let daemon = self.daemon.get_or_init(|| Daemon::start(self.settings)).await;
        World::around(Held::Shared(daemon)).await
    }
}

#[derive(Debug)]
enum Held {
    Own(Box<Daemon>),
    Shared(&'static Daemon),
}

/// A running daemon and a connection to it. At its end the functions that were created here are deleted; and if the
/// test failed, the end of the daemon's log is printed.
#[derive(Debug)]
pub struct World {
    held: Held,
    channel: Channel,
    created: Mutex<Vec<String>>,
}

/// What `connect` or a restart gives: every call needs a client, and a client is cheap.
macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $client:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $client<Channel> {
            $client::new(self.channel.clone())
                .max_decoding_message_size(MESSAGE_LIMIT)
                .max_encoding_message_size(MESSAGE_LIMIT)
        }
    };
}

impl World {
    /// A world with a daemon of its own.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A world with a daemon of its own, with these settings (names as flags have them).
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Engine::connect().await.require_image(RUNTIME).await;
        Self::around(Held::Own(Box::new(Daemon::start(settings).await))).await
    }

    /// A world with this daemon, which does not run yet.
    pub async fn of(daemon: Daemon) -> Self {
        Engine::connect().await.require_image(RUNTIME).await;
        daemon.begin().await;
        Self::around(Held::Own(Box::new(daemon))).await
    }

    async fn around(held: Held) -> Self {
        let daemon = match &held {
            Held::Own(daemon) => daemon,
            Held::Shared(daemon) => *daemon,
        };
        let channel = daemon.connect().await.expect("a connection to thawd");
        Self { held, channel, created: Mutex::new(Vec::new()) }
    }

    /// The daemon.
    #[must_use]
    pub fn daemon(&self) -> &Daemon {
        match &self.held {
            Held::Own(daemon) => daemon,
            Held::Shared(daemon) => daemon,
        }
    }

    /// Kills the daemon as a crash would and starts it again on the same directories.
    pub async fn crash_and_restart(&mut self) {
        self.daemon().crash();
        self.restart().await;
    }

    /// Starts the daemon that was killed again, and looks that nothing of its earlier life is there any more: no container, no
    /// mount, no cgroup.
    pub async fn restart_after_kill(&mut self) {
        let left = Remains::of(self.daemon()).await;
        self.restart().await;
        assert_eq!(Remains::of(self.daemon()).await.still_from(&left), Remains::default(), "of {left:#?}");
    }

    /// Starts the daemon that has ended again.
    pub async fn restart(&mut self) {
        self.daemon().begin().await;
        self.channel = self.daemon().connect().await.expect("a connection to thawd");
    }

    client!(
        /// FunctionService.
        functions, FunctionServiceClient
    );
    client!(
        /// EventService.
        events, EventServiceClient
    );
    client!(
        /// VersionService.
        versions, VersionServiceClient
    );
    client!(
        /// AttributeService.
        attributes, AttributeServiceClient
    );
    client!(
        /// EventSourceService.
        event_sources, EventSourceServiceClient
    );
    client!(
        /// LayerService.
        layers, LayerServiceClient
    );
    client!(
        /// InvocationService.
        invocations, InvocationServiceClient
    );
    client!(
        /// LogService.
        logs, LogServiceClient
    );
    client!(
        /// AdminService.
        admin, AdminServiceClient
    );
    client!(
        /// RuntimeService.
        runtimes, RuntimeServiceClient
    );
}

/// Functions.
impl World {
    /// Creates a function and gives its name.
    pub async fn create(&self, function: NewFunction) -> String {
        self.try_create(function).await.expect("create a function").function_name
    }

    /// Creates a function, or not.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn try_create(&self, function: NewFunction) -> Result<FunctionConfiguration, Status> {
        let messages = tokio_stream::iter(function.messages());
        let created = self.functions().create_function(messages).await?.into_inner();
        let configuration = created.configuration.expect("a configuration");
        let mut names = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(configuration.function_name.clone());
        Ok(configuration)
    }

    /// Reads a function.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn get(&self, name: &str) -> Result<FunctionConfiguration, Status> {
        let request = GetFunctionRequest { function_name: name.to_owned() };
        let got = self.functions().get_function(request).await?.into_inner();
        Ok(got.configuration.expect("a configuration"))
    }

    /// Replaces a function's package.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn update_code(
        &self,
        request: UpdateFunctionCodeRequest,
        package: &Bytes,
    ) -> Result<FunctionConfiguration, Status> {
        let mut chunks = chunks(package);
        let first = UpdateFunctionCodeRequest { chunk: chunks.next().unwrap_or_default(), ..request };
        let rest =
            chunks.map(|chunk| UpdateFunctionCodeRequest { chunk, ..UpdateFunctionCodeRequest::default() });
        let messages = tokio_stream::iter(std::iter::once(first).chain(rest));
        let updated = self.functions().update_function_code(messages).await?.into_inner();
        Ok(updated.configuration.expect("a configuration"))
    }

    /// Deletes a function.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn delete(&self, name: &str) -> Result<(), Status> {
        delete(self.channel.clone(), name).await
    }
}

async fn delete(channel: Channel, name: &str) -> Result<(), Status> {
    let request = DeleteFunctionRequest { function_name: name.to_owned() };
    FunctionServiceClient::new(channel).delete_function(request).await.map(drop)
}

/// Invocations.
impl World {
    /// Invokes a function and gives its answer with the end of its log.
    pub async fn invoke(&self, name: &str, payload: Value) -> Answer {
        self.try_invoke(name, payload).await.unwrap_or_else(|status| panic!("invoke {name}: {status:?}"))
    }

    /// Invokes a function, or not.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn try_invoke(&self, name: &str, payload: Value) -> Result<Answer, Status> {
        self.send(InvokeRequest { payload: payload.to_string().into(), ..request(name) }).await
    }

    /// Sends an invocation as the test has made it.
    ///
    /// # Errors
    /// What the daemon answers.
    pub async fn send(&self, request: InvokeRequest) -> Result<Answer, Status> {
        Ok(Answer::of(self.invocations().invoke(request).await?.into_inner()))
    }
}

/// An invocation of `name` with nothing to say.
#[must_use]
pub fn request(name: &str) -> InvokeRequest {
    InvokeRequest {
        function_name: name.to_owned(),
        invocation_type: InvocationType::RequestResponse.into(),
        log_type: LogType::Tail.into(),
        ..InvokeRequest::default()
    }
}

/// Sandboxes and logs.
impl World {
    /// The sandboxes of a function.
    pub async fn sandboxes(&self, name: &str) -> Vec<Sandbox> {
        let request = ListSandboxesRequest { function_name: name.to_owned() };
        self.admin().list_sandboxes(request).await.expect("list sandboxes").into_inner().sandboxes
    }

    /// Waits until a sandbox of a function is in a state, and gives it.
    pub async fn sandbox_in(&self, name: &str, state: SandboxState) -> Sandbox {
        eventually(&format!("a sandbox of {name} is {}", state.as_str_name()), async || {
            self.sandboxes(name).await.into_iter().find(|sandbox| sandbox.state() == state)
        })
        .await
    }

    /// Waits until a function has no sandbox.
    pub async fn no_sandbox_of(&self, name: &str) {
        eventually(&format!("no sandbox of {name} is left"), async || {
            self.sandboxes(name).await.is_empty().then_some(())
        })
        .await;
    }

    /// The stored lines of a function.
    pub async fn lines(&self, name: &str) -> Vec<LogEvent> {
        self.read_logs(ReadLogsRequest { function_name: name.to_owned(), ..ReadLogsRequest::default() }).await
    }

    /// The stored lines of one invocation that was answered. Waits for its last: lines are stored behind the answer.
    pub async fn lines_of(&self, name: &str, request_id: &str) -> Vec<String> {
        let request = ReadLogsRequest {
            function_name: name.to_owned(),
            request_id: request_id.to_owned(),
            ..ReadLogsRequest::default()
        };
        eventually(&format!("the log of {name} holds the whole of {request_id}"), async || {
            let lines: Vec<_> =
                self.read_logs(request.clone()).await.into_iter().map(|event| event.message).collect();
            lines.iter().any(|line| line.starts_with("REPORT ")).then_some(lines)
        })
        .await
    }

    /// Every line that a request finds, page by page.
    pub async fn read_logs(&self, mut request: ReadLogsRequest) -> Vec<LogEvent> {
        let mut events = Vec::new();
        loop {
            let page = self.logs().read_logs(request.clone()).await.expect("read logs").into_inner();
            events.extend(page.events);
            if page.next_page_token.is_empty() {
                return events;
            }
            request.page_token = page.next_page_token;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the end of the daemon's log:\n{}", self.daemon().log_tail(60));
        }
        // A daemon of one test ends with everything it has.
        let Held::Shared(daemon) = self.held else { return };
        let names = std::mem::take(self.created.get_mut().unwrap_or_else(PoisonError::into_inner));
        // The test's own runtime is busy dropping this.
        let deleting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let channel = daemon.connect().await.map_err(std::io::Error::other)?;
                for name in names {
                    // One that the test has deleted itself is not found.
                    let _ = delete(channel.clone(), &name).await;
                }
                std::io::Result::Ok(())
            })
        });
        if !matches!(deleting.join(), Ok(Ok(()))) {
            eprintln!("the functions of this test could not be deleted");
        }
    }
}

/// The reason that a refusal gives: Lambda's exception name.
#[must_use]
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "thaw");
    info.reason.clone()
}

/// The fields that a refusal names.
#[must_use]
pub fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
