//! Errors of S3: the one place that names them.

use std::borrow::Cow;

use http::StatusCode;
use quick_xml::escape::escape;

use super::XML;
use crate::{
    api::aws::{
        answer::{Answer, answer},
        error::AwsError,
    },
    events::buckets::{BucketError, InvalidArgument},
    functions::InvalidField,
};

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The bucket is another account's.
    AccessDenied,
    /// The configuration is not what it has to be.
    InvalidArgument,
    /// Nothing can be called so.
    InvalidBucketName,
    /// The body is not XML of the operation's form.
    MalformedXml,
    /// It is not done here.
    NotImplemented,
    /// There would be too many.
    TooManyBuckets,
    /// The daemon is ending.
    ServiceUnavailable,
    /// Something under it broke.
    InternalError,
}

/// What to answer instead of what was asked for.
#[derive(Debug)]
pub(super) struct S3Error {
    code: Code,
    message: Cow<'static, str>,
    argument: Option<InvalidArgument>,
}

impl Code {
    pub(super) fn because(self, message: impl Into<Cow<'static, str>>) -> S3Error {
        S3Error { code: self, message: message.into(), argument: None }
    }

    fn told(self) -> (StatusCode, &'static str) {
        match self {
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::InvalidArgument => (StatusCode::BAD_REQUEST, "InvalidArgument"),
            Self::InvalidBucketName => (StatusCode::BAD_REQUEST, "InvalidBucketName"),
            Self::MalformedXml => (StatusCode::BAD_REQUEST, "MalformedXML"),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            Self::TooManyBuckets => (StatusCode::BAD_REQUEST, "TooManyBuckets"),
            Self::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::InternalError => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }
}

impl S3Error {
    pub(super) fn into_answer(self, request_id: &str) -> Answer {
        let (status, code) = self.code.told();
        written(status, code, &self.message, self.argument.as_ref(), request_id)
    }
}

impl From<InvalidArgument> for S3Error {
    fn from(error: InvalidArgument) -> Self {
        Self { argument: Some(error.clone()), ..Code::InvalidArgument.because(error.message) }
    }
}

impl From<InvalidField> for S3Error {
    fn from(error: InvalidField) -> Self {
        Code::InvalidBucketName.because(error.message)
    }
}

impl From<BucketError> for S3Error {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::InvalidArgument(error) => error.into(),
            BucketError::InvalidField(error) => error.into(),
            BucketError::TooMany { .. } => Code::TooManyBuckets.because(error.to_string()),
            BucketError::Interrupted => Code::ServiceUnavailable.because(error.to_string()),
            BucketError::NoNotification { .. } | BucketError::Store(_) => {
                tracing::error!(%error, "a request for a bucket's notifications failed");
                Code::InternalError.because(error.to_string())
            }
        }
    }
}

/// An error that was found before it came to this service, in its form and by its names.
pub(in crate::api::aws) fn refused(error: &AwsError, request_id: &str) -> Answer {
    let name = match error.name {
        "AccessDeniedException" | "MissingAuthenticationTokenException" => "AccessDenied",
        "ExpiredTokenException" => "ExpiredToken",
        "IncompleteSignatureException" => "AuthorizationHeaderMalformed",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "RequestEntityTooLargeException" => "MaxMessageLengthExceeded",
        "RequestTimeoutException" => "RequestTimeout",
        "UnrecognizedClientException" => "InvalidAccessKeyId",
        _ => "InternalError",
    };
    let message = error.message.as_deref().unwrap_or("Access Denied");
    written(error.status, name, message, None, request_id)
}

fn written(
    status: StatusCode,
    code: &str,
    message: &str,
    argument: Option<&InvalidArgument>,
    request_id: &str,
) -> Answer {
    let mut arguments = String::new();
    for (at, (name, value)) in argument.iter().flat_map(|argument| &argument.arguments).enumerate() {
        let number = if argument.is_some_and(|argument| argument.numbered) {
            (at + 1).to_string()
        } else {
            String::new()
        };
        let (name, value) = (escape(name), escape(value));
        arguments += &format!(
            "<ArgumentName{number}>{name}</ArgumentName{number}><ArgumentValue{number}>{value}</ArgumentValue{number}>"
        );
    }
    let message = escape(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{arguments}\
         <RequestId>{request_id}</RequestId><HostId>thawd</HostId></Error>"
    );
    answer(status, XML, body)
}
