//! Serves one sandbox's listener until it is cancelled.
//!
//! What comes in is hostile: connections, header bytes and bodies are bounded, and whatever a sandbox does here costs
//! that sandbox alone.

use std::{convert::Infallible, io, sync::Arc};

use bytes::BytesMut;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Body, NextReply, RESPONSE_LIMIT, ReportedError, RuntimeCall, Verdict, stream,
    wire::{self, Response},
};

/// A runtime needs one or two connections; more than this wait to be accepted.
const CONNECTIONS: usize = 16;

/// The longest request head, in bytes. The longest legal one is under 1 KiB (an error type and a request id).
const HEAD_LIMIT: usize = 16 * 1024;

/// How much of an over-long body is read and dropped, so that the client gets to see the 413, before the connection is
/// simply closed.
const DISCARD_LIMIT: usize = 64 * 1024 * 1024;

/// The longest error body: an error holds a message and a stack trace; Lambda's own limit is that of a response.
const ERROR_LIMIT: usize = RESPONSE_LIMIT;

/// What every path begins with: the API's version.
const VERSION: &str = "/2018-06-01/runtime/";

/// The longest value of the error type header that is taken over.
const ERROR_TYPE_LIMIT: usize = 256;

/// The serving task of one sandbox. Ends when it is cancelled; [`RuntimeApi::stop`] waits for it.
#[derive(Debug)]
pub struct RuntimeApi {
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl RuntimeApi {
    /// Stops serving and waits until every connection is closed.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        // For a sandbox whose owner was dropped: the tasks end by themselves soon after.
        self.cancel.cancel();
    }
}

/// Serves the Runtime API on `listener`; every call goes to `calls`.
///
/// # Errors
/// If the listener can't be registered with the executor.
pub fn serve(listener: std::net::TcpListener, calls: mpsc::Sender<RuntimeCall>) -> io::Result<RuntimeApi> {
    let listener = TcpListener::from_std(listener)?;
    let api = RuntimeApi { cancel: CancellationToken::new(), tasks: TaskTracker::new() };
    let (cancel, tasks) = (api.cancel.clone(), api.tasks.clone());
    api.tasks.spawn(async move { accept(listener, calls, cancel, tasks).await });
    api.tasks.close();
    Ok(api)
}

async fn accept(
    listener: TcpListener,
    calls: mpsc::Sender<RuntimeCall>,
    cancel: CancellationToken,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed, so this is only ever cancelled or granted.
        let slot = tokio::select! {
            () = cancel.cancelled() => return,
            Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
        };
        let stream = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or the peer was gone already; neither lasts.
                    tracing::warn!(%error, "a sandbox's connection could not be accepted");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let (calls, cancel) = (calls.clone(), cancel.clone());
        tasks.spawn(async move {
            connection(stream, calls, cancel).await;
            drop(slot);
        });
    }
}

async fn connection(stream: TcpStream, calls: mpsc::Sender<RuntimeCall>, cancel: CancellationToken) {
    // Answers are small and awaited by a blocked client: never hold them back for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on a sandbox's connection");
    }
    // Four paths need no router: this is on the way of every invocation, twice.
    let service = service_fn(|request| {
        let calls = calls.clone();
        async move { Ok::<_, Infallible>(serve_one(&calls, request).await) }
    });
    let connection =
        http1::Builder::new().max_buf_size(HEAD_LIMIT).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = cancel.cancelled() => {}
        ended = connection => if let Err(error) = ended {
            // The runtime died or sent something that is not HTTP. Its end is noticed elsewhere.
            tracing::debug!(%error, "a sandbox's connection ended");
        }
    }
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    Next,
    Response { request_id: String },
    Error { request_id: String },
    InitError,
}

impl Operation {
    /// None if the Runtime API has no such path.
    fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix(VERSION)?;
        match path.strip_prefix("invocation/").map(|rest| rest.split_once('/')) {
            Some(None) if path == "invocation/next" => Some(Self::Next),
            Some(Some((request_id, "response"))) => {
                Some(Self::Response { request_id: request_id.to_owned() })
            }
            Some(Some((request_id, "error"))) => Some(Self::Error { request_id: request_id.to_owned() }),
            None if path == "init/error" => Some(Self::InitError),
            _ => None,
        }
    }

    fn method(&self) -> Method {
        match self {
            Self::Next => Method::GET,
            Self::Response { .. } | Self::Error { .. } | Self::InitError => Method::POST,
        }
    }
}

async fn serve_one(calls: &mpsc::Sender<RuntimeCall>, request: Request<Incoming>) -> Response {
    let Some(operation) = Operation::of(request.uri().path()) else {
        return wire::error(StatusCode::NOT_FOUND, "NotFound", "No such operation in the Lambda Runtime API");
    };
    if operation.method() != *request.method() {
        return wire::method_not_allowed(&operation.method());
    }
    match operation {
        Operation::Next => next(calls).await,
        Operation::Response { request_id } if is_streamed(request.headers()) => {
            streamed(calls, request, request_id).await
        }
        Operation::Response { request_id } => match read(request, RESPONSE_LIMIT).await {
            Ok(body) => ask(calls, |reply| RuntimeCall::Response { request_id, body, reply }).await,
            Err(refusal) => refusal,
        },
        Operation::Error { request_id } => match reported(request).await {
            Ok(error) => ask(calls, |reply| RuntimeCall::Error { request_id, error, reply }).await,
            Err(refusal) => refusal,
        },
        Operation::InitError => match reported(request).await {
            Ok(error) => ask(calls, |reply| RuntimeCall::InitError { error, reply }).await,
            Err(refusal) => refusal,
        },
    }
}

