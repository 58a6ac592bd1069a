//! How events and verdicts look on the wire: status codes, headers and bodies.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;

use super::{Event, RESPONSE_LIMIT, STREAM_LIMIT, Verdict};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");

/// The header in which a runtime names the type of an error.
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// The trailer in which a runtime tells of an error in the middle of a response, in base64.
pub(super) const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");

/// The header that says how a response comes: `streaming`, or whole.
pub(super) const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");

/// An answer, whole.
pub(super) type Response = http::Response<Full<Bytes>>;

/// The answer to `/next`.
pub(super) fn event(event: Event) -> Response {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, JSON);
    insert(&mut headers, REQUEST_ID, event.request_id.as_str());
    headers.insert(DEADLINE_MS, HeaderValue::from(event.deadline_ms));
    insert(&mut headers, FUNCTION_ARN, &event.function_arn);
    insert(&mut headers, TRACE_ID, &event.trace_id);
    if let Some(context) = &event.client_context {
        insert(&mut headers, CLIENT_CONTEXT, context);
    }
    let mut response = Response::new(Full::new(event.payload));
    *response.headers_mut() = headers;
    response
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

/// The answer to everything else that was understood.
pub(super) fn verdict(verdict: &Verdict) -> Response {
    match verdict {
        Verdict::Accepted => json(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#)),
        Verdict::InvalidRequestId => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Verdict::InvalidStateTransition(why) => error(StatusCode::FORBIDDEN, "InvalidStateTransition", why),
        Verdict::TooLarge => too_large(RESPONSE_LIMIT),
        Verdict::StreamTooLarge => too_large(STREAM_LIMIT),
    }
}

fn too_large(limit: usize) -> Response {
    error(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &format!("Exceeded maximum allowed payload size ({limit} bytes)."),
    )
}

/// The answer to a path that is asked with the wrong method.
pub(super) fn method_not_allowed(allowed: &Method) -> Response {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        &format!("This operation is called with {allowed}"),
    );
    // A method's name is always legal in a header.
    if let Ok(value) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// An error body as the Runtime API's `ErrorResponse`.
pub(super) fn error(status: StatusCode, error_type: &str, message: &str) -> Response {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type }).to_string();
    json(status, body.into())
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
