//! Archives that come in as a stream of messages: a function's code, a layer.

use bytes::Bytes;
use tonic::{Status, Streaming};

use super::error::{Refusal, invalid};
use crate::functions::{FunctionRegistry, UploadedCode};

/// The first message, which says what the archive is for. `field` is one that it must have.
pub(super) async fn first<M>(stream: &mut Streaming<M>, field: &str) -> Result<M, Status> {
    stream
        .message()
        .await?
        .ok_or_else(|| invalid(field, "the first message, with the configuration, is missing"))
}

/// Takes an archive in, piece by piece. An upload that breaks off leaves nothing.
pub(super) async fn receive<M>(
    registry: &FunctionRegistry,
    first: Bytes,
    mut stream: Streaming<M>,
    chunk: impl Fn(M) -> Bytes,
) -> Result<UploadedCode, Status> {
    let mut upload = registry.begin_upload().await.map_err(Refusal::from)?;
    upload.append(first).await.map_err(Refusal::from)?;
    while let Some(message) = stream.message().await? {
        upload.append(chunk(message)).await.map_err(Refusal::from)?;
    }
    // Before it is finished, so that nothing of it is stored.
    if upload.is_empty() {
        return Err(invalid("chunk", "the package is missing: send the bytes of a zip archive"));
    }
    Ok(upload.finish().await.map_err(Refusal::from)?)
}
