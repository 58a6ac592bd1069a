//! Where storage servers tell what happened: a POST of JSON with the account's token. It is not signed, since no server signs.
//!
//! The token comes as MinIO and SeaweedFS send theirs (`Authorization: Bearer TOKEN`), as the password that a URL can have
//! (`http://any:TOKEN@…`, which becomes `Authorization: Basic`), or in the query (`?token=TOKEN`) where a server has no other
//! way. Whoever has none is told so before anything of the body is read.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode, header::AUTHORIZATION, request::Parts};
use hyper::body::Incoming;
use serde_json::json;

use super::{S3, header};
use crate::{
    api::aws::{
        answer::{Answer, answer, set},
        body::{Bodies, BodyError},
    },
    events::buckets::{MESSAGE_LIMIT, Message},
    identity::AccountId,
};

/// Where webhooks are; the account follows. No path of AWS begins so.
pub(in crate::api) const PREFIX: &str = "/_thaw/buckets/";

const JSON: &str = "application/json";

impl S3 {
    /// Answers a storage server. 200 says that every event is in the queue; 503 that the server is to send again.
    pub(in crate::api::aws) async fn hear(&self, head: &Parts, body: Incoming, bodies: &Bodies) -> Answer {
        let Some(account) = self.admitted(head) else {
            let told = "This is not the token of this account's webhook; `thaw bucket webhook --new-token` makes one.";
            return refused(StatusCode::FORBIDDEN, told);
        };
        match head.method {
            Method::POST => {}
            // Some servers look first whether anybody is there.
            Method::GET | Method::HEAD => return answer(StatusCode::OK, JSON, "{}"),
            _ => {
                let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, "Send notifications by POST.");
                set(&mut answer, "allow", "GET, HEAD, POST");
                return answer;
            }
        }
        let body = match bodies.read(account, body, MESSAGE_LIMIT).await {
            // None has a place: the limit is that of a small body.
            Ok((body, _)) => body,
            Err(BodyError::Broken) => {
                return refused(StatusCode::REQUEST_TIMEOUT, "The body did not arrive whole.");
            }
            Err(BodyError::NoRoom | BodyError::TooLarge) => {
                let told = format!("A notification has at most {MESSAGE_LIMIT} bytes.");
                return refused(StatusCode::PAYLOAD_TOO_LARGE, &told);
            }
        };
        let message = match Message::read(&body, self.clock.now()) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%account, %error, "a storage server sent what is no notification");
                return refused(StatusCode::BAD_REQUEST, &error.to_string());
            }
        };
        match self.buckets.deliver(account, message, &self.invoker).await {
            Ok(told) => {
                let told =
                    json!({ "Accepted": told.accepted, "Dropped": told.refused, "Unmeant": told.unmeant });
                answer(StatusCode::OK, JSON, told.to_string())
            }
            Err(error) => {
                tracing::warn!(%account, %error, "a notification of a bucket could not be taken");
                let mut answer = refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
                set(&mut answer, "retry-after", "1");
                answer
            }
        }
    }

    /// The account whose webhook this is, if the caller has its token.
    fn admitted(&self, head: &Parts) -> Option<AccountId> {
        let account = head.uri.path().strip_prefix(PREFIX)?.trim_end_matches('/').parse().ok()?;
        let token = token_of(head)?;
        self.buckets.webhook(account)?.has_token(&token).then_some(account)
    }
}

fn token_of(head: &Parts) -> Option<Cow<'_, str>> {
    let Some(header) = header(&head.headers, &AUTHORIZATION) else {
        let query = head.uri.query().unwrap_or_default();
        return query.split('&').find_map(|pair| pair.strip_prefix("token=")).map(Cow::Borrowed);
    };
    let (scheme, value) = header.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(value));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| Cow::Owned(password.to_owned()))
}

fn refused(status: StatusCode, message: &str) -> Answer {
    answer(status, JSON, json!({ "Message": message }).to_string())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn token(uri: &str, authorization: Option<&str>) -> Option<String> {
        let request = Request::builder().uri(uri);
        let request = match authorization {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        };
        token_of(&request.body(()).unwrap().into_parts().0).map(Cow::into_owned)
    }

    #[test]
    fn a_token_comes_in_any_way_that_servers_have() {
        let sesame = Some("sesame".to_owned());
        assert_eq!(token("/", Some("Bearer sesame")), sesame);
        assert_eq!(token("/", Some("bearer  sesame ")), sesame);
        assert_eq!(token("/", Some("Basic YW55OnNlc2FtZQ==")), sesame);
        assert_eq!(token("/?a=b&token=sesame", None), sesame);
        for header in ["", "sesame", "Basic sesame", "Basic YW55", "Digest sesame"] {
            assert_eq!(token("/?token=sesame", Some(header)), None, "{header}");
        }
        assert_eq!(token("/", None), None);
    }
}
