//! Goes through a pattern's text, a character at a time, and knows where it is.

use super::PatternError;

/// The rest of a pattern.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    rest: &'a str,
    passed: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, passed: 0 }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.passed += 1;
        Some(next)
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// Takes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let comes_next = self.rest.starts_with(text);
        if comes_next {
            self.rest = &self.rest[text.len()..];
            self.passed += text.chars().count();
        }
        comes_next
    }

    /// # Errors
    /// Something other than `text` comes next.
    pub(super) fn expect(&mut self, text: &str) -> Result<(), PatternError> {
        if self.eat(text) { Ok(()) } else { Err(self.error(&format!("{text} is missing"))) }
    }

    /// Takes a word, whatever its case, if it comes next and is a whole one.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let Some(head) = self.rest.get(..word.len()) else { return false };
        let goes_on = self.rest[word.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
        head.eq_ignore_ascii_case(word) && !goes_on && self.eat(head)
    }

    pub(super) fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'a str {
        let length = self.rest.find(|next| !is_wanted(next)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.passed += taken.chars().count();
        self.rest = rest;
        taken
    }

    /// What is between double quotes, the first of which comes next, as it is written: with its backslashes.
    ///
    /// # Errors
    /// There is no second one.
    pub(super) fn quoted(&mut self) -> Result<&'a str, PatternError> {
        self.delimited('"', "\"", "the second double quote is missing")
    }

    /// What is between percent signs, the first of which comes next.
    ///
    /// # Errors
    /// There is no second one.
    pub(super) fn percented(&mut self) -> Result<&'a str, PatternError> {
        self.delimited('%', "%", "the second % of the regular expression is missing")
    }

    fn delimited(&mut self, delimiter: char, text: &str, missing: &str) -> Result<&'a str, PatternError> {
        self.expect(text)?;
        let inside = self.rest;
        let mut length = 0;
        while let Some(next) = self.next() {
            if next == delimiter {
                return Ok(&inside[..length]);
            }
            length += next.len_utf8();
            if next == '\\' {
                length += self.next().map_or(0, char::len_utf8);
            }
        }
        Err(self.error(missing))
    }

    /// That the text is wrong where the scanner is.
    pub(super) fn error(&self, what: &str) -> PatternError {
        PatternError::Syntax { at: self.passed + 1, what: what.to_owned() }
    }
}

/// A quoted text without the backslashes before its quotes and backslashes.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match rest.peek() {
            Some(&escaped @ ('"' | '\\')) if next == '\\' => {
                plain.push(escaped);
                rest.next();
            }
            _ => plain.push(next),
        }
    }
    plain
}
