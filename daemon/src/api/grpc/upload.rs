//! Archives that come in as a stream of messages, or are somewhere in S3: a function's code, a layer.

use bytes::Bytes;
use thaw_proto::v1;
use tonic::{Status, Streaming};

use super::error::{Refusal, invalid};
use crate::functions::{FunctionRegistry, InvalidField, S3Object, UploadedCode};

/// The first message, which says what the archive is for. `field` is one that it must have.
pub(super) async fn first<M>(stream: &mut Streaming<M>, field: &str) -> Result<M, Status> {
    stream
        .message()
        .await?
        .ok_or_else(|| invalid(field, "the first message, with the configuration, is missing"))
}

/// Takes an archive in, for something of the registry's account: piece by piece, or from where the first message says that
/// it is. An upload that breaks off leaves nothing.
pub(super) async fn receive<M>(
    registry: &FunctionRegistry,
    first: (Bytes, Option<v1::S3Object>),
    mut stream: Streaming<M>,
    chunk: impl Fn(M) -> Bytes,
) -> Result<UploadedCode, Status> {
    let (first, object) = first;
    if let Some(object) = object {
        let object = parsed(&object)?;
        // What follows is no archive, so it is not read on.
        if !first.is_empty() || stream.message().await?.is_some() {
            return Err(invalid("s3_object", "give the bytes of an archive or where it is in S3, not both"));
        }
        return Ok(registry.fetch(&object).await.map_err(Refusal::from)?);
    }
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

fn parsed(object: &v1::S3Object) -> Result<S3Object, Status> {
    if object.bucket.is_empty() || object.key.is_empty() {
        return Err(invalid("s3_object", S3Object::INCOMPLETE));
    }
    let version = (!object.version.is_empty()).then_some(object.version.as_str());
    S3Object::parse("", &object.bucket, &object.key, version).map_err(|broken| {
        let told = InvalidField::several(broken).map(|error| error.message);
        invalid("s3_object", told.unwrap_or_default())
    })
}
