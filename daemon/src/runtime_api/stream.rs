//! A response in pieces: what the runtime sends, on its way to whoever takes it.
//!
//! Source: "Building a custom runtime for response streaming" in Lambda's developer guide.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

use super::{ReportedError, server::error_type, wire};

/// The most bytes of a streamed response: 200 MB. Source: Lambda quotas.
pub const STREAM_LIMIT: usize = 200 * 1024 * 1024;

/// Pieces that wait for their taker before the runtime has to wait. Each is what one read of the connection gave, and so
/// no longer than the connection's buffer: together they take no more than 256 KB.
const WAITING: usize = 16;

/// The longest content type that is taken over.
const CONTENT_TYPE_LIMIT: usize = 256;

/// A response that has begun.
#[derive(Debug)]
pub struct ResponseStream {
    /// What the runtime says that it sends. A legal header value.
    pub content_type: Option<String>,
    /// The pieces, in order. Whoever drops this lets the runtime send the rest into the void.
    pub frames: mpsc::Receiver<Bytes>,
}

/// How a streamed response ended.
#[derive(Debug)]
pub enum StreamEnd {
    /// All of it was sent.
    Complete,
    /// The runtime says in its trailers that the function failed in the middle.
    Failed(ReportedError),
    /// It is over [`STREAM_LIMIT`]; the rest is not passed on.
    TooLarge,
    /// It broke off, or is not in chunks as HTTP has them.
    Broken,
}

/// The near end of a response, from which its pieces come.
#[derive(Debug)]
pub(super) struct Source {
    frames: mpsc::Sender<Bytes>,
    end: oneshot::Sender<StreamEnd>,
}

/// A response that is about to begin: its source, and what goes to its owner.
pub(super) fn begin(headers: &HeaderMap) -> (Source, ResponseStream, oneshot::Receiver<StreamEnd>) {
    let content_type = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= CONTENT_TYPE_LIMIT)
        .map(str::to_owned);
    let (sender, frames) = mpsc::channel(WAITING);
    let (end, ended) = oneshot::channel();
    (Source { frames: sender, end }, ResponseStream { content_type, frames }, ended)
}

impl Source {
    /// Passes pieces on as they come, no quicker than they are taken, and says how it ended. Pieces that nobody takes any
    /// more are dropped. What follows a response that is too large is read and dropped up to `discard` bytes, since a
    /// client that is still sending does not look at an answer.
    ///
    /// False if the connection can't be used any more.
    pub(super) async fn pass_on(self, mut body: Incoming, discard: usize) -> bool {
        let Self { frames, end } = self;
        let (mut seen, mut failed) = (0_usize, None);
        let ended = loop {
            let frame = match body.frame().await {
                None => break failed.map_or(StreamEnd::Complete, StreamEnd::Failed),
                Some(Ok(frame)) => frame,
                Some(Err(_)) => break StreamEnd::Broken,
            };
            match frame.into_data() {
                Ok(data) => {
                    seen = seen.saturating_add(data.len());
                    if seen > STREAM_LIMIT {
                        break StreamEnd::TooLarge;
                    }
                    // Nobody is there any more: the function is not to notice.
                    let _ = frames.send(data).await;
                }
                Err(frame) => failed = frame.trailers_ref().and_then(reported),
            }
        };
        let (is_broken, is_too_large) =
            (matches!(ended, StreamEnd::Broken), matches!(ended, StreamEnd::TooLarge));
        drop(frames);
        // An owner that has ended the call by itself does not ask.
        let _ = end.send(ended);
        if is_too_large {
            let mut discarded = 0_usize;
            while discarded <= discard {
                let Some(Ok(frame)) = body.frame().await else { break };
                discarded = discarded.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            }
        }
        !is_broken
    }
}

/// The error that trailers tell of, if they do. Its body comes in base64; one that doesn't is taken as it is.
fn reported(trailers: &HeaderMap) -> Option<ReportedError> {
    let error_type = error_type(trailers);
    let body = trailers.get(wire::ERROR_BODY).map(http::HeaderValue::as_bytes);
    if error_type.is_none() && body.is_none() {
        return None;
    }
    let body = body.unwrap_or_default();
    let body = STANDARD.decode(body).map_or_else(|_| Bytes::copy_from_slice(body), Bytes::from);
    Some(ReportedError { error_type, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn trailers_that_tell_of_no_error_are_none() {
        assert!(reported(&trailers(&[("checksum", "1")])).is_none());
    }

    #[test]
    fn an_error_in_trailers_is_decoded_or_taken_as_it_is() {
        let of = |body| {
            let all = [
                ("lambda-runtime-function-error-type", "Cheese.None"),
                ("lambda-runtime-function-error-body", body),
            ];
            reported(&trailers(&all)).unwrap()
        };
        let error = of("eyJhIjoxfQ==");
        assert_eq!((error.error_type.as_deref(), &error.body[..]), (Some("Cheese.None"), &br#"{"a":1}"#[..]));
        assert_eq!(of("no base64!").body, "no base64!");
        let only = reported(&trailers(&[("lambda-runtime-function-error-type", "T")])).unwrap();
        assert_eq!((only.error_type.as_deref(), only.body.len()), (Some("T"), 0));
    }
}
