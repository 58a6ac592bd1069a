//! Requests and answers as HTTP.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use uuid::Uuid;

use super::{Answer, ApiError, Code, Logs};
use crate::identity::AccountId;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

/// Says which operation a request is.
const TARGET: &str = "x-amz-target";

/// What the header's value begins with, before the operation.
const TARGET_PREFIX: &str = "Logs_20140328.";

const REQUEST_ID: &str = "x-amzn-requestid";

impl Logs {
    /// Answers a request of an account.
    pub(in crate::api) async fn answer(
        &self,
        account: AccountId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response<Body> {
        let request_id = Uuid::new_v4();
        let answer = match operation(headers) {
            Some(operation) => self.handle(account, operation, body).await,
            None => Err(Code::UnknownOperation.because("the header X-Amz-Target names no operation")),
        };
        let mut response = match answer {
            Ok(Answer::Json(json)) => response(StatusCode::OK, JSON, json.into()),
            Ok(Answer::Events(messages)) => {
                let messages = messages.map(Ok::<Bytes, std::convert::Infallible>);
                response(StatusCode::OK, EVENT_STREAM, Body::from_stream(messages))
            }
            Err(error) => refusal(&error),
        };
        // A UUID is of characters that a header can have.
        if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// Whether a request is for this service, by its headers alone.
pub(in crate::api) fn is_for_logs(headers: &HeaderMap) -> bool {
    operation(headers).is_some()
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

fn refusal(error: &ApiError) -> Response<Body> {
    response(error.status(), JSON, error.body().into())
}

fn response(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
