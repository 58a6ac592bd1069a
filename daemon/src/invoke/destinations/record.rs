//! What is sent. Source: "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter queue".

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{Outgoing, Purpose, Results};
use crate::{
    clock,
    functions::{Destination, EventInvokeConfig, FunctionArn, FunctionVersion, Qualifier},
    invoke::{
        Invoked, TraceHeader,
        queue::{Condition, QueuedEvent, beginning},
    },
};

/// The most bytes of an error's message in a dead letter. Source: as above.
const ERROR_MESSAGE: usize = 1_024;

/// An event that has ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::invoke) struct Ending<'a> {
    pub(in crate::invoke) event: &'a QueuedEvent,
    pub(in crate::invoke) condition: Condition,
    /// What the event carried: JSON.
    pub(in crate::invoke) payload: &'a Bytes,
    /// Its last run, if that is how it ended.
    pub(in crate::invoke) invoked: Option<&'a Invoked>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationRecord<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Json<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Json<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: String,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

/// JSON as it is; what is none, as a text.
#[derive(Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Raw(&'a RawValue),
    Text(String),
}

impl<'a> Json<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(raw) => Self::Raw(raw),
            Err(_) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// Everything that is to be sent of an event that has ended.
pub(in crate::invoke) fn results(
    ending: &Ending<'_>,
    version: Option<&FunctionVersion>,
    config: Option<&EventInvokeConfig>,
) -> Results {
    let mut results = Results::new();
    let trace = handed_on(ending);
    let (target, purpose) = match ending.condition {
        Condition::Success => (config.and_then(|config| config.on_success.as_ref()), Purpose::OnSuccess),
        _ => (config.and_then(|config| config.on_failure.as_ref()), Purpose::OnFailure),
    };
    if let Some(target) = target.filter(|target| !goes_round(ending, target)) {
        let body = record(ending, OffsetDateTime::now_utc());
        let (target, trace) = (target.clone(), Some(trace.clone()));
        results.push(Outgoing { target, purpose, body, attributes: Vec::new(), trace });
    }
    let dead_letter = version.and_then(|version| version.dead_letter.as_ref());
    if ending.condition != Condition::Success
        && let Some(target) = dead_letter.and_then(|arn| arn.as_str().parse::<Destination>().ok())
    {
        results.push(Outgoing {
            target,
            purpose: Purpose::DeadLetter,
            body: ending.payload.clone(),
            attributes: attributes(ending),
            trace: Some(trace),
        });
    }
    results
}

/// The chain of invocations that the results belong to: the function is in it if it ran.
fn handed_on(ending: &Ending<'_>) -> TraceHeader {
    let QueuedEvent { trace, function, .. } = ending.event;
    if ending.event.failures == 0 && ending.invoked.is_none() {
        return trace.clone();
    }
    trace.enter(function.account, &function.name).header
}

/// Whether a function that is to be told of a loop which was cut is part of it, and would be cut as well: two that are each
/// other's on-failure destinations would tell each other for ever.
fn goes_round(ending: &Ending<'_>, target: &Destination) -> bool {
    ending.condition == Condition::RecursiveInvocation
        && target
            .as_str()
            .parse::<FunctionArn>()
            .is_ok_and(|function| ending.event.trace.enter(function.account, &function.name).is_loop)
}

/// Lambda's record of an invocation.
fn record(ending: &Ending<'_>, now: OffsetDateTime) -> Bytes {
    let Ending { event, condition, payload, invoked } = *ending;
    let qualified = event.function.qualifier.clone().unwrap_or(Qualifier::LATEST);
    let succeeded = condition == Condition::Success;
    let response = invoked.map(|invoked| match &invoked.outcome.result {
        Ok(payload) => payload,
        Err(error) => &error.payload,
    });
    let record = InvocationRecord {
        version: "1.0",
        timestamp: now.format(clock::MILLIS).unwrap_or_default(),
        request_context: RequestContext {
            request_id: &event.id,
            function_arn: event.function.with_qualifier(qualified).to_string(),
            condition: condition.as_str(),
            approximate_invoke_count: event.failures + u32::from(succeeded),
        },
        request_payload: Json::of(payload),
        response_context: invoked.map(|invoked| ResponseContext {
            status_code: 200,
            executed_version: &invoked.executed_version,
            function_error: (!succeeded).then_some("Unhandled"),
        }),
        response_payload: response.map(|payload| Json::of(payload)),
    };
    // Strings and JSON that was just read: nothing in there fails to be written.
    serde_json::to_vec(&record).unwrap_or_default().into()
}

/// What a dead letter says beside the event. Source: "Adding a dead-letter queue": `RequestID`, `ErrorCode` (the HTTP status)
/// and `ErrorMessage` (its first KB).
fn attributes(ending: &Ending<'_>) -> Vec<(String, String)> {
    let error = ending.event.last_error.as_ref();
    let message = error.map_or("", |error| error.message.as_str());
    vec![
        ("RequestID".to_owned(), ending.event.id.to_string()),
        ("ErrorCode".to_owned(), error_code(ending.condition).to_string()),
        ("ErrorMessage".to_owned(), beginning(message, ERROR_MESSAGE).to_owned()),
    ]
}

