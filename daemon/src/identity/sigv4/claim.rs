//! What a request says about its own signature, in its header or in its query: who signed it, when, for what.

use std::borrow::Cow;

use http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc2822},
    macros::format_description,
};

use super::{SignatureError, uri::QueryPairs};

/// The one algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How every scope ends.
const TERMINATOR: &str = "aws4_request";

/// `20150830T123600Z`.
pub(super) const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// The most that a presigned URL may count for: seven days. Source: SigV4's reference.
const MAX_EXPIRES_SECONDS: u32 = 604_800;

/// What was signed with, and for what: `KEY/20150830/us-east-1/lambda/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) access_key_id: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// The scope without its key, as it is signed.
    pub(super) fn text(&self) -> String {
        let Self { date, region, service, .. } = self;
        format!("{date}/{region}/{service}/{TERMINATOR}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        let (terminator, service, region, date, access_key_id) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_whole = [service, region, date, access_key_id].iter().all(|part| !part.is_empty());
        (terminator == TERMINATOR && is_whole).then(|| Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

/// Where the signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the header Authorization.
    Header,
    /// In the query, which counts for this many seconds.
    Query {
        /// How long.
        expires_seconds: u32,
    },
}

/// A request's own account of its signature. Nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) scope: Scope,
    /// Lower-case names in their order.
    pub(super) signed_headers: Vec<String>,
    /// 64 hexadecimal digits.
    pub(super) signature: String,
    pub(super) time: OffsetDateTime,
    pub(super) session_token: Option<String>,
    pub(super) place: Place,
}

impl Claim {
    /// Reads it from a request's head.
    pub(super) fn read(head: &Parts) -> Result<Self, SignatureError> {
        let query = QueryPairs::of(&head.uri);
        let presigned = query.get("X-Amz-Algorithm").is_some() || query.get("X-Amz-Signature").is_some();
        match head.headers.get(AUTHORIZATION) {
            Some(header) => {
                let header = header.to_str().map_err(|_| {
                    SignatureError::Incomplete(
                        "The Authorization header has characters that are not ASCII.".to_owned(),
                    )
                })?;
                Self::from_header(header, &head.headers)
            }
            None if presigned => Self::from_query(&query),
            None => Err(SignatureError::Missing),
        }
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                SignatureError::Incomplete(
                    "A part of the Authorization header is not a valid key=value pair (missing equal-sign)."
                        .to_owned(),
                )
            })?;
            match name.trim() {
                "Credential" => credential = Some(value.trim()),
                "SignedHeaders" => signed_headers = Some(value.trim()),
                "Signature" => signature = Some(value.trim()),
                _ => {}
            }
        }
        let time = timestamp_of(headers)?;
        let mut missing = Vec::new();
        for (name, is_there) in [
            ("Credential", credential.is_some()),
            ("Signature", signature.is_some()),
            ("SignedHeaders", signed_headers.is_some()),
        ] {
            if !is_there {
                missing.push(format!("Authorization header requires '{name}' parameter."));
            }
        }
        if time.is_none() {
            missing.push(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                    .to_owned(),
            );
        }
        let (Some(credential), Some(signed_headers), Some(signature), Some(time)) =
            (credential, signed_headers, signature, time)
        else {
            return Err(SignatureError::Incomplete(missing.join(" ")));
        };
        let session_token = match headers.get("x-amz-security-token") {
            None => None,
            Some(token) => Some(token.to_str().map_err(|_| SignatureError::UnknownKey)?.to_owned()),
        };
        Self::new(credential, signed_headers, signature, time, session_token, Place::Header)
    }

    fn from_query(query: &QueryPairs<'_>) -> Result<Self, SignatureError> {
        let names = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
            "X-Amz-Expires",
        ];
        let [algorithm, credential, signature, signed_headers, date, expires] =
            names.map(|name| query.get(name));
        let values = (algorithm, credential, signature, signed_headers, date, expires);
        let (
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(signed_headers),
            Some(date),
            Some(expires),
        ) = values
        else {
            let there: Vec<bool> = names.iter().map(|name| query.get(name).is_some()).collect();
            let missing = names.iter().zip(there).filter(|(_, there)| !there);
            let texts: Vec<String> = missing
                .map(|(name, _)| format!("AWS query-string parameters must include '{name}'."))
                .collect();
            return Err(SignatureError::Incomplete(texts.join(" ")));
        };
        check_algorithm(&algorithm)?;
        let time = parse_timestamp(&date).ok_or_else(|| bad_date(&date))?;
        let expires_seconds =
            expires.parse().ok().filter(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(seconds));
        let expires_seconds = expires_seconds.ok_or_else(|| {
            SignatureError::Incomplete(format!(
                "X-Amz-Expires must be a number of seconds from 1 to {MAX_EXPIRES_SECONDS}."
            ))
        })?;
        let session_token = query.get("X-Amz-Security-Token").map(Cow::into_owned);
        Self::new(
            &credential,
            &signed_headers,
            &signature,
            time,
            session_token,
            Place::Query { expires_seconds },
        )
    }

    fn new(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        time: OffsetDateTime,
        session_token: Option<String>,
        place: Place,
    ) -> Result<Self, SignatureError> {
        let scope = Scope::parse(credential).ok_or_else(|| {
            SignatureError::Incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request."
                    .to_owned(),
            )
        })?;
        let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        Ok(Self { scope, signed_headers, signature: signature.to_owned(), time, session_token, place })
    }

    /// The time as it is signed.
    pub(super) fn timestamp(&self) -> String {
        text_of(self.time)
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), SignatureError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(SignatureError::Incomplete(format!("Unsupported AWS 'algorithm'; sign with '{ALGORITHM}'.")))
}

