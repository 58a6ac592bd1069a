//! An answer in pieces: its prelude, and then the rest as it comes.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::reply::{DELIMITER, Malformed, ReplyHead, prelude_end};
use crate::{
    api::aws::answer::{Body, full},
    invoke::StreamingCall,
};

/// What a runtime says that it sends if a prelude comes first.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";

/// The longest prelude: all headers that an answer may have, and what JSON puts around them.
const MAX_PRELUDE: usize = 256 * 1024;

/// Reads the beginning of an answer; the rest is its body. What can't be read is let go: its function sends on into the
/// void.
pub(super) async fn answer(mut call: StreamingCall) -> Result<(ReplyHead, Body), Malformed> {
    let content_type = call.content_type.clone();
    let has_prelude = content_type.as_deref().is_some_and(|said| {
        said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(WITH_PRELUDE)
    });
    let (head, first) = if has_prelude {
        prelude(&mut call).await?
    } else {
        (ReplyHead::of_stream(content_type.as_deref()), Bytes::new())
    };
    let body = if head.has_body() {
        StreamBody::new(pieces(first, call).map(|piece| piece.map(Frame::data))).boxed_unsync()
    } else {
        full(Bytes::new())
    };
    Ok((head, body))
}

/// The prelude, and what came of the body with it.
async fn prelude(call: &mut StreamingCall) -> Result<(ReplyHead, Bytes), Malformed> {
    let mut seen = BytesMut::new();
    while let Some(piece) = call.next().await {
        // The delimiter may have begun in the piece before.
        let from = seen.len().saturating_sub(DELIMITER.len() - 1);
        seen.extend_from_slice(&piece);
        if let Some(end) = seen.get(from..).and_then(prelude_end) {
            let prelude = seen.split_to(from + end);
            let head = ReplyHead::read(&prelude)?;
            return Ok((head, seen.split_off(DELIMITER.len()).freeze()));
        }
        if seen.len() > MAX_PRELUDE {
            return Err(Malformed("its prelude does not end"));
        }
    }
    Err(Malformed("it ended before its prelude did"))
}

/// The body, piece by piece. One of a call that fails ends with an error, which breaks the connection: by nothing else could
/// its reader know that something is missing.
fn pieces(first: Bytes, call: StreamingCall) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    let rest = stream::unfold(Some(call), |call| async {
        let mut call = call?;
        if let Some(piece) = call.next().await {
            return Some((Ok(piece), Some(call)));
        }
        match call.end().await {
            Ok(outcome) => outcome.result.err().map(|error| (Err(io::Error::other(error.error_type)), None)),
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    });
    first.chain(rest)
}
