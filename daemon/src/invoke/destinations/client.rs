//! The client that endpoints and buckets are called by.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::ring;

use super::DestinationError;

/// How long whoever is called may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer that are read: a message for people.
const LONGEST_ANSWER: usize = 64 * 1024;

type Secured = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Calls whoever takes results by HTTP. Keeps connections open for a while.
#[derive(Debug)]
pub(super) struct WebClient {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Or why there are no certificate authorities to trust.
    secured: Result<Secured, String>,
}

impl WebClient {
    pub(super) fn new() -> Self {
        let provider = Arc::new(ring::default_provider());
        let secured = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        let secured = secured.map(|builder| {
            let connector = builder.https_only().enable_http1().build();
            Client::builder(TokioExecutor::new()).build(connector)
        });
        Self {
            plain: Client::builder(TokioExecutor::new()).build_http(),
            secured: secured.map_err(|error| error.to_string()),
        }
    }

    /// Makes a request. The body of the answer is its beginning, if it has any.
    pub(super) async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, DestinationError> {
        let address = request.uri().clone();
        let request = request.map(Full::new);
        let called = async {
            let answer = if address.scheme() == Some(&Scheme::HTTPS) {
                let client = self.secured.as_ref().map_err(|why| {
                    unreachable(&address, &format_args!("no certificate authority is trusted here: {why}"))
                })?;
                client.request(request).await
            } else {
                self.plain.request(request).await
            };
            let (head, body) =
                answer.map_err(|error| unreachable(&address, &innermost(&error)))?.into_parts();
            // What is too long or cut off is left out: the status has said what matters.
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            Ok(Response::from_parts(head, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        let late = |_| unreachable(&address, &"it did not answer in time");
        tokio::time::timeout(PATIENCE, called).await.map_err(late)?
    }
}

fn unreachable(address: &Uri, why: &dyn std::fmt::Display) -> DestinationError {
    DestinationError::Unreachable { url: address.to_string(), why: why.to_string() }
}

/// The innermost reason: the outer ones say only that the client failed.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
