//! What goes back: a status, headers and a body.

use std::io;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde::Serialize;

use super::error::AwsError;

/// A response's body.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A response.
pub(super) type Answer = Response<Body>;

/// A body that is there already.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A response with a body of this type.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A response whose body is this value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Answer, AwsError> {
    let body = serde_json::to_vec(value).map_err(|error| AwsError::internal(&error))?;
    Ok(answer(status, "application/json", body))
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    answer(status, "application/json", Bytes::new())
}

/// Sets a header. A value that can't be one is left out: none that comes here has such characters.
pub(super) fn set(answer: &mut Answer, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
