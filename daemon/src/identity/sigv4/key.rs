//! Signing keys: derived from a secret for a day, a region and a service, and kept, since callers come again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::claim::Scope;
use crate::identity::SecretAccessKey;

/// Keys that are kept. There is one for each credential, service and day; more than these come up only over many days,
/// and then all are made anew.
const KEPT: usize = 4096;

/// HMAC-SHA256.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length: this can't fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key that signs requests of one scope. Prints as nothing.
#[derive(Clone, Copy)]
pub(super) struct SigningKey([u8; 32]);

impl SigningKey {
    pub(super) fn derive(secret: &SecretAccessKey, scope: &Scope) -> Self {
        let mut first = b"AWS4".to_vec();
        first.extend_from_slice(secret.as_bytes());
        let day = hmac(&first, &[scope.date.as_bytes()]);
        let region = hmac(&day, &[scope.region.as_bytes()]);
        let service = hmac(&region, &[scope.service.as_bytes()]);
        Self(hmac(&service, &[b"aws4_request"]))
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, &[text])
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Tells keys apart: access key, day, region, service.
type Name = (String, String, String, String);

/// The keys of scopes that were seen. Only scopes that were found to be valid are asked for.
#[derive(Debug, Default)]
pub(super) struct SigningKeys(Mutex<HashMap<Name, SigningKey>>);

impl SigningKeys {
    pub(super) fn get(&self, secret: &SecretAccessKey, scope: &Scope) -> SigningKey {
        let Scope { access_key_id, date, region, service } = scope.clone();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        *kept
            .entry((access_key_id, date, region, service))
            .or_insert_with(|| SigningKey::derive(secret, scope))
    }
}
