//! What servers send to a webhook.
//!
//! Most send S3's records: MinIO with `EventName` and `Key` around them, Ceph's gateway and Versity's as they are. They differ
//! in what they call themselves, whether keys are encoded, and what they leave out. SeaweedFS sends what its filer did
//! (`seaweedfs.rs`). Before any of it, some servers send a test, or nothing at all.

mod seaweedfs;
#[cfg(test)]
mod tests;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{EventType, Object, ObjectEvent, Request, object_event::sequencer};

/// Bytes of a message: a record has one or two thousand.
pub const MESSAGE_LIMIT: usize = 1024 * 1024;

/// Records of a message. Every server that is known sends one.
pub const MOST_RECORDS: usize = 100;

/// Why a message means nothing.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is no JSON of any of these forms.
    #[error("this is no notification of a bucket: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is JSON of another form.
    #[error(
        "this is no notification of a bucket: it has no Records, as those of S3, MinIO and Ceph have, nor the key \
             and message of SeaweedFS"
    )]
    Unknown,
    /// It has more records than may be.
    #[error("a notification has at most {MOST_RECORDS} records")]
    TooMany,
}

/// What a message says.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// What happened.
    pub events: Vec<ObjectEvent>,
    /// How many records are of things that S3 sends no notifications of, or of no bucket.
    pub others: usize,
}

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// `s3:TestEvent`, of whoever has just been configured.
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(flatten)]
    filer: seaweedfs::Filer,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    event_source: String,
    #[serde(default)]
    event_time: String,
    #[serde(default)]
    aws_region: String,
    #[serde(default)]
    user_identity: Identity,
    #[serde(default)]
    request_parameters: Parameters,
    #[serde(default)]
    response_elements: Elements,
    s3: Entity,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default, alias = "PrincipalId")]
    principal_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    #[serde(default, rename = "sourceIPAddress")]
    source_ip: String,
}

#[derive(Debug, Default, Deserialize)]
struct Elements {
    #[serde(default, rename = "x-amz-request-id")]
    request_id: String,
    #[serde(default, rename = "x-amz-id-2")]
    host_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(default)]
    configuration_id: String,
    bucket: Bucket,
    object: WireObject,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    name: String,
    #[serde(default)]
    owner_identity: Identity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireObject {
    key: String,
    size: Option<Size>,
    #[serde(alias = "etag")]
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// A number, which Ceph's older gateways write as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Message {
    /// Reads a message that came at `now`.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn read(body: &[u8], now: OffsetDateTime) -> Result<Self, MessageError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let wire: Wire = serde_json::from_slice(body)?;
        let Some(records) = wire.records else {
            return match wire.event {
                Some(event) if event == "s3:TestEvent" => Ok(Self::default()),
                _ => wire.filer.message(now).ok_or(MessageError::Unknown),
            };
        };
        if records.len() > MOST_RECORDS {
            return Err(MessageError::TooMany);
        }
        let all = records.len();
        let events: Vec<_> = records.into_iter().filter_map(|record| record.event(now)).collect();
        Ok(Self { others: all - events.len(), events })
    }
}

impl Record {
    fn event(self, now: OffsetDateTime) -> Option<ObjectEvent> {
        let kind = EventType::of_record(&self.event_name)?;
        let key = self.key()?;
        let Entity { bucket, object, .. } = self.s3;
        let is_removed = kind.is_of_removal();
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let size = match object.size {
            Some(Size::Number(size)) => Some(size),
            Some(Size::Text(text)) => text.parse().ok(),
            Some(Size::Other(_)) | None => None,
        };
        Some(ObjectEvent {
            bucket: bucket.name.parse().ok()?,
            kind,
            key,
            time: time_of(&self.event_time).unwrap_or(now),
            object: Object {
                // What is gone has neither, though some servers say 0 and nothing.
                size: size.filter(|_| !is_removed),
                etag: filled(object.e_tag)
                    .map(|etag| etag.trim_matches('"').to_owned())
                    .filter(|_| !is_removed),
                version_id: filled(object.version_id),
                // Versity's counts from 1 at each start, which puts nothing in order.
                sequencer: object
                    .sequencer
                    .filter(|text| is_sequencer(text))
                    .unwrap_or_else(|| sequencer(now)),
                owner: bucket.owner_identity.principal_id,
            },
            request: Request {
                region: self.aws_region,
                principal: self.user_identity.principal_id,
                source_ip: self.request_parameters.source_ip,
                id: self.response_elements.request_id,
                host: self.response_elements.host_id,
            },
        })
    }

    /// The key as it is. Records have it encoded as forms are; not so those of Ceph, and of Versity's gateway, which is known
    /// by the one configuration that it has.
    fn key(&self) -> Option<String> {
        let key = &self.s3.object.key;
        let is_plain = self.event_source == "ceph:s3" || self.s3.configuration_id == "webhook-global";
        if is_plain {
            return Some(key.clone());
        }
        let spaced = key.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    }
}

/// Whether this is as long as what S3, MinIO and Ceph send: a time in nanoseconds, or more.
fn is_sequencer(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A time as servers write it: with a `T`, or, as Ceph once did, with a space.
fn time_of(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&text.replacen(' ', "T", 1), &Rfc3339).ok()
}
