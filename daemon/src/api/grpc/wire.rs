//! Small translations that several services need.

use std::{str::FromStr, time::Duration};

use thaw_proto::v1;
use time::OffsetDateTime;
use tonic::Status;

use super::error::{invalid, not_found};
use crate::functions::{
    FunctionReference, FunctionVersion, InvalidField, LastUpdateStatus, Region, RevisionId, State, Version,
    registry::MAX_PAGE,
};

/// Parses a function's name or ARN. One of another region names nothing that is here.
pub(super) fn parse_reference(text: &str, region: &Region) -> Result<FunctionReference, Status> {
    if text.is_empty() {
        return Err(invalid("function_name", "name a function"));
    }
    let reference: FunctionReference = parse("function_name", text)?;
    if reference.foreign_region(region).is_some() {
        return Err(not_found(format!("Function not found: {text} (this daemon's region is {region})")));
    }
    Ok(reference)
}

/// Parses a field of a request.
pub(super) fn parse<T: FromStr<Err = InvalidField>>(field: &'static str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|error: InvalidField| invalid(field, error.message))
}

/// Parses a field that may be empty.
pub(super) fn parse_optional<T: FromStr<Err = InvalidField>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, Status> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// Checks a number whose default is 0 on the wire.
pub(super) fn parse_size<T: TryFrom<u32, Error = InvalidField> + Default>(
    field: &'static str,
    number: u32,
) -> Result<T, Status> {
    if number == 0 {
        return Ok(T::default());
    }
    T::try_from(number).map_err(|error| invalid(field, error.message))
}

/// The revision that a caller expects, if he does.
pub(super) fn expected(text: &str) -> Option<RevisionId> {
    (!text.is_empty()).then(|| RevisionId::expected(text))
}

/// How many things a page of a list may have.
pub(super) fn page_size(asked: u32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(asked) if asked <= MAX_PAGE => Ok(asked),
        _ => Err(invalid("page_size", format!("must be at most {MAX_PAGE}"))),
    }
}

/// A moment as protobuf has it.
pub(super) fn timestamp(moment: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: moment.unix_timestamp(),
        // Under a billion by definition.
        nanos: i32::try_from(moment.nanosecond()).unwrap_or_default(),
    }
}

/// A moment as protobuf has it, from milliseconds since the epoch.
pub(super) fn timestamp_ms(millis: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: millis.div_euclid(1000),
        // Under a thousand million by definition.
        nanos: i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default(),
    }
}

/// Milliseconds since the epoch of a caller's moment.
pub(super) fn millis(field: &'static str, moment: prost_types::Timestamp) -> Result<i64, Status> {
    let nanos = i64::from(moment.nanos);
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(invalid(field, "its nanos must be 0 to 999,999,999"));
    }
    moment
        .seconds
        .checked_mul(1000)
        .and_then(|seconds| seconds.checked_add(nanos / 1_000_000))
        .ok_or_else(|| invalid(field, "is out of range"))
}

/// A span of time as protobuf has it.
pub(super) fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        // Under a billion by definition.
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

/// A version's configuration.
pub(super) fn configuration(version: &FunctionVersion) -> v1::FunctionConfiguration {
    let state = match &version.state {
        State::Pending => v1::State::Pending,
        State::Active => v1::State::Active,
        State::Failed { .. } => v1::State::Failed,
    };
    let (last_update_status, update_reason) = match version.last_update_status {
        None => (v1::LastUpdateStatus::Unspecified, None),
        Some(LastUpdateStatus::InProgress) => {
            (v1::LastUpdateStatus::InProgress, LastUpdateStatus::InProgress.reason())
        }
        Some(LastUpdateStatus::Successful) => (v1::LastUpdateStatus::Successful, None),
    };
    let variables = version.variables().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    v1::FunctionConfiguration {
        function_name: version.name().to_string(),
        function_arn: match version.version {
            Version::Latest => version.arn.to_string(),
            Version::Number(_) => version.qualified_arn().to_string(),
        },
        runtime: version.runtime.to_string(),
        handler: version.handler.to_string(),
        role: version.role.as_ref().map(ToString::to_string).unwrap_or_default(),
        description: version.description.to_string(),
        timeout: version.timeout.get(),
        memory_size: version.memory.get(),
        ephemeral_storage: version.ephemeral_storage.get(),
        environment: Some(v1::Environment { variables }),
        code_size: version.code_size,
        code_sha256: version.package.base64(),
        version: version.version.to_string(),
        state: state.into(),
        state_reason: version.state.reason().map(|reason| reason.text).unwrap_or_default(),
        last_update_status: last_update_status.into(),
        last_update_status_reason: update_reason.map(|reason| reason.text).unwrap_or_default(),
        revision_id: version.revision_id.to_string(),
        last_modified: Some(timestamp(version.last_modified)),
        layers: version
            .layers
            .iter()
            .map(|layer| v1::FunctionLayer { arn: layer.arn.to_string(), code_size: layer.code_size })
            .collect(),
        log_group: version.logging.group_of(version.name()),
        dead_letter_target_arn: version.dead_letter.as_ref().map(ToString::to_string).unwrap_or_default(),
        log_format: version.logging.format.to_string(),
        application_log_level: version
            .logging
            .application_level
            .map(|level| level.to_string())
            .unwrap_or_default(),
        system_log_level: version.logging.system_level.map(|level| level.to_string()).unwrap_or_default(),
    }
}