async fn next(calls: &mpsc::Sender<RuntimeCall>) -> Response {
    let (reply, answer) = oneshot::channel();
    if calls.send(RuntimeCall::Next { reply }).await.is_err() {
        return gone();
    }
    match answer.await {
        Ok(NextReply::Event(event)) => wire::event(*event),
        Ok(NextReply::Refused(verdict)) => wire::verdict(&verdict),
        Err(_) => gone(),
    }
}

async fn ask(
    calls: &mpsc::Sender<RuntimeCall>,
    call: impl FnOnce(oneshot::Sender<Verdict>) -> RuntimeCall,
) -> Response {
    let (reply, answer) = oneshot::channel();
    if calls.send(call(reply)).await.is_err() {
        return gone();
    }
    answer.await.map_or_else(|_| gone(), |verdict| wire::verdict(&verdict))
}

/// Whether a response comes in pieces, each of which is to be passed on at once.
fn is_streamed(headers: &HeaderMap) -> bool {
    headers.get(wire::RESPONSE_MODE).is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

/// A response whose owner hears of it when it begins. The verdict follows its end.
async fn streamed(
    calls: &mpsc::Sender<RuntimeCall>,
    request: Request<Incoming>,
    request_id: String,
) -> Response {
    let (source, stream, ended) = stream::begin(request.headers());
    let (reply, answer) = oneshot::channel();
    if calls.send(RuntimeCall::Stream { request_id, stream, ended, reply }).await.is_err() {
        return gone();
    }
    if !source.pass_on(request.into_body(), DISCARD_LIMIT).await {
        return ended_early();
    }
    answer.await.map_or_else(|_| gone(), |verdict| wire::verdict(&verdict))
}

/// The sandbox is being stopped; nothing that comes from it counts any more.
fn gone() -> Response {
    wire::error(StatusCode::INTERNAL_SERVER_ERROR, "Sandbox.Stopping", "This sandbox is being stopped")
}

async fn reported(request: Request<Incoming>) -> Result<ReportedError, Response> {
    let error_type = error_type(request.headers());
    match read(request, ERROR_LIMIT).await? {
        Body::Whole(body) => Ok(ReportedError { error_type, body }),
        Body::TooLarge => Err(wire::verdict(&Verdict::TooLarge)),
    }
}

/// The type of an error, among headers or trailers.
pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    headers
        .get(wire::ERROR_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= ERROR_TYPE_LIMIT)
        .map(str::to_owned)
}

fn ended_early() -> Response {
    wire::error(StatusCode::BAD_REQUEST, "InvalidRequest", "The body ended early")
}

/// Reads a body of at most `limit` bytes. A longer one is read on and dropped up to [`DISCARD_LIMIT`], since a client
/// that is still sending does not look at an answer.
async fn read(request: Request<Incoming>, limit: usize) -> Result<Body, Response> {
    let mut body = request.into_body();
    let mut first = None;
    let mut rest = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(ended_early());
        };
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > limit {
            // What was kept so far is not needed any more.
            (first, rest) = (None, BytesMut::new());
            if seen > DISCARD_LIMIT {
                break;
            }
        } else if rest.is_empty() {
            // Most bodies come in one frame: that one is handed on without a copy.
            match first.take() {
                None => first = Some(data),
                Some(before) => {
                    rest.extend_from_slice(&before);
                    rest.extend_from_slice(&data);
                }
            }
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if seen > limit {
        return Ok(Body::TooLarge);
    }
    Ok(Body::Whole(first.unwrap_or_else(|| rest.freeze())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_runtime_api_and_no_others() {
        let of = Operation::of;
        let request_id = || "8476a536".to_owned();
        assert_eq!(of("/2018-06-01/runtime/invocation/next"), Some(Operation::Next));
        let response = Operation::Response { request_id: request_id() };
        assert_eq!(of("/2018-06-01/runtime/invocation/8476a536/response"), Some(response));
        let error = Operation::Error { request_id: request_id() };
        assert_eq!(of("/2018-06-01/runtime/invocation/8476a536/error"), Some(error));
        assert_eq!(of("/2018-06-01/runtime/init/error"), Some(Operation::InitError));
        for path in [
            "/",
            "/2018-06-01/runtime/invocation/next/",
            "/2018-06-01/runtime/invocation/8476a536",
            "/2018-06-01/runtime/invocation/8476a536/response/more",
            "/2018-06-01/runtime/init/next",
            "/2015-03-31/runtime/invocation/next",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
