//! How a command can fail, and the exit code that tells scripts which way it was.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A failed command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: a function failed; what came of it was printed.
    Function(String),
    /// 2: the command line makes no sense.
    Usage(String),
    /// 3: the daemon refused.
    Refused(Status),
    /// 4: no daemon answers.
    Unreachable(String),
    /// 2: something on this side, such as a file that can't be read.
    Local(anyhow::Error),
    /// 0: whoever read the output has read enough.
    OutputClosed,
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Function(_) => 1,
            Self::Usage(_) | Self::Local(_) => 2,
            Self::Refused(_) => 3,
            Self::Unreachable(_) => 4,
        }
    }

    /// What to tell a person: what failed, and what to do.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::OutputClosed => None,
            Self::Function(message) | Self::Usage(message) | Self::Unreachable(message) => {
                Some(message.clone())
            }
            Self::Local(error) => Some(format!("{error:#}")),
            Self::Refused(status) => Some(refusal(status)),
        }
    }
}

/// The daemon's sentence, with the flag that is meant where it names a field.
fn refusal(status: &Status) -> String {
    let details = status.get_error_details();
    let Some(bad_request) = details.bad_request() else { return status.message().to_owned() };
    let violations: Vec<_> = bad_request
        .field_violations
        .iter()
        .map(|violation| match flag(&violation.field) {
            Some(flag) => format!("{flag}: {}", violation.description),
            None => violation.description.clone(),
        })
        .collect();
    if violations.is_empty() { status.message().to_owned() } else { violations.join("\n") }
}

/// The flag by which a person gives a field.
fn flag(field: &str) -> Option<String> {
    match field {
        "function_name" => Some("NAME".to_owned()),
        "log_group_name" => Some("GROUP".to_owned()),
        "filter_pattern" => Some("--filter".to_owned()),
        "retention_days" => Some("--days".to_owned()),
        "layer_name" => Some("NAME".to_owned()),
        "layer_version_arn" => Some("LAYER".to_owned()),
        "layers" => Some("--layer".to_owned()),
        "code_signing_config_arn" => Some("CONFIG_ARN".to_owned()),
        "signing_profile_version_arns" => Some("--profile".to_owned()),
        "untrusted_artifact_on_deployment" => Some("--untrusted".to_owned()),
        "maximum_retry_attempts" => Some("--retries".to_owned()),
        "maximum_event_age" => Some("--max-age".to_owned()),
        "destination_config" => Some("--on-success, --on-failure".to_owned()),
        "dead_letter_target_arn" | "dead_letter_config" => Some("--dead-letter".to_owned()),
        "logging_config" => Some("--log-format".to_owned()),
        "update_runtime_on" => Some("--update-on".to_owned()),
        "runtime_version_arn" => Some("--runtime-version".to_owned()),
        "chunk" | "resource" => None,
        "s3_object" => Some("--s3".to_owned()),
        "environment" | "environment.variables" => Some("--env".to_owned()),
        "client_context"
        | "payload"
        | "qualifier"
        | "timeout"
        | "runtime"
        | "handler"
        | "role"
        | "description"
        | "memory_size"
        | "ephemeral_storage"
        | "revision_id"
        | "limit"
        | "statement_id"
        | "function_url_auth_type"
        | "invoked_via_function_url"
        | "principal"
        | "action"
        | "source_arn"
        | "source_account"
        | "principal_org_id"
        | "event_source_token"
        | "organization_id"
        | "on_success"
        | "on_failure"
        | "license_info"
        | "compatible_runtime"
        | "compatible_architecture"
        | "log_group"
        | "log_format"
        | "application_log_level"
        | "system_log_level" => Some(format!("--{}", field.replace('_', "-"))),
        _ => Some(field.to_owned()),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        // A connection that breaks has no details; a daemon that refuses always sends some.
        let from_daemon = status.get_details_error_info().is_some();
        let from_transport = std::error::Error::source(&status).is_some();
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
                if from_transport
                    || (!from_daemon && matches!(status.code(), Code::Unavailable | Code::Unknown)) =>
            {
                Self::Unreachable(format!("the daemon went away: {}; see its log", status.message()))
            }
            _ => Self::Refused(status),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(error)
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_field_is_named_by_its_flag() {
        let details = ErrorDetails::with_bad_request_violation("memory_size", "must be 128 to 10240");
        let failure =
            Failure::Refused(Status::with_error_details(Code::InvalidArgument, "memory_size: no", details));
        assert_eq!(failure.message().as_deref(), Some("--memory-size: must be 128 to 10240"));
        assert_eq!(failure.code(), 3);
    }

    #[test]
    fn a_field_whose_flag_has_another_name_is_named_by_that() {
        for (field, named) in [
            ("maximum_retry_attempts", "--retries: no"),
            ("signing_profile_version_arns", "--profile: no"),
            ("code_signing_config_arn", "CONFIG_ARN: no"),
            ("statement_id", "--statement-id: no"),
            ("chunk", "no"),
        ] {
            let details = ErrorDetails::with_bad_request_violation(field, "no");
            let failure = Failure::Refused(Status::with_error_details(Code::InvalidArgument, "no", details));
            assert_eq!(failure.message().as_deref(), Some(named));
        }
    }

    #[test]
    fn a_broken_connection_is_not_a_refusal() {
        assert_eq!(Failure::from(Status::unavailable("broken pipe")).code(), 4);
        let details = ErrorDetails::with_error_info("DRAINING", "thaw", std::collections::HashMap::new());
        let draining = Status::with_error_details(Code::Unavailable, "draining", details);
        assert_eq!(Failure::from(draining).code(), 3);
    }
}
