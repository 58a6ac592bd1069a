//! What several operations write the same way: names, ARNs, limits, times.

use std::sync::Arc;

use super::{ApiError, Caller, Code};
use crate::logs::{GroupKey, Pattern, StoredEvent};

impl Caller<'_> {
    /// The group of this name, of the caller's account.
    pub(super) fn named(&self, name: Option<String>) -> Result<GroupKey, ApiError> {
        let name = required("logGroupName", name)?;
        GroupKey::new(&self.account.to_string(), &name)
            .map_err(|error| Code::InvalidParameter.because(error.to_string()))
    }

    /// The group that one of the two members names.
    pub(super) fn identified(
        &self,
        name: Option<String>,
        identifier: Option<String>,
    ) -> Result<GroupKey, ApiError> {
        match (name, identifier) {
            (Some(_), Some(_)) => {
                Err(Code::Validation
                    .because("LogGroup name and LogGroup ARN are mutually exclusive parameters."))
            }
            (None, Some(identifier)) => self.group_of(&identifier),
            (name, None) => self.named(name),
        }
    }

    /// The group of a name or an ARN.
    pub(super) fn group_of(&self, identifier: &str) -> Result<GroupKey, ApiError> {
        if !identifier.starts_with("arn:") {
            return self.named(Some(identifier.to_owned()));
        }
        let mine = self.arn_of("");
        let name = identifier.strip_prefix(&mine).ok_or_else(|| {
            Code::InvalidParameter.because(format!(
                "{identifier} is not the ARN of a log group of this account and region; those begin with {mine}"
            ))
        })?;
        self.named(Some(name.strip_suffix(":*").unwrap_or(name).to_owned()))
    }

    /// A group's ARN.
    pub(super) fn arn(&self, group: &GroupKey) -> String {
        self.arn_of(group.group())
    }

    fn arn_of(&self, name: &str) -> String {
        let region = &self.logs.region;
        format!("arn:{}:logs:{region}:{}:log-group:{name}", region.partition(), self.account)
    }
}

pub(super) fn required<T>(member: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| {
        Code::InvalidParameter.because(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A number between 1 and `most`, which it is if it is not given.
pub(super) fn limit(limit: Option<i64>, most: usize) -> Result<usize, ApiError> {
    let Some(limit) = limit else { return Ok(most) };
    let constraint = match usize::try_from(limit) {
        Ok(limit) if (1..=most).contains(&limit) => return Ok(limit),
        Ok(1..) => format!("less than or equal to {most}"),
        _ => "greater than or equal to 1".to_owned(),
    };
    Err(Code::InvalidParameter.because(format!(
        "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: \
         Member must have value {constraint}"
    )))
}

pub(super) fn pattern(text: Option<&str>) -> Result<Option<Arc<Pattern>>, ApiError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => Ok(Some(Arc::new(Pattern::parse(text)?))),
    }
}

/// The model knows no time before 1970.
pub(super) fn time(ms: i64) -> i64 {
    ms.max(0)
}

/// When an event came.
pub(super) fn ingestion(event: &StoredEvent) -> i64 {
    time(event.ingested_ms.unwrap_or(event.timestamp_ms))
}

/// An event's message. What a function prints ends with its line's end, as Lambda sends it.
pub(super) fn message(event: StoredEvent) -> String {
    let StoredEvent { mut message, ingested_ms, .. } = event;
    if ingested_ms.is_none() {
        message.push('\n');
    }
    message
}
