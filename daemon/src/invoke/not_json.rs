//! Why a payload is no JSON, in the words of the parser that Lambda reads it with.
//!
//! Only asked about payloads that were refused already: it decides nothing. Where it finds nothing to say, what refused the
//! payload says it.

use std::{fmt, fmt::Write as _};

/// How deep that parser looks. It also bounds what is remembered here.
const MAX_DEPTH: usize = 1000;

/// Characters of a word that are repeated.
const MAX_TOKEN: usize = 256;

const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// What is wrong with a payload.
#[derive(Debug)]
pub struct NotJson(String);

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotJson {}

impl NotJson {
    /// What is wrong with this payload, which `refusal` refused.
    pub(super) fn new(payload: &[u8], refusal: &dyn fmt::Display) -> Self {
        let mut scanner = Scanner { bytes: payload, at: 0, line: 1, row: 0, open: Vec::new() };
        Self(match scanner.document() {
            Err(Complaint(told)) => format!("Could not parse payload into json: {told}"),
            Ok(()) => refusal.to_string(),
        })
    }
}

struct Complaint(String);

type Scanned<T> = Result<T, Complaint>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "Object",
            Self::Array => "Array",
        }
    }

    fn end(self) -> u8 {
        match self {
            Self::Object => b'}',
            Self::Array => b']',
        }
    }
}

/// An object or array that has not ended.
struct Open {
    kind: Kind,
    begins: String,
}

/// What may come next.
#[derive(Clone, Copy)]
enum Want {
    Value,
    /// The first in an array.
    ValueOrEnd,
    Name,
    /// The first in an object.
    NameOrEnd,
    /// A comma, or the end.
    More,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    /// Where the line begins.
    row: usize,
    open: Vec<Open>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Scanned<()> {
        let mut want = Want::Value;
        loop {
            let kind = self.open.last().map(|open| open.kind);
            let next = self.next_token()?;
            want = match (want, next, kind) {
                // A second document, or none at all.
                (Want::More, _, None) | (Want::Value, None, None) => return Ok(()),
                (Want::Value | Want::Name, None, Some(kind)) => {
                    return Err(self.end_of_input(&format!(" within/between {} entries", kind.name())));
                }
                (_, None, _) => return Err(self.unclosed()),
                (Want::ValueOrEnd | Want::NameOrEnd | Want::More, Some(end @ (b']' | b'}')), Some(kind)) => {
                    self.close(kind, end)?;
                    Want::More
                }
                (Want::More, Some(b','), Some(Kind::Object)) => Want::Name,
                (Want::More, Some(b','), Some(Kind::Array)) => Want::Value,
                (Want::More, Some(byte), Some(kind)) => {
                    let told = format!("was expecting comma to separate {} entries", kind.name());
                    return Err(self.unexpected(char::from(byte), &told));
                }
                (Want::Name | Want::NameOrEnd, Some(byte), _) => {
                    self.name(byte)?;
                    Want::Value
                }
                (Want::Value | Want::ValueOrEnd, Some(byte), _) => self.value(byte)?,
            };
        }
    }

    fn name(&mut self, byte: u8) -> Scanned<()> {
        if byte != b'"' {
            let found = self.decode(byte)?;
            return Err(self.unexpected(found, "was expecting double-quote to start field name"));
        }
        self.string(" in field name", "name")?;
        match self.next_token()? {
            Some(b':') => Ok(()),
            Some(other) => {
                let told = "was expecting a colon to separate field name and value";
                Err(self.unexpected(char::from(other), told))
            }
            None => Err(self.end_of_input(" within/between Object entries")),
        }
    }

    fn value(&mut self, byte: u8) -> Scanned<Want> {
        match byte {
            b'{' => return self.begin(Kind::Object, Want::NameOrEnd),
            b'[' => return self.begin(Kind::Array, Want::ValueOrEnd),
            b'"' => self.string(": was expecting closing quote for a string value", "string value")?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            b'-' | b'0'..=b'9' => self.number(byte)?,
            b',' | b'}' => return Err(self.unexpected(char::from(byte), "expected a value")),
            b']' if self.open.last().is_some_and(|open| open.kind == Kind::Array) => {
                return Err(self.unexpected(']', "expected a value"));
            }
            _ if begins_word(char::from(byte)) => return Err(self.unknown_word(char::from(byte).to_string())),
            _ => return Err(self.unexpected(char::from(byte), &format!("expected a valid value {VALUES}"))),
        }
        Ok(Want::More)
    }

    fn begin(&mut self, kind: Kind, want: Want) -> Scanned<Want> {
        if self.open.len() == MAX_DEPTH {
            let told = format!(
                "Document nesting depth ({}) exceeds the maximum allowed ({MAX_DEPTH}, from \
                 `StreamReadConstraints.getMaxNestingDepth()`)",
                MAX_DEPTH + 1
            );
            return Err(self.here(&told));
        }
        let begins = self.place(self.at - self.row);
        self.open.push(Open { kind, begins });
        Ok(want)
    }

