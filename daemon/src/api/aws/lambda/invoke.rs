//! Invocations: synchronous, asynchronous, as a dry run, and as an event stream.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::{
    Lambda,
    input::{Call, Checks, denied, own},
};
use crate::{
    api::aws::{
        answer::{Answer, Body, answer, empty, full, set},
        error::AwsError,
        event_stream,
    },
    functions::{FunctionReference, FunctionRegistry, Qualifier, ServiceCall},
    invoke::{
        ClientContext, EVENT_LIMIT, Invocation, InvokeError, Invoked, Streamed, StreamingCall, TraceHeader,
    },
    sandbox::Outcome,
};

/// What Lambda answers for every error of a function.
const UNHANDLED: &str = "Unhandled";

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

/// What both forms of a call have in common.
fn read(lambda: &Lambda, mut call: Call, kinds: &[(&str, Kind)]) -> Result<(Kind, Invocation), AwsError> {
    let mut checks = Checks::of_call();
    let (reference, qualifier) = call.function(&mut checks);
    let kind = match call.header("x-amz-invocation-type") {
        None => Kind::RequestResponse,
        Some(text) => kinds.iter().find(|(word, _)| *word == text).map_or_else(
            || {
                let words: Vec<&str> = kinds.iter().map(|(word, _)| *word).collect();
                let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
                checks.refuse("invocationType", text, &constraint);
                Kind::RequestResponse
            },
            |(_, kind)| *kind,
        ),
    };
    let tail = match call.header("x-amz-log-type") {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => {
            checks.refuse("logType", other, "Member must satisfy enum value set: [Tail, None]");
            false
        }
    };
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let function = own(reference, &call, &registry, "InvokeFunction")?;
    let (function, qualifier) = exact(function, qualifier)?;
    let_in(&call, kind, &registry, &function, qualifier.as_ref())?;
    let client_context = call.header("x-amz-client-context").map(client_context).transpose()?;
    if kind == Kind::Event && call.body.len() > EVENT_LIMIT {
        return Err(AwsError::new(
            "RequestEntityTooLargeException",
            format!(
                "{} byte payload is too large for the Event invocation type (limit {EVENT_LIMIT} bytes)",
                call.body.len()
            ),
        ));
    }
    let trace = call.header("x-amzn-trace-id").map(TraceHeader::read);
    Ok((kind, Invocation { function, qualifier, payload: call.take_payload(), client_context, tail, trace }))
}

/// What a service has to show with a call: the ARN of what it calls for.
const SOURCE_ARN: &str = "x-amz-source-arn";

