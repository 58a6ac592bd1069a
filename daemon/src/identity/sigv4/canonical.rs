//! A request in the one form that both ends sign.

use http::{HeaderMap, request::Parts};
use sha2::{Digest, Sha256};

use super::{
    claim::{ALGORITHM, Claim},
    uri::{PathStyle, QueryPairs, canonical_path},
};

/// The text that the signing key signs.
pub(super) fn string_to_sign(head: &Parts, claim: &Claim, style: PathStyle, payload_hash: &str) -> String {
    let request = [
        head.method.as_str(),
        &canonical_path(head.uri.path(), style),
        &QueryPairs::of(&head.uri).canonical(),
        &headers(&head.headers, &claim.signed_headers),
        &claim.signed_headers.join(";"),
        payload_hash,
    ]
    .join("\n");
    format!("{ALGORITHM}\n{}\n{}\n{}", claim.timestamp(), claim.scope.text(), hex(&Sha256::digest(request)))
}

/// The signed headers, a line each.
fn headers(headers: &HeaderMap, signed: &[String]) -> String {
    let mut text = String::new();
    for name in signed {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|value| squeezed(value.as_bytes())).collect();
        text.push_str(name);
        text.push(':');
        text.push_str(&values.join(","));
        text.push('\n');
    }
    text
}

/// Without white space around it, and with single spaces inside.
fn squeezed(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The SHA-256 of a payload, in hexadecimal digits.
pub(super) fn payload_hash(payload: &[u8]) -> String {
    hex(&Sha256::digest(payload))
}
