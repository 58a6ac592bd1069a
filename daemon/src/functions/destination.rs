//! Where results go: the ARN of something that takes them, or the URL of an endpoint.

use std::str::FromStr;

use super::{InvalidField, field::string_forms};

/// The longest destination, in bytes. Source: Lambda's model.
const LONGEST: usize = 350;

/// The ARN of a queue, topic, bus, bucket, log group or function; or the URL of an HTTP endpoint, which is Thaw's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination(Box<str>);

string_forms!(Destination);

/// The parts of a destination's ARN that are not the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationArn<'a> {
    /// `sqs`, `sns`, `s3`, …
    pub service: &'a str,
    /// Empty of a bucket.
    pub region: &'a str,
    /// Whose it is; empty of a bucket.
    pub account: &'a str,
    /// The name of a queue, topic or bucket; `function:NAME`, `log-group:NAME`.
    pub resource: &'a str,
}

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

    /// The parts of the ARN; nothing of a URL.
    #[must_use]
    pub fn arn(&self) -> Option<DestinationArn<'_>> {
        if self.is_url() {
            return None;
        }
        let mut parts = self.0.splitn(6, ':').skip(2);
        let [service, region, account, resource] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        Some(DestinationArn { service, region, account, resource })
    }

    /// The service that the ARN names; nothing of a URL.
    #[must_use]
    pub fn service(&self) -> &str {
        self.arn().map_or("", |arn| arn.service)
    }

    /// Whether it is an HTTP endpoint.
    #[must_use]
    pub fn is_url(&self) -> bool {
        has_scheme(&self.0)
    }
}

impl FromStr for Destination {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let well_formed = matches!(parts.as_slice(), ["arn", partition, service, _, account, resource]
            if partition.starts_with("aws")
                && !service.is_empty()
                && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && (account.is_empty() || account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
                && !resource.is_empty());
        if text.len() <= LONGEST && (well_formed || is_endpoint(text)) {
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
    has_scheme(text)
        && text.parse::<http::Uri>().is_ok_and(|url| url.host().is_some_and(|host| !host.is_empty()))
}

fn has_scheme(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_an_arn_or_an_endpoint_or_nothing() {
        let member = "destinationConfig.onFailure.destination";
        assert_eq!(Destination::parse("", member), Ok(None));
        let queue = Destination::parse("arn:aws:sqs:us-east-1:000000000000:q", member).unwrap().unwrap();
        assert_eq!((queue.service(), queue.is_url()), ("sqs", false));
        for url in ["http://127.0.0.1:8080/failed?of=f", "https://example.org/failed"] {
            let endpoint = Destination::parse(url, member).unwrap().unwrap();
            assert_eq!((endpoint.service(), endpoint.is_url(), endpoint.arn()), ("", true, None));
        }
        assert!(Destination::parse("http://", member).is_err());
        assert!(Destination::parse("https:///path", member).is_err());
        let told =
            Destination::parse("arn:aws:_-/!lambda:us-east-1:000000000000:function:f", member).unwrap_err();
        assert!(told.message.contains("at 'destinationConfig.onFailure.destination' failed"), "{told}");
    }

    #[test]
    fn an_arn_has_its_parts() {
        let of = |text: &str| {
            let destination: Destination = text.parse().unwrap();
            let arn = destination.arn().unwrap();
            [arn.service, arn.region, arn.account, arn.resource].map(str::to_owned)
        };
        assert_eq!(of("arn:aws:sns:us-east-1:000000000000:t"), ["sns", "us-east-1", "000000000000", "t"]);
        assert_eq!(of("arn:aws:s3:::bucket"), ["s3", "", "", "bucket"]);
        assert_eq!(of("arn:aws:logs:us-east-1:000000000000:log-group:/a:*")[3], "log-group:/a:*");
    }
}
