//! Names that people give: of functions and of aliases.

use std::{borrow::Borrow, str::FromStr};

use super::field::{InvalidField, string_forms};

/// What a name is made of: Lambda's `[a-zA-Z0-9-_]`.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// A function's name: 1 to 64 letters, digits, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(Box<str>);

impl FunctionName {
    /// Characters that a name may have.
    pub const MAX_LEN: usize = 64;
}

string_forms!(FunctionName);

impl FromStr for FunctionName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse =
            |constraint: &str| InvalidField::constraint("function_name", "functionName", text, constraint);
        if text.is_empty() {
            return Err(refuse("Member must have length greater than or equal to 1"));
        }
        if !text.bytes().all(is_name_byte) {
            return Err(refuse("Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+"));
        }
        if text.len() > Self::MAX_LEN {
            return Err(refuse("Member must have length less than or equal to 64").as_value());
        }
        Ok(Self(text.into()))
    }
}

/// So that maps keyed by names can be asked with text.
impl Borrow<str> for FunctionName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// An alias's name: 1 to 128 letters, digits, hyphens and underscores, not digits alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(Box<str>);

impl AliasName {
    /// Characters that an alias may have.
    pub const MAX_LEN: usize = 128;
}

string_forms!(AliasName);

impl FromStr for AliasName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |constraint: &str| InvalidField::constraint("qualifier", "name", text, constraint);
        if text.is_empty() {
            return Err(refuse("Member must have length greater than or equal to 1"));
        }
        if !text.bytes().all(is_name_byte) || text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse(
                "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
            ));
        }
        if text.len() > Self::MAX_LEN {
            return Err(refuse("Member must have length less than or equal to 128"));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_one_to_64_of_lambdas_characters() {
        for good in ["a", "A-b_9", "-", "$LATEST".trim_start_matches('$'), &"x".repeat(64)] {
            assert_eq!(good.parse::<FunctionName>().unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a.b", "a/b", "../a", "é", "a:b", "a\0", &"x".repeat(65)] {
            assert_eq!(bad.parse::<FunctionName>().unwrap_err().field, "function_name", "{bad:?}");
        }
    }

    #[test]
    fn a_long_name_is_refused_in_lambdas_words() {
        let name = "x".repeat(65);
        assert_eq!(
            name.parse::<FunctionName>().unwrap_err().message,
            format!(
                "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: \
                 Member must have length less than or equal to 64"
            )
        );
    }

    #[test]
    fn an_alias_is_not_a_number() {
        assert!("prod-2".parse::<AliasName>().is_ok());
        assert!("12".parse::<AliasName>().is_err());
        assert!("$LATEST".parse::<AliasName>().is_err());
    }

    proptest! {
        #[test]
        fn a_name_that_parses_is_the_text_it_was_parsed_from(text in ".{0,70}") {
            if let Ok(name) = text.parse::<FunctionName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn a_name_survives_serde(text in "[a-zA-Z0-9_-]{1,64}") {
            let name: FunctionName = text.parse().unwrap();
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<FunctionName>(&json).unwrap(), name);
        }
    }
}
