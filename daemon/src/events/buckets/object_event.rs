//! Something that happened to an object, and what a function is told of it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};

use super::{BucketName, EventType, Notification};
use crate::{clock, functions::Region};

/// What S3 leaves as it is in a record's key; a space becomes `+`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// Something that happened to an object, as its server tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectEvent {
    /// In which bucket.
    pub bucket: BucketName,
    /// What.
    pub kind: EventType,
    /// The object's key, as it is: not encoded.
    pub key: String,
    /// When.
    pub time: OffsetDateTime,
    /// What is known of the object.
    pub object: Object,
    /// What is known of the request.
    pub request: Request,
}

/// What a server says of an object beside its key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
    /// Its version, in buckets that keep versions.
    pub version_id: Option<String>,
    /// What puts the events of one key in order: hexadecimal digits, as [`sequencer`] makes them.
    pub sequencer: String,
    /// Whose its bucket is.
    pub owner: String,
}

/// What a server says of the request that brought an event about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Where the server says that it is; empty if it does not.
    pub region: String,
    /// Who asked.
    pub principal: String,
    /// From where.
    pub source_ip: String,
    /// The request's id.
    pub id: String,
    /// The host that it came to.
    pub host: String,
}

/// A key as records have it, and as filters compare it. Source: "Event message structure" in S3's guide.
pub(super) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace("%20", "+")
}

/// Of events that their server does not put in order, when they came does.
pub(super) fn sequencer(came: OffsetDateTime) -> String {
    format!("{:018X}", came.unix_timestamp_nanos().max(0))
}

impl ObjectEvent {
    /// S3's event of one record, for the function that a notification names.
    pub(super) fn event(&self, notification: &Notification, key: &str, here: &Region) -> Value {
        let Self { bucket, kind, object, request, .. } = self;
        let region = if request.region.is_empty() { here.as_str() } else { request.region.as_str() };
        // A time of this era in UTC always has this form.
        let time = self.time.to_offset(UtcOffset::UTC).format(clock::MILLIS).unwrap_or_default();
        let mut told = json!({ "key": key, "sequencer": object.sequencer });
        if let Some(size) = object.size {
            told["size"] = size.into();
        }
        for (name, text) in [("eTag", &object.etag), ("versionId", &object.version_id)] {
            if let Some(text) = text {
                told[name] = text.as_str().into();
            }
        }
        json!({ "Records": [{
            "eventVersion": kind.record_version(),
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": time,
            "eventName": kind.in_record(),
            "userIdentity": { "principalId": request.principal },
            "requestParameters": { "sourceIPAddress": request.source_ip },
            "responseElements": { "x-amz-request-id": request.id, "x-amz-id-2": request.host },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": notification.id,
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": { "principalId": object.owner },
                    "arn": bucket.arn(here),
                },
                "object": told,
            },
        }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_encodes_them() {
        for (key, expected) in [
            ("red flower.jpg", "red+flower.jpg"),
            ("a/b@c", "a/b%40c"),
            ("a+b", "a%2Bb"),
            ("katze-ü_1.*", "katze-%C3%BC_1.*"),
            ("(1)~", "%281%29%7E"),
        ] {
            assert_eq!(encoded(key), expected);
        }
    }
}
