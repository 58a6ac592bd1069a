//! S3: whole objects are written and read, by requests in the path style.
//!
//! Two requests are all that is needed of S3, so they are made here and signed by the crate that AWS's SDKs sign with: their
//! client of S3 is the largest but one of all.

use std::time::SystemTime;

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{AwsEndpoint, NoCredential};
use crate::{
    identity::AccountId,
    web_client::{Unreachable, WebClient, beginning},
};

/// What SigV4 leaves as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Characters of S3's code of an error that are told: its longest codes have about 50.
const CODE_CHARS: usize = 64;

/// Characters of S3's message that are told.
const MESSAGE_CHARS: usize = 300;

/// What stands for a message where the answer has none.
const NO_MESSAGE: &str = "the server does not say more";

/// Asks S3 at its endpoint. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct S3Client {
    endpoint: AwsEndpoint,
    web: WebClient,
}

/// An object, and who asks for it.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRequest<'a> {
    /// The account whose credential signs the request: S3 decides by it what may be done.
    pub account: AccountId,
    /// The region that it is signed for.
    pub region: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The object in it.
    pub key: &'a str,
    /// Which of its versions; the newest if none is said.
    pub version: Option<&'a str>,
    /// The time by the wall clock.
    pub now: OffsetDateTime,
}

/// Why S3 did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The account can't ask.
    #[error(transparent)]
    NoCredential(#[from] NoCredential),
    /// There is no such request.
    #[error("no request could be made of it: {0}")]
    NoRequest(String),
    /// S3 gave no answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// S3 refused. The words are its own, cut short and without control characters.
    #[error("S3 answered {status}, {code}: {message}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// Its code, such as `NoSuchKey`; the status in words if it has none.
        code: String,
        /// Its message for people.
        message: String,
    },
}

impl S3Client {
    /// A client of S3 at this endpoint.
    #[must_use]
    pub fn new(endpoint: AwsEndpoint, web: WebClient) -> Self {
        Self { endpoint, web }
    }

