//! Errors of CloudWatch Logs: the one place that names them.

use std::borrow::Cow;

use http::StatusCode;

use crate::logs::{InvalidRetention, LogError, PatternError};

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A parameter is missing or not what it has to be.
    InvalidParameter,
    /// Parameters exclude each other.
    Validation,
    /// What was named does not exist.
    ResourceNotFound,
    /// It exists already.
    ResourceAlreadyExists,
    /// There would be too many.
    LimitExceeded,
    /// There would be too many tags.
    TooManyTags,
    /// The body is not JSON of the operation's form.
    Serialization,
    /// There is no such operation.
    UnknownOperation,
    /// It cannot be done now.
    ServiceUnavailable,
    /// Something under it broke.
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

    /// As clients know it.
    fn name(self) -> &'static str {
        match self {
            Self::InvalidParameter => "InvalidParameterException",
            Self::Validation => "ValidationException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ResourceAlreadyExists => "ResourceAlreadyExistsException",
            Self::LimitExceeded => "LimitExceededException",
            Self::TooManyTags => "TooManyTagsException",
            Self::Serialization => "SerializationException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
            Self::Internal => "InternalFailure",
        }
    }
}

impl ApiError {
    /// The HTTP status: the service says 400 to whatever the caller could have known.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            Code::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        self.code.name()
    }

    /// What is wrong, and what to do.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::GroupMissing(_) => {
                Code::ResourceNotFound.because("The specified log group does not exist.")
            }
            LogError::StreamMissing(_) => {
                Code::ResourceNotFound.because("The specified log stream does not exist.")
            }
            LogError::GroupExists(_) => {
                Code::ResourceAlreadyExists.because("The specified log group already exists")
            }
            LogError::StreamExists(_) => {
                Code::ResourceAlreadyExists.because("The specified log stream already exists")
            }
            LogError::PageToken => Code::InvalidParameter.because("The specified nextToken is invalid."),
            LogError::StreamName(_) | LogError::Put(_) => Code::InvalidParameter.because(error.to_string()),
            LogError::TooManyTags { .. } => Code::TooManyTags.because(error.to_string()),
            LogError::TooMany { .. } => Code::LimitExceeded.because(error.to_string()),
            LogError::Stopped | LogError::NotStored => Code::ServiceUnavailable.because(error.to_string()),
            LogError::Disk { .. } | LogError::Thread(_) | LogError::GroupFile { .. } => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(error = %error, source, "a request for logs failed");
                Code::Internal.because(error.to_string())
            }
        }
    }
}

impl From<PatternError> for ApiError {
    fn from(error: PatternError) -> Self {
        Code::InvalidParameter.because(error.to_string())
    }
}

impl From<InvalidRetention> for ApiError {
    fn from(error: InvalidRetention) -> Self {
        Code::InvalidParameter.because(error.to_string())
    }
}