/// A service calls and waits, and is let in by the policy of what it calls and by nothing else.
fn let_in(
    call: &Call,
    kind: Kind,
    registry: &FunctionRegistry,
    function: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<(), AwsError> {
    let Some(service) = &call.identity.service else { return Ok(()) };
    let arn = function.arn_for(registry.region(), call.identity.account);
    let arn = qualifier.map_or_else(|| arn.clone(), |qualifier| arn.with_qualifier(qualifier.clone()));
    let wants = ServiceCall::of(service, call.identity.account, call.header(SOURCE_ARN));
    if kind == Kind::RequestResponse && wants.is_some_and(|wants| registry.lets_in(&arn, &wants)) {
        return Ok(());
    }
    Err(denied(registry.region(), call, "InvokeFunction", &arn))
}

/// Lambda looks for a version, and so names it where there is none.
fn exact(
    function: FunctionReference,
    qualifier: Option<Qualifier>,
) -> Result<(FunctionReference, Option<Qualifier>), AwsError> {
    let qualifier = function.qualifier_with(qualifier.as_ref())?.cloned();
    Ok((function, qualifier))
}

/// A client context comes in base64.
fn client_context(text: &str) -> Result<ClientContext, AwsError> {
    let refused = |why: String| {
        AwsError::new(
            "InvalidRequestContentException",
            format!("Client context must be a valid Base64-encoded JSON object. {why}"),
        )
    };
    let bytes = STANDARD.decode(text).map_err(|error| refused(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| refused(error.to_string()))?;
    ClientContext::parse(text).map_err(|error| refused(error.to_string()))
}

/// A function that is not there is named with the version that a call would take.
fn refusal(error: InvokeError) -> AwsError {
    use crate::functions::FunctionError;
    match error {
        InvokeError::Function(FunctionError::NotFound { arn }) if arn.qualifier.is_none() => {
            FunctionError::NotFound { arn: arn.with_qualifier(Qualifier::LATEST) }.into()
        }
        error => error.into(),
    }
}

/// Invoke.
pub(super) async fn invoke(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let kinds =
        [("Event", Kind::Event), ("RequestResponse", Kind::RequestResponse), ("DryRun", Kind::DryRun)];
    let (kind, invocation) = read(lambda, call, &kinds)?;
    match kind {
        Kind::RequestResponse => {
            let invoked = lambda.invoker.invoke(invocation).await.map_err(refusal)?;
            let Invoked { request_id, executed_version, outcome } = invoked;
            let (failed, payload) = match outcome.result {
                Ok(payload) => (false, payload),
                Err(error) => (true, error.payload),
            };
            let mut answer = answer(StatusCode::OK, "application/json", payload);
            set(&mut answer, "x-amzn-requestid", request_id.as_str());
            set(&mut answer, "x-amz-executed-version", &executed_version);
            if failed {
                set(&mut answer, "x-amz-function-error", UNHANDLED);
            }
            if let Some(tail) = outcome.tail {
                set(&mut answer, "x-amz-log-result", &STANDARD.encode(tail));
            }
            Ok(answer)
        }
        Kind::Event => {
            let request_id = lambda.invoker.enqueue(invocation).await.map_err(refusal)?;
            let mut answer = empty(StatusCode::ACCEPTED);
            set(&mut answer, "x-amzn-requestid", request_id.as_str());
            Ok(answer)
        }
        Kind::DryRun => {
            lambda.invoker.dry_run(invocation).await.map_err(refusal)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
    }
}

/// InvokeAsync: what there was before there were invocation types.
pub(super) async fn invoke_async(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (_, invocation) = read(lambda, call, &[])?;
    let request_id = lambda.invoker.enqueue(invocation).await.map_err(refusal)?;
    let mut answer = empty(StatusCode::ACCEPTED);
    set(&mut answer, "x-amzn-requestid", request_id.as_str());
    Ok(answer)
}

/// InvokeWithResponseStream. What the function sends in pieces is passed on as it comes; what it sends whole, in chunks.
pub(super) async fn invoke_with_response_stream(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let kinds = [("RequestResponse", Kind::RequestResponse), ("DryRun", Kind::DryRun)];
    let (kind, invocation) = read(lambda, call, &kinds)?;
    if kind == Kind::DryRun {
        lambda.invoker.dry_run(invocation).await.map_err(refusal)?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    match lambda.invoker.invoke_streaming(invocation).await.map_err(refusal)? {
        Streamed::Whole(whole) => {
            let Invoked { request_id, executed_version, outcome } = whole;
            let complete = complete(&outcome, UNHANDLED);
            let payload = outcome.result.unwrap_or_default();
            let body = full(event_stream::messages(&payload, &complete));
            Ok(event_stream_answer(body, request_id.as_str(), &executed_version, None))
        }
        Streamed::Begun(call) => {
            let (request_id, version) = (call.request_id.clone(), call.executed_version.clone());
            let content_type = call.content_type.clone();
            let frames = messages(call).map(|message| Ok(Frame::data(message)));
            let body = StreamBody::new(frames).boxed_unsync();
            Ok(event_stream_answer(body, request_id.as_str(), &version, content_type.as_deref()))
        }
    }
}

/// The messages of a response that has begun. Whoever stops reading them lets the function send on into the void.
fn messages(call: StreamingCall) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Some(call), |call| async {
        let mut call = call?;
        match call.next().await {
            Some(piece) => Some((event_stream::payload_chunk(&piece), Some(call))),
            None => Some((event_stream::complete(&end(call.end().await)), None)),
        }
    })
}

/// What InvokeComplete says of a response that had begun. There is no other way left to tell of an error.
fn end(ended: Result<Outcome, InvokeError>) -> Value {
    match ended {
        Ok(outcome) => {
            let name = outcome.result.as_ref().err().map(|error| error.error_type.clone());
            complete(&outcome, name.as_deref().unwrap_or(UNHANDLED))
        }
        Err(error) => {
            let error = refusal(error);
            json!({ "ErrorCode": error.name, "ErrorDetails": error.message })
        }
    }
}

/// What InvokeComplete says, with this name for an error.
fn complete(outcome: &Outcome, error_code: &str) -> Value {
    let mut complete = json!({});
    if let Err(error) = &outcome.result {
        complete["ErrorCode"] = error_code.into();
        complete["ErrorDetails"] = String::from_utf8_lossy(&error.payload).into_owned().into();
    }
    if let Some(tail) = &outcome.tail {
        complete["LogResult"] = STANDARD.encode(tail).into();
    }
    complete
}

fn event_stream_answer(body: Body, request_id: &str, version: &str, content_type: Option<&str>) -> Answer {
    let mut answer = Answer::new(body);
    set(&mut answer, "content-type", "application/vnd.amazon.eventstream");
    set(&mut answer, "x-amzn-requestid", request_id);
    set(&mut answer, "x-amz-executed-version", version);
    let content_type = content_type.unwrap_or("application/octet-stream");
    set(&mut answer, "x-amzn-remapped-content-type", content_type);
    answer
}
