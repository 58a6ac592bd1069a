//! Invocations: synchronous, asynchronous, as a dry run, and as an event stream.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::json;

use super::{
    Lambda,
    input::{Call, Checks, own},
};
use crate::{
    api::aws::{
        answer::{Answer, answer, empty, set},
        error::AwsError,
        event_stream,
    },
    functions::{FunctionReference, Qualifier},
    invoke::{ClientContext, EVENT_LIMIT, Invocation, InvokeError, Invoked},
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
fn read(lambda: &Lambda, call: Call, kinds: &[(&str, Kind)]) -> Result<(Kind, Invocation), AwsError> {
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
    Ok((kind, Invocation { function, qualifier, payload: call.body, client_context, tail }))
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

/// InvokeWithResponseStream. The function's answer is passed on when it is whole, in chunks.
pub(super) async fn invoke_with_response_stream(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let kinds = [("RequestResponse", Kind::RequestResponse), ("DryRun", Kind::DryRun)];
    let (kind, invocation) = read(lambda, call, &kinds)?;
    if kind == Kind::DryRun {
        lambda.invoker.dry_run(invocation).await.map_err(refusal)?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let invoked = lambda.invoker.invoke(invocation).await.map_err(refusal)?;
    let Invoked { request_id, executed_version, outcome } = invoked;
    let mut complete = json!({});
    let payload = match outcome.result {
        Ok(payload) => payload,
        Err(error) => {
            complete["ErrorCode"] = UNHANDLED.into();
            complete["ErrorDetails"] = String::from_utf8_lossy(&error.payload).into_owned().into();
            bytes::Bytes::new()
        }
    };
    if let Some(tail) = outcome.tail {
        complete["LogResult"] = STANDARD.encode(tail).into();
    }
    let body = event_stream::messages(&payload, &complete);
    let mut answer = answer(StatusCode::OK, "application/vnd.amazon.eventstream", body);
    set(&mut answer, "x-amzn-requestid", request_id.as_str());
    set(&mut answer, "x-amz-executed-version", &executed_version);
    set(&mut answer, "x-amzn-remapped-content-type", "application/octet-stream");
    Ok(answer)
}
