//! What a refused field of a request looks like, and the forms that all field types share.
//!
//! Every type of this layer is parsed once, at the door, from what a caller sent; inwards it is trusted. The messages
//! are Lambda's own where Lambda's are known, because the tools that people own match on them.

use std::fmt::Display;

/// A field of a request is malformed or out of its range. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidField {
    /// The field's name as in the contract, e.g. `memory_size`.
    pub field: &'static str,
    /// What is wrong with it, as Lambda says it.
    pub message: String,
}

impl InvalidField {
    /// A field with a message of its own.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }

    /// Lambda's form for a value that breaks a constraint of its model. `member` is Lambda's name of the field.
    pub(crate) fn constraint(
        field: &'static str,
        member: &str,
        value: impl Display,
        constraint: impl Display,
    ) -> Self {
        let value = shown(&value.to_string());
        Self::new(
            field,
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
            ),
        )
    }
}

/// Characters of a refused value that its message repeats: enough to recognise it by, not enough to flood a log with.
const SHOWN_CHARS: usize = 256;

/// A refused value as a message may show it: cut, and without characters that would move a terminal's cursor.
fn shown(value: &str) -> String {
    let mut shown = String::new();
    for (count, character) in value.chars().enumerate() {
        if count == SHOWN_CHARS {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Gives a type with `FromStr` and `Display` its other forms: `TryFrom` text, and serde as a string that is parsed
/// again when it is read.
macro_rules! text_forms {
    ($type:ty) => {
        impl TryFrom<&str> for $type {
            type Error = $crate::functions::InvalidField;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::functions::InvalidField;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Gives a newtype around a string `as_str`, `Display` and the forms of [`text_forms`].
macro_rules! string_forms {
    ($type:ty) => {
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::functions::field::text_forms!($type);
    };
}

pub(crate) use {string_forms, text_forms};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_lambdas_form() {
        let error =
            InvalidField::constraint("memory_size", "memorySize", 1, "Member must have value less than 0");
        assert_eq!(error.field, "memory_size");
        assert_eq!(
            error.to_string(),
            "1 validation error detected: Value '1' at 'memorySize' failed to satisfy constraint: \
             Member must have value less than 0"
        );
    }

    #[test]
    fn a_long_value_is_cut_and_control_characters_are_escaped() {
        let error = InvalidField::constraint("handler", "handler", "\u{1b}[2J".repeat(1000), "no");
        assert!(error.message.len() < 2000, "{}", error.message.len());
        assert!(error.message.contains("\\u{1b}[2J"));
        assert!(!error.message.contains('\u{1b}'));
    }
}
