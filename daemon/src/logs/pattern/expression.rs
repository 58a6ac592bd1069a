//! Regular expressions, of the few characters that CloudWatch allows in them.

use regex::bytes::{Regex, RegexBuilder};

use super::{PatternError, scanner::Scanner};

/// CloudWatch's limit for one pattern.
const EXPRESSIONS_MAX: usize = 2;

/// What a compiled expression may take. Repetitions of repetitions would take much more.
const COMPILED_MAX_BYTES: usize = 256 * 1024;

const SYMBOLS: &str = ":_#=@/;,-";
const OPERATORS: &str = "^$?[]{}|\\*+.";
const CLASSES: &str = "dDsSwW";

/// What a pattern may still use of what is dear.
pub(super) struct Budget {
    expressions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { expressions: EXPRESSIONS_MAX }
    }
}

/// A regular expression. It matches anywhere in a text unless it is anchored.
#[derive(Clone, Debug)]
pub(super) struct Expression(Regex);

impl Expression {
    /// Parses `%…%`.
    pub(super) fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        let text = scanner.percented()?;
        let Some(left) = budget.expressions.checked_sub(1) else {
            return Err(
                scanner.error(&format!("a filter pattern has at most {EXPRESSIONS_MAX} regular expressions"))
            );
        };
        budget.expressions = left;
        if text.is_empty() {
            return Err(scanner.error("the regular expression is empty"));
        }
        check_characters(text).map_err(|what| scanner.error(&what))?;
        // Bytes and not characters, because CloudWatch's expressions know nothing but ASCII.
        RegexBuilder::new(text)
            .unicode(false)
            .size_limit(COMPILED_MAX_BYTES)
            .build()
            .map(Self)
            .map_err(|_| scanner.error(&format!("%{text}% is not a regular expression, or is too large")))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

fn check_characters(text: &str) -> Result<(), String> {
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next == '\\' {
            match rest.next() {
                Some('x') if rest.clone().take(2).filter(char::is_ascii_hexdigit).count() == 2 => {}
                Some(escaped)
                    if CLASSES.contains(escaped)
                        || OPERATORS.contains(escaped)
                        || SYMBOLS.contains(escaped) => {}
                Some(escaped) => return Err(format!("\\{escaped} is not supported in a regular expression")),
                None => return Err("a regular expression cannot end with a backslash".to_owned()),
            }
        } else if !(next.is_ascii_alphanumeric()
            || next == ' '
            || SYMBOLS.contains(next)
            || OPERATORS.contains(next))
        {
            return Err(format!(
                "{next} is not supported in a regular expression; give letters, digits, {SYMBOLS} and {OPERATORS}"
            ));
        }
    }
    Ok(())
}