    /// Writes an object of JSON.
    ///
    /// # Errors
    /// The account has no credential; S3 does not answer or refuses.
    pub async fn put_json(&self, object: ObjectRequest<'_>, body: Bytes) -> Result<(), S3Error> {
        let mut request = self.request(Method::PUT, object, body)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.sign(&mut request, object)?;
        let answer = self.web.call(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(&answer)) }
    }

    /// Reads an object: its bytes are the answer's body, which is still to come.
    ///
    /// # Errors
    /// The account has no credential; S3 does not answer or refuses.
    pub async fn get(&self, object: ObjectRequest<'_>) -> Result<Response<Incoming>, S3Error> {
        let mut request = self.request(Method::GET, object, Bytes::new())?;
        self.sign(&mut request, object)?;
        let answer = self.web.open(request).await?;
        // Anything else, such as a part of it or a redirection, is not the object.
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        Err(refusal(&beginning(answer).await))
    }

    fn request(
        &self,
        method: Method,
        object: ObjectRequest<'_>,
        body: Bytes,
    ) -> Result<Request<Bytes>, S3Error> {
        let address = address(self.endpoint.url(), object);
        let address = address.parse::<Uri>().map_err(|error| S3Error::NoRequest(error.to_string()))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = address;
        Ok(request)
    }

    /// Signs a request as S3 wants it: the path as it is sent, and the payload's digest in a header.
    fn sign(&self, request: &mut Request<Bytes>, object: ObjectRequest<'_>) -> Result<(), S3Error> {
        fn unsigned(error: impl ToString) -> S3Error {
            S3Error::NoRequest(error.to_string())
        }
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = self.endpoint.credentials(object.account)?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(object.region)
            .name("s3")
            .time(SystemTime::from(object.now))
            .settings(settings)
            .build()
            .map_err(unsigned)?
            .into();
        let (method, address) = (request.method().as_str(), request.uri().to_string());
        let headers = request.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new(method, &address, headers, body).map_err(unsigned)?;
        let (instructions, _) = sign(signable, &params).map_err(unsigned)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Where an object is: by the path, since nobody has a name in the DNS for each bucket of their own server.
fn address(endpoint: &str, object: ObjectRequest<'_>) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let path = format!("{}/{}", object.bucket, object.key);
    let path = utf8_percent_encode(&path, PATH);
    match object.version {
        Some(version) => format!("{endpoint}/{path}?versionId={}", utf8_percent_encode(version, QUERY)),
        None => format!("{endpoint}/{path}"),
    }
}

/// S3's `Error`, as far as it is told. What else is in it is left out.
#[derive(Debug, Deserialize)]
enum Body {
    Error(ErrorBody),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What S3 said. An answer of something else on the way, which is no XML, has only its status.
fn refusal(answer: &Response<Bytes>) -> S3Error {
    let status = answer.status();
    let text = std::str::from_utf8(answer.body()).unwrap_or_default();
    let (code, message) = match quick_xml::de::from_str::<Body>(text) {
        Ok(Body::Error(error)) => (error.code, error.message),
        Err(_) => Default::default(),
    };
    let word = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let mut code: String = code.chars().filter(|character| word(*character)).take(CODE_CHARS).collect();
    if code.is_empty() {
        let reason = status.canonical_reason().unwrap_or(status.as_str());
        code = reason.chars().filter(|character| word(*character)).collect();
    }
    let mut message: String =
        message.trim().chars().filter(|character| !character.is_control()).take(MESSAGE_CHARS).collect();
    if message.is_empty() {
        NO_MESSAGE.clone_into(&mut message);
    }
    S3Error::Refused { status, code, message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn object<'a>(bucket: &'a str, key: &'a str, version: Option<&'a str>) -> ObjectRequest<'a> {
        let now = datetime!(2026-01-02 03:04:05 UTC);
        ObjectRequest { account: AccountId::DEFAULT, region: "us-east-1", bucket, key, version, now }
    }

    fn told(status: u16, body: impl Into<Bytes>) -> (String, String) {
        let answer = Response::builder().status(status).body(body.into()).unwrap();
        match refusal(&answer) {
            S3Error::Refused { code, message, .. } => (code, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_object_is_asked_for_by_its_path_and_nothing_of_its_name_gets_out_of_it() {
        let at = |key, version| address("http://127.0.0.1:9000/", object("b", key, version));
        assert_eq!(at("a/b-1_2.~zip", None), "http://127.0.0.1:9000/b/a/b-1_2.~zip");
        assert_eq!(at("/é +?x=1#y", None), "http://127.0.0.1:9000/b//%C3%A9%20%2B%3Fx%3D1%23y");
        assert_eq!(at("a", Some("1&x=2/é")), "http://127.0.0.1:9000/b/a?versionId=1%26x%3D2%2F%C3%A9");
    }

    #[test]
    fn what_s3_says_is_told_in_its_words() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a</Key></Error>";
        assert_eq!(told(404, body), ("NoSuchKey".into(), "The specified key does not exist.".into()));
        assert_eq!(told(301, "<Error><Code>PermanentRedirect</Code></Error>").0, "PermanentRedirect");
    }

    #[test]
    fn what_is_no_answer_of_s3_has_its_status() {
        for body in ["", "<html>no</html>", "<Error><Code>", "\u{0}"] {
            assert_eq!(told(403, body), ("Forbidden".into(), NO_MESSAGE.into()), "{body}");
        }
        assert_eq!(told(502, Bytes::from_static(b"\xff")).0, "BadGateway");
        assert_eq!(told(599, "").0, "599");
    }

    #[test]
    fn long_words_are_cut_and_control_characters_left_out() {
        let body = format!(
            "<Error><Code>No\u{a0}Such\nKey{}</Code><Message>\u{7f}[2J{}</Message></Error>",
            "x".repeat(999),
            "é".repeat(999)
        );
        let (code, message) = told(404, body);
        assert!(code.starts_with("NoSuchKeyx") && code.len() == CODE_CHARS, "{code}");
        assert!(message.starts_with("[2Jé") && message.chars().count() == MESSAGE_CHARS, "{message}");
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(
            body in "(<Error>|</Error>|<Code>|</Code>|<Message>|<!DOCTYPE a|<!\\[CDATA\\[|&#0;|&x;|.){0,20}"
        ) {
            let (code, message) = told(400, body);
            prop_assert!(!code.is_empty() && !message.is_empty());
        }
    }
}