/// What Invoke answers to such a call.
fn error_code(condition: Condition) -> u16 {
    match condition {
        // A function that failed has answered.
        Condition::Success | Condition::RetriesExhausted | Condition::EventAgeExceeded => 200,
        Condition::FunctionDeleted => 404,
        Condition::RecursiveInvocation => 400,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;
    use crate::{
        identity::AccountId,
        invoke::queue::{LastError, Payload},
        runtime_api::RequestId,
        sandbox::{FunctionError, Outcome},
    };

    fn event() -> QueuedEvent {
        QueuedEvent {
            id: "e1".into(),
            function: "arn:aws:lambda:us-east-1:000000000000:function:f:live".parse().unwrap(),
            payload: Payload::Inline("{}".into()),
            client_context: None,
            trace: TraceHeader::default(),
            accepted_at: 0,
            failures: 3,
            setbacks: 0,
            last_error: Some(LastError::new("ValueError", "no")),
        }
    }

    fn invoked(result: Result<Bytes, FunctionError>) -> Invoked {
        let outcome = Outcome { result, tail: None, init: None };
        Invoked { request_id: RequestId::random(), executed_version: "3".into(), outcome }
    }

    #[test]
    fn a_record_of_a_failed_event_has_lambdas_form() {
        let error =
            FunctionError { error_type: "ValueError".into(), payload: r#"{"errorMessage": "no"}"#.into() };
        let (event, invoked, payload) = (event(), invoked(Err(error)), Bytes::from(r#"{"n":1.50}"#));
        let ending = Ending {
            event: &event,
            condition: Condition::RetriesExhausted,
            payload: &payload,
            invoked: Some(&invoked),
        };
        let body = record(&ending, datetime!(2019-11-14 18:16:05.568 UTC));
        assert!(String::from_utf8_lossy(&body).contains(r#""requestPayload":{"n":1.50}"#), "as it came");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            json!({
                "version": "1.0",
                "timestamp": "2019-11-14T18:16:05.568Z",
                "requestContext": {
                    "requestId": "e1",
                    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:live",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": { "n": 1.50 },
                "responseContext":
                    { "statusCode": 200, "executedVersion": "3", "functionError": "Unhandled" },
                "responsePayload": { "errorMessage": "no" },
            })
        );
    }

    #[test]
    fn an_answer_that_is_no_json_is_sent_as_a_text() {
        let (event, invoked, payload) = (event(), invoked(Ok(Bytes::from("<p>"))), Bytes::from("{}"));
        let ending = Ending {
            event: &event,
            condition: Condition::Success,
            payload: &payload,
            invoked: Some(&invoked),
        };
        let body: Value = serde_json::from_slice(&record(&ending, OffsetDateTime::UNIX_EPOCH)).unwrap();
        assert_eq!(body["responsePayload"], "<p>");
        assert_eq!(body["responseContext"], json!({ "statusCode": 200, "executedVersion": "3" }));
    }

    #[test]
    fn an_event_that_became_too_old_has_no_response() {
        let (event, payload) = (event(), Bytes::from("{}"));
        let ending = Ending {
            event: &event,
            condition: Condition::EventAgeExceeded,
            payload: &payload,
            invoked: None,
        };
        let body: Value = serde_json::from_slice(&record(&ending, OffsetDateTime::UNIX_EPOCH)).unwrap();
        assert!(body.get("responseContext").is_none() && body.get("responsePayload").is_none(), "{body}");
        assert_eq!(attributes(&ending)[2], ("ErrorMessage".to_owned(), "no".to_owned()));
    }
    #[test]
    fn a_loop_that_was_cut_is_told_to_nobody_who_is_part_of_it() {
        let (mut event, payload) = (event(), Bytes::from("{}"));
        for name in ["f", "g"].repeat(16) {
            event.trace = event.trace.enter(AccountId::DEFAULT, &name.parse().unwrap()).header;
        }
        let condition = Condition::RecursiveInvocation;
        let ending = Ending { event: &event, condition, payload: &payload, invoked: None };
        let told = |name: &str| {
            let target = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
            let config = EventInvokeConfig {
                maximum_retry_attempts: None,
                maximum_event_age: None,
                on_success: None,
                on_failure: Some(target.parse().unwrap()),
                last_modified: OffsetDateTime::UNIX_EPOCH,
            };
            results(&ending, None, Some(&config)).len()
        };
        assert_eq!((told("g"), told("h")), (0, 1));
        assert_eq!(attributes(&ending)[1], ("ErrorCode".to_owned(), "400".to_owned()));
    }
}
