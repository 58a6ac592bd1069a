//! From the layers' errors to AWS's: the one place where that is decided.

use http::StatusCode;
use serde_json::{Map, Value};

use super::answer::{Answer, answer, set};
use crate::{
    events::{TagError, mapping::MappingError},
    functions::{ErrorKind, FunctionError, InvalidField, PackageError, Throttled, TooMuchProvisioned},
    identity::sigv4::SignatureError,
    invoke::{InvokeError, queue::QueueError},
    runtimes::RuntimeError,
    sandbox::AcquireError,
    store::StoreError,
};

/// Seconds after which a throttled caller may try again.
const RETRY_AFTER: &str = "1";

/// The reason of a refusal that is none of the caller's limits.
const TOO_BUSY: &str = "CallerRateLimitExceeded";

/// An error as AWS tells it. Its JSON has `Message` or `message`, as that exception's model has it, and `Type` where AWS
/// says whose fault it is.
#[derive(Debug)]
pub(super) struct AwsError {
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: Option<String>,
    form: Form,
    reason: Option<&'static str>,
}

/// How the message is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `Message`, and `Type` `User`.
    UpperUser,
    /// `message`, and `Type` `User`.
    LowerUser,
    /// `Message` alone.
    Upper,
    /// `message` alone.
    Lower,
}

/// Every exception that is told here.
const FORMS: [(&str, StatusCode, Form); 30] = [
    ("AccessDeniedException", StatusCode::FORBIDDEN, Form::Upper),
    ("CodeSigningConfigNotFoundException", StatusCode::NOT_FOUND, Form::UpperUser),
    ("CodeVerificationFailedException", StatusCode::BAD_REQUEST, Form::UpperUser),
    ("ExpiredTokenException", StatusCode::FORBIDDEN, Form::Lower),
    ("IncompleteSignatureException", StatusCode::BAD_REQUEST, Form::Lower),
    ("InvalidParameterValueException", StatusCode::BAD_REQUEST, Form::LowerUser),
    ("InvalidRequestContentException", StatusCode::BAD_REQUEST, Form::LowerUser),
    ("InvalidRuntimeException", StatusCode::BAD_GATEWAY, Form::UpperUser),
    ("InvalidSignatureException", StatusCode::FORBIDDEN, Form::Lower),
    ("MissingAuthenticationTokenException", StatusCode::FORBIDDEN, Form::Lower),
    ("NotImplementedException", StatusCode::NOT_IMPLEMENTED, Form::Upper),
    ("PolicyLengthExceededException", StatusCode::BAD_REQUEST, Form::LowerUser),
    ("PreconditionFailedException", StatusCode::PRECONDITION_FAILED, Form::LowerUser),
    ("ProvisionedConcurrencyConfigNotFoundException", StatusCode::NOT_FOUND, Form::LowerUser),
    ("RecursiveInvocationException", StatusCode::BAD_REQUEST, Form::UpperUser),
    ("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, Form::Upper),
    ("RequestTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, Form::LowerUser),
    ("RequestTimeoutException", StatusCode::REQUEST_TIMEOUT, Form::Lower),
    ("ResourceConflictException", StatusCode::CONFLICT, Form::LowerUser),
    ("ResourceInUseException", StatusCode::BAD_REQUEST, Form::UpperUser),
    ("ResourceNotFoundException", StatusCode::NOT_FOUND, Form::UpperUser),
    ("ResourceNotReadyException", StatusCode::BAD_GATEWAY, Form::LowerUser),
    ("SerializationException", StatusCode::BAD_REQUEST, Form::Upper),
    ("ServiceException", StatusCode::INTERNAL_SERVER_ERROR, Form::Upper),
    ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE, Form::Upper),
    ("TooManyRequestsException", StatusCode::TOO_MANY_REQUESTS, Form::LowerUser),
    ("UnknownOperationException", StatusCode::NOT_FOUND, Form::Upper),
    ("UnrecognizedClientException", StatusCode::FORBIDDEN, Form::Lower),
    ("ValidationException", StatusCode::BAD_REQUEST, Form::Lower),
    ("MethodNotAllowedException", StatusCode::METHOD_NOT_ALLOWED, Form::Upper),
];

impl AwsError {
    /// One of [`FORMS`].
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        let found = FORMS.iter().find(|(known, ..)| *known == name);
        let (status, form) = found
            .map_or((StatusCode::INTERNAL_SERVER_ERROR, Form::Upper), |(_, status, form)| (*status, *form));
        Self { name, status, message: Some(message.into()), form, reason: None }
    }

    /// What Lambda says to a caller that creates something for another account: nothing.
    pub(super) fn access_denied() -> Self {
        Self { message: None, ..Self::new("AccessDeniedException", "") }
    }

    /// An account sends more at once than there is room for its bodies.
    pub(super) fn no_room_for_body() -> Self {
        let told =
            "The account sends more large requests at once than are taken. Try again when some have ended.";
        Self { reason: Some(TOO_BUSY), ..Self::new("TooManyRequestsException", told) }
    }

    /// A defect or a broken disk. The caller gets the sentence, the log gets the sources too.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "an operation failed inside");
        Self::new("ServiceException", error.to_string())
    }

    /// The same, without a word on whose fault it is.
    fn without_type(mut self) -> Self {
        self.form = match self.form {
            Form::UpperUser | Form::Upper => Form::Upper,
            Form::LowerUser | Form::Lower => Form::Lower,
        };
        self
    }

    /// As JSON.
    pub(super) fn into_answer(self) -> Answer {
        let (key, is_user) = match self.form {
            Form::UpperUser => ("Message", true),
            Form::LowerUser => ("message", true),
            Form::Upper => ("Message", false),
            Form::Lower => ("message", false),
        };
        let mut fields = Map::new();
        if is_user {
            fields.insert("Type".to_owned(), Value::from("User"));
        }
        if let Some(reason) = self.reason {
            fields.insert("Reason".to_owned(), Value::from(reason));
        }
        fields.insert(key.to_owned(), self.message.map_or(Value::Null, Value::from));
        let mut answer = answer(self.status, "application/json", Value::Object(fields).to_string());
        set(&mut answer, "x-amzn-errortype", self.name);
        // Lambda says when to come again where it is itself too busy, not where a limit of the caller's own is reached.
        if self.reason == Some(TOO_BUSY) {
            set(&mut answer, "retry-after", RETRY_AFTER);
        }
        answer
    }
}

