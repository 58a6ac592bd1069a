//! From the layers' errors to gRPC statuses: the one place where that is decided.
//!
//! The reasons and what they mean are listed at the top of functions.proto.

use std::{borrow::Cow, collections::HashMap};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    events::{TagError, buckets::BucketError, mapping::MappingError, schedules::ScheduleError},
    functions::{ErrorKind, FunctionError, PackageError},
    invoke::{
        InvokeError,
        queue::{EventsError, QueueError},
    },
    logs::LogError,
    runtimes::RuntimeError,
    sandbox::AcquireError,
    store::StoreError,
};

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "thaw";

fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// A field of the request is at fault.
pub(super) fn invalid(field: &str, why: impl Into<Cow<'static, str>>) -> Status {
    let why = why.into();
    let mut details = ErrorDetails::with_bad_request_violation(field, why.as_ref());
    details.set_error_info("INVALID_PARAMETER_VALUE", DOMAIN, HashMap::new());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details)
}

/// What was named does not exist.
pub(super) fn not_found(message: String) -> Status {
    status(Code::NotFound, "RESOURCE_NOT_FOUND", message)
}

/// A defect or a broken disk. The caller gets the sentence, the log gets the sources too.
pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error, "an operation failed inside");
    status(Code::Internal, "INTERNAL", error.to_string())
}

/// An error of any layer, as a status. `?` in a service method goes through this.
#[derive(Debug)]
pub(super) struct Refusal(Status);

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl From<EventsError> for Refusal {
    fn from(error: EventsError) -> Self {
        let message = error.to_string();
        Self(match error {
            EventsError::NoSuchEvent(_) => not_found(message),
            EventsError::Running(_) => status(Code::FailedPrecondition, "RESOURCE_CONFLICT", message),
            EventsError::PageToken => invalid("page_token", message),
            EventsError::Store(_) | EventsError::Interrupted => internal(&error),
        })
    }
}

impl From<InvokeError> for Refusal {
    fn from(error: InvokeError) -> Self {
        let message = error.to_string();
        Self(match error {
            InvokeError::Function(error) => return error.into(),
            InvokeError::Runtime(error) => return error.into(),
            InvokeError::PayloadTooLarge { .. } => {
                status(Code::ResourceExhausted, "REQUEST_TOO_LARGE", message)
            }
            InvokeError::PayloadNotJson(_) => invalid("payload", message),
            InvokeError::Recursive => status(Code::FailedPrecondition, "RECURSIVE_INVOCATION", message),
            InvokeError::Throttled(throttled) => {
                let metadata = HashMap::from([("reason".to_owned(), throttled.reason().to_owned())]);
                let details = ErrorDetails::with_error_info("TOO_MANY_REQUESTS", DOMAIN, metadata);
                let message = format!("{message} ({})", throttled.reason());
                Status::with_error_details(Code::ResourceExhausted, message, details)
            }
            InvokeError::EventTooLarge { .. } => {
                status(Code::ResourceExhausted, "REQUEST_TOO_LARGE", message)
            }
            InvokeError::Queue(QueueError::Full(_)) => {
                status(Code::ResourceExhausted, "TOO_MANY_REQUESTS", message)
            }
            InvokeError::Queue(error) => internal(&error),
            InvokeError::Acquire(AcquireError::Draining) => status(Code::Unavailable, "DRAINING", message),
            InvokeError::Acquire(AcquireError::TooManyRequests { .. }) => {
                status(Code::ResourceExhausted, "TOO_MANY_REQUESTS", message)
            }
            InvokeError::Acquire(_) | InvokeError::Job(_) => status(Code::Unavailable, "SERVICE", message),
            InvokeError::LogGroup(_) | InvokeError::Broken => internal(&error),
        })
    }
}

impl From<FunctionError> for Refusal {
    fn from(error: FunctionError) -> Self {
        let message = error.to_string();
        Self(match error.kind() {
            ErrorKind::Validation | ErrorKind::InvalidParameterValue => match error {
                FunctionError::InvalidField(error) => invalid(error.field, error.message),
                FunctionError::Package(error) => return error.into(),
                FunctionError::TooMuchProvisioned(_) => invalid("provisioned_concurrent_executions", message),
                FunctionError::Fetch(_) => invalid("s3_object", message),
                FunctionError::SplitOfLatest => invalid("function_version", message),
                _ => invalid("reserved_concurrent_executions", message),
            },
            ErrorKind::AccessDenied => status(Code::PermissionDenied, "ACCESS_DENIED", message),
            ErrorKind::ResourceNotFound => not_found(message),
            ErrorKind::ProvisionedConcurrencyConfigNotFound => {
                status(Code::NotFound, "PROVISIONED_CONCURRENCY_CONFIG_NOT_FOUND", message)
            }
            ErrorKind::ResourceConflict => status(Code::AlreadyExists, "RESOURCE_CONFLICT", message),
            ErrorKind::ResourceInUse => status(Code::FailedPrecondition, "RESOURCE_IN_USE", message),
            ErrorKind::PreconditionFailed => status(Code::FailedPrecondition, "PRECONDITION_FAILED", message),
            ErrorKind::PolicyLengthExceeded => {
                status(Code::ResourceExhausted, "POLICY_LENGTH_EXCEEDED", message)
            }
            ErrorKind::CodeSigningConfigNotFound => not_found(message),
            ErrorKind::CodeVerificationFailed => {
                status(Code::FailedPrecondition, "CODE_VERIFICATION_FAILED", message)
            }
            ErrorKind::RequestTooLarge | ErrorKind::Unavailable | ErrorKind::Internal => match error {
                FunctionError::Package(error) => return error.into(),
                FunctionError::Store(error) => return error.into(),
                FunctionError::TooLarge { .. } => {
                    status(Code::ResourceExhausted, "REQUEST_TOO_LARGE", message)
                }
                FunctionError::Fetch(_) => status(Code::Unavailable, "SERVICE", message),
                FunctionError::Interrupted => status(Code::Unavailable, "DRAINING", message),
                error => internal(&error),
            },
        })
    }
}

