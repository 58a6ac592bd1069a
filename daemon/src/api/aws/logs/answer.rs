//! Requests and answers as HTTP.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use uuid::Uuid;

use super::{Answer, ApiError, Code, Logs};
use crate::identity::AccountId;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

/// Says which operation a request is.
const TARGET: &str = "x-amz-target";

/// What the header's value begins with, before the operation.
const TARGET_PREFIX: &str = "Logs_20140328.";

/// A response's body.
pub(in crate::api) type Body = UnsyncBoxBody<Bytes, io::Error>;

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
            Ok(Answer::Json(json)) => response(StatusCode::OK, JSON, full(json)),
            Ok(Answer::Events(messages)) => {
                let frames = messages.map(|message| Ok(Frame::data(message)));
                response(StatusCode::OK, EVENT_STREAM, StreamBody::new(frames).boxed_unsync())
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
    response(error.status(), JSON, full(error.body()))
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn response(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
