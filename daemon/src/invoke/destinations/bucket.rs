//! A bucket of S3 as a destination: one object a result.
//!
//! One request is all that is needed of S3, so it is made here and signed by the crate that AWS's SDKs sign with: their client
//! of S3 is the largest but one of all.

use std::time::SystemTime;

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{Delivery, DestinationError, Origin, client::WebClient};
use crate::{aws_services::AwsEndpoint, invoke::queue::beginning};

/// What SigV4 leaves as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour].[minute].[second]");

/// The most bytes of S3's answer that are told.
const TOLD: usize = 300;

/// Puts a result into its bucket. Sent twice it is the same object.
pub(super) async fn send(
    client: &WebClient,
    endpoint: Option<&AwsEndpoint>,
    result: &Delivery,
    body: Bytes,
    now: OffsetDateTime,
) -> Result<(), DestinationError> {
    let endpoint = endpoint.ok_or(DestinationError::NoSetting("s3_endpoint"))?;
    let target = &result.target;
    let no_bucket = || DestinationError::NoBucket(target.clone());
    let bucket = target.arn().ok_or_else(no_bucket)?.resource;
    let path = utf8_percent_encode(&format!("{bucket}/{}", key(result)), PATH).to_string();
    let address = format!("{}/{path}", endpoint.url().trim_end_matches('/'));
    let mut request = Request::new(body);
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = address.parse::<Uri>().map_err(|_| no_bucket())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let why = signed(&mut request, endpoint, result, now);
    why.map_err(|why| DestinationError::Service { service: "S3", why })?;
    let answer = client.call(request).await?;
    if answer.status().is_success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(answer.body());
    let answer = format!("{} {}", answer.status(), beginning(told.trim(), TOLD));
    Err(DestinationError::Refused { url: format!("{target} at {}", endpoint.url()), answer })
}

/// Signs a request as S3 wants it: the path as it is sent, and the payload's digest in a header.
fn signed(
    request: &mut Request<Bytes>,
    endpoint: &AwsEndpoint,
    result: &Delivery,
    now: OffsetDateTime,
) -> Result<(), String> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let credentials = endpoint.credentials(result.function.account).map_err(|error| error.to_string())?;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(result.function.region.as_str())
        .name("s3")
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let address = request.uri().to_string();
    let headers = [(CONTENT_TYPE.as_str(), "application/json")];
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new("PUT", &address, headers.into_iter(), body);
    let signable = signable.map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

/// The name of a result's object. Source: "Capturing records of Lambda asynchronous invocations", "Retain discarded batch
/// records for a Kinesis Data Streams event source in Lambda".
fn key(result: &Delivery) -> String {
    let folder = match &result.origin {
        Origin::Event => format!("async/{}", result.function.name),
        Origin::Mapping { id, shard } => format!("{id}/{shard}"),
    };
    let nanos = i128::from(result.made_at) * 1_000_000;
    let made = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (day, moment) = (made.format(DAY).unwrap_or_default(), made.format(MOMENT).unwrap_or_default());
    format!("aws/lambda/{folder}/{day}/{moment}-{}", result.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoke::destinations::{Purpose, tests::delivery};

    #[test]
    fn an_object_is_named_as_lambda_names_it() {
        let mut result = delivery("arn:aws:s3:::bucket", Purpose::OnFailure);
        result.made_at = 1_573_755_365_568;
        assert_eq!(key(&result), "aws/lambda/async/f/2019/11/14/2019-11-14T18.16.05-e1");
        result.origin = Origin::Mapping { id: "uuid".into(), shard: "shardId-000000000001".into() };
        assert_eq!(key(&result), "aws/lambda/uuid/shardId-000000000001/2019/11/14/2019-11-14T18.16.05-e1");
    }
}