impl From<ScheduleError> for Refusal {
    fn from(error: ScheduleError) -> Self {
        let message = error.to_string();
        Self(match error {
            ScheduleError::InvalidField(error) => invalid(error.field, error.message),
            ScheduleError::NotFound(_) => not_found(message),
            ScheduleError::TooMany { .. } => status(Code::ResourceExhausted, "LIMIT_EXCEEDED", message),
            ScheduleError::HasTargets => status(Code::AlreadyExists, "RESOURCE_CONFLICT", message),
            ScheduleError::Interrupted => status(Code::Unavailable, "DRAINING", message),
            ScheduleError::Function(error) => return error.into(),
            ScheduleError::Store(error) => return error.into(),
        })
    }
}

impl From<BucketError> for Refusal {
    fn from(error: BucketError) -> Self {
        let message = error.to_string();
        Self(match error {
            BucketError::InvalidArgument(_) => invalid("notification", message),
            BucketError::InvalidField(error) => invalid(error.field, error.message),
            BucketError::NoNotification { .. } => not_found(message),
            BucketError::TooMany { .. } => status(Code::ResourceExhausted, "LIMIT_EXCEEDED", message),
            BucketError::Interrupted => status(Code::Unavailable, "DRAINING", message),
            BucketError::Store(error) => return error.into(),
        })
    }
}

impl From<MappingError> for Refusal {
    fn from(error: MappingError) -> Self {
        let message = error.to_string();
        Self(match error {
            MappingError::InvalidField(error) => invalid(error.field, error.message),
            MappingError::NotFound => not_found(message),
            MappingError::Exists { .. } => status(Code::AlreadyExists, "RESOURCE_CONFLICT", message),
            MappingError::InUse { .. } => status(Code::FailedPrecondition, "RESOURCE_IN_USE", message),
            MappingError::TooMany { .. } => invalid("event_source_arn", message),
            MappingError::SourceSilent { .. } => status(Code::Unavailable, "SERVICE", message),
            MappingError::Store(error) => return error.into(),
            MappingError::Interrupted => status(Code::Unavailable, "DRAINING", message),
        })
    }
}

impl From<TagError> for Refusal {
    fn from(error: TagError) -> Self {
        match error {
            TagError::Function(error) => error.into(),
            TagError::Mapping(error) => error.into(),
        }
    }
}

impl From<PackageError> for Refusal {
    fn from(error: PackageError) -> Self {
        Self(match &error {
            PackageError::ArchiveTooLarge { .. } => {
                status(Code::ResourceExhausted, "REQUEST_TOO_LARGE", error.to_string())
            }
            error if error.is_fault_of_archive() => invalid("chunk", error.to_string()),
            error => internal(error),
        })
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(match &error {
            StoreError::BlobTooLarge { limit } => status(
                Code::ResourceExhausted,
                "REQUEST_TOO_LARGE",
                format!("the package is larger than {limit} bytes (setting package_max_zip_mb)"),
            ),
            StoreError::Closed => status(Code::Unavailable, "DRAINING", error.to_string()),
            error => internal(error),
        })
    }
}

impl From<RuntimeError> for Refusal {
    fn from(error: RuntimeError) -> Self {
        let message = error.to_string();
        Self(match error {
            RuntimeError::NotKnown { .. } => not_found(message),
            RuntimeError::NotBuilt { .. } => status(Code::FailedPrecondition, "RUNTIME_NOT_BUILT", message),
            RuntimeError::Building { .. } => status(Code::FailedPrecondition, "RESOURCE_CONFLICT", message),
            RuntimeError::NoMmdebstrap(_)
            | RuntimeError::Mmdebstrap(_)
            | RuntimeError::Build(_)
            | RuntimeError::TimedOut { .. }
            | RuntimeError::File { .. } => status(Code::FailedPrecondition, "BUILD_FAILED", message),
            RuntimeError::Engine { .. } | RuntimeError::EngineSilent { .. } => {
                status(Code::Unavailable, "SERVICE", message)
            }
        })
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self(match &error {
            LogError::PageToken => invalid("page_token", error.to_string()),
            LogError::GroupMissing(_) | LogError::StreamMissing(_) => not_found(error.to_string()),
            LogError::Stopped => status(Code::Unavailable, "DRAINING", error.to_string()),
            error => internal(error),
        })
    }
}