/// X-Amz-Date, else Date.
fn timestamp_of(headers: &HeaderMap) -> Result<Option<OffsetDateTime>, SignatureError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(date) = text("x-amz-date") {
        return parse_timestamp(date).map(Some).ok_or_else(|| bad_date(date));
    }
    match text("date") {
        None => Ok(None),
        Some(date) => parse_timestamp(date)
            .or_else(|| OffsetDateTime::parse(date, &Rfc2822).ok())
            .map(Some)
            .ok_or_else(|| bad_date(date)),
    }
}

fn bad_date(_date: &str) -> SignatureError {
    SignatureError::Incomplete("Date must be in ISO-8601 'basic format', e.g. 20150830T123600Z.".to_owned())
}

pub(super) fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, TIMESTAMP).ok().map(PrimitiveDateTime::assume_utc)
}

/// A time as SigV4 writes it.
pub(super) fn text_of(time: OffsetDateTime) -> String {
    // The form has no component that a time could lack.
    time.format(TIMESTAMP).unwrap_or_default()
}

/// The day of a time as SigV4 writes it.
pub(super) fn day_of(time: OffsetDateTime) -> String {
    let date: Date = time.date();
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn claim(authorization: &str) -> Result<Claim, SignatureError> {
        let request = Request::builder()
            .header("authorization", authorization)
            .header("x-amz-date", "20150830T123600Z")
            .body(())
            .unwrap();
        Claim::read(&request.into_parts().0)
    }

    #[test]
    fn a_header_is_read_with_and_without_spaces() {
        for separator in [", ", ",", " ,  "] {
            let header = [
                "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/lambda/aws4_request",
                "SignedHeaders=host;x-amz-date",
                "Signature=00ff",
            ]
            .join(separator);
            let claim = claim(&header).unwrap();
            assert_eq!(claim.scope.access_key_id, "AKID");
            assert_eq!(claim.scope.text(), "20150830/us-east-1/lambda/aws4_request");
            assert_eq!(claim.signed_headers, ["host", "x-amz-date"]);
            assert_eq!(claim.timestamp(), "20150830T123600Z");
        }
    }

    #[test]
    fn what_is_missing_is_named_as_aws_names_it() {
        let SignatureError::Incomplete(text) = claim("AWS4-HMAC-SHA256 SignedHeaders=host").unwrap_err()
        else {
            panic!("another error")
        };
        assert_eq!(
            text,
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter."
        );
    }

    #[test]
    fn other_ways_to_authenticate_are_refused() {
        for header in ["Bearer abc", "AWS AKID:signature", "Basic dXNlcjpwYXNz", ""] {
            assert!(matches!(claim(header), Err(SignatureError::Incomplete(_))), "{header}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_header_makes_the_parser_panic(text in "(AWS4-HMAC-SHA256 |Credential=|/|aws4_request|SignedHeaders=|Signature=|,|;|[ -~]){0,16}") {
            let _ = claim(&text);
        }

        #[test]
        fn no_query_makes_the_parser_panic(text in "(X-Amz-(Algorithm|Credential|Date|Expires|Signature|SignedHeaders)=|AWS4-HMAC-SHA256|&|%2F|%|[a-zA-Z0-9]){0,16}") {
            if let Ok(request) = Request::builder().uri(format!("/?{text}")).body(()) {
                let _ = Claim::read(&request.into_parts().0);
            }
        }
    }
}
