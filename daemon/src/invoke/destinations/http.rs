//! An HTTP endpoint as a destination: the result is posted to it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{Delivery, DestinationError};
use crate::functions::Destination;

/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The header that says which invocation a result is of.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The header that says why it is sent.
const PURPOSE: HeaderName = HeaderName::from_static("x-thaw-purpose");

/// Calls endpoints. Keeps connections open for a while.
#[derive(Debug)]
pub(super) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    /// `HOST:PORT` of those that may be called.
    hosts: Vec<String>,
}

impl Caller {
    pub(super) fn new(hosts: Vec<String>) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), hosts }
    }

    /// Posts a result. An endpoint has taken it when it answers with a status of success.
    pub(super) async fn send(
        &self,
        target: &Destination,
        result: &Delivery,
        body: Bytes,
    ) -> Result<(), DestinationError> {
        let url = target.as_str();
        let address: Uri = url.parse().map_err(|_| DestinationError::NoAddress(target.clone()))?;
        let host = format!("{}:{}", address.host().unwrap_or_default(), address.port_u16().unwrap_or(80));
        if !self.hosts.contains(&host.to_ascii_lowercase()) {
            return Err(DestinationError::NotAllowed { host });
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(PURPOSE, HeaderValue::from_static(result.purpose.as_str()));
        if let Ok(id) = HeaderValue::from_str(&result.id) {
            headers.insert(REQUEST_ID, id);
        }
        let unreachable = |why: &dyn std::fmt::Display| DestinationError::Unreachable {
            url: url.to_owned(),
            why: why.to_string(),
        };
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request))
            .await
            .map_err(|_| unreachable(&"it did not answer in time"))?
            .map_err(|error| unreachable(&source_of(&error)))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(DestinationError::Refused { url: url.to_owned(), status: answer.status() })
    }
}

/// The innermost reason: the outer ones say only that the client failed.
fn source_of(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
