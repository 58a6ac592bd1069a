//! The event that a function gets for a request to its URL: payload format 2.0.
//!
//! Source: "Request payload format" in Lambda's developer guide, and of API Gateway's HTTP APIs, whose format it is. What
//! a URL has no use for is left out, as there.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap,
    header::{CONNECTION, CONTENT_TYPE, COOKIE, USER_AGENT},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::reply::is_of_connection;
use crate::identity::{AccountId, sigv4::Identity};

/// `12/Mar/2020:19:03:58 +0000`.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// What tells a function which trace its invocation belongs to.
pub(super) const TRACE_HEADER: &str = "x-amzn-trace-id";

/// What stands for what API Gateway has and a URL has not.
const DEFAULT: &str = "$default";

/// What there is to tell of a request beside its head and body.
#[derive(Debug)]
pub(super) struct Around<'a> {
    /// The path behind the URL, as it was sent.
    pub(super) path: &'a str,
    /// The URL's id.
    pub(super) id: &'a str,
    /// The URL's domain name.
    pub(super) domain: &'a str,
    /// `http` or `https`, and the port, as callers of URLs use them.
    pub(super) scheme: &'a str,
    pub(super) port: u16,
    /// The invocation's id.
    pub(super) request_id: &'a str,
    /// Where a trace of the invocation begins, as its header has it.
    pub(super) trace_root: &'a str,
    /// Who has the other end of the connection.
    pub(super) peer: IpAddr,
    pub(super) now: OffsetDateTime,
    /// Who signed, where that is asked for.
    pub(super) identity: Option<&'a Identity>,
    /// Whose the function is, and the partition that ARNs name.
    pub(super) owner: AccountId,
    pub(super) partition: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: String,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    /// Decoded, which `rawPath` is not.
    path: Cow<'a, str>,
    protocol: String,
    source_ip: IpAddr,
    user_agent: Cow<'a, str>,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: Iam<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: String,
    caller_id: String,
    /// None of these is there.
    cognito_identity: (),
    principal_org_id: (),
    user_arn: String,
    user_id: String,
}

/// Writes the event.
pub(super) fn event(head: &Parts, body: &[u8], around: &Around<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let Around { path, id, domain, request_id, identity, partition, .. } = *around;
    let peer = around.peer.to_canonical();
    let query = head.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) =
        encoded(head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()), body);
    let account_id = identity.map_or_else(|| "anonymous".to_owned(), |_| around.owner.to_string());
    let iam = identity.map(|identity| {
        let account = identity.account;
        Iam {
            access_key: identity.access_key_id.as_str(),
            account_id: account.to_string(),
            caller_id: account.to_string(),
            cognito_identity: (),
            principal_org_id: (),
            user_arn: format!("arn:{partition}:iam::{account}:root"),
            user_id: account.to_string(),
        }
    });
    serde_json::to_vec(&Event {
        version: "2.0",
        route_key: DEFAULT,
        raw_path: path,
        raw_query_string: query,
        cookies: cookies(&head.headers),
        headers: headers(&head.headers, peer, around),
        query_string_parameters: parameters(query),
        request_context: Context {
            account_id,
            api_id: id,
            authorizer: iam.map(|iam| Authorizer { iam }),
            domain_name: domain,
            domain_prefix: id,
            http: Http {
                method: head.method.as_str(),
                path: percent_decode_str(path).decode_utf8_lossy(),
                protocol: format!("{:?}", head.version),
                source_ip: peer,
                user_agent: head.headers.get(USER_AGENT).map(text).unwrap_or_default(),
            },
            request_id,
            route_key: DEFAULT,
            stage: DEFAULT,
            // The form has no component that a time could lack.
            time: around.now.format(STAMP).unwrap_or_default(),
            // 64 bits of milliseconds last 292 million years.
            time_epoch: (around.now.unix_timestamp_nanos() / 1_000_000) as i64,
        },
        body,
        is_base64_encoded,
    })
}

fn text(value: &http::HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Headers by lower-case names, those of a name in one. What is for the connection only, or has a place of its own, is not
/// among them. What proxies say is said here too: how the request came last is known, and nothing of how it came before is
/// believed or thrown away.
fn headers<'a>(all: &'a HeaderMap, peer: IpAddr, around: &Around<'_>) -> BTreeMap<&'a str, String> {
    let named: Vec<String> = all.get_all(CONNECTION).iter().flat_map(|value| names(&text(value))).collect();
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in all {
        if is_of_connection(name) || *name == COOKIE || named.iter().any(|named| named == name.as_str()) {
            continue;
        }
        join(&mut headers, name.as_str(), &text(value));
    }
    join(&mut headers, "x-forwarded-for", &peer.to_string());
    headers.insert("x-forwarded-proto", around.scheme.to_owned());
    headers.insert("x-forwarded-port", around.port.to_string());
    headers.insert(TRACE_HEADER, around.trace_root.to_owned());
    headers
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn join<K: Ord>(map: &mut BTreeMap<K, String>, name: K, value: &str) {
    map.entry(name)
        .and_modify(|all| {
            all.push(',');
            all.push_str(value);
        })
        .or_insert_with(|| value.to_owned());
}

fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let mut cookies = Vec::new();
    for value in headers.get_all(COOKIE) {
        match text(value) {
            Cow::Borrowed(text) => cookies.extend(split_cookies(text).map(Cow::Borrowed)),
            Cow::Owned(text) => {
                cookies.extend(split_cookies(&text).map(|cookie| Cow::Owned(cookie.to_owned())))
            }
        }
    }
    cookies
}

fn split_cookies(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|cookie| !cookie.is_empty())
}

