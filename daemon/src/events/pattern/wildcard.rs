//! Texts with `*` for any characters; `\*` and `\\` stand for themselves.
//!
//! What is between the stars is looked for from left to right, each at its first place after the one before: if any choice
//! of places matches, this one does. So a text is gone through once.

use std::str::FromStr;

use super::PatternError;

/// What a text has to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    first: String,
    /// What has to follow, in this order, each after any characters; the last at the end. Empty without a star.
    rest: Vec<String>,
}

impl Wildcard {
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return text == self.first };
        let Some(mut left) = text.strip_prefix(self.first.as_str()) else { return false };
        for part in middle {
            let Some(at) = left.find(part.as_str()) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(last.as_str())
    }
}

impl FromStr for Wildcard {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut parts = vec![String::new()];
        let mut characters = text.chars().enumerate().peekable();
        let mut star_before = false;
        while let Some((at, character)) = characters.next() {
            match character {
                '*' if star_before => {
                    return Err(PatternError::new(format!(
                        "Consecutive wildcard characters at pos {}",
                        at - 1
                    )));
                }
                '*' => parts.push(String::new()),
                '\\' => match characters.next() {
                    Some((_, escaped @ ('*' | '\\'))) => push(&mut parts, escaped),
                    _ => return Err(PatternError::new(format!("Invalid escape character at pos {at}"))),
                },
                other => push(&mut parts, other),
            }
            star_before = character == '*';
        }
        let rest = parts.split_off(1);
        Ok(Self { first: parts.pop().unwrap_or_default(), rest })
    }
}

fn push(parts: &mut [String], character: char) {
    if let Some(last) = parts.last_mut() {
        last.push(character);
    }
}
