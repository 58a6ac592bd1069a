//! The region that this machine stands for in ARNs.

use std::str::FromStr;

use super::field::{InvalidField, string_forms};

/// An AWS region's name, such as `us-east-1`. Thaw is one machine; the region only appears in ARNs and in the
/// functions' environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Box<str>);

string_forms!(Region);

impl Region {
    /// The partition that ARNs of this region begin with.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("us-east-1".into())
    }
}

impl FromStr for Region {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Letters, then one or two groups of letters, then a number: us-east-1, ap-southeast-2, us-gov-west-1.
        let parts: Vec<&str> = text.split('-').collect();
        let letters = |part: &&str| {
            part.bytes().all(|byte| byte.is_ascii_lowercase()) && (2..=16).contains(&part.len())
        };
        let number =
            |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && (1..=2).contains(&part.len());
        let well_formed = match parts.as_slice() {
            [words @ .., last] => (2..=3).contains(&words.len()) && words.iter().all(letters) && number(last),
            [] => false,
        };
        if !well_formed {
            return Err(InvalidField::constraint(
                "region",
                "region",
                text,
                "Member must be the name of a region, such as us-east-1",
            ));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_every_partition_are_known_by_their_form() {
        for (text, partition) in [
            ("us-east-1", "aws"),
            ("ap-southeast-7", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
        ] {
            assert_eq!(text.parse::<Region>().unwrap().partition(), partition);
        }
    }

    #[test]
    fn what_is_no_region_is_refused() {
        for text in [
            "",
            "us",
            "us-east",
            "us-east-",
            "US-EAST-1",
            "us-east-1-2",
            "us--1",
            "u-e-1",
            "us-east-111",
            "a:b-c-1",
        ] {
            assert!(text.parse::<Region>().is_err(), "{text:?}");
        }
    }
}
