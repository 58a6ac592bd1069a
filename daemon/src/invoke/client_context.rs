//! The client context of a call: JSON that travels to the runtime in a header.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// The most bytes of a client context. Source: Lambda's Invoke: 3,583 bytes, base64.
const LIMIT: usize = 3583;

/// A JSON object that is fit to be a header's value: one line, ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientContext(String);

/// Why a client context was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClientContextError {
    /// It is over its limit.
    #[error("the client context is {0} bytes long; at most {LIMIT} are allowed")]
    TooLong(usize),
    /// It is no JSON object.
    #[error("the client context must be a JSON object: {0}")]
    NotJson(#[from] serde_json::Error),
}

impl ClientContext {
    /// Checks a client context as a caller sent it.
    ///
    /// # Errors
    /// If it is too long or not a JSON object.
    pub fn parse(text: &str) -> Result<Self, ClientContextError> {
        if text.len() > LIMIT {
            return Err(ClientContextError::TooLong(text.len()));
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        let compact = serde_json::to_string(&object)?;
        let mut ascii = String::with_capacity(compact.len());
        // In compact JSON whatever is not ASCII stands inside a string, where it can be written as UTF-16 escapes.
        for character in compact.chars() {
            if character.is_ascii() && character != '\x7f' {
                ascii.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String can't fail.
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
        Ok(Self(ascii))
    }

    pub(super) fn into_header(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_context_keeps_its_meaning_and_becomes_one_line_of_ascii() {
        let context = ClientContext::parse("{\n \"custom\": {\"näme\": \"😀\\n\"}}").unwrap().into_header();
        assert!(context.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{context}");
        let value: serde_json::Value = serde_json::from_str(&context).unwrap();
        assert_eq!(value["custom"]["näme"], "😀\n");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(ClientContext::parse("[]"), Err(ClientContextError::NotJson(_))));
        assert!(matches!(ClientContext::parse(&"x".repeat(4000)), Err(ClientContextError::TooLong(4000))));
    }

    proptest! {
        #[test]
        fn whatever_passes_is_a_legal_header_value(key in ".*", value in ".*") {
            if let Ok(context) = ClientContext::parse(&serde_json::json!({ key: value }).to_string()) {
                prop_assert!(http::HeaderValue::from_str(&context.into_header()).is_ok());
            }
        }
    }
}
