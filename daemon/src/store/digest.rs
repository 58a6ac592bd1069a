//! The SHA-256 of something: the name of a blob, and Lambda's `CodeSha256`.
//!
//! Written as 64 lower-case hexadecimal digits, in file names and in records; as base64 where Lambda's API shows it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// How many bytes a SHA-256 has.
const DIGEST_BYTES: usize = 32;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; DIGEST_BYTES]);

/// A text is not a SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 lower-case hexadecimal digits, which {0:?} is not")]
pub struct InvalidDigest(String);

impl Sha256Digest {
    /// The SHA-256 of `bytes`. Hashing takes about a second a gigabyte: off the async executor when it is large.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// What a running hash has come to.
    #[must_use]
    pub fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// The digest's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }

    /// As Lambda's API writes it (`CodeSha256`).
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDigest(text.chars().take(DIGEST_BYTES * 2).collect());
        if text.len() != DIGEST_BYTES * 2 {
            return Err(invalid());
        }
        let mut bytes = [0; DIGEST_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(hex_value);
            *byte = high.ok_or_else(invalid)? << 4 | low.ok_or_else(invalid)?;
        }
        Ok(Self(bytes))
    }
}

/// Upper-case digits are refused, so that one digest has one name.
fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_well_known_one() {
        let digest = Sha256Digest::of(b"");
        assert_eq!(digest.to_string(), OF_NOTHING);
        assert_eq!(digest.base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn what_is_not_64_lower_case_digits_is_refused() {
        for text in ["", "e3b0", &OF_NOTHING.to_uppercase(), &OF_NOTHING.replace('e', "g"), &"é".repeat(32)]
        {
            assert!(text.parse::<Sha256Digest>().is_err(), "{text:?} was taken for a digest");
        }
    }

    proptest! {
        #[test]
        fn a_digest_survives_being_written_and_read(bytes: [u8; DIGEST_BYTES]) {
            let digest = Sha256Digest(bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            if let Ok(digest) = text.parse::<Sha256Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
