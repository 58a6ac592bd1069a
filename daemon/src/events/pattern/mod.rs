//! EventBridge's pattern language: which events are meant.
//!
//! Event source mappings choose records by it (`FilterCriteria`), and rules choose events. A pattern is a JSON object of the
//! same form as the events that it matches; in place of values it has arrays of what they may be. It is parsed once
//! ([`parse`]) into a tree; [`walk`] goes through that and an event side by side, in time proportional to the product of
//! their sizes at the most, whatever either of them is: no wildcard goes back over what it has seen.
//!
//! Where an event has an array, a rule matches if it matches any element, and the rules of a nested object have to hold of
//! one and the same element. Keys may be joined by dots, in the pattern as well as in the event. `{"exists": false}` asks
//! whether the event has nothing at all there, in any element.

mod cidr;
mod parse;
mod rule;
#[cfg(test)]
mod tests;
mod walk;
mod wildcard;

use std::str::FromStr;

use serde_json::Value;

use self::parse::Object;

/// The most characters of a pattern: that of Lambda's filters and EventBridge's rules alike.
pub const PATTERN_MAX_CHARACTERS: usize = 4096;

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    root: Object,
    /// The paths of what must not exist. Rules name them by their places here.
    absent: Vec<Vec<String>>,
}

/// Why a text is no pattern, in EventBridge's words where these are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl PatternError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What a pattern expects in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A value: the pattern has an array there.
    Value,
    /// An object: the pattern has an object there.
    Object,
}

impl Pattern {
    /// Whether it matches an event.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        walk::matches(&self.root, &self.absent, event)
    }

    /// What it expects under a key at the top, if it says anything of that. The first mention counts.
    #[must_use]
    pub fn expects(&self, key: &str) -> Option<Expected> {
        self.root.expects(key)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let characters = text.chars().count();
        if characters > PATTERN_MAX_CHARACTERS {
            return Err(PatternError::new(format!(
                "the pattern has {characters} characters, and {PATTERN_MAX_CHARACTERS} are allowed"
            )));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| PatternError::new(error.to_string()))?;
        let mut absent = Vec::new();
        let root = Object::parse(&value, &mut absent)?;
        Ok(Self { root, absent })
    }
}
