//! Calls through thawd's gRPC: warm ones on a sandbox that is seen to be frozen before each, and cold ones on none.

use std::{
    collections::HashSet,
    io::{Cursor, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bollard::Docker;
use thaw_proto::v1::{
    CreateFunctionRequest, InvokeRequest, ListSandboxesRequest, ReadLogsRequest, Sandbox, SandboxState,
    StopSandboxRequest, admin_service_client::AdminServiceClient,
    function_service_client::FunctionServiceClient, invocation_service_client::InvocationServiceClient,
    log_service_client::LogServiceClient,
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    Counts, EVENT, HANDLER, MEMORY_MB, RUNTIME, WARM_UP, daemon::Daemon, docker, figures::Series,
    frozen::Watch, rest,
};

const FUNCTION: &str = "bench";

/// A sandbox is gone within a second of being stopped.
const SOON: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug)]
pub(crate) struct Calls {
    /// A call on a frozen sandbox, as its caller sees it; made as soon as the sandbox was frozen.
    pub(crate) warm: Series,
    /// The same, after a pause.
    pub(crate) rested: Series,
    /// Calls that don't wait for the freeze, each right after the other.
    pub(crate) back_to_back: Series,
    /// What the REPORT lines of the warm calls say.
    pub(crate) reported: Series,
    /// A gRPC call that does nothing, one right after the other.
    pub(crate) rpc: Series,
    /// A call where no sandbox is.
    pub(crate) cold: Series,
    /// What the REPORT lines of the cold calls say of their init phase.
    pub(crate) init: Series,
}

/// Measures all of it.
///
/// # Errors
/// If a call fails.
pub(crate) async fn measure(engine: &Docker, thawd: &Daemon, counts: Counts) -> anyhow::Result<Calls> {
    let bench = Bench { channel: thawd.channel.clone() };
    bench.create().await?;
    let mut cold = Vec::new();
    for _ in 0..counts.starts {
        bench.stop_sandboxes().await?;
        cold.push(bench.invoke().await?.0);
    }
    let watch = Watch::of(bench.process(engine).await?)?;
    let (mut warm, mut rested, mut ids) = (Vec::new(), Vec::new(), HashSet::new());
    for turn in 0..WARM_UP + 2 * counts.calls {
        let after_rest = turn >= WARM_UP + counts.calls;
        watch.wait()?;
        if after_rest {
            rest().await;
        }
        let (time, id) = bench.invoke().await?;
        if after_rest {
            rested.push(time);
        } else if turn >= WARM_UP {
            warm.push(time);
            ids.insert(id);
        }
    }
    let sandboxes = bench.sandboxes().await?;
    ensure!(sandboxes.len() == 1, "the warm calls had {} sandboxes instead of one", sandboxes.len());
    let (mut back_to_back, mut rpc) = (Vec::new(), Vec::new());
    for _ in 0..counts.calls {
        back_to_back.push(bench.invoke().await?.0);
    }
    for _ in 0..counts.calls {
        rpc.push(bench.health().await?);
    }
    let reports = bench.reports().await?;
    let is_warm = |line: &&String| request_id(line).is_some_and(|id| ids.contains(id));
    let reported = reports.iter().filter(is_warm).map(|line| field(line, "\tDuration: "));
    let init = reports
        .iter()
        .filter(|line| line.contains("Init Duration"))
        .map(|line| field(line, "\tInit Duration: "));
    Ok(Calls {
        warm: Series::of(warm)?,
        rested: Series::of(rested)?,
        back_to_back: Series::of(back_to_back)?,
        reported: Series::of_millis(reported.collect::<anyhow::Result<Vec<_>>>()?)?,
        rpc: Series::of(rpc)?,
        cold: Series::of(cold)?,
        init: Series::of_millis(init.collect::<anyhow::Result<Vec<_>>>()?)?,
    })
}

/// Whose REPORT line it is.
fn request_id(line: &str) -> Option<&str> {
    line.strip_prefix("REPORT RequestId: ")?.split('\t').next()
}

