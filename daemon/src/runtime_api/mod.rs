//! The AWS Lambda Runtime API, 2018-06-01, as a sandbox sees it on 127.0.0.1:9001.
//!
//! Every sandbox has a listener of its own inside its network namespace, so whoever speaks on it *is* that sandbox:
//! there is no token to steal and none to check. This module turns HTTP into [`RuntimeCall`]s and hands them to the one
//! task that owns the sandbox; what a call means in the sandbox's present state is decided there, not here. It knows a
//! sandbox and an invocation and nothing else: no function, no tenant, no store.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> and the OpenAPI document it links.

mod server;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;

pub use server::{RuntimeApi, serve};
pub use stream::{ResponseStream, STREAM_LIMIT, StreamEnd};

/// Where the Runtime API listens inside every sandbox, as on Lambda.
pub const ADDRESS: &str = "127.0.0.1:9001";

/// The most bytes of a synchronous response: 6 MB and the 100 bytes that Lambda grants above it.
/// Source: Lambda quotas, and the message of `Function.ResponseSizeTooLarge`.
pub const RESPONSE_LIMIT: usize = 6_291_556;

/// Names one invocation, everywhere: header, log lines, errors. A UUID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new, random id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// An id that was given before.
    #[must_use]
    pub fn known(id: Arc<str>) -> Self {
        Self(id)
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared: log lines carry it by the thousand.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `/next` answers with: one invocation.
#[derive(Debug)]
pub struct Event {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: RequestId,
    /// `Lambda-Runtime-Deadline-Ms`: Unix time in milliseconds at which the invocation times out.
    pub deadline_ms: i64,
    /// `Lambda-Runtime-Invoked-Function-Arn`.
    pub function_arn: Arc<str>,
    /// `Lambda-Runtime-Trace-Id`, an X-Ray tracing header.
    pub trace_id: String,
    /// `Lambda-Runtime-Client-Context`: JSON, checked to be a legal header value at the door.
    pub client_context: Option<String>,
    /// The body.
    pub payload: Bytes,
}

/// An error as the runtime reports it.
#[derive(Debug)]
pub struct ReportedError {
    /// `Lambda-Runtime-Function-Error-Type`, if the runtime sent one.
    pub error_type: Option<String>,
    /// The error as JSON, handed on as it came.
    pub body: Bytes,
}

/// A body that was read within its limit, or the fact that it was longer.
#[derive(Debug)]
pub enum Body {
    /// The whole body.
    Whole(Bytes),
    /// More than [`RESPONSE_LIMIT`] bytes; they were read and dropped.
    TooLarge,
}

/// One call of the runtime. Each carries the channel its answer goes back by; a dropped channel answers 500.
#[derive(Debug)]
pub enum RuntimeCall {
    /// `GET /runtime/invocation/next`: answered when there is an invocation, for ever if need be.
    Next {
        /// Takes the invocation.
        reply: oneshot::Sender<NextReply>,
    },
    /// `POST /runtime/invocation/ID/response`.
    Response {
        /// The id in the path, as it came.
        request_id: String,
        /// What the handler returned.
        body: Body,
        /// Takes the verdict.
        reply: oneshot::Sender<Verdict>,
    },
    /// The same, in streaming mode: it has begun.
    Stream {
        /// The id in the path, as it came.
        request_id: String,
        /// The pieces, as they come.
        stream: ResponseStream,
        /// Tells how it ended, after the last piece.
        ended: oneshot::Receiver<StreamEnd>,
        /// Takes the verdict, which the runtime gets when it has sent everything.
        reply: oneshot::Sender<Verdict>,
    },
    /// `POST /runtime/invocation/ID/error`.
    Error {
        /// The id in the path, as it came.
        request_id: String,
        /// What went wrong.
        error: ReportedError,
        /// Takes the verdict.
        reply: oneshot::Sender<Verdict>,
    },
    /// `POST /runtime/init/error`.
    InitError {
        /// What went wrong.
        error: ReportedError,
        /// Takes the verdict.
        reply: oneshot::Sender<Verdict>,
    },
}

impl RuntimeCall {
    /// Answers that the call makes no sense in the sandbox's present state.
    pub fn refuse(self, why: &'static str) {
        let verdict = Verdict::InvalidStateTransition(why);
        // A runtime that hung up meanwhile needs no answer.
        let _ = match self {
            Self::Next { reply } => reply.send(NextReply::Refused(verdict)).is_ok(),
            Self::Response { reply, .. }
            | Self::Stream { reply, .. }
            | Self::Error { reply, .. }
            | Self::InitError { reply, .. } => reply.send(verdict).is_ok(),
        };
    }
}

/// The answer to `/next`.
#[derive(Debug)]
pub enum NextReply {
    /// An invocation.
    Event(Box<Event>),
    /// Not now.
    Refused(Verdict),
}

/// The answer to everything but `/next`.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 202.
    Accepted,
    /// 400: the id in the path is not that of the running invocation.
    InvalidRequestId,
    /// 403: the call makes no sense in this state.
    InvalidStateTransition(&'static str),
    /// 413: the response is over [`RESPONSE_LIMIT`]; the invocation ended with `Function.ResponseSizeTooLarge`.
    TooLarge,
    /// 413: the response, which came in pieces, is over [`STREAM_LIMIT`].
    StreamTooLarge,
}
