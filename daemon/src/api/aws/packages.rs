//! Packages, for whoever has a presigned URL of one: what `Code.Location` of GetFunction leads to.

use futures_util::StreamExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use time::{Duration, OffsetDateTime};

use super::{answer::Answer, error::AwsError};
use crate::{
    functions::{FunctionArn, FunctionRegistry, FunctionVersion, LayerVersion},
    identity::sigv4::{Identity, Verifier},
    store::Sha256Digest,
};

/// Where packages are. No path of AWS begins so.
pub(super) const PREFIX: &str = "/_thaw/packages/";

/// How long a URL counts. Source: GetFunction's `Code.Location`.
const LIFETIME: Duration = Duration::minutes(10);

/// A URL that gives whoever has it this version's package.
pub(super) fn location(
    verifier: &Verifier,
    identity: &Identity,
    host: &str,
    version: &FunctionVersion,
    now: OffsetDateTime,
) -> Option<String> {
    let number = version.version.to_string().replace('$', "%24");
    let path = format!("{PREFIX}functions/{}/{number}/{}", version.name(), version.package);
    presigned(verifier, identity, host, &path, now)
}

/// The same of a layer version.
pub(super) fn layer_location(
    verifier: &Verifier,
    identity: &Identity,
    host: &str,
    layer: &LayerVersion,
    now: OffsetDateTime,
) -> Option<String> {
    let path = format!("{PREFIX}layers/{}/{}/{}", layer.arn.layer.name, layer.arn.version, layer.package);
    presigned(verifier, identity, host, &path, now)
}

fn presigned(
    verifier: &Verifier,
    identity: &Identity,
    host: &str,
    path: &str,
    now: OffsetDateTime,
) -> Option<String> {
    let query = verifier.presign_get(identity, host, path, LIFETIME, now)?;
    Some(format!("http://{host}{path}?{query}"))
}

/// What a path names, if the caller's account still has it.
fn package(registry: &FunctionRegistry, identity: &Identity, path: &str) -> Option<Sha256Digest> {
    let parts: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
    let [kind, name, version, digest] = parts.as_slice() else { return None };
    let found = match *kind {
        "functions" => {
            let arn = FunctionArn::new(registry.region().clone(), identity.account, name.parse().ok()?);
            let version = version.replace("%24", "$").parse().ok()?;
            registry.resolve(&arn.with_version(version).into(), None).ok()?.package
        }
        "layers" => {
            let arn = registry.layer_arn(name.parse().ok()?).with_version(version.parse().ok()?);
            registry.layer_version(&arn).ok()?.package
        }
        _ => return None,
    };
    (found.to_string() == *digest).then_some(found)
}

/// Serves what [`location`] named, if the function still has it.
pub(super) async fn serve(
    registry: &FunctionRegistry,
    identity: &Identity,
    path: &str,
) -> Result<Answer, AwsError> {
    let found = package(registry, identity, path)
        .ok_or_else(|| AwsError::new("ResourceNotFoundException", "There is no such package any more."))?;
    let archive = registry.archive(found).await?;
    let length = archive.len;
    let frames = archive.into_pieces().map(|piece| piece.map(Frame::data));
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    *answer.status_mut() = StatusCode::OK;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(answer)
}
