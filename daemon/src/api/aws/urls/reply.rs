//! What a function answers, as HTTP: payload format 2.0, read from bytes that nobody vouches for.
//!
//! A function says status, headers, cookies and body in JSON that has a `statusCode`; whatever else it answers is a body.
//! One that answers in pieces says the same, less the body, in a prelude: JSON, eight zero bytes, and then the body.
//! Whatever could end the connection, or be taken for part of another answer, is refused or left out here.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

/// Headers and cookies that an answer may have, and the bytes of all of them: what a request may have, too.
const MAX_HEADERS: usize = 200;
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What a body is said to be if the function does not say.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What follows a prelude. JSON has no such byte.
pub(super) const DELIMITER: [u8; 8] = [0; 8];

/// What a function answers with.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: ReplyHead,
    pub(super) body: Bytes,
}

/// All but the body.
#[derive(Debug)]
pub(super) struct ReplyHead {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// A function's answer is none, for this reason. Its caller is told no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What a function says of its answer; only what is known is looked at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    status_code: Option<Value>,
    headers: Option<Map<String, Value>>,
    cookies: Option<Vec<String>>,
    body: Option<Value>,
    is_base64_encoded: Option<bool>,
}

impl Reply {
    /// Reads a whole answer.
    pub(super) fn read(payload: Bytes) -> Result<Self, Malformed> {
        if let Some(end) = prelude_end(&payload) {
            let head = ReplyHead::read(payload.get(..end).unwrap_or_default())?;
            return Ok(Self { head, body: payload.slice(end + DELIMITER.len()..) });
        }
        let text = std::str::from_utf8(&payload).map_err(|_| Malformed("it is no JSON"))?;
        let whole = |body| Self { head: ReplyHead::of(StatusCode::OK, JSON), body };
        match text.trim_start().as_bytes().first() {
            Some(b'{') => {
                let said: Said = serde_json::from_str(text)
                    .map_err(|_| Malformed("its JSON is not as format 2.0 has it"))?;
                match said {
                    Said { status_code: None, .. } => Ok(whole(compact(text))),
                    said => said.reply(),
                }
            }
            Some(b'"') => {
                let said: String = serde_json::from_str(text).map_err(|_| Malformed("it is no JSON"))?;
                Ok(whole(said.into()))
            }
            _ => {
                serde_json::from_str::<IgnoredAny>(text).map_err(|_| Malformed("it is no JSON"))?;
                Ok(whole(compact(text)))
            }
        }
    }
}

impl ReplyHead {
    /// Reads a prelude, without what follows it.
    pub(super) fn read(prelude: &[u8]) -> Result<Self, Malformed> {
        // What is no object could be taken for one by the order of its parts.
        if prelude.trim_ascii_start().first() != Some(&b'{') {
            return Err(Malformed("its prelude is no JSON object"));
        }
        let said: Said = serde_json::from_slice(prelude)
            .map_err(|_| Malformed("its prelude is not as format 2.0 has it"))?;
        said.head(BYTES)
    }

    /// For a body about which nothing was said but its type.
    pub(super) fn of_stream(content_type: Option<&str>) -> Self {
        let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
        Self::of(StatusCode::OK, content_type.unwrap_or(BYTES))
    }

    /// For what a function answers at once to a caller who takes pieces: that is not looked into.
    pub(super) fn of_whole() -> Self {
        Self::of(StatusCode::OK, JSON)
    }

    fn of(status: StatusCode, content_type: HeaderValue) -> Self {
        Self { status, headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type)]) }
    }

    /// Whether a body may follow. Source: RFC 9110, sections 15.3.5 and 15.4.5.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

impl Said {
    fn reply(mut self) -> Result<Reply, Malformed> {
        let body = match self.body.take() {
            None | Some(Value::Null) => Bytes::new(),
            Some(Value::String(text)) if self.is_base64_encoded == Some(true) => {
                STANDARD.decode(text).map_err(|_| Malformed("its body is not in base64"))?.into()
            }
            Some(Value::String(text)) => text.into(),
            Some(other) => other.to_string().into(),
        };
        let head = self.head(JSON)?;
        let body = if head.has_body() { body } else { Bytes::new() };
        Ok(Reply { head, body })
    }