    fn close(&mut self, kind: Kind, end: u8) -> Scanned<()> {
        let begins = self.open.pop().map(|open| open.begins).unwrap_or_default();
        if kind.end() == end {
            return Ok(());
        }
        let (found, wanted) = (char::from(end), char::from(kind.end()));
        let name = kind.name();
        Err(self.here(&format!(
            "Unexpected close marker '{found}': expected '{wanted}' (for {name} starting at {begins})"
        )))
    }

    /// The first byte of what comes after white space, taken.
    fn next_token(&mut self) -> Scanned<Option<u8>> {
        while let Some(byte) = self.take() {
            match byte {
                b' ' | b'\t' => {}
                b'\n' => (self.line, self.row) = (self.line + 1, self.at),
                b'\r' => {
                    if self.bytes.get(self.at) == Some(&b'\n') {
                        self.at += 1;
                    }
                    (self.line, self.row) = (self.line + 1, self.at);
                }
                0..0x20 => {
                    let told = format!(
                        "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
                        described(char::from(byte))
                    );
                    return Err(self.before(&told));
                }
                _ => return Ok(Some(byte)),
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn string(&mut self, at_end: &str, whole: &str) -> Scanned<()> {
        loop {
            match self.take() {
                None => return Err(self.end_of_input(at_end)),
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                Some(byte @ 0..0x20) => {
                    let found = described(char::from(byte));
                    return Err(self.here(&format!(
                        "Illegal unquoted character ({found}): has to be escaped using backslash to be included in {whole}"
                    )));
                }
                Some(byte @ 0x80..) => drop(self.decode(byte)?),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self) -> Scanned<()> {
        match self.take() {
            None => Err(self.end_of_input(" in character escape sequence")),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => {
                for _ in 0..4 {
                    match self.take() {
                        None => return Err(self.end_of_input(" in character escape sequence")),
                        Some(digit) if digit.is_ascii_hexdigit() => {}
                        Some(other) => {
                            let told = "expected a hex-digit for character escape sequence";
                            return Err(self.unexpected(char::from(other), told));
                        }
                    }
                }
                Ok(())
            }
            Some(other) => {
                let found = self.decode(other)?;
                Err(self.here(&format!("Unrecognized character escape {}", described(found))))
            }
        }
    }

    /// The rest of a word whose first letter was taken.
    fn word(&mut self, word: &str) -> Scanned<()> {
        for (position, letter) in word.bytes().enumerate().skip(1) {
            if self.bytes.get(self.at) != Some(&letter) {
                return Err(self.unknown_word(word.get(..position).unwrap_or(word).to_owned()));
            }
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(next) if goes_on(char::from(*next)) => Err(self.unknown_word(word.to_owned())),
            _ => Ok(()),
        }
    }

    fn number(&mut self, first: u8) -> Scanned<()> {
        let mut first = first;
        if first == b'-' {
            match self.take() {
                Some(digit) if digit.is_ascii_digit() => first = digit,
                Some(other) => {
                    let told = "expected digit (0-9) to follow minus sign, for valid numeric value";
                    return Err(self.unexpected_in_number(other, told));
                }
                None => return Ok(()),
            }
        }
        if first == b'0' && self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.here("Invalid numeric value: Leading zeroes not allowed"));
        }
        self.digits();
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits("Decimal point not followed by a digit")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("Exponent indicator not followed by a digit")?;
        }
        match self.bytes.get(self.at).copied() {
            Some(next) if self.open.is_empty() && !next.is_ascii_whitespace() => {
                self.at += 1;
                Err(self.unexpected(char::from(next), "Expected space separating root-level values"))
            }
            _ => Ok(()),
        }
    }

    fn some_digits(&mut self, told: &str) -> Scanned<()> {
        match self.bytes.get(self.at).copied() {
            Some(next) if !next.is_ascii_digit() => {
                self.at += 1;
                Err(self.unexpected_in_number(next, told))
            }
            _ => {
                self.digits();
                Ok(())
            }
        }
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// The character that begins with a byte that was taken.
    fn decode(&mut self, first: u8) -> Scanned<char> {
        let (mut code, more) = match first {
            0..0x80 => return Ok(char::from(first)),
            0xC0..0xE0 => (u32::from(first & 0x1F), 1),
            0xE0..0xF0 => (u32::from(first & 0x0F), 2),
            0xF0..0xF8 => (u32::from(first & 0x07), 3),
            _ => return Err(self.here(&format!("Invalid UTF-8 start byte 0x{first:x}"))),
        };
        for _ in 0..more {
            match self.take() {
                Some(byte @ 0x80..0xC0) => code = code << 6 | u32::from(byte & 0x3F),
                Some(byte) => return Err(self.here(&format!("Invalid UTF-8 middle byte 0x{byte:x}"))),
                None => return Err(self.end_of_input("")),
            }
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unknown_word(&mut self, mut word: String) -> Complaint {
        while let Some(byte) = self.take() {
            match self.decode(byte) {
                Ok(next) if goes_on(next) => word.push(next),
                Ok(_) => break,
                Err(complaint) => return complaint,
            }
            if word.len() >= MAX_TOKEN {
                word.push_str("...");
                break;
            }
        }
        self.here(&format!("Unrecognized token '{word}': was expecting {VALUES}"))
    }

    fn unclosed(&self) -> Complaint {
        let Some(Open { kind, begins }) = self.open.last() else { return self.end_of_input("") };
        let told = format!(": expected close marker for {} (start marker at {begins})", kind.name());
        self.end_of_input(&told)
    }

    fn end_of_input(&self, told: &str) -> Complaint {
        self.here(&format!("Unexpected end-of-input{told}"))
    }

    /// Of a character that was just taken.
    fn unexpected(&self, found: char, told: &str) -> Complaint {
        self.before(&format!("Unexpected character ({}): {told}", described(found)))
    }

    fn unexpected_in_number(&self, found: u8, told: &str) -> Complaint {
        self.before(&format!(
            "Unexpected character ({}) in numeric value: {told}",
            described(char::from(found))
        ))
    }

    /// With the place of what comes next.
    fn here(&self, told: &str) -> Complaint {
        Complaint(format!("{told}\n at {}", self.place(self.at - self.row + 1)))
    }

    /// With the place of what was taken last.
    fn before(&self, told: &str) -> Complaint {
        Complaint(format!("{told}\n at {}", self.place(self.at - self.row)))
    }

    fn place(&self, column: usize) -> String {
        let line = self.line;
        format!(
            "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
        )
    }
}

fn begins_word(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '_' | '$' | '¢'..='¥')
}

fn goes_on(character: char) -> bool {
    begins_word(character) || character.is_numeric()
}

/// A character as that parser shows it.
fn described(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() {
        return format!("(CTRL-CHAR, code {code})");
    }
    let mut shown = format!("'{character}' (code {code}");
    if code > 255 {
        // Writing to a string can't fail.
        let _ = write!(shown, " / 0x{code:x}");
    }
    shown.push(')');
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told of a payload, less what is always there.
    fn told(payload: &[u8]) -> String {
        let told = NotJson::new(payload, &"refused").to_string();
        told.replace("Could not parse payload into json: ", "")
            .replace("[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); ", "[")
    }

    #[test]
    fn a_payload_is_refused_in_lambdas_words() {
        for (payload, expected) in [
            (
                &b"\x99\xeb,j"[..],
                "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, \
                 Object or token 'null', 'true' or 'false')\n at [line: 1, column: 1]",
            ),
            (b"n\x87r\x9e", "Invalid UTF-8 start byte 0x87\n at [line: 1, column: 3]"),
            (
                b"hello",
                "Unrecognized token 'hello': was expecting (JSON String, Number, Array, Object or token 'null', 'true' \
                 or 'false')\n at [line: 1, column: 6]",
            ),
            (
                b"{x}",
                "Unexpected character ('x' (code 120)): was expecting double-quote to start field name\n at [line: 1, \
                 column: 2]",
            ),
            (
                b"{\"a\":1\n \"b\"",
                "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries\n at [line: 2, \
                 column: 2]",
            ),
            (
                b"{\"a\": 1",
                "Unexpected end-of-input: expected close marker for Object (start marker at [line: 1, column: 1])\n at \
                 [line: 1, column: 8]",
            ),
            (b"[1,]", "Unexpected character (']' (code 93)): expected a value\n at [line: 1, column: 4]"),
            (b"[01]", "Invalid numeric value: Leading zeroes not allowed\n at [line: 1, column: 3]"),
        ] {
            assert_eq!(told(payload), expected);
        }
    }

    #[test]
    fn what_it_finds_nothing_wrong_with_is_told_as_it_was_refused() {
        for payload in [&b"{} {}"[..], b"  ", b"[1.5e3, -0, \"\\u00e4\", {\"a\": [true, false, null]}]"] {
            assert_eq!(told(payload), "refused");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(told(&[b'['; 5000]).starts_with("Document nesting depth (1001) exceeds"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn nothing_is_said_of_what_is_json_and_no_payload_does_harm(
            payload in r#"([\[\]{},:"\\ntaule0-9.eE+\- \n]|true|null|"a":|\PC){0,30}"#,
        ) {
            let found = told(payload.as_bytes());
            if serde_json::from_str::<serde::de::IgnoredAny>(&payload).is_ok() {
                prop_assert_eq!(found, "refused");
            }
        }

        #[test]
        fn no_bytes_do_harm(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = told(&payload);
        }
    }
}
