//! A function's configuration as the API writes it.

use std::collections::BTreeMap;

use serde::Serialize;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::functions::{FunctionArn, FunctionVersion, LastUpdateStatus};

/// `2015-07-16T00:34:31.322+0000`.
const LAST_MODIFIED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000");

/// A time as configurations have it.
pub(super) fn last_modified(time: OffsetDateTime) -> String {
    // The form has no component that a time could lack.
    time.format(LAST_MODIFIED).unwrap_or_default()
}

/// A configuration. What is absent is not written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Configuration<'a> {
    function_name: &'a str,
    function_arn: String,
    runtime: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    handler: &'a str,
    code_size: u64,
    description: &'a str,
    timeout: u32,
    memory_size: u32,
    last_modified: String,
    code_sha256: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_config: Option<VpcConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_config: Option<DeadLetterConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Variables<'a>>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    kms_key_arn: Option<&'a str>,
    tracing_config: Mode,
    revision_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layer>,
    #[serde(flatten)]
    progress: Option<Progress>,
    package_type: &'static str,
    architectures: [&'static str; 1],
    ephemeral_storage: Size,
    snap_start: SnapStart,
    logging_config: Logging,
}

/// What lists leave out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Progress {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status_reason_code: Option<&'static str>,
    runtime_version_config: RuntimeVersion,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimeVersion {
    runtime_version_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcConfig {
    subnet_ids: [&'static str; 0],
    security_group_ids: [&'static str; 0],
    vpc_id: &'static str,
    ipv6_allowed_for_dual_stack: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeadLetterConfig<'a> {
    target_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Variables<'a> {
    variables: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    mode: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Layer {
    arn: String,
    code_size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    size: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnapStart {
    apply_on: String,
    optimization_status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Logging {
    log_format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_log_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_log_level: Option<String>,
    log_group: String,
}

impl<'a> Configuration<'a> {
    /// Of a version that was asked for by this ARN.
    pub(super) fn of(version: &'a FunctionVersion, arn: &FunctionArn) -> Self {
        let state = version.state.reason();
        let update = version.last_update_status.and_then(LastUpdateStatus::reason);
        let progress = Progress {
            state: version.state.as_str(),
            state_reason_code: state.as_ref().map(|reason| reason.code),
            state_reason: state.map(|reason| reason.text),
            last_update_status: version.last_update_status.map(LastUpdateStatus::as_str),
            last_update_status_reason_code: update.as_ref().map(|reason| reason.code),
            last_update_status_reason: update.map(|reason| reason.text),
            runtime_version_config: RuntimeVersion {
                runtime_version_arn: version.runtime.version_arn(&version.arn.region),
            },
        };
        Self { progress: Some(progress), ..Self::listed(version, arn) }
    }

    /// The same as lists have it.
    pub(super) fn listed(version: &'a FunctionVersion, arn: &FunctionArn) -> Self {
        let settings = &version.settings;
        let environment = settings.environment.as_ref();
        Self {
            function_name: version.name().as_str(),
            function_arn: arn.to_string(),
            runtime: settings.runtime.as_str(),
            role: settings.role.as_ref().map(|role| role.as_str()),
            handler: settings.handler.as_str(),
            code_size: version.code_size,
            description: settings.description.as_str(),
            timeout: settings.timeout.get(),
            memory_size: settings.memory.get(),
            last_modified: last_modified(version.last_modified),
            code_sha256: version.package.base64(),
            version: version.version.to_string(),
            vpc_config: settings.vpc.as_ref().map(|vpc| VpcConfig {
                subnet_ids: [],
                security_group_ids: [],
                vpc_id: "",
                ipv6_allowed_for_dual_stack: vpc.ipv6_allowed,
            }),
            dead_letter_config: settings
                .dead_letter
                .as_ref()
                .map(|target| DeadLetterConfig { target_arn: target.as_str() }),
            environment: environment.map(|environment| Variables { variables: environment.iter().collect() }),
            kms_key_arn: settings.kms_key.as_ref().map(|key| key.as_str()),
            tracing_config: Mode { mode: settings.tracing.to_string() },
            revision_id: version.revision_id.to_string(),
            layers: settings
                .layers
                .iter()
                .map(|layer| Layer { arn: layer.arn.to_string(), code_size: layer.code_size })
                .collect(),
            progress: None,
            package_type: "Zip",
            architectures: [settings.architecture.as_str()],
            ephemeral_storage: Size { size: settings.ephemeral_storage.get() },
            snap_start: SnapStart { apply_on: settings.snap_start.to_string(), optimization_status: "Off" },
            logging_config: Logging {
                log_format: settings.logging.format.to_string(),
                application_log_level: settings.logging.application_level.map(|level| level.to_string()),
                system_log_level: settings.logging.system_level.map(|level| level.to_string()),
                log_group: settings.logging.group_of(version.name()),
            },
        }
    }
}