    fn head(self, content_type: HeaderValue) -> Result<ReplyHead, Malformed> {
        let status = self.status_code.as_ref().map_or(Ok(StatusCode::OK), status)?;
        let mut headers = HeaderMap::new();
        let (mut count, mut bytes) = (0, 0);
        let mut add = |name: HeaderName, value: &str| {
            count += 1;
            bytes += name.as_str().len() + value.len();
            if count > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
                return Err(Malformed("it has more headers than an answer may have"));
            }
            let value = HeaderValue::from_str(value).map_err(|_| Malformed("a header's value is none"))?;
            headers.try_append(name, value).map_err(|_| Malformed("it has too many headers")).map(drop)
        };
        for (name, value) in self.headers.unwrap_or_default() {
            let name: HeaderName = name.parse().map_err(|_| Malformed("a header's name is none"))?;
            if is_reserved(&name) {
                continue;
            }
            match value {
                Value::Null => {}
                Value::String(text) => add(name, &text)?,
                Value::Number(_) | Value::Bool(_) => add(name, &value.to_string())?,
                Value::Array(_) | Value::Object(_) => return Err(Malformed("a header's value is no text")),
            }
        }
        for cookie in self.cookies.unwrap_or_default() {
            add(SET_COOKIE, &cookie)?;
        }
        if !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        Ok(ReplyHead { status, headers })
    }
}

/// A number, or one in a string. An answer that is not the last one, or changes the protocol, is no function's to give.
fn status(said: &Value) -> Result<StatusCode, Malformed> {
    let number = match said {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (200..600).contains(number))
        .and_then(|number| StatusCode::from_u16(u16::try_from(number).ok()?).ok())
        .ok_or(Malformed("its statusCode is none"))
}

/// Headers that are about a connection and not about what goes over it.
pub(super) fn is_of_connection(name: &HeaderName) -> bool {
    [TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(
            name.as_str(),
            "connection" | "keep-alive" | "proxy-connection" | "proxy-authenticate" | "proxy-authorization"
        )
}

/// Headers that are this server's to set.
fn is_reserved(name: &HeaderName) -> bool {
    is_of_connection(name) || [CONTENT_LENGTH, DATE].contains(name) || name.as_str().starts_with("x-amzn-")
}

/// Where a prelude ends, if there is one.
pub(super) fn prelude_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(DELIMITER.len()).position(|window| window == DELIMITER)
}

