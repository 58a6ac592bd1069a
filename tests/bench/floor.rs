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
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{EVENT, HANDLER, IMAGE, WARM_UP, docker, figures::Series, rest};

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
    let (nexts, mut waiting) = mpsc::channel(1);
    let (answers, mut answered) = mpsc::channel(1);
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
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let task = tempfile::tempdir()?;
    fs::set_permissions(task.path(), fs::Permissions::from_mode(0o755))?;
    fs::write(task.path().join("app.py"), HANDLER)?;
    let container = docker::start(engine, client(port, &task.path().to_string_lossy())).await?;
    let measured = drive(&mut waiting, &mut answered, calls).await;
    docker::remove(engine, &container).await?;
    serving.abort();
    measured
}

async fn drive(
    waiting: &mut mpsc::Receiver<oneshot::Sender<()>>,
    answered: &mut mpsc::Receiver<()>,
    calls: usize,
) -> anyhow::Result<Floor> {
    let mut next = timeout(START_LIMIT, waiting.recv())
        .await
        .context("the runtime client did not ask for an event")?
        .context("the server ended")?;
    let (mut call, mut cycle, mut rested) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..WARM_UP + 2 * calls {
        let after_rest = turn >= WARM_UP + calls;
        if after_rest {
            rest().await;
        }
        let begun = Instant::now();
        let _ = next.send(());
        answered.recv().await.context("no answer")?;
        let done = begun.elapsed();
        next = waiting.recv().await.context("no further request")?;
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
fn client(port: u16, task: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(vec!["app.handler".to_owned()]),
        env: Some(vec![
            format!("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{port}"),
            "LAMBDA_TASK_ROOT=/var/task".to_owned(),
        ]),
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