impl From<SignatureError> for AwsError {
    fn from(error: SignatureError) -> Self {
        let name = match error {
            SignatureError::Missing => "MissingAuthenticationTokenException",
            SignatureError::Incomplete(_) => "IncompleteSignatureException",
            SignatureError::UnknownKey => "UnrecognizedClientException",
            SignatureError::ExpiredToken => "ExpiredTokenException",
            SignatureError::OutOfScope(_) | SignatureError::Mismatch | SignatureError::Chunks(_) => {
                "InvalidSignatureException"
            }
        };
        Self::new(name, error.to_string())
    }
}

impl From<InvalidField> for AwsError {
    fn from(error: InvalidField) -> Self {
        FunctionError::from(error).into()
    }
}

impl From<FunctionError> for AwsError {
    fn from(error: FunctionError) -> Self {
        match &error {
            FunctionError::TooMuchReserved(_)
            | FunctionError::SplitOfLatest
            | FunctionError::ReservedBelowProvisioned { .. }
            | FunctionError::TooMuchProvisioned(
                TooMuchProvisioned::MoreThanUnreserved { .. } | TooMuchProvisioned::TooLittleLeft { .. },
            ) => {
                return Self::new("InvalidParameterValueException", error.to_string()).without_type();
            }
            FunctionError::NoCodeSigningConfig { .. } => {
                return Self::new("ResourceNotFoundException", error.to_string()).without_type();
            }
            FunctionError::Package(error) if error.is_fault_of_archive() => return archive(error),
            _ => {}
        }
        match error.kind() {
            ErrorKind::Validation => Self::new("ValidationException", error.to_string()),
            ErrorKind::InvalidParameterValue => {
                Self::new("InvalidParameterValueException", error.to_string())
            }
            ErrorKind::AccessDenied => Self::new("AccessDeniedException", error.to_string()),
            ErrorKind::ResourceNotFound => Self::new("ResourceNotFoundException", error.to_string()),
            ErrorKind::ProvisionedConcurrencyConfigNotFound => {
                Self::new("ProvisionedConcurrencyConfigNotFoundException", error.to_string())
            }
            ErrorKind::ResourceConflict => Self::new("ResourceConflictException", error.to_string()),
            ErrorKind::ResourceInUse => Self::new("ResourceInUseException", error.to_string()),
            ErrorKind::PreconditionFailed => Self::new("PreconditionFailedException", error.to_string()),
            ErrorKind::PolicyLengthExceeded => Self::new("PolicyLengthExceededException", error.to_string()),
            ErrorKind::CodeSigningConfigNotFound => {
                Self::new("CodeSigningConfigNotFoundException", error.to_string())
            }
            ErrorKind::CodeVerificationFailed => {
                Self::new("CodeVerificationFailedException", error.to_string())
            }
            ErrorKind::RequestTooLarge => too_large(&error),
            ErrorKind::Unavailable => Self::new("ServiceUnavailableException", error.to_string()),
            ErrorKind::Internal => Self::internal(&error),
        }
    }
}

