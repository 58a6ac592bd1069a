//! A caller of the AWS API with as little of its own as can be: one connection that is kept, and a signature a call. AWS's
//! SDKs do more, which would be measured as if it were thawd's.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{EVENT, client::is_event};

/// What thawd accepts on loopback where it was given no credentials.
const KEY_ID: &str = "test";
const SECRET: &str = "test";

/// Where it is.
const REGION: &str = "us-east-1";

/// `20150830T123600Z`.
const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// The headers that are signed.
const SIGNED: &str = "host;x-amz-date";

/// A connection to the AWS API.
#[derive(Debug)]
pub(crate) struct AwsClient {
    host: String,
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl AwsClient {
    /// Connects to this address.
    ///
    /// # Errors
    /// If nobody listens there.
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { host: address.to_owned(), sender, connection: tokio::spawn(connection) })
    }

    /// One call: how long it took from its sending to the last byte of its answer.
    ///
    /// # Errors
    /// If it fails or its answer is not its event.
    pub(crate) async fn invoke(&mut self, name: &str) -> anyhow::Result<Duration> {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let stamp = OffsetDateTime::now_utc().format(TIMESTAMP)?;
        let request = Request::post(&path)
            .header("host", &self.host)
            .header("x-amz-date", &stamp)
            .header("authorization", authorization(&self.host, &path, &stamp, EVENT.as_bytes())?)
            .body(Full::new(Bytes::from_static(EVENT.as_bytes())))?;
        self.sender.ready().await?;
        let begun = Instant::now();
        let answer = self.sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let time = begun.elapsed();
        ensure!(head.status == StatusCode::OK, "the AWS API answered {}: {body:?}", head.status);
        ensure!(!head.headers.contains_key("x-amz-function-error"), "the function failed: {body:?}");
        ensure!(is_event(&body), "the function answered {body:?}");
        Ok(time)
    }
}

impl Drop for AwsClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Signature Version 4 of a POST without a query.
fn authorization(host: &str, path: &str, stamp: &str, body: &[u8]) -> anyhow::Result<String> {
    let day = stamp.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{REGION}/lambda/aws4_request");
    let canonical = format!(
        "POST\n{path}\n\nhost:{host}\nx-amz-date:{stamp}\n\n{SIGNED}\n{}",
        hex(&Sha256::digest(body))
    );
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, REGION, "lambda", "aws4_request", &text] {
        key = mac(&key, part)?;
    }
    Ok(format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={SIGNED}, Signature={}",
        hex(&key)
    ))
}

fn mac(key: &[u8], text: &str) -> anyhow::Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
