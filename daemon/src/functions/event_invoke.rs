//! What becomes of events that a function takes asynchronously: how often they are tried, how old they may get, where
//! their results go.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{InvalidField, field::string_forms};

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
    /// Destinations.
    pub destinations: Option<Destinations>,
}

impl EventInvokeSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maximum_retry_attempts.is_none()
            && self.maximum_event_age.is_none()
            && self.destinations.is_none()
    }
}

/// Where results go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Of events that were taken.
    pub on_success: Option<Destination>,
    /// Of events that were given up.
    pub on_failure: Option<Destination>,
}

/// The ARN of a queue, topic, bus, bucket, log group or function; or the URL of an HTTP endpoint, which is Thaw's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination(Box<str>);

string_forms!(Destination);

impl Destination {
    /// Reads a destination. Empty text is none.
    ///
    /// # Errors
    /// The text is no ARN. `member` is Lambda's name of the field.
    pub fn parse(text: &str, member: &str) -> Result<Option<Self>, InvalidField> {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            InvalidField::constraint(
                "destination_config",
                member,
                text,
                r"Member must satisfy regular expression pattern: $|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
            )
        })
    }

    /// The service that the ARN names; nothing of a URL.
    #[must_use]
    pub fn service(&self) -> &str {
        if self.is_url() { "" } else { self.0.split(':').nth(2).unwrap_or_default() }
    }

    /// Whether it is an HTTP endpoint.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl FromStr for Destination {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let well_formed = text.len() <= 350
            && matches!(parts.as_slice(), ["arn", partition, service, _, account, resource]
                if partition.starts_with("aws")
                    && !service.is_empty()
                    && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && (account.is_empty() || account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
                    && !resource.is_empty());
        if well_formed || is_endpoint(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidField::new(
                "destination_config",
                format!("{} is no ARN of a destination", text.escape_debug()),
            ))
        }
    }
}

/// Whether a text is the URL of an endpoint that results can be posted to.
fn is_endpoint(text: &str) -> bool {
    text.len() <= 350
        && text.starts_with("http://")
        && text.parse::<http::Uri>().is_ok_and(|url| url.host().is_some_and(|host| !host.is_empty()))
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

    #[test]
    fn a_destination_is_an_arn_or_nothing() {
        let member = "destinationConfig.onFailure.destination";
        assert_eq!(Destination::parse("", member), Ok(None));
        let queue = Destination::parse("arn:aws:sqs:us-east-1:000000000000:q", member).unwrap().unwrap();
        assert_eq!((queue.service(), queue.is_url()), ("sqs", false));
        let endpoint = Destination::parse("http://127.0.0.1:8080/failed?of=f", member).unwrap().unwrap();
        assert_eq!((endpoint.service(), endpoint.is_url()), ("", true));
        assert!(Destination::parse("http://", member).is_err());
        let told =
            Destination::parse("arn:aws:_-/!lambda:us-east-1:000000000000:function:f", member).unwrap_err();
        assert!(told.message.contains("at 'destinationConfig.onFailure.destination' failed"), "{told}");
    }
}
