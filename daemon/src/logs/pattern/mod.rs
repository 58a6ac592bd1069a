//! CloudWatch's filter patterns: which messages somebody wants to see.
//!
//! ```text
//! ERROR "not found" -healthcheck           terms: all of them, without those after a minus
//! ?ERROR ?WARN                             at least one of them
//! %^\[[A-Z]+\]%                            a regular expression
//! { $.level = "err*" && $.ms > 100 }       a JSON message's properties
//! [ip, user, ..., status = 4*, bytes]      a message's fields, which spaces delimit
//! ```
//!
//! A pattern is parsed once and then asked for every message. It comes from outside, and so do the messages: its length,
//! its depth, its expressions and its wildcards are bounded, and asking takes time in proportion to the message.

mod condition;
mod expression;
mod fields;
mod json;
mod scanner;
mod terms;
#[cfg(test)]
mod tests;
mod value;

use self::{expression::Budget, fields::Fields, json::Properties, scanner::Scanner, terms::Terms};

/// CloudWatch's limit for a pattern.
const PATTERN_MAX_CHARACTERS: usize = 1024;

/// A filter pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Form);

#[derive(Clone, Debug)]
enum Form {
    Everything,
    Terms(Terms),
    Properties(Properties),
    Fields(Fields),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than CloudWatch allows.
    #[error("a filter pattern has at most {PATTERN_MAX_CHARACTERS} characters; this one has {0}")]
    TooLong(usize),
    /// It means nothing from a place on.
    #[error("the filter pattern is not one at character {at}: {what}")]
    Syntax {
        /// The place, counted in characters from 1.
        at: usize,
        /// What is wrong there, and what to write instead.
        what: String,
    },
}

impl Pattern {
    /// Parses a pattern. One of nothing but spaces matches everything.
    ///
    /// # Errors
    /// The text is too long, or not of the pattern language.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let characters = text.chars().count();
        if characters > PATTERN_MAX_CHARACTERS {
            return Err(PatternError::TooLong(characters));
        }
        let mut scanner = Scanner::new(text);
        let mut budget = Budget::default();
        scanner.skip_spaces();
        let form = match scanner.peek() {
            None => Form::Everything,
            Some('{') => Form::Properties(Properties::parse(&mut scanner, &mut budget)?),
            Some('[') => Form::Fields(Fields::parse(&mut scanner, &mut budget)?),
            Some(_) => Form::Terms(Terms::parse(&mut scanner, &mut budget)?),
        };
        scanner.skip_spaces();
        match scanner.peek() {
            None => Ok(Self(form)),
            Some(_) => Err(scanner.error("nothing may follow here")),
        }
    }

    /// Whether it matches a message.
    #[must_use]
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Form::Everything => true,
            Form::Terms(terms) => terms.matches(message),
            Form::Properties(properties) => properties.matches(message),
            Form::Fields(fields) => fields.matches(message),
        }
    }
}
