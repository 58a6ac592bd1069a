//! Errors of EventBridge: the one place that names them.

use std::borrow::Cow;

use http::StatusCode;

use crate::{events::schedules::ScheduleError, functions::InvalidField};

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A parameter is missing or not what it has to be.
    Validation,
    /// What was named does not exist.
    ResourceNotFound,
    /// There would be too many.
    LimitExceeded,
    /// The body is not JSON of the operation's form.
    Serialization,
    /// There is no such operation.
    UnknownOperation,
    /// Something under it broke, or the daemon is ending.
    Internal,
}

/// What to answer instead of what was asked for.
#[derive(Debug)]
pub(super) struct ApiError {
    code: Code,
    message: Cow<'static, str>,
}

impl Code {
    pub(super) fn because(self, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError { code: self, message: message.into() }
    }
}

impl ApiError {
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.code {
            Code::Validation => "ValidationException",
            Code::ResourceNotFound => "ResourceNotFoundException",
            Code::LimitExceeded => "LimitExceededException",
            Code::Serialization => "SerializationException",
            Code::UnknownOperation => "UnknownOperationException",
            Code::Internal => "InternalException",
        }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<InvalidField> for ApiError {
    fn from(error: InvalidField) -> Self {
        Code::Validation.because(error.message)
    }
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::InvalidField(error) => error.into(),
            ScheduleError::NotFound(_) => Code::ResourceNotFound.because(error.to_string()),
            ScheduleError::TooMany { .. } => {
                Code::LimitExceeded.because("The requested resource exceeds the maximum number allowed.")
            }
            ScheduleError::HasTargets => Code::Validation.because(error.to_string()),
            ScheduleError::Interrupted => Code::Internal.because(error.to_string()),
            ScheduleError::Function(_) | ScheduleError::Store(_) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(error = %error, source, "a request for rules failed");
                Code::Internal.because(error.to_string())
            }
        }
    }
}