/// JSON without the spaces between its parts, as Lambda passes it on. The text is JSON.
fn compact(text: &str) -> Bytes {
    let mut compact = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        compact.push(byte);
    }
    compact.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(payload: impl Into<Bytes>) -> Result<Reply, Malformed> {
        Reply::read(payload.into())
    }

    fn header(reply: &Reply, name: &str) -> Vec<String> {
        reply.head.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_has_no_status_is_a_body() {
        for (payload, body) in [
            (r#"{"hello": "a \" b\\"}"#, r#"{"hello":"a \" b\\"}"#),
            (r#"["hello", 3, true]"#, r#"["hello",3,true]"#),
            (r#""hel\u006co""#, "hello"),
            ("3", "3"),
            ("3.10", "3.10"),
            ("1e999", "1e999"),
            ("true", "true"),
            (" null\n", "null"),
            (r#"{"body": "x", "headers": {"a": "b"}}"#, r#"{"body":"x","headers":{"a":"b"}}"#),
        ] {
            let reply = read(payload).unwrap();
            assert_eq!((reply.head.status, &reply.body[..]), (StatusCode::OK, body.as_bytes()), "{payload}");
            assert_eq!(header(&reply, "content-type"), ["application/json"]);
        }
    }

    #[test]
    fn what_has_a_status_says_all_of_its_answer() {
        let said = json!({
            "statusCode": 201,
            "headers": { "X-Number": 5, "x-bool": true, "x-null": null, "Content-Type": "text/html" },
            "cookies": ["a=1; Secure", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        let reply = read(said.to_string()).unwrap();
        assert_eq!((reply.head.status, &reply.body[..]), (StatusCode::CREATED, &b"hi"[..]));
        assert_eq!(header(&reply, "set-cookie"), ["a=1; Secure", "b=2"]);
        assert_eq!(header(&reply, "x-number"), ["5"]);
        assert_eq!(header(&reply, "content-type"), ["text/html"]);
        assert!(!reply.head.headers.contains_key("x-null"));
        let reply = read(r#"{"statusCode": "418", "body": {"a": 1}}"#).unwrap();
        assert_eq!((reply.head.status.as_u16(), &reply.body[..]), (418, &br#"{"a":1}"#[..]));
        assert_eq!(header(&reply, "content-type"), ["application/json"]);
        assert_eq!(read(r#"{"statusCode": 204, "body": "x"}"#).unwrap().body, "");
    }

    #[test]
    fn what_could_break_the_connection_is_refused() {
        for said in [
            json!({ "statusCode": 101 }),
            json!({ "statusCode": 100 }),
            json!({ "statusCode": 99 }),
            json!({ "statusCode": 600 }),
            json!({ "statusCode": -200 }),
            json!({ "statusCode": 200.5 }),
            json!({ "statusCode": "2e2" }),
            json!({ "statusCode": [] }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "headers": { "": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "b\r\nset-cookie: c" } }),
            json!({ "statusCode": 200, "headers": { "a\r\nb": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "\u{0}" } }),
            json!({ "statusCode": 200, "headers": { "a": ["b"] } }),
            json!({ "statusCode": 200, "headers": [] }),
            json!({ "statusCode": 200, "cookies": ["a\nb"] }),
            json!({ "statusCode": 200, "cookies": "a" }),
            json!({ "statusCode": 200, "cookies": vec!["a"; MAX_HEADERS + 1] }),
            json!({ "statusCode": 200, "headers": { "a": "b".repeat(MAX_HEADER_BYTES) } }),
            json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
        ] {
            assert!(read(said.to_string()).is_err(), "{said}");
        }
        for text in ["", "hello", "{", "\u{feff}1", r#"{"a":1} x"#] {
            assert!(read(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(read(Bytes::from_static(b"\"\xff\"")).is_err());
    }

    #[test]
    fn headers_that_are_the_servers_to_set_are_left_out() {
        let reserved = [
            "Connection",
            "Content-Length",
            "Date",
            "Keep-Alive",
            "Proxy-Authenticate",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "X-Amzn-RequestId",
            "x-amzn-errortype",
        ];
        let headers: Map<String, Value> =
            reserved.map(|name| (name.to_owned(), json!("chunked"))).into_iter().collect();
        let reply = read(json!({ "statusCode": 200, "headers": headers }).to_string()).unwrap();
        assert_eq!(reply.head.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["content-type"]);
    }

    #[test]
    fn a_prelude_is_read_from_what_was_gathered() {
        let mut payload = br#"{"statusCode": 202, "cookies": ["a=b"]}"#.to_vec();
        payload.extend([0; 9]);
        payload.extend(b"body\0");
        let reply = read(payload).unwrap();
        assert_eq!((reply.head.status.as_u16(), &reply.body[..]), (202, &b"\0body\0"[..]));
        assert_eq!(header(&reply, "content-type"), ["application/octet-stream"]);
        assert_eq!(ReplyHead::read(b"{}").unwrap().status, StatusCode::OK);
        for bad in ["", "x", "[]", "[200]", r#"{"statusCode": 1}"#] {
            assert!(ReplyHead::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_answer_makes_it_panic(text in "(\\{|\\}|\"|statusCode|headers|cookies|body|isBase64Encoded|:|,|[0-9]|\\[|\\]|null|true|\0|.){0,40}") {
            let _ = read(text);
        }

        #[test]
        fn what_is_made_compact_means_the_same(text in "[ -~]{0,20}", number in any::<i64>()) {
            let value = json!({ "a": text, "b": [number, { "c d": text }] });
            let pretty = format!("{value:#}");
            prop_assert_eq!(compact(&pretty), value.to_string());
        }
    }
}
