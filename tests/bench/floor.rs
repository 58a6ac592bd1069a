//! The least that a call of the official runtime client can cost: a server that does nothing but the Runtime API, on
//! 127.0.0.1, no network namespace, no freezing, no log, no gRPC. The client runs in a container as in a sandbox, so
//! that interpreter, limits and file system are the same.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig},
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{EVENT, WARM_UP, docker, figures::Series, rest, subject::Subject};

/// An interpreter starts within a second.
const START_LIMIT: Duration = Duration::from_secs(30);

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// What was measured.
#[derive(Debug)]
pub(crate) struct Floor {
    /// From handing the event over to having the answer: what a caller waits for.
    pub(crate) call: Series,
    /// From an event to the next request for one: what a sandbox is taken for.
    pub(crate) cycle: Series,
    /// As `call`, after a pause.
    pub(crate) rested: Series,
}

#[derive(Debug)]
struct Ends {
    /// Requests for an event, each waiting to be let go.
    nexts: mpsc::Sender<oneshot::Sender<()>>,
    answers: mpsc::Sender<()>,
}

/// Measures it.
///
/// # Errors
/// If the container does not start or its client stops asking.
pub(crate) async fn measure(engine: &Docker, calls: usize) -> anyhow::Result<Floor> {
    let mut bare = Bare::start(engine, &Subject::python()).await?;
    let measured = drive(&mut bare, calls).await;
    bare.end(engine).await?;
    measured
}

/// As many loops of this function beside each other, each with a client of its own, as fast as they can for `span` after `warm_up`: the
/// time of each call.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn many(
    engine: &Docker,
    subject: &Subject,
    loops: usize,
    warm_up: Duration,
    span: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut bares = Vec::new();
    for _ in 0..loops {
        bares.push(Bare::start(engine, subject).await?);
    }
    let mut running = JoinSet::new();
    for mut bare in bares {
        running.spawn(async move {
            let times = spin(&mut bare, warm_up, span).await;
            (bare, times)
        });
    }
    let (mut all, mut failed) = (Vec::new(), None);
    while let Some(ended) = running.join_next().await {
        let (bare, times) = ended?;
        bare.end(engine).await?;
        match times {
            Ok(times) => all.extend(times),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(all), Err)
}

async fn spin(bare: &mut Bare, warm_up: Duration, span: Duration) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut next = bare.next().await?;
    let begun = Instant::now();
    while begun.elapsed() < warm_up + span {
        let called = Instant::now();
        let _ = next.send(());
        bare.answered.recv().await.context("no answer")?;
        if begun.elapsed() > warm_up {
            times.push(called.elapsed());
        }
        next = bare.next().await?;
    }
    Ok(times)
}

/// A Runtime API and its client.
struct Bare {
    waiting: mpsc::Receiver<oneshot::Sender<()>>,
    answered: mpsc::Receiver<()>,
    container: String,
    serving: JoinHandle<()>,
    /// The handler's directory, as long as the container is there.
    _task: TempDir,
}

impl Bare {
    async fn start(engine: &Docker, subject: &Subject) -> anyhow::Result<Self> {
        let (nexts, waiting) = mpsc::channel(1);
        let (answers, answered) = mpsc::channel(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listening on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let listener = listener.tap_io(|stream| {
            // As thawd does: a small answer is not held back for more.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
            .with_state(Arc::new(Ends { nexts, answers }));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the bare Runtime API ended: {error}");
            }
        });
        let task = tempfile::tempdir()?;
        fs::set_permissions(task.path(), fs::Permissions::from_mode(0o755))?;
        let file = task.path().join(subject.file);
        fs::write(&file, &subject.content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(subject.mode))?;
        let container = docker::start(engine, client(subject, port, &task.path().to_string_lossy())).await?;
        Ok(Self { waiting, answered, container, serving, _task: task })
    }

    async fn next(&mut self) -> anyhow::Result<oneshot::Sender<()>> {
        let next = timeout(START_LIMIT, self.waiting.recv()).await;
        next.context("the runtime client did not ask for an event")?.context("the server ended")
    }

    async fn end(self, engine: &Docker) -> anyhow::Result<()> {
        docker::remove(engine, &self.container).await?;
        self.serving.abort();
        Ok(())
    }
}

async fn drive(bare: &mut Bare, calls: usize) -> anyhow::Result<Floor> {
    let mut next = bare.next().await?;
    let (mut call, mut cycle, mut rested) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..WARM_UP + 2 * calls {
        let after_rest = turn >= WARM_UP + calls;
        if after_rest {
            rest().await;
        }
        let begun = Instant::now();
        let _ = next.send(());
        bare.answered.recv().await.context("no answer")?;
        let done = begun.elapsed();
        next = bare.next().await?;
        if after_rest {
            rested.push(done);
        } else if turn >= WARM_UP {
            call.push(done);
            cycle.push(begun.elapsed());
        }
    }
    Ok(Floor { call: Series::of(call)?, cycle: Series::of(cycle)?, rested: Series::of(rested)? })
}

/// The runtime client in its container, as thawd would start it, but for the network.
fn client(subject: &Subject, port: u16, task: &str) -> ContainerCreateBody {
    let api = format!("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{port}");
    // By it the client in Python chooses how it waits for events; on Lambda as in Thaw it is set.
    let execution = format!("AWS_EXECUTION_ENV=AWS_Lambda_{}", subject.runtime);
    let environment = [
        &api,
        &execution,
        "LAMBDA_TASK_ROOT=/var/task",
        // What the client in Rust does not start without.
        "AWS_LAMBDA_FUNCTION_NAME=floor",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769",
    ];
    ContainerCreateBody {
        image: Some(subject.image.to_owned()),
        entrypoint: subject.entrypoint.map(|entrypoint| vec![entrypoint.to_owned()]),
        cmd: Some(vec![subject.handler.to_owned()]),
        env: Some(environment.map(str::to_owned).to_vec()),
        working_dir: Some("/var/task".to_owned()),
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            binds: Some(vec![format!("{task}:/var/task:ro")]),
            ..docker::limits()
        }),
        ..ContainerCreateBody::default()
    }
}

async fn next(State(ends): State<Arc<Ends>>) -> impl IntoResponse {
    let (go, gone) = oneshot::channel();
    // The measurement is over when nobody listens; the container is, then, too.
    if ends.nexts.send(go).await.is_err() || gone.await.is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), "");
    }
    let headers = [
        ("lambda-runtime-aws-request-id", REQUEST_ID),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:floor"),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        ),
        ("content-type", "application/json"),
    ];
    let headers =
        headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    (StatusCode::OK, HeaderMap::from_iter(headers), EVENT)
}

async fn response(State(ends): State<Arc<Ends>>, _body: bytes::Bytes) -> StatusCode {
    let _ = ends.answers.send(()).await;
    StatusCode::ACCEPTED
}
