//! A bucket of S3 as a destination: one object a result.

use bytes::Bytes;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{Delivery, DestinationError, Origin};
use crate::aws_services::{ObjectRequest, S3Client};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour].[minute].[second]");

/// Puts a result into its bucket. Sent twice it is the same object.
pub(super) async fn send(
    s3: Option<&S3Client>,
    result: &Delivery,
    body: Bytes,
    now: OffsetDateTime,
) -> Result<(), DestinationError> {
    let s3 = s3.ok_or(DestinationError::NoSetting("s3_endpoint"))?;
    let target = &result.target;
    let bucket = target.arn().ok_or_else(|| DestinationError::NoBucket(target.clone()))?.resource;
    let (account, region) = (result.function.account, result.function.region.as_str());
    let object = ObjectRequest { account, region, bucket, key: &key(result), version: None, now };
    Ok(s3.put_json(object, body).await?)
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
