//! Reads a request's body: no more than the operation may have, without a copy where it comes in one piece.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body that goes beyond this is a large one.
const SMALL: usize = 1024 * 1024;

/// How long a caller may take between two pieces of a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much beyond its limit a body is read and dropped, so that the caller gets to see why it is refused.
const DISCARD: usize = 128 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is over the limit.
    TooLarge,
    /// The caller went, or was too slow.
    Broken,
}

/// Takes bodies; bounds what they take together.
#[derive(Clone, Debug)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Bodies {
    /// Takes so many large bodies at the same time. Others wait.
    pub(super) fn new(large_at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(large_at_once)))
    }

    /// Reads a body of at most `limit` bytes. The permit is held as long as a large body is in memory.
    pub(super) async fn read(
        &self,
        mut body: Incoming,
        limit: usize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
        let mut first = None;
        let mut rest = BytesMut::new();
        let mut seen = 0_usize;
        let mut permit = None;
        let announced = usize::try_from(hyper::body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
        loop {
            let frame = match tokio::time::timeout(PATIENCE, body.frame()).await {
                Err(_) => return Err(BodyError::Broken),
                Ok(None) => break,
                Ok(Some(frame)) => frame.map_err(|_| BodyError::Broken)?,
            };
            let Ok(data) = frame.into_data() else { continue };
            seen = seen.saturating_add(data.len());
            if seen > limit {
                (first, rest) = (None, BytesMut::new());
                if seen > limit.saturating_add(DISCARD) {
                    break;
                }
                continue;
            }
            if seen > SMALL && permit.is_none() {
                let granted = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
                permit = Some(granted.map_err(|_| BodyError::Broken)?.map_err(|_| BodyError::Broken)?);
            }
            // Most bodies come in one frame: that one is handed on as it is.
            match first.take() {
                None if rest.is_empty() => first = Some(data),
                None => rest.extend_from_slice(&data),
                Some(before) => {
                    rest.reserve(if permit.is_some() { announced.min(limit) } else { SMALL.min(announced) });
                    rest.extend_from_slice(&before);
                    rest.extend_from_slice(&data);
                }
            }
        }
        if seen > limit {
            return Err(BodyError::TooLarge);
        }
        Ok((first.unwrap_or_else(|| rest.freeze()), permit))
    }
}
