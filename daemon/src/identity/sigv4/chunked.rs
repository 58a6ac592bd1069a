//! Payloads in signed chunks: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
//!
//! Each chunk is `LENGTH;chunk-signature=SIGNATURE`, a line end, the bytes, a line end; the last one is empty. A chunk's
//! signature covers the one before it, the first one's the request's own, so that no chunk can be left out, moved or
//! brought from elsewhere.

use bytes::{Bytes, BytesMut};
use subtle::ConstantTimeEq;

use super::{
    SignatureError,
    canonical::{hex, payload_hash},
    claim::Claim,
    key::SigningKey,
};

/// The longest line before a chunk: 16 digits, the name of the signature and 64 more.
const LINE_LIMIT: usize = 128;

/// The SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Checks every chunk, and gives what they carry. One chunk is handed on without a copy.
pub(super) fn decode(
    mut body: Bytes,
    claim: &Claim,
    key: &SigningKey,
    declared_length: Option<usize>,
) -> Result<Bytes, SignatureError> {
    let mut before = claim.signature.clone();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let (length, signature) = read_line(&mut body)?;
        let end = length.checked_add(2).filter(|end| *end <= body.len());
        let end = end.ok_or(SignatureError::Chunks("it ends within a chunk"))?;
        let chunk = body.slice(..length);
        if &body[length..end] != b"\r\n" {
            return Err(SignatureError::Chunks("a chunk is not followed by a line end"));
        }
        let signed = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{before}\n{EMPTY}\n{}",
            claim.timestamp(),
            claim.scope.text(),
            payload_hash(&chunk)
        );
        let right = hex(&key.sign(signed.as_bytes()));
        if !bool::from(right.as_bytes().ct_eq(signature.as_bytes())) {
            return Err(SignatureError::Mismatch);
        }
        body = body.slice(end..);
        before = right;
        if chunk.is_empty() {
            break;
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
    if !body.is_empty() {
        return Err(SignatureError::Chunks("something follows its last chunk"));
    }
    let payload = if rest.is_empty() { first } else { rest.freeze() };
    if declared_length.is_some_and(|declared| declared != payload.len()) {
        return Err(SignatureError::Chunks("its length is not what X-Amz-Decoded-Content-Length says"));
    }
    Ok(payload)
}

/// Takes `LENGTH;chunk-signature=SIGNATURE` and its line end off the body.
fn read_line(body: &mut Bytes) -> Result<(usize, String), SignatureError> {
    let malformed = SignatureError::Chunks("a chunk does not begin with its length and signature");
    let window = &body[..body.len().min(LINE_LIMIT)];
    let end = window.windows(2).position(|pair| pair == b"\r\n").ok_or_else(|| malformed.clone())?;
    let line = std::str::from_utf8(&body[..end]).map_err(|_| malformed.clone())?;
    let (length, signature) = line.split_once(";chunk-signature=").ok_or_else(|| malformed.clone())?;
    // `from_str_radix` takes a sign.
    if !length.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed);
    }
    let read = (usize::from_str_radix(length, 16).map_err(|_| malformed)?, signature.to_owned());
    *body = body.slice(end + 2..);
    Ok(read)
}
