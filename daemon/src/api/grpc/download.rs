//! Archives that go out as a stream of messages: a function's code, a layer.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tonic::Status;

use super::error::internal;
use crate::store::Blob;

/// The messages of an archive.
pub(super) type Pieces<M> = BoxStream<'static, Result<M, Status>>;

/// Sends an archive, piece by piece.
pub(super) fn pieces<M: 'static>(archive: Blob, message: fn(Bytes) -> M) -> Pieces<M> {
    let pieces = archive.into_pieces();
    pieces.map(move |piece| piece.map(message).map_err(|error| internal(&error))).boxed()
}