/// A query's parameters, decoded, those of a name in one.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        join(&mut parameters, decode(name), &decode(value));
    }
    parameters
}

/// A body as text, or in base64: which, its content type says. What says it is text and is not goes in base64 too.
fn encoded<'a>(content_type: Option<&[u8]>, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let is_text = content_type.and_then(|value| std::str::from_utf8(value).ok()).is_some_and(is_text);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(Cow::Borrowed(text)), false),
        _ => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(&*essence, "application/json" | "application/javascript" | "application/xml")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;

    fn around(identity: Option<&Identity>) -> Around<'_> {
        Around {
            path: "/my/p%2Fath%",
            id: "0123",
            domain: "0123.lambda-url.us-east-1.localhost",
            scheme: "http",
            port: 4566,
            request_id: "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            trace_root: "Root=1-67891233-abcdef012345678912345678",
            peer: "::ffff:192.0.2.1".parse().unwrap(),
            now: datetime!(2020-03-12 19:03:58.39 UTC),
            identity,
            owner: AccountId::DEFAULT,
            partition: "aws",
        }
    }

    fn event_of(request: http::request::Builder, body: &[u8], identity: Option<&Identity>) -> Value {
        let head = request.body(()).unwrap().into_parts().0;
        serde_json::from_slice(&event(&head, body, &around(identity)).unwrap()).unwrap()
    }

    #[test]
    fn a_request_becomes_payload_format_2_0() {
        let request = Request::post("/_thaw/urls/0123/my/p%2Fath%?a=1&a=%2Fb+c&d=&e")
            .header("Host", "localhost:4566")
            .header("User-Agent", "agent")
            .header("X-Many", "1")
            .header("x-many", "2")
            .header("Cookie", "one=1; two=2")
            .header("Cookie", "three=3")
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("Connection", "keep-alive, X-Hop")
            .header("X-Hop", "no")
            .header("Transfer-Encoding", "chunked")
            .header("X-Forwarded-For", "203.0.113.9")
            .header("X-Forwarded-Proto", "gopher")
            .header("X-Amzn-Trace-Id", "Self=none");
        let got = event_of(request, "grüß".as_bytes(), None);
        let wanted = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/p%2Fath%",
            "rawQueryString": "a=1&a=%2Fb+c&d=&e",
            "cookies": ["one=1", "two=2", "three=3"],
            "headers": {
                "host": "localhost:4566",
                "user-agent": "agent",
                "x-many": "1,2",
                "content-type": "text/plain; charset=utf-8",
                "x-forwarded-for": "203.0.113.9,192.0.2.1",
                "x-forwarded-proto": "http",
                "x-forwarded-port": "4566",
                "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
            },
            "queryStringParameters": { "a": "1,/b c", "d": "", "e": "" },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "0123",
                "domainName": "0123.lambda-url.us-east-1.localhost",
                "domainPrefix": "0123",
                "http": {
                    "method": "POST",
                    "path": "/my/p/ath%",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "agent",
                },
                "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
                "routeKey": "$default",
                "stage": "$default",
                "time": "12/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_584_039_838_390_i64,
            },
            "body": "grüß",
            "isBase64Encoded": false,
        });
        assert_eq!(got, wanted, "{got:#}");
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let got = event_of(Request::get("/"), b"", None);
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert!(got.get(absent).is_none(), "{got:#}");
        }
        assert!(got["requestContext"].get("authorizer").is_none());
        assert_eq!((&got["rawQueryString"], &got["isBase64Encoded"]), (&json!(""), &json!(false)));
    }

    #[test]
    fn who_signed_is_told() {
        let account: AccountId = "111122223333".parse().unwrap();
        let access_key_id = "AKIA1".to_owned().try_into().unwrap();
        let got = event_of(Request::get("/"), b"", Some(&Identity { account, access_key_id, service: None }));
        let iam = json!({
            "accessKey": "AKIA1",
            "accountId": "111122223333",
            "callerId": "111122223333",
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": "arn:aws:iam::111122223333:root",
            "userId": "111122223333",
        });
        assert_eq!(got["requestContext"]["authorizer"]["iam"], iam, "{got:#}");
        assert_eq!(got["requestContext"]["accountId"], "000000000000");
    }

    #[test]
    fn a_body_is_text_if_its_type_says_so_and_it_is() {
        let sent = |content_type: Option<&str>, body: &'static [u8]| {
            let mut request = Request::post("/");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let got = event_of(request, body, None);
            (got["body"].as_str().unwrap().to_owned(), got["isBase64Encoded"].as_bool().unwrap())
        };
        for text in
            ["text/html", "application/json", "APPLICATION/JSON; a=b", "image/svg+xml", "application/ld+json"]
        {
            assert_eq!(sent(Some(text), b"{}"), ("{}".to_owned(), false), "{text}");
        }
        for other in
            [Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=x"), None]
        {
            assert_eq!(sent(other, b"{}"), ("e30=".to_owned(), true), "{other:?}");
        }
        assert_eq!(sent(Some("text/plain"), b"\xff"), ("/w==".to_owned(), true));
    }
}
