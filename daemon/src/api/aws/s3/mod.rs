//! Of S3, what leads from buckets to functions: PutBucketNotificationConfiguration and GetBucketNotificationConfiguration
//! (rest-xml, of 2006-03-01), and the webhook where a storage server tells what happened. The objects are on that server.
//!
//! `xml.rs` is the wire, `error.rs` the one place that names errors, `webhook.rs` what storage servers call.

mod error;
mod webhook;
mod xml;

use http::{
    HeaderMap, Method, StatusCode,
    header::{HOST, HeaderName},
    request::Parts,
};

pub(in crate::api::aws) use self::error::refused;
use self::error::{Code, S3Error};
pub(in crate::api) use self::webhook::PREFIX;
use super::answer::{Answer, answer};
use crate::{
    clock::SharedClock,
    events::buckets::{BucketName, Buckets, Notification, Validation},
    identity::AccountId,
    invoke::Invoker,
};

const XML: &str = "application/xml";

/// The most bytes of a request: a hundred notifications with filters.
pub(in crate::api::aws) const BODY_LIMIT: usize = 256 * 1024;

const EXPECTED_OWNER: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");
const SKIP_VALIDATION: HeaderName = HeaderName::from_static("x-amz-skip-destination-validation");

/// The service.
#[derive(Clone, Debug)]
pub(in crate::api::aws) struct S3 {
    buckets: Buckets,
    invoker: Invoker,
    clock: SharedClock,
}

impl S3 {
    pub(in crate::api::aws) fn new(buckets: Buckets, invoker: Invoker, clock: SharedClock) -> Self {
        Self { buckets, invoker, clock }
    }

    /// Answers a signed request of an account.
    pub(in crate::api::aws) async fn answer(
        &self,
        account: AccountId,
        head: &Parts,
        body: &[u8],
        request_id: &str,
    ) -> Answer {
        match self.handle(account, head, body).await {
            Ok(answer) => answer,
            Err(error) => error.into_answer(request_id),
        }
    }

    async fn handle(&self, account: AccountId, head: &Parts, body: &[u8]) -> Result<Answer, S3Error> {
        let of_notification = |pair: &str| matches!(pair, "notification" | "notification=");
        let is_notification = head.uri.query().is_some_and(|query| query.split('&').any(of_notification));
        let bucket = if is_notification { bucket_of(head) } else { None };
        let (Some(bucket), &(Method::PUT | Method::GET)) = (bucket, &head.method) else {
            return Err(Code::NotImplemented.because(
                "Of S3, thawd serves which functions a bucket calls: GET and PUT /BUCKET?notification. Send the rest to \
                 your storage server.",
            ));
        };
        let bucket: BucketName = bucket.parse()?;
        if header(&head.headers, &EXPECTED_OWNER).is_some_and(|owner| owner != account.to_string()) {
            return Err(Code::AccessDenied.because("Access Denied"));
        }
        if head.method == Method::GET {
            let configuration = self.buckets.get(account, &bucket);
            return Ok(answer(StatusCode::OK, XML, xml::written(&configuration)?));
        }
        let validation = match header(&head.headers, &SKIP_VALIDATION) {
            Some(skip) if skip.eq_ignore_ascii_case("true") => Validation::Skipped,
            _ => Validation::Required,
        };
        let drafts = xml::read(body)?.into_iter();
        let notifications = drafts.map(|draft| Notification::new(draft, self.buckets.region()));
        let notifications = notifications.collect::<Result<Vec<_>, _>>()?;
        self.buckets.set(account, bucket, validation, move |_| Ok(notifications)).await?;
        Ok(answer(StatusCode::OK, XML, ""))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The bucket that a request is about: in its path, or before `.localhost` in its host, where SDKs put it unless they are
/// told otherwise or the address is a number.
fn bucket_of(head: &Parts) -> Option<&str> {
    let path = head.uri.path().trim_matches('/');
    if !path.is_empty() {
        return (!path.contains('/')).then_some(path);
    }
    let host = header(&head.headers, &HOST)?;
    host.split(':').next()?.strip_suffix(".localhost")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_bucket_is_in_the_path_or_in_the_host() {
        let bucket = |host: &str, uri: &str| {
            let head = Request::builder().uri(uri).header(HOST, host).body(()).unwrap().into_parts().0;
            bucket_of(&head).map(str::to_owned)
        };
        assert_eq!(bucket("127.0.0.1:4566", "/photos?notification").as_deref(), Some("photos"));
        assert_eq!(bucket("127.0.0.1:4566", "/photos/?notification").as_deref(), Some("photos"));
        assert_eq!(bucket("my.photos.localhost:4566", "/?notification").as_deref(), Some("my.photos"));
        assert_eq!(bucket("localhost:4566", "/?notification"), None);
        assert_eq!(bucket("localhost:4566", "/photos/cat.jpg?notification"), None);
    }
}
