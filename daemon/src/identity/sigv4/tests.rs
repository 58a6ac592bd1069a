use http::{Method, Request};
use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::identity::Credentials;

/// The account of AWS's published examples.
fn verifier(key: &str, secret: &str, more: &str) -> Verifier {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[[credential]]\naccess_key_id = \"{key}\"\nsecret_access_key = \"{secret}\"\naccount = \"000000000001\"\n{more}"
    );
    std::fs::write(file.path(), text).unwrap();
    Verifier::new(Credentials::read(file.path()).unwrap(), "us-east-1")
}

fn suite() -> Verifier {
    verifier("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")
}

const SUITE_TIME: OffsetDateTime = datetime!(2015-08-30 12:36:00 UTC);

fn suite_request(method: Method, uri: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", "20150830T123600Z")
        .header("authorization", authorization);
    request.body(()).unwrap().into_parts().0
}

fn check(
    verifier: &Verifier,
    head: &Parts,
    body: &[u8],
    service: &str,
    now: OffsetDateTime,
) -> Result<Bytes, SignatureError> {
    verifier.admit(head, service, now)?.verify(head, Bytes::copy_from_slice(body))
}

/// Requests of AWS's own test suite for signature version 4.
#[test]
fn the_published_test_suite_is_accepted() {
    let vectors = [
        (Method::GET, "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (Method::POST, "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            Method::GET,
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ];
    for (method, uri, signature) in vectors {
        let head = suite_request(method.clone(), uri, signature);
        assert_eq!(check(&suite(), &head, b"", "service", SUITE_TIME), Ok(Bytes::new()), "{method} {uri}");
        let admitted = suite().admit(&head, "service", SUITE_TIME).unwrap();
        assert_eq!(admitted.identity().account.to_string(), "000000000001");
    }
}

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

#[test]
fn a_changed_request_is_refused() {
    let changed = [
        suite_request(Method::POST, "/", VANILLA),
        suite_request(Method::GET, "/x", VANILLA),
        suite_request(Method::GET, "/?a", VANILLA),
        suite_request(Method::GET, "/", &VANILLA.replace('5', "6")),
        suite_request(Method::GET, "/", &VANILLA[1..]),
        suite_request(Method::GET, "/", ""),
    ];
    for head in changed {
        assert_eq!(check(&suite(), &head, b"", "service", SUITE_TIME), Err(SignatureError::Mismatch));
    }
    let head = suite_request(Method::GET, "/", VANILLA);
    assert_eq!(check(&suite(), &head, b"{}", "service", SUITE_TIME), Err(SignatureError::Mismatch));
    let other = verifier("AKIDEXAMPLE", "another", "");
    assert_eq!(check(&other, &head, b"", "service", SUITE_TIME), Err(SignatureError::Mismatch));
}

#[test]
fn clocks_may_be_five_minutes_apart() {
    let head = suite_request(Method::GET, "/", VANILLA);
    for minutes in [-5, 5] {
        assert!(check(&suite(), &head, b"", "service", SUITE_TIME + Duration::minutes(minutes)).is_ok());
    }
    let late = check(&suite(), &head, b"", "service", SUITE_TIME + Duration::seconds(301)).unwrap_err();
    assert_eq!(
        late.to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
    );
    let early = check(&suite(), &head, b"", "service", SUITE_TIME - Duration::seconds(301)).unwrap_err();
    assert_eq!(
        early.to_string(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
    );
}

#[test]
fn a_signature_counts_for_its_service_region_and_day_only() {
    let head = suite_request(Method::GET, "/", VANILLA);
    let refusal = check(&suite(), &head, b"", "lambda", SUITE_TIME).unwrap_err().to_string();
    assert_eq!(refusal, "Credential should be scoped to correct service: 'lambda'.");
    let elsewhere = Verifier::new(Credentials::development(), "eu-west-1");
    assert_eq!(elsewhere.admit(&head, "service", SUITE_TIME).unwrap_err(), SignatureError::UnknownKey);
    let mut head = suite_request(Method::GET, "/", VANILLA);
    head.headers.insert("x-amz-date", "20150831T000000Z".parse().unwrap());
    let refusal =
        check(&suite(), &head, b"", "service", datetime!(2015-08-31 00:00 UTC)).unwrap_err().to_string();
    assert!(refusal.starts_with("Date in Credential scope does not match"), "{refusal}");
}

#[test]
fn what_aws_gives_a_meaning_must_be_signed() {
    let mut head = suite_request(Method::GET, "/", VANILLA);
    head.headers.insert("x-amz-invocation-type", "Event".parse().unwrap());
    let refusal = check(&suite(), &head, b"", "service", SUITE_TIME).unwrap_err().to_string();
    assert!(refusal.contains("'x-amz-invocation-type' must be a 'SignedHeader'"), "{refusal}");
    // Added by proxies, and signed by nobody.
    let mut head = suite_request(Method::GET, "/", VANILLA);
    head.headers.insert("x-amzn-trace-id", "Root=1".parse().unwrap());
    assert!(check(&suite(), &head, b"", "service", SUITE_TIME).is_ok());
}

#[test]
fn a_session_needs_its_token_until_it_is_over() {
    let session = "session = { token = \"sesame\", expires = \"2015-08-30T12:36:00Z\" }\n";
    let verifier = verifier("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session);
    let head = suite_request(Method::GET, "/", VANILLA);
    assert_eq!(verifier.admit(&head, "service", SUITE_TIME).unwrap_err(), SignatureError::UnknownKey);
    let mut head = suite_request(Method::GET, "/", VANILLA);
    head.headers.insert("x-amz-security-token", "sesam".parse().unwrap());
    assert_eq!(verifier.admit(&head, "service", SUITE_TIME).unwrap_err(), SignatureError::UnknownKey);
    head.headers.insert("x-amz-security-token", "sesame".parse().unwrap());
    assert_eq!(verifier.admit(&head, "service", SUITE_TIME).unwrap_err(), SignatureError::ExpiredToken);
    let before = SUITE_TIME - Duration::seconds(1);
    // In time, it is the signature's turn: the token is a header that it does not cover.
    assert!(matches!(verifier.admit(&head, "service", before), Err(SignatureError::OutOfScope(_))));
}

/// The example of "Signature calculations: transferring payload in multiple chunks" in S3's reference.
fn chunked(body: &[u8]) -> Result<Bytes, SignatureError> {
    let verifier = verifier("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "");
    let head = Request::put("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=\
             content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
        .body(())
        .unwrap()
        .into_parts()
        .0;
    check(&verifier, &head, body, "s3", datetime!(2013-05-24 00:00 UTC))
}

fn chunks() -> Vec<u8> {
    let mut body = Vec::new();
    for (length, signature) in [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ] {
        body.extend_from_slice(format!("{length:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend(std::iter::repeat_n(b'a', length));
        body.extend_from_slice(b"\r\n");
    }
    body
}

#[test]
fn the_published_example_of_signed_chunks_is_accepted() {
    assert_eq!(chunked(&chunks()), Ok(Bytes::from(vec![b'a'; 66_560])));
}

#[test]
fn chunks_that_were_touched_are_refused() {
    let mut changed = chunks();
    changed[100] = b'b';
    assert_eq!(chunked(&changed), Err(SignatureError::Mismatch));
    let whole = chunks();
    // Without the last chunk, with something after it, and cut off anywhere.
    for end in [0, 10, 85, 1000, whole.len() - 88, whole.len() - 1] {
        assert!(matches!(chunked(&whole[..end]), Err(SignatureError::Chunks(_))), "cut at {end}");
    }
    assert!(matches!(chunked(&[&whole[..], b"x"].concat()), Err(SignatureError::Chunks(_))));
}

#[test]
fn the_published_presigned_url_is_accepted_until_it_expires() {
    let verifier = verifier("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "");
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2F\
               s3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
               aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Request::get(uri).header("host", "examplebucket.s3.amazonaws.com").body(()).unwrap();
    let head = request.into_parts().0;
    for now in [datetime!(2013-05-24 00:00 UTC), datetime!(2013-05-25 00:00 UTC)] {
        assert!(check(&verifier, &head, b"", "s3", now).is_ok());
    }
    let late = check(&verifier, &head, b"", "s3", datetime!(2013-05-25 00:00:01 UTC)).unwrap_err();
    assert!(late.to_string().starts_with("Signature expired"), "{late}");
}

#[test]
fn a_url_that_was_presigned_here_opens_what_it_names_and_nothing_else() {
    let verifier = suite();
    let head = suite_request(Method::GET, "/", VANILLA);
    let identity = verifier.admit(&head, "service", SUITE_TIME).unwrap().identity().clone();
    let query = verifier
        .presign_get(&identity, "127.0.0.1:4566", "/code/a", Duration::minutes(10), SUITE_TIME)
        .unwrap();
    let head = |path: &str| {
        let request = Request::get(format!("{path}?{query}")).header("host", "127.0.0.1:4566");
        request.body(()).unwrap().into_parts().0
    };
    assert!(check(&verifier, &head("/code/a"), b"", "s3", SUITE_TIME).is_ok());
    assert_eq!(check(&verifier, &head("/code/b"), b"", "s3", SUITE_TIME), Err(SignatureError::Mismatch));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_change_of_chunks_is_accepted(at in 0usize..66_000, byte in any::<u8>()) {
        let mut body = chunks();
        let changed = body[at] != byte;
        body[at] = byte;
        let decoded = chunked(&body);
        // Hexadecimal digits of a length may be written in two ways.
        prop_assert!(!changed || decoded.is_err() || body[at].is_ascii_hexdigit());
    }

    #[test]
    fn no_bytes_in_the_place_of_chunks_make_the_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = chunked(&body);
    }
}
