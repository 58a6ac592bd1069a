//! The number that a tenant is known by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A tenant: an AWS account number, 12 digits with leading zeros kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// Digits in an account number.
    pub const DIGITS: usize = 12;

    /// The account that calls belong to where no tenants are configured: `000000000000`.
    pub const DEFAULT: Self = Self(0);
}

impl Default for AccountId {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The text is not 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account id is 12 digits, such as 000000000000")]
pub struct InvalidAccountId;

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u64::from_str` takes a sign, so the digits are checked first.
        if text.len() != Self::DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidAccountId);
        }
        text.parse().map(Self).map_err(|_| InvalidAccountId)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.0, width = Self::DIGITS)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_account_is_twelve_zeros() {
        assert_eq!(AccountId::DEFAULT.to_string(), "000000000000");
        assert_eq!("000000000000".parse(), Ok(AccountId::DEFAULT));
    }

    #[test]
    fn anything_but_twelve_digits_is_refused() {
        for text in [
            "",
            "1",
            "00000000000",
            "0000000000000",
            "+00000000000",
            "00000000000a",
            "０００００００００００0",
        ] {
            assert_eq!(text.parse::<AccountId>(), Err(InvalidAccountId), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_account_id_survives_text_and_back(number in 0u64..1_000_000_000_000) {
            let text = format!("{number:012}");
            prop_assert_eq!(text.parse::<AccountId>().map(|account| account.to_string()), Ok(text));
        }
    }
}
