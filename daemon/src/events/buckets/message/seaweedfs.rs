//! What SeaweedFS's filer sends: which entry of its tree was made, changed, moved or deleted. A bucket is a directory there,
//! so that this can be told as S3 would tell it, as far as the filer says it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::{EventType, Message, Object, ObjectEvent, Request, sequencer};

/// Where buckets are. Source: the filer's `dir_buckets`.
const BUCKETS: &str = "/buckets/";

/// Where a bucket's parts of uploads are until they are whole.
const UPLOADS: &str = ".uploads/";

/// How directories end that have an object's versions.
const VERSIONS: &str = ".versions";

/// A message of the filer; nothing of it is there in others.
#[derive(Debug, Deserialize)]
pub(super) struct Filer {
    key: Option<String>,
    message: Option<Change>,
}

/// An entry before and after. What it is called afterwards is in the new parent and the new entry.
#[derive(Debug, Deserialize)]
struct Change {
    old_entry: Option<Entry>,
    new_entry: Option<Entry>,
    #[serde(default)]
    new_parent_path: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    is_directory: bool,
    #[serde(default)]
    attributes: Attributes,
    /// Where the content is, or what it is if it is short: compared, and not looked into.
    #[serde(default)]
    chunks: Value,
    #[serde(default)]
    content: Value,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Attributes {
    file_size: Option<u64>,
    /// Seconds since the epoch.
    mtime: Option<i64>,
    /// In base64.
    md5: Option<String>,
}

impl Filer {
    /// What it says; `None` if it is no message of the filer.
    pub(super) fn message(self, now: OffsetDateTime) -> Option<Message> {
        let (path, change) = (self.key?, self.message?);
        let Change { old_entry, new_entry, new_parent_path } = change;
        let new_path = match &new_entry {
            Some(entry) if !new_parent_path.is_empty() => {
                format!("{}/{}", new_parent_path.trim_end_matches('/'), entry.name)
            }
            _ => path.clone(),
        };
        let moved = path != new_path;
        let told = [
            match (&old_entry, &new_entry) {
                (Some(old), None) => event(EventType::OBJECT_REMOVED_DELETE, &path, old, now),
                (Some(old), Some(_)) if moved => event(EventType::OBJECT_REMOVED_DELETE, &path, old, now),
                _ => None,
            },
            match (&old_entry, &new_entry) {
                (Some(_), Some(new)) if moved => event(EventType::OBJECT_CREATED_COPY, &new_path, new, now),
                (Some(old), Some(new)) if old.has_content_of(new) => None,
                (_, Some(new)) => event(EventType::OBJECT_CREATED_PUT, &new_path, new, now),
                (_, None) => None,
            },
        ];
        let events: Vec<_> = told.into_iter().flatten().collect();
        Some(Message { others: usize::from(events.is_empty()), events })
    }
}

impl Entry {
    /// Whether the content is the same, so that at most what is known about it has changed.
    fn has_content_of(&self, other: &Self) -> bool {
        self.chunks == other.chunks
            && self.content == other.content
            && self.attributes.md5 == other.attributes.md5
    }
}

fn event(kind: EventType, path: &str, entry: &Entry, now: OffsetDateTime) -> Option<ObjectEvent> {
    let (bucket, key) = path.strip_prefix(BUCKETS)?.split_once('/')?;
    let (parent, _) = key.rsplit_once('/').unwrap_or_default();
    if entry.is_directory || key.is_empty() || key.starts_with(UPLOADS) || parent.ends_with(VERSIONS) {
        return None;
    }
    let Attributes { file_size, mtime, md5 } = &entry.attributes;
    let is_removed = kind == EventType::OBJECT_REMOVED_DELETE;
    let changed = mtime.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let md5 = md5.as_ref().and_then(|text| STANDARD.decode(text).ok()).filter(|md5| md5.len() == 16);
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ObjectEvent {
        bucket: bucket.parse().ok()?,
        kind,
        key: key.to_owned(),
        time: changed.filter(|_| !is_removed).unwrap_or(now),
        object: Object {
            size: file_size.filter(|_| !is_removed),
            etag: md5.filter(|_| !is_removed).map(hex),
            version_id: None,
            sequencer: sequencer(now),
            owner: String::new(),
        },
        request: Request::default(),
    })
}
