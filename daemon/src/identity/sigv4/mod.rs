//! Signature version 4: proves which credential a request was sent with, and that nobody changed it on its way.
//!
//! Called by the AWS front door in two steps. [`Verifier::admit`] looks at a request's head: whose key, when, for which
//! service; whoever fails here has no body read. [`Admitted::verify`] then checks the signature over head and payload,
//! in a time that does not hang on how much of it is right, and gives the payload back.
//!
//! Signatures are read from the header Authorization or from the query (a presigned URL). A payload is signed whole, in
//! signed chunks, or not at all (`UNSIGNED-PAYLOAD`). Written here over hmac and sha2: the published crates sign, and to
//! compare with what they sign is more than to verify.

mod canonical;
mod chunked;
mod claim;
mod error;
mod key;
mod presign;
#[cfg(test)]
mod tests;
mod uri;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

pub use self::error::SignatureError;
use self::{
    canonical::{hex, payload_hash, string_to_sign},
    claim::{Claim, Place, day_of, text_of},
    key::{SigningKey, SigningKeys},
    uri::PathStyle,
};
use super::{AccessKeyId, AccountId, Credential, Credentials, Service};

/// How far the clocks of caller and daemon may be apart.
const SKEW: Duration = Duration::minutes(5);

/// The service that signs paths as they are and leaves presigned payloads out.
const S3: &str = "s3";

/// Whose a request is, proved by its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant.
    pub account: AccountId,
    /// The key that it signed with.
    pub access_key_id: AccessKeyId,
    /// The service that it is, if it is not the account itself.
    pub service: Option<Service>,
}

/// Checks signatures.
#[derive(Debug)]
pub struct Verifier {
    credentials: Credentials,
    region: Arc<str>,
    keys: SigningKeys,
}

/// A request whose head may be signed by whom it says. Not proved until [`Admitted::verify`] says so.
#[derive(Debug)]
pub struct Admitted {
    claim: Claim,
    identity: Identity,
    key: SigningKey,
    payload: Payload,
}

/// How a payload is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Payload {
    /// By its hash, which the request may state.
    Whole { stated: Option<String> },
    /// Not.
    Unsigned,
    /// In chunks that carry signatures themselves.
    Chunked { decoded_length: Option<usize> },
}

impl Verifier {
    /// Accepts these credentials for this region.
    #[must_use]
    pub fn new(credentials: Credentials, region: &str) -> Self {
        Self { credentials, region: region.into(), keys: SigningKeys::default() }
    }

    /// The service that a request says it is signed for.
    #[must_use]
    pub fn service_of(head: &Parts) -> Option<String> {
        Claim::read(head).ok().map(|claim| claim.scope.service)
    }

    /// Looks at a request's head; `service` is the one that it is for.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn admit(
        &self,
        head: &Parts,
        service: &str,
        now: OffsetDateTime,
    ) -> Result<Admitted, SignatureError> {
        let claim = Claim::read(head)?;
        let credential =
            self.credentials.get(&claim.scope.access_key_id).ok_or(SignatureError::UnknownKey)?;
        check_token(credential, claim.session_token.as_deref(), now)?;
        check_time(&claim, now)?;
        self.check_scope(&claim, service)?;
        check_signed_headers(head, &claim)?;
        let payload = payload_of(head, &claim)?;
        Ok(Admitted {
            key: self.keys.get(&credential.secret_access_key, &claim.scope),
            identity: Identity {
                account: credential.account,
                access_key_id: credential.access_key_id.clone(),
                service: credential.service.clone(),
            },
            claim,
            payload,
        })
    }

    fn check_scope(&self, claim: &Claim, service: &str) -> Result<(), SignatureError> {
        let scope = &claim.scope;
        if scope.date != day_of(claim.time) {
            return Err(SignatureError::OutOfScope(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
                 from '{}'.",
                shown(&scope.date),
                day_of(claim.time),
                claim.timestamp()
            )));
        }
        if scope.region != *self.region {
            return Err(SignatureError::OutOfScope(format!(
                "Credential should be scoped to a valid region, not '{}'. This is '{}'.",
                shown(&scope.region),
                self.region
            )));
        }
        if scope.service != service {
            return Err(SignatureError::OutOfScope(format!(
                "Credential should be scoped to correct service: '{service}'."
            )));
        }
        Ok(())
    }
}

