//! Terms: words, "phrases" and %expressions% that a message contains.

use super::{
    PatternError,
    expression::{Budget, Expression},
    scanner::{Scanner, unescaped},
};

/// What a message contains and what not.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    /// One of these, if there are no others: beside other terms CloudWatch ignores them.
    optional: Vec<Term>,
}

#[derive(Clone, Debug)]
enum Term {
    Text(String),
    Expression(Expression),
}

impl Terms {
    pub(super) fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut terms = Self::default();
        loop {
            scanner.skip_spaces();
            if scanner.peek().is_none() {
                return Ok(terms);
            }
            let kind = if scanner.eat("?") {
                &mut terms.optional
            } else if scanner.eat("-") {
                &mut terms.excluded
            } else {
                &mut terms.required
            };
            kind.push(Term::parse(scanner, budget)?);
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.optional.iter().any(|term| term.is_in(message));
        }
        self.required.iter().all(|term| term.is_in(message))
            && !self.excluded.iter().any(|term| term.is_in(message))
    }
}

impl Term {
    fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        match scanner.peek() {
            Some('"') => Ok(Self::Text(unescaped(scanner.quoted()?))),
            Some('%') => Ok(Self::Expression(Expression::parse(scanner, budget)?)),
            _ => {
                let word = scanner.take_while(|next| !next.is_whitespace() && next != '"');
                let is_plain = word.chars().all(|next| next.is_alphanumeric() || next == '_');
                if word.is_empty() {
                    return Err(scanner.error("a term is missing"));
                }
                if !is_plain {
                    return Err(scanner
                        .error(&format!("Invalid character(s) in term '{word}'; put it in double quotes")));
                }
                Ok(Self::Text(word.to_owned()))
            }
        }
    }

    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Expression(expression) => expression.matches(message),
        }
    }
}
