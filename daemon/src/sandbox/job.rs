//! One invocation as a sandbox sees it: what goes in, what comes out, and every way it can fail.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::control::ExitStatus;
use crate::runtime_api::{RESPONSE_LIMIT, ReportedError, RequestId, ResponseStream, STREAM_LIMIT};

/// The bytes of log that `LogType=Tail` answers with. Source: Lambda's Invoke.
pub const TAIL_LIMIT: usize = 4096;

/// An invocation on its way into a sandbox.
#[derive(Debug)]
pub struct Job {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The ARN that the handler sees as `invoked_function_arn`: as the function was called, by an alias perhaps.
    pub function_arn: Arc<str>,
    /// The event.
    pub payload: Bytes,
    /// JSON for `context.client_context`.
    pub client_context: Option<String>,
    /// X-Ray's tracing header.
    pub trace_id: String,
    /// Whether the outcome is to carry the end of the log.
    pub tail: bool,
    /// Takes a response that comes in pieces when it begins. Without it, such a response is gathered and is part of the
    /// outcome, as any other.
    pub stream: Option<mpsc::Sender<ResponseStream>>,
    /// Takes the outcome, exactly once; after the end of a response in pieces.
    pub reply: oneshot::Sender<Result<Outcome, JobError>>,
}

/// How an invocation ended, as far as its function is concerned.
#[derive(Debug)]
pub struct Outcome {
    /// What the function returned, or how it failed. Empty if it was passed on in pieces.
    pub result: Result<Bytes, FunctionError>,
    /// The last [`TAIL_LIMIT`] bytes of its log, if they were asked for.
    pub tail: Option<Bytes>,
    /// How long its sandbox initialised, if this was the first invocation of it.
    pub init: Option<Duration>,
}

/// A failed function: a result, not a failed call.
#[derive(Debug)]
pub struct FunctionError {
    /// The error's name.
    pub error_type: String,
    /// JSON with errorMessage, errorType and perhaps stackTrace.
    pub payload: Bytes,
}

/// Why a call has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The sandbox had died before the event was handed over: another one can take it.
    #[error("the sandbox died before it was given the event")]
    NotDelivered,
    /// The sandbox went away under a running call, and not by the function's doing.
    #[error("the sandbox was lost while the function ran: {0}")]
    SandboxLost(&'static str),
}

/// How a function can fail in a sandbox other than by returning an error.
#[derive(Debug)]
pub enum Failure {
    /// The runtime reported an error for the running invocation, or for its own initialisation.
    Reported(ReportedError),
    /// The invocation, or the initialisation before it, took longer than allowed.
    TimedOut(Duration),
    /// The runtime's process ended.
    Exited(ExitStatus),
    /// The runtime's process was killed because the sandbox was out of memory, by its cgroup's own count.
    OutOfMemory,
    /// The response was over the limit.
    ResponseTooLarge,
    /// The response was over the limit of those that come in pieces. What was below it was passed on.
    StreamTooLarge,
    /// The response broke off, and the runtime lives.
    Truncated,
    /// The image's entry point could not be started.
    InvalidEntrypoint(String),
}

impl FunctionError {
    /// What the caller of `request_id` gets to see of a failure.
    #[must_use]
    pub fn of(failure: &Failure, request_id: &RequestId) -> Self {
        Self { error_type: failure.error_type().to_owned(), payload: failure.payload(request_id) }
    }
}

impl Failure {
    /// Lambda's name of the error.
    #[must_use]
    pub fn error_type(&self) -> &str {
        match self {
            Self::Reported(error) => error.error_type.as_deref().unwrap_or("Runtime.Unknown"),
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::Exited(_) => "Runtime.ExitError",
            Self::OutOfMemory => "Runtime.OutOfMemory",
            Self::ResponseTooLarge | Self::StreamTooLarge => "Function.ResponseSizeTooLarge",
            Self::Truncated => "Runtime.TruncatedResponse",
            Self::InvalidEntrypoint(_) => "Runtime.InvalidEntrypoint",
        }
    }

    /// The answer to the caller. The texts are Lambda's, which people search for.
    #[must_use]
    pub fn payload(&self, request_id: &RequestId) -> Bytes {
        let message = match self {
            Self::Reported(error) if is_json_object(&error.body) => return error.body.clone(),
            Self::Reported(_) => {
                format!("RequestId: {request_id} Error: the runtime reported an error that is not JSON")
            }
            Self::TimedOut(limit) => {
                format!(
                    "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
                    limit.as_secs_f64()
                )
            }
            Self::Exited(status) => {
                format!("RequestId: {request_id} Error: Runtime exited with error: {status}")
            }
            Self::OutOfMemory => {
                format!("RequestId: {request_id} Error: Runtime exited with error: signal: killed")
            }
            Self::ResponseTooLarge => too_large(RESPONSE_LIMIT),
            Self::StreamTooLarge => too_large(STREAM_LIMIT),
            Self::Truncated => {
                format!("RequestId: {request_id} Error: the runtime broke its response off")
            }
            Self::InvalidEntrypoint(why) => format!("RequestId: {request_id} Error: {why}"),
        };
        json!({ "errorType": self.error_type(), "errorMessage": message }).to_string().into()
    }

    /// What the log says of it, besides the REPORT line: Lambda logs only what the function could not say itself.
    #[must_use]
    pub fn log_line(&self, request_id: &RequestId) -> Option<String> {
        match self {
            Self::Reported(_) => None,
            Self::TimedOut(limit) => {
                Some(format!("{request_id} Task timed out after {:.2} seconds", limit.as_secs_f64()))
            }
            Self::Exited(status) => Some(format!(
                "RequestId: {request_id} Error: Runtime exited with error: {status}\n{}",
                self.error_type()
            )),
            Self::OutOfMemory => Some(format!(
                "RequestId: {request_id} Error: Runtime exited with error: signal: killed\n{}",
                self.error_type()
            )),
            Self::ResponseTooLarge | Self::StreamTooLarge | Self::Truncated | Self::InvalidEntrypoint(_) => {
                Some(String::from_utf8_lossy(&self.payload(request_id)).into_owned())
            }
        }
    }
}

fn too_large(limit: usize) -> String {
    format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).")
}

fn is_json_object(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_reads_as_on_lambda() {
        let id = RequestId::random();
        let payload: serde_json::Value =
            serde_json::from_slice(&Failure::TimedOut(Duration::from_secs(3)).payload(&id)).unwrap();
        assert_eq!(payload["errorType"], "Sandbox.Timedout");
        assert_eq!(
            payload["errorMessage"],
            format!("RequestId: {id} Error: Task timed out after 3.00 seconds")
        );
    }

    #[test]
    fn a_reported_error_is_handed_on_untouched() {
        let body = Bytes::from_static(br#"{"errorMessage": "no",  "errorType": "E"}"#);
        let failure = Failure::Reported(ReportedError { error_type: None, body: body.clone() });
        assert_eq!(failure.payload(&RequestId::random()), body);
    }

    #[test]
    fn a_reported_error_that_is_not_json_becomes_json() {
        let failure = Failure::Reported(ReportedError {
            error_type: Some("Weird".into()),
            body: Bytes::from_static(b"\xff<"),
        });
        let payload: serde_json::Value =
            serde_json::from_slice(&failure.payload(&RequestId::random())).unwrap();
        assert_eq!(payload["errorType"], "Weird");
    }
}
