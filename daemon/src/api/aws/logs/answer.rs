//! Requests and answers as HTTP.

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use super::{Answer, Code, Logs};
use crate::{
    api::aws::answer::{self, answer},
    identity::AccountId,
};

const JSON: &str = "application/x-amz-json-1.1";
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

/// Says which operation a request is.
const TARGET: &str = "x-amz-target";

/// What the header's value begins with, before the operation.
const TARGET_PREFIX: &str = "Logs_20140328.";

/// The most bytes of a request: a megabyte of events, each character of which may be written as six.
pub(in crate::api::aws) const BODY_LIMIT: usize = 8 * 1024 * 1024;

impl Logs {
    /// Answers a request of an account.
    pub(in crate::api::aws) async fn answer(
        &self,
        account: AccountId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> answer::Answer {
        let answered = match operation(headers) {
            Some(operation) => self.handle(account, operation, body).await,
            None => Err(Code::UnknownOperation.because("the header X-Amz-Target names no operation")),
        };
        match answered {
            Ok(Answer::Json(json)) => answer(StatusCode::OK, JSON, json),
            Ok(Answer::Events(messages)) => {
                let frames = messages.map(|message| Ok(Frame::data(message)));
                let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
                response.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
                response
            }
            Err(error) => refused(error.status(), error.name(), error.message()),
        }
    }
}

/// An error in this service's form.
pub(in crate::api::aws) fn refused(status: StatusCode, name: &str, message: &str) -> answer::Answer {
    answer(status, JSON, json!({ "__type": name, "message": message }).to_string())
}

/// Whether a request is for this service, by its headers alone.
pub(in crate::api::aws) fn is_for_logs(headers: &HeaderMap) -> bool {
    operation(headers).is_some()
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}
