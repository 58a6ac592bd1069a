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
    /// Which of Lambda's two exceptions says so.
    pub kind: InvalidKind,
}

/// Lambda refuses bad fields in two ways, which its clients tell apart by the exception's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKind {
    /// A value breaks a constraint of the API's model: `ValidationException`.
    Constraint,
    /// A well-formed value means nothing here: `InvalidParameterValueException`.
    Value,
}

/// What a message about one broken constraint begins with.
const ONE_ERROR: &str = "1 validation error detected: ";

impl InvalidField {
    /// A field whose value is refused with a message of its own.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), kind: InvalidKind::Value }
    }

    /// The same refusal as Lambda's `InvalidParameterValueException`: for the few constraints that it checks late.
    #[must_use]
    pub fn as_value(self) -> Self {
        Self { kind: InvalidKind::Value, ..self }
    }

    /// Several broken constraints as Lambda tells them: all in one message. `None` if there are none.
    #[must_use]
    pub fn several(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() <= 1 {
            return errors.pop();
        }
        // Lambda comes to values that are no constraint's matter only when all constraints hold, and tells the first.
        if errors.iter().all(|error| error.kind == InvalidKind::Value) {
            return Some(errors.swap_remove(0));
        }
        errors.retain(|error| error.kind == InvalidKind::Constraint);
        let count = errors.len();
        if count == 1 {
            return errors.pop();
        }
        let told: Vec<&str> = errors
            .iter()
            .map(|error| error.message.strip_prefix(ONE_ERROR).unwrap_or(&error.message))
            .collect();
        let message = format!("{count} validation errors detected: {}", told.join("; "));
        let field = errors.first()?.field;
        Some(Self { field, message, kind: InvalidKind::Constraint })
    }

    /// Lambda's form for a value that breaks a constraint of its model. `member` is Lambda's name of the field.
    pub(crate) fn constraint(
        field: &'static str,
        member: &str,
        value: impl Display,
        constraint: impl Display,
    ) -> Self {
        let value = shown(&value.to_string());
        Self {
            field,
            message: format!(
                "{ONE_ERROR}Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
            ),
            kind: InvalidKind::Constraint,
        }
    }
}

/// Characters of a refused value that its message repeats: enough to recognise it by, not enough to flood a log with.
const SHOWN_CHARS: usize = 512;

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

            fn try_from(text: &str) -> Result<Self, $crate::functions::InvalidField> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::functions::InvalidField;

            fn try_from(text: String) -> Result<Self, $crate::functions::InvalidField> {
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

        $crate::functions::text_forms!($type);
    };
}

/// Makes an enumeration of words that the API's model lists, with Lambda's message for any other word.
macro_rules! word_forms {
    (
        $(#[$meta:meta])* $type:ident, $field:literal, $member:literal,
        { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $type {
            /// Lambda's word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::functions::InvalidField;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::functions::InvalidField::constraint(
                        $field,
                        $member,
                        text,
                        format_args!("Member must satisfy enum value set: [{}]", [$($word),+].join(", ")),
                    )),
                }
            }
        }

        $crate::functions::text_forms!($type);
    };
}

pub(crate) use {string_forms, text_forms, word_forms};

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
    fn several_broken_constraints_are_told_in_one_message() {
        let broken = |member| InvalidField::constraint("f", member, "x", "no");
        let one = InvalidField::several(vec![broken("a")]).unwrap();
        assert_eq!(one, broken("a"));
        let two =
            InvalidField::several(vec![broken("a"), InvalidField::new("f", "late"), broken("b")]).unwrap();
        assert_eq!(
            two.message,
            "2 validation errors detected: Value 'x' at 'a' failed to satisfy constraint: no; \
             Value 'x' at 'b' failed to satisfy constraint: no"
        );
        let late = InvalidField::several(vec![InvalidField::new("f", "one"), InvalidField::new("f", "two")]);
        assert_eq!(late.unwrap().message, "one");
        assert_eq!(InvalidField::several(Vec::new()), None);
    }

    #[test]
    fn a_long_value_is_cut_and_control_characters_are_escaped() {
        let error = InvalidField::constraint("handler", "handler", "\u{1b}[2J".repeat(1000), "no");
        assert!(error.message.len() < 2000, "{}", error.message.len());
        assert!(error.message.contains("\\u{1b}[2J"));
        assert!(!error.message.contains('\u{1b}'));
    }
}