impl Admitted {
    /// Who it would be.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Checks the signature over head and payload, and gives the payload: `body` itself, or what its chunks carry.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify(&self, head: &Parts, body: Bytes) -> Result<Bytes, SignatureError> {
        let hash = match &self.payload {
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Chunked { .. } => STREAMING.to_owned(),
            Payload::Whole { stated } => {
                let hash = payload_hash(&body);
                if stated.as_ref().is_some_and(|stated| *stated != hash) {
                    return Err(SignatureError::Mismatch);
                }
                hash
            }
        };
        let style = if self.claim.scope.service == S3 { PathStyle::Once } else { PathStyle::Twice };
        let signed = string_to_sign(head, &self.claim, style, &hash);
        let right = hex(&self.key.sign(signed.as_bytes()));
        if !bool::from(right.as_bytes().ct_eq(self.claim.signature.as_bytes())) {
            return Err(SignatureError::Mismatch);
        }
        match self.payload {
            Payload::Chunked { decoded_length } => {
                chunked::decode(body, &self.claim, &self.key, decoded_length)
            }
            Payload::Whole { .. } | Payload::Unsigned => Ok(body),
        }
    }
}

/// What a request says instead of a hash if its payload comes in signed chunks.
const STREAMING: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

fn check_token(
    credential: &Credential,
    token: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), SignatureError> {
    match (&credential.session, token) {
        (None, None) => Ok(()),
        (Some(session), Some(token)) if session.has_token(token) => {
            if session.is_over(now) {
                Err(SignatureError::ExpiredToken)
            } else {
                Ok(())
            }
        }
        _ => Err(SignatureError::UnknownKey),
    }
}

fn check_time(claim: &Claim, now: OffsetDateTime) -> Result<(), SignatureError> {
    let signed = claim.timestamp();
    let counts_for = match claim.place {
        Place::Header => SKEW,
        Place::Query { expires_seconds } => Duration::seconds(expires_seconds.into()),
    };
    // A header's time may be as early as it may be late. `now` is a time of this century: it has room on both sides.
    if now.checked_sub(counts_for).is_none_or(|earliest| claim.time < earliest) {
        let earliest = now.checked_sub(counts_for).unwrap_or(now);
        return Err(SignatureError::OutOfScope(format!(
            "Signature expired: {signed} is now earlier than {} ({} - {} min.)",
            text_of(earliest),
            text_of(now),
            counts_for.whole_minutes()
        )));
    }
    if now.checked_add(SKEW).is_none_or(|latest| claim.time > latest) {
        let latest = now.checked_add(SKEW).unwrap_or(now);
        return Err(SignatureError::OutOfScope(format!(
            "Signature not yet current: {signed} is still later than {} ({} + {} min.)",
            text_of(latest),
            text_of(now),
            SKEW.whole_minutes()
        )));
    }
    Ok(())
}

/// The host and every header that AWS gives a meaning must be signed, or someone on the way could change what is asked.
fn check_signed_headers(head: &Parts, claim: &Claim) -> Result<(), SignatureError> {
    let is_signed = |name: &str| claim.signed_headers.iter().any(|signed| signed == name);
    if !is_signed("host") {
        return Err(SignatureError::OutOfScope(
            "'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    let unsigned = head.headers.keys().map(http::HeaderName::as_str).find(|name| {
        // Proxies add the trace id; it says nothing about what is asked.
        name.starts_with("x-amz-") && !is_signed(name)
    });
    if let Some(unsigned) = unsigned {
        return Err(SignatureError::OutOfScope(format!(
            "'{unsigned}' must be a 'SignedHeader' in the AWS Authorization."
        )));
    }
    if let Some(absent) = claim.signed_headers.iter().find(|name| !head.headers.contains_key(name.as_str())) {
        return Err(SignatureError::OutOfScope(format!(
            "The header '{}' is signed and not there.",
            shown(absent)
        )));
    }
    Ok(())
}

fn payload_of(head: &Parts, claim: &Claim) -> Result<Payload, SignatureError> {
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    match text("x-amz-content-sha256").as_deref() {
        // S3's presigned URLs never sign a payload.
        None if claim.scope.service == S3 && claim.place != Place::Header => Ok(Payload::Unsigned),
        None => Ok(Payload::Whole { stated: None }),
        Some("UNSIGNED-PAYLOAD") => Ok(Payload::Unsigned),
        Some(STREAMING) => {
            let decoded_length = text("x-amz-decoded-content-length").map(|length| {
                length
                    .parse()
                    .map_err(|_| SignatureError::Chunks("X-Amz-Decoded-Content-Length is no number"))
            });
            Ok(Payload::Chunked { decoded_length: decoded_length.transpose()? })
        }
        Some(other) if other.starts_with("STREAMING-") => {
            Err(SignatureError::Chunks("only STREAMING-AWS4-HMAC-SHA256-PAYLOAD is understood"))
        }
        Some(hash) => Ok(Payload::Whole { stated: Some(hash.to_ascii_lowercase()) }),
    }
}

/// Text of the caller's, short enough and plain enough to be repeated to it.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}
