//! The client that endpoints and storage servers are called by.
//!
//! The certificates of an `https` address are checked against the machine's certificate authorities, or those that the
//! environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Redirections are not followed: whoever is called is who
//! was named.

use std::{error::Error, fmt::Display, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::ring;

/// How long whoever is called may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes that are read of an answer which is a message for people.
const LONGEST_ANSWER: usize = 64 * 1024;

type Secured = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Calls servers by HTTP. Keeps connections open for a while. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct WebClient {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Or why there are no certificate authorities to trust.
    secured: Result<Secured, String>,
}

/// A server gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{url} could not be called: {why}")]
pub struct Unreachable {
    /// What was called.
    pub url: String,
    /// Why that came to nothing, without the address.
    pub why: String,
}

impl WebClient {
    /// A client with no connection yet. Reads the machine's certificate authorities.
    #[must_use]
    pub fn new() -> Self {
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
    ///
    /// # Errors
    /// No answer begins within half a minute.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        Ok(beginning(self.open(request).await?).await)
    }

    /// Makes a request whose answer's body may be long: it is still to be read, with whatever patience fits it.
    ///
    /// # Errors
    /// No answer begins within half a minute.
    pub async fn open(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Unreachable> {
        let address = request.uri().clone();
        tokio::time::timeout(PATIENCE, self.send(request)).await.map_err(|_| late(&address))?
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Unreachable> {
        let address = request.uri().clone();
        let request = request.map(Full::new);
        let answer = if address.scheme() == Some(&Scheme::HTTPS) {
            let client = self.secured.as_ref().map_err(|why| {
                unreachable(&address, &format_args!("no certificate authority is trusted here: {why}"))
            })?;
            client.request(request).await
        } else {
            self.plain.request(request).await
        };
        answer.map_err(|error| unreachable(&address, &innermost(&error)))
    }
}

impl Default for WebClient {
    fn default() -> Self {
        Self::new()
    }
}

/// An answer with as much of its body as a message for people has. What is too long, too slow or cut off is left out: the
/// status has said what matters.
pub async fn beginning(answer: Response<Incoming>) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let body = tokio::time::timeout(PATIENCE, Limited::new(body, LONGEST_ANSWER).collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes());
    Response::from_parts(head, body.unwrap_or_default())
}

fn late(address: &Uri) -> Unreachable {
    unreachable(address, &"it did not answer in time")
}

fn unreachable(address: &Uri, why: &dyn Display) -> Unreachable {
    Unreachable { url: address.to_string(), why: why.to_string() }
}

/// The innermost reason: the outer ones say only that the client failed.
#[must_use]
pub fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
