//! Which state of a function is meant: a version, or a qualifier that chooses one.

use std::{fmt, num::NonZeroU64, str::FromStr};

use super::{
    field::{InvalidField, text_forms},
    name::{AliasName, is_name_byte},
};

/// How Lambda writes the version that follows the function's changes.
const LATEST: &str = "$LATEST";

/// The number of a published version.
pub type VersionNumber = NonZeroU64;

/// A version of a function: `$LATEST`, which changes, or a published number, which does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The function as it is now.
    #[default]
    Latest,
    /// A published version.
    Number(NonZeroU64),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(LATEST),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl FromStr for Version {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == LATEST {
            return Ok(Self::Latest);
        }
        version_number(text).map(Self::Number).ok_or_else(|| {
            InvalidField::constraint(
                "version",
                "functionVersion",
                text,
                r"Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)",
            )
        })
    }
}

text_forms!(Version);

/// A number as Lambda writes it: no sign, no leading zero.
fn version_number(text: &str) -> Option<NonZeroU64> {
    let written_so = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if written_so { text.parse().ok() } else { None }
}

/// What a caller may name beside a function: a version or an alias.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qualifier {
    /// This version.
    Version(Version),
    /// The version that this alias points to.
    Alias(AliasName),
    /// Well-formed for Lambda, and the name of nothing that can be, e.g. `$latest` or `0`.
    Nothing(NoName),
}

/// The text of a qualifier that can name nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoName(Box<str>);

/// Characters that a qualifier may have.
const MAX_QUALIFIER: usize = 128;

impl Qualifier {
    /// `$LATEST`.
    pub const LATEST: Self = Self::Version(Version::Latest);

    /// Reads a qualifier that follows a function's name. There it may have no `$` but that of `$LATEST`.
    ///
    /// # Errors
    /// The text is no qualifier there.
    pub fn in_name(text: &str) -> Result<Self, InvalidField> {
        match text.parse()? {
            Self::Nothing(_) if text.contains('$') => Err(InvalidField::constraint(
                "qualifier",
                "qualifier",
                text,
                r"Member must satisfy regular expression pattern: (\$LATEST|[a-zA-Z0-9-_]+)",
            )),
            qualifier => Ok(qualifier),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
            Self::Nothing(NoName(text)) => f.write_str(text),
        }
    }
}

impl FromStr for Qualifier {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        if let Ok(alias) = text.parse() {
            return Ok(Self::Alias(alias));
        }
        let refuse = |constraint| InvalidField::constraint("qualifier", "qualifier", text, constraint);
        if text.is_empty() {
            return Err(refuse("Member must have length greater than or equal to 1"));
        }
        if !text.bytes().all(|byte| is_name_byte(byte) || byte == b'$') {
            return Err(refuse(
                r"Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
            ));
        }
        if text.len() > MAX_QUALIFIER {
            return Err(refuse("Member must have length less than or equal to 128"));
        }
        Ok(Self::Nothing(NoName(text.into())))
    }
}

text_forms!(Qualifier);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_qualifier_is_latest_a_number_or_an_alias() {
        assert_eq!("$LATEST".parse(), Ok(Qualifier::LATEST));
        assert_eq!("7".parse(), Ok(Qualifier::Version(Version::Number(NonZeroU64::new(7).unwrap()))));
        assert_eq!("live".parse(), Ok(Qualifier::Alias("live".parse().unwrap())));
    }

    #[test]
    fn what_can_be_no_version_and_no_alias_is_refused_or_names_nothing() {
        for text in ["", "a b", "+1", "a?", "é", &"x".repeat(129)] {
            assert_eq!(text.parse::<Qualifier>().unwrap_err().field, "qualifier", "{text:?}");
        }
        for text in ["0", "007", "$latest", "$LATEST1", "99999999999999999999"] {
            assert!(matches!(text.parse(), Ok(Qualifier::Nothing(_))), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_qualifier_that_parses_is_the_text_it_was_parsed_from(text in "[$a-zA-Z0-9_-]{0,20}|.{0,20}") {
            if let Ok(qualifier) = text.parse::<Qualifier>() {
                prop_assert_eq!(qualifier.to_string(), text);
            }
        }
    }
}