/// A field of a REPORT line, in milliseconds.
fn field(line: &str, name: &str) -> anyhow::Result<f64> {
    let value = line.split(name).nth(1).and_then(|rest| rest.split(' ').next());
    value.with_context(|| format!("no{name}in: {line}"))?.parse().with_context(|| line.to_owned())
}

/// The clients, and what the benchmark asks of them.
#[derive(Debug)]
struct Bench {
    channel: Channel,
}

impl Bench {
    async fn create(&self) -> anyhow::Result<()> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("app.py", SimpleFileOptions::default().unix_permissions(0o644))?;
        zip.write_all(HANDLER.as_bytes())?;
        let request = CreateFunctionRequest {
            function_name: FUNCTION.to_owned(),
            runtime: RUNTIME.to_owned(),
            handler: "app.handler".to_owned(),
            role: "arn:aws:iam::000000000000:role/bench".to_owned(),
            timeout: 30,
            memory_size: MEMORY_MB,
            chunk: zip.finish()?.into_inner().into(),
            ..CreateFunctionRequest::default()
        };
        FunctionServiceClient::new(self.channel.clone())
            .create_function(tokio_stream::iter([request]))
            .await?;
        Ok(())
    }

    /// One call: how long it took, and its id.
    async fn invoke(&self) -> anyhow::Result<(Duration, String)> {
        let mut client = InvocationServiceClient::new(self.channel.clone());
        let request = InvokeRequest {
            function_name: FUNCTION.to_owned(),
            payload: EVENT.into(),
            ..InvokeRequest::default()
        };
        let begun = Instant::now();
        let answer = client.invoke(request).await;
        let time = begun.elapsed();
        let answer = answer?.into_inner();
        ensure!(answer.function_error.is_empty(), "the function failed: {:?}", answer.payload);
        let (given, expected): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(&answer.payload)?, serde_json::from_str(EVENT)?);
        ensure!(given == expected, "the function answered {given}");
        Ok((time, answer.request_id))
    }

    async fn health(&self) -> anyhow::Result<Duration> {
        let mut client = HealthClient::new(self.channel.clone());
        let begun = Instant::now();
        client.check(HealthCheckRequest { service: String::new() }).await?;
        Ok(begun.elapsed())
    }

    async fn sandboxes(&self) -> anyhow::Result<Vec<Sandbox>> {
        let request = ListSandboxesRequest { function_name: FUNCTION.to_owned() };
        Ok(AdminServiceClient::new(self.channel.clone())
            .list_sandboxes(request)
            .await?
            .into_inner()
            .sandboxes)
    }

    /// The first process of the one sandbox there is.
    async fn process(&self, engine: &Docker) -> anyhow::Result<i64> {
        let sandboxes = self.sandboxes().await?;
        let sandbox = sandboxes.first().context("the cold calls left no sandbox")?;
        docker::process(engine, &sandbox.container_id).await
    }

    /// Stops every sandbox and waits until it is gone.
    async fn stop_sandboxes(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let sandboxes = self.sandboxes().await?;
            if sandboxes.is_empty() {
                return Ok(());
            }
            ensure!(begun.elapsed() < SOON, "a sandbox that was stopped is still there");
            for Sandbox { id, .. } in sandboxes.into_iter().filter(|it| it.state() != SandboxState::Stopping)
            {
                let request = StopSandboxRequest { id, after_call: true };
                AdminServiceClient::new(self.channel.clone()).stop_sandbox(request).await?;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every REPORT line of the function.
    async fn reports(&self) -> anyhow::Result<Vec<String>> {
        let mut client = LogServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        let mut request =
            ReadLogsRequest { function_name: FUNCTION.to_owned(), ..ReadLogsRequest::default() };
        let mut reports = Vec::new();
        loop {
            let page = client.read_logs(request.clone()).await?.into_inner();
            let lines = page.events.into_iter().map(|event| event.message);
            reports.extend(lines.filter(|line| line.starts_with("REPORT ")));
            if page.next_page_token.is_empty() {
                return Ok(reports);
            }
            request.page_token = page.next_page_token;
        }
    }
}
