//! How events and verdicts look on the wire: status codes, headers and bodies.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::{Event, RESPONSE_LIMIT, Verdict};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");

/// The header in which a runtime names the type of an error.
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

impl IntoResponse for Event {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, JSON);
        insert(&mut headers, REQUEST_ID, self.request_id.as_str());
        headers.insert(DEADLINE_MS, HeaderValue::from(self.deadline_ms));
        insert(&mut headers, FUNCTION_ARN, &self.function_arn);
        insert(&mut headers, TRACE_ID, &self.trace_id);
        if let Some(context) = &self.client_context {
            insert(&mut headers, CLIENT_CONTEXT, context);
        }
        (headers, Body::from(self.payload)).into_response()
    }
}

/// Ids, ARNs and trace ids are plain ASCII by their types and the client context was checked when the call came in, so
/// nothing is left out here in practice; leaving it out is still better than a panic in the daemon.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(error) => tracing::error!(header = %name, %error, "a header value of an event is not legal"),
    }
}

impl IntoResponse for Verdict {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted => {
                (StatusCode::ACCEPTED, [(CONTENT_TYPE, JSON)], r#"{"status":"OK"}"#).into_response()
            }
            Self::InvalidRequestId => {
                error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            }
            Self::InvalidStateTransition(why) => error(StatusCode::FORBIDDEN, "InvalidStateTransition", why),
            Self::TooLarge => error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                &format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
            ),
        }
    }
}

/// An error body as the Runtime API's `ErrorResponse`.
pub(super) fn error(status: StatusCode, error_type: &str, message: &str) -> Response {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type }).to_string();
    (status, [(CONTENT_TYPE, JSON)], body).into_response()
}
