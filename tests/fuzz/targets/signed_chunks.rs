//! Payloads in signed chunks: what AWS's signer signs comes out as it went in, wherever it is cut, and nothing else does.
#![no_main]
#![expect(clippy::expect_used, reason = "what can't be signed or is refused is what is looked for")]

use std::{sync::LazyLock, time::SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::{SigningParams, sign_chunk},
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Request, request::Parts};
use libfuzzer_sys::fuzz_target;
use thaw_daemon::identity::{
    Credentials,
    sigv4::{SignatureError, Verifier},
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(Credentials::development(), "us-east-1"));

static CALLER: LazyLock<Identity> = LazyLock::new(|| AwsCredentials::from_keys("test", "test", None).into());

fn params() -> SigningParams<'static, SigningSettings> {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = SigningParams::builder().identity(&CALLER).region("us-east-1").name("lambda");
    params.time(SystemTime::from(NOW)).settings(settings).build().expect("all that is needed")
}

/// The head that all payloads follow, and its signature.
static HEAD: LazyLock<(Parts, String)> = LazyLock::new(|| {
    let (address, host) = ("http://127.0.0.1:4566/2015-03-31/functions/", "127.0.0.1:4566");
    let mut request = Request::post(address).header("host", host).body(()).expect("a request");
    let body = SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned());
    let signable = SignableRequest::new("POST", address, [("host", host)].into_iter(), body);
    let signed = sign(signable.expect("a request"), &params().into()).expect("a signature");
    let (instructions, signature) = signed.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    (request.into_parts().0, signature)
});

/// A body as a client sends it.
fn body_of(chunks: &[&[u8]]) -> Vec<u8> {
    let (params, mut before, mut body) = (params(), HEAD.1.clone(), Vec::new());
    for chunk in chunks.iter().chain([&&[][..]]) {
        let signed = sign_chunk(&Bytes::copy_from_slice(chunk), &before, &params);
        before = signed.expect("a signature").into_parts().1;
        body.extend_from_slice(format!("{:x};chunk-signature={before}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body
}

fn payload_of(body: impl Into<Bytes>) -> Result<Bytes, SignatureError> {
    let head = &HEAD.0;
    VERIFIER.admit(head, "lambda", NOW).expect("a head that is right").verify(head, body.into())
}

// A line with two numbers, which byte is changed on the way and how; then a payload, cut into chunks wherever it has a |.
fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    let mut numbers = str::from_utf8(line).unwrap_or_default().split(' ');
    let at: usize = numbers.next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let by: u8 = numbers.next().and_then(|number| number.parse().ok()).unwrap_or_default();

    assert!(payload_of(rest.to_vec()).is_err(), "nobody can sign what he does not know the key of by chance");

    // An empty chunk would be the end.
    let chunks: Vec<&[u8]> = rest.split(|byte| *byte == b'|').filter(|chunk| !chunk.is_empty()).collect();
    let (payload, mut body) = (chunks.concat(), body_of(&chunks));
    assert_eq!(payload_of(body.clone()).as_deref(), Ok(&payload[..]));

    let at = at % body.len();
    let before = body[at];
    body[at] ^= by.max(1);
    if let Ok(read) = payload_of(body.clone()) {
        // The digits of a length may be small or capital letters, and say the same.
        assert!(
            before.eq_ignore_ascii_case(&body[at]) && before.is_ascii_hexdigit(),
            "byte {at} was changed"
        );
        assert_eq!(read, payload);
    }
});
