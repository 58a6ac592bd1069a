//! What buckets are called.

use std::str::FromStr;

use crate::functions::{InvalidField, Region, string_forms};

/// A bucket's name: 3 to 255 letters, digits, dots, hyphens and underscores. That is S3's older rule, which servers beside
/// AWS still have buckets by; since 2018 S3 itself makes none with capitals or of more than 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(Box<str>);

string_forms!(BucketName);

impl BucketName {
    /// Its ARN, which has neither region nor account.
    #[must_use]
    pub fn arn(&self, region: &Region) -> String {
        format!("arn:{}:s3:::{self}", region.partition())
    }
}

impl FromStr for BucketName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if (3..=255).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(InvalidField::new("bucket", "The specified bucket is not valid."))
    }
}
