//! The daemon, as the load sees it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use thaw_proto::v1::{
    InvocationType, InvokeRequest, InvokeResponse, LogType,
    invocation_service_client::InvocationServiceClient,
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

use super::{
    arguments::Plan,
    load::{Answer, Target},
};
use crate::{client::Client, failure::Failure};

/// The most bytes of a function's error that are looked into for its message.
const ERROR_LIMIT: usize = 16 * 1024;

/// The most of a message that is kept.
const MESSAGE_LIMIT: usize = 160;

/// A few connections, which calls take in turn.
#[derive(Debug)]
pub(super) struct Daemon {
    connections: Vec<InvocationServiceClient<Channel>>,
    turn: AtomicUsize,
    /// One a function.
    requests: Vec<InvokeRequest>,
}

impl Daemon {
    /// Connects, and checks that every function could be called.
    ///
    /// # Errors
    /// If no daemon answers, or it would refuse a call.
    pub(super) async fn connect(client: &Client, plan: &Plan) -> Result<Self, Failure> {
        let mut connections = Vec::new();
        for _ in 0..plan.connections {
            connections.push(client.invocations().await?);
        }
        let invocation_type =
            if plan.event { InvocationType::Event } else { InvocationType::RequestResponse };
        let requests: Vec<_> = plan
            .functions
            .iter()
            .zip(&plan.payloads)
            .map(|(share, payload)| InvokeRequest {
                function_name: share.name.clone(),
                qualifier: String::new(),
                invocation_type: invocation_type.into(),
                // Whether a call was cold is told without it.
                log_type: LogType::None.into(),
                payload: payload.clone(),
                client_context: String::new(),
            })
            .collect();
        if let Some(client) = connections.first_mut() {
            for request in &requests {
                client
                    .invoke(InvokeRequest {
                        invocation_type: InvocationType::DryRun.into(),
                        ..request.clone()
                    })
                    .await?;
            }
        }
        Ok(Self { connections, turn: AtomicUsize::new(0), requests })
    }
}

impl Target for Daemon {
    fn call(&self, function: usize) -> impl Future<Output = Answer> + Send + 'static {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len().max(1);
        let connection = self.connections.get(turn).cloned();
        let request = self.requests.get(function).cloned();
        async move {
            // There is one of each by how they were made.
            let (Some(mut connection), Some(request)) = (connection, request) else {
                return Answer::Refused { why: "there is no such function".to_owned() };
            };
            match connection.invoke(request).await {
                Ok(response) => answered(&response.into_inner()),
                Err(status) => unanswered(status),
            }
        }
    }
}

fn answered(response: &InvokeResponse) -> Answer {
    let is_cold = response.init_duration.is_some();
    if response.function_error.is_empty() {
        return Answer::Returned { is_cold };
    }
    let small = response.payload.get(..response.payload.len().min(ERROR_LIMIT)).unwrap_or_default();
    let error: Value = serde_json::from_slice(small).unwrap_or_default();
    let part = |name: &str| error.get(name).and_then(Value::as_str);
    let why = match (part("errorType"), part("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => response.function_error.clone(),
    };
    Answer::Failed { is_cold, why: short(&why) }
}

fn unanswered(status: Status) -> Answer {
    let reason = status.get_details_error_info().map(|info| info.reason);
    match reason.as_deref() {
        Some("TOO_MANY_REQUESTS") => Answer::Throttled { why: short(status.message()) },
        // The sandbox went away under the call.
        Some("SERVICE") => Answer::Lost { why: short(status.message()) },
        _ => match Failure::from(status) {
            Failure::Refused(status) => Answer::Refused { why: short(status.message()) },
            failure => Answer::Lost { why: short(&failure.message().unwrap_or_default()) },
        },
    }
}

/// One line of a table.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    fn status(code: Code, reason: &str) -> Status {
        let details = ErrorDetails::with_error_info(reason, "thaw", HashMap::new());
        Status::with_error_details(code, reason, details)
    }

    #[test]
    fn a_call_that_came_to_nothing_is_counted_by_its_reason() {
        let why = |text: &str| text.to_owned();
        let cases = [
            (
                status(Code::ResourceExhausted, "TOO_MANY_REQUESTS"),
                Answer::Throttled { why: why("TOO_MANY_REQUESTS") },
            ),
            (status(Code::Unavailable, "SERVICE"), Answer::Lost { why: why("SERVICE") }),
            (status(Code::Unavailable, "DRAINING"), Answer::Refused { why: why("DRAINING") }),
            (
                status(Code::NotFound, "RESOURCE_NOT_FOUND"),
                Answer::Refused { why: why("RESOURCE_NOT_FOUND") },
            ),
        ];
        for (status, answer) in cases {
            assert_eq!(unanswered(status), answer);
        }
        assert!(matches!(unanswered(Status::unavailable("broken pipe")), Answer::Lost { .. }));
    }

    #[test]
    fn an_error_of_the_function_is_told_by_its_type_and_message() {
        let failed = |payload: &str| {
            let payload = payload.to_owned().into();
            answered(&InvokeResponse { payload, function_error: "Unhandled".into(), ..Default::default() })
        };
        let why = |text: &str| Answer::Failed { is_cold: false, why: text.to_owned() };
        assert_eq!(failed(r#"{"errorType": "KeyError", "errorMessage": "'k'\nmore"}"#), why("KeyError: 'k'"));
        assert_eq!(failed("not JSON"), why("Unhandled"));
        let long = failed(&format!(r#"{{"errorMessage": "{}"}}"#, "ä".repeat(MESSAGE_LIMIT + 1)));
        assert_eq!(long, why(&format!("{}…", "ä".repeat(MESSAGE_LIMIT))));
    }

    #[test]
    fn a_call_is_cold_if_its_sandbox_was_started_for_it() {
        let response =
            InvokeResponse { init_duration: Some(prost_types::Duration::default()), ..Default::default() };
        assert_eq!(answered(&response), Answer::Returned { is_cold: true });
        assert_eq!(answered(&InvokeResponse::default()), Answer::Returned { is_cold: false });
    }
}