impl From<MappingError> for AwsError {
    fn from(error: MappingError) -> Self {
        if let MappingError::InvalidField(error) = error {
            return error.into();
        }
        let name = match error.kind() {
            ErrorKind::ResourceNotFound => "ResourceNotFoundException",
            ErrorKind::ResourceConflict => "ResourceConflictException",
            ErrorKind::ResourceInUse => "ResourceInUseException",
            ErrorKind::Unavailable => "ServiceUnavailableException",
            ErrorKind::Internal => return Self::internal(&error),
            _ => "InvalidParameterValueException",
        };
        Self::new(name, error.to_string())
    }
}

fn too_large(error: &FunctionError) -> AwsError {
    let limit = match error {
        FunctionError::TooLarge { limit }
        | FunctionError::Package(PackageError::ArchiveTooLarge { limit, .. })
        | FunctionError::Store(StoreError::BlobTooLarge { limit }) => *limit,
        _ => return AwsError::new("RequestEntityTooLargeException", error.to_string()),
    };
    AwsError::new("RequestEntityTooLargeException", format!("Zipped size must be smaller than {limit} bytes"))
}

/// Lambda says of an archive that it can't be read, and not why. What is said here beyond that is for what Lambda takes.
fn archive(error: &PackageError) -> AwsError {
    let message = match error {
        PackageError::NotAnArchive
        | PackageError::Truncated
        | PackageError::Malformed { .. }
        | PackageError::Unreadable { .. } => {
            "Could not unzip uploaded file. Please check your file, then try to upload again.".to_owned()
        }
        PackageError::UnpackedTooLarge { limit, .. } => {
            format!("Unzipped size must be smaller than {limit} bytes")
        }
        PackageError::ArchiveTooLarge { limit, .. } => {
            return AwsError::new(
                "RequestEntityTooLargeException",
                format!("Zipped size must be smaller than {limit} bytes"),
            );
        }
        other => other.to_string(),
    };
    AwsError::new("InvalidParameterValueException", message)
}

impl From<TagError> for AwsError {
    fn from(error: TagError) -> Self {
        match error {
            TagError::Function(error) => error.into(),
            TagError::Mapping(error) => error.into(),
        }
    }
}

impl From<RuntimeError> for AwsError {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Engine { .. } | RuntimeError::EngineSilent { .. } => {
                Self::new("ServiceUnavailableException", error.to_string())
            }
            error => Self::new("InvalidRuntimeException", error.to_string()),
        }
    }
}

impl From<Throttled> for AwsError {
    fn from(throttled: Throttled) -> Self {
        let reason = Some(throttled.reason());
        Self { reason, ..Self::new("TooManyRequestsException", throttled.to_string()) }
    }
}

impl From<InvokeError> for AwsError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Function(error) => error.into(),
            InvokeError::Runtime(error) => error.into(),
            InvokeError::Throttled(throttled) => throttled.into(),
            InvokeError::Recursive => Self::new("RecursiveInvocationException", error.to_string()),
            InvokeError::EventTooLarge { .. } => {
                Self::new("RequestEntityTooLargeException", error.to_string())
            }
            InvokeError::PayloadTooLarge { .. } => Self::new("RequestTooLargeException", error.to_string()),
            InvokeError::PayloadNotJson(_) => Self::new("InvalidRequestContentException", error.to_string()),
            InvokeError::Acquire(AcquireError::TooManyRequests { .. }) => {
                let reason = Some(TOO_BUSY);
                Self { reason, ..Self::new("TooManyRequestsException", error.to_string()) }
            }
            InvokeError::Queue(QueueError::Full(_)) => {
                let reason = Some(TOO_BUSY);
                Self { reason, ..Self::new("TooManyRequestsException", error.to_string()) }
            }
            InvokeError::Acquire(_) | InvokeError::Job(_) => {
                Self::new("ServiceUnavailableException", error.to_string())
            }
            InvokeError::LogGroup(_) | InvokeError::Broken | InvokeError::Queue(_) => Self::internal(&error),
        }
    }
}
