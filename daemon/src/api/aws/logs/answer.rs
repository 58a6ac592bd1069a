//! Requests and answers as HTTP.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::json;
use uuid::Uuid;

use super::{Answer, Code, Logs};
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

/// The most bytes of a request: a megabyte of events, each character of which may be written as six.
pub(in crate::api) const BODY_LIMIT: usize = 8 * 1024 * 1024;

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
            Err(error) => refused(error.status(), error.name(), error.message()),
        };
        // A UUID is of characters that a header can have.
        if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// What is answered in this service's form if a request is refused before it comes here.
pub(in crate::api) fn refused(status: StatusCode, name: &str, message: &str) -> Response<Body> {
    response(status, JSON, full(json!({ "__type": name, "message": message }).to_string().into_bytes()))
}

/// Whether a request is for this service, by its headers alone.
pub(in crate::api) fn is_for_logs(headers: &HeaderMap) -> bool {
    operation(headers).is_some()
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
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
