//! What becomes of events that a function takes asynchronously: how often they are tried, how old they may get, where
//! their results go.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Destination, InvalidField};

/// Seconds that an event may wait: 1 minute to 6 hours.
const AGES: std::ops::RangeInclusive<u32> = 60..=21_600;

/// Times that a failed event is tried again.
const MAX_RETRIES: u32 = 2;

/// A function's, version's or alias's configuration for asynchronous events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// How often a failed event is tried again; Lambda's own choice if it is not said.
    pub maximum_retry_attempts: Option<RetryAttempts>,
    /// How many seconds an event may wait; Lambda's own choice if it is not said.
    pub maximum_event_age: Option<EventAgeSeconds>,
    /// Where the results of events go that were taken.
    pub on_success: Option<Destination>,
    /// Where events go that were given up.
    pub on_failure: Option<Destination>,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub last_modified: OffsetDateTime,
}

/// What to set of such a configuration; `None` is not said.
#[derive(Clone, Debug, Default)]
pub struct EventInvokeSettings {
    /// How often a failed event is tried again.
    pub maximum_retry_attempts: Option<RetryAttempts>,
    /// How many seconds an event may wait.
    pub maximum_event_age: Option<EventAgeSeconds>,
    /// Where the results of events go that were taken; `Some(None)` is nowhere.
    pub on_success: Option<Option<Destination>>,
    /// Where events go that were given up; `Some(None)` is nowhere.
    pub on_failure: Option<Option<Destination>>,
}

impl EventInvokeSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maximum_retry_attempts.is_none()
            && self.maximum_event_age.is_none()
            && self.on_success.is_none()
            && self.on_failure.is_none()
    }
}

/// How often a failed event is tried again: 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct RetryAttempts(u32);

impl TryFrom<u32> for RetryAttempts {
    type Error = InvalidField;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number > MAX_RETRIES {
            return Err(InvalidField::constraint(
                "maximum_retry_attempts",
                "maximumRetryAttempts",
                number,
                format_args!("Member must have value less than or equal to {MAX_RETRIES}"),
            ));
        }
        Ok(Self(number))
    }
}

impl From<RetryAttempts> for u32 {
    fn from(number: RetryAttempts) -> u32 {
        number.0
    }
}

/// How many seconds an event may wait: 60 to 21,600.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct EventAgeSeconds(u32);

impl TryFrom<u32> for EventAgeSeconds {
    type Error = InvalidField;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        let (least, most) = (AGES.start(), AGES.end());
        let constraint = match number {
            number if number < *least => format!("Member must have value greater than or equal to {least}"),
            number if number > *most => format!("Member must have value less than or equal to {most}"),
            _ => return Ok(Self(number)),
        };
        Err(InvalidField::constraint("maximum_event_age", "maximumEventAgeInSeconds", number, constraint))
    }
}

impl From<EventAgeSeconds> for u32 {
    fn from(number: EventAgeSeconds) -> u32 {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_lambdas_ranges() {
        assert!(RetryAttempts::try_from(2).is_ok() && RetryAttempts::try_from(3).is_err());
        assert!(EventAgeSeconds::try_from(60).is_ok() && EventAgeSeconds::try_from(21_600).is_ok());
        assert!(EventAgeSeconds::try_from(59).is_err() && EventAgeSeconds::try_from(21_601).is_err());
    }
}
