//! What an account's storage server shows with each notification: a token, of which only the hash is kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::Sha256Digest;

/// A token, which is shown to whoever makes it and to nobody after that. Prints as nothing.
pub struct WebhookToken(String);

impl WebhookToken {
    /// A new one: 244 bits by chance, in hexadecimal digits.
    pub(super) fn random() -> Self {
        Self(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
    }

    /// The text, for whoever has made it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookToken")
    }
}

/// Where an account's notifications are taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Webhook {
    token: Sha256Digest,
    /// When its token was made.
    #[serde(with = "time::serde::timestamp")]
    pub created: OffsetDateTime,
}

impl Webhook {
    pub(super) fn new(token: &WebhookToken, created: OffsetDateTime) -> Self {
        Self { token: Sha256Digest::of(token.0.as_bytes()), created }
    }

    /// Whether this is the token, told in a time that does not hang on where they differ.
    #[must_use]
    pub fn has_token(&self, token: &str) -> bool {
        Sha256Digest::of(token.as_bytes()).as_bytes().ct_eq(self.token.as_bytes()).into()
    }
}
