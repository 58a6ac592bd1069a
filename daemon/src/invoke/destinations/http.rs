//! An HTTP endpoint as a destination: the result is posted to it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE, uri::Scheme};

use super::{Delivery, DestinationError};
use crate::{functions::Destination, web_client::WebClient};

/// The header that says which invocation a result is of.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The header that says why it is sent.
const PURPOSE: HeaderName = HeaderName::from_static("x-thaw-purpose");

/// The header that says what chain of invocations it belongs to.
const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Posts a result. An endpoint has taken it when it answers with a status of success. Only those at one of the `allowed`
/// `HOST:PORT` are called.
pub(super) async fn send(
    client: &WebClient,
    allowed: &[String],
    target: &Destination,
    result: &Delivery,
    body: Bytes,
) -> Result<(), DestinationError> {
    let address: Uri = target.as_str().parse().map_err(|_| DestinationError::NoAddress(target.clone()))?;
    let host = host_and_port(&address);
    if !allowed.contains(&host) {
        return Err(DestinationError::NotAllowed { host });
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PURPOSE, HeaderValue::from_static(result.purpose.as_str()));
    let trace = result.trace.as_ref().map(ToString::to_string);
    for (name, text) in [(REQUEST_ID, Some(result.id.clone())), (TRACE, trace)] {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    let answer = client.call(request).await?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(DestinationError::Refused { url: target.to_string(), answer: answer.status().to_string() })
}

/// `HOST:PORT`, in lower case.
fn host_and_port(address: &Uri) -> String {
    let port = if address.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = address.port_u16().unwrap_or(port);
    format!("{}:{port}", address.host().unwrap_or_default()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_port_has_that_of_its_scheme() {
        let of = |url: &str| host_and_port(&url.parse().unwrap());
        assert_eq!(of("http://Example.org/x"), "example.org:80");
        assert_eq!(of("https://example.org"), "example.org:443");
        assert_eq!(of("https://[::1]:8443/x"), "[::1]:8443");
    }
}
