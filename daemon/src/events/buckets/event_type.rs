//! What can happen to an object, in S3's names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::InvalidArgument;

/// A type of event, or all types of a family: `ObjectCreated:Put`, `ObjectCreated:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(&'static str);

/// Every type that a notification can be about. Source: S3's model, `Event`.
const TYPES: [&str; 31] = [
    "IntelligentTiering",
    "LifecycleExpiration:*",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "LifecycleTransition",
    "ObjectAcl:Put",
    "ObjectAnnotation:*",
    "ObjectAnnotation:Delete",
    "ObjectAnnotation:Put",
    "ObjectCreated:*",
    "ObjectCreated:CompleteMultipartUpload",
    "ObjectCreated:Copy",
    "ObjectCreated:Post",
    "ObjectCreated:Put",
    "ObjectRemoved:*",
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRestore:*",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "ObjectRestore:Post",
    "ObjectRetention:Put",
    "ObjectTagging:*",
    "ObjectTagging:Delete",
    "ObjectTagging:Put",
    "ReducedRedundancyLostObject",
    "Replication:*",
    "Replication:OperationFailedReplication",
    "Replication:OperationMissedThreshold",
    "Replication:OperationNotTracked",
    "Replication:OperationReplicatedAfterThreshold",
];

/// What servers call by names of their own. The first two are MinIO's, the third is Versity's for one of several objects.
const OTHER_NAMES: [(&str, EventType); 3] = [
    ("ObjectCreated:PutTagging", EventType("ObjectTagging:Put")),
    ("ObjectCreated:DeleteTagging", EventType("ObjectTagging:Delete")),
    ("ObjectRemoved:DeleteObjects", EventType::OBJECT_REMOVED_DELETE),
];

/// What a configuration's types begin with, and those of some servers' records; those of S3's records do not.
const PREFIX: &str = "s3:";

impl EventType {
    /// An object was put.
    pub const OBJECT_CREATED_PUT: Self = Self("ObjectCreated:Put");
    /// An object was made from another.
    pub const OBJECT_CREATED_COPY: Self = Self("ObjectCreated:Copy");
    /// An object was deleted.
    pub const OBJECT_REMOVED_DELETE: Self = Self("ObjectRemoved:Delete");

    /// What a server's record is about, with or without `s3:`. `None` for what S3 sends nothing of, such as that an object
    /// was read.
    #[must_use]
    pub fn of_record(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX).unwrap_or(text);
        let known = || TYPES.into_iter().find(|known| *known == text && !known.ends_with('*')).map(Self);
        let other = || OTHER_NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, kind)| kind);
        known().or_else(other)
    }

    /// As S3's records have it: without `s3:`.
    #[must_use]
    pub const fn in_record(self) -> &'static str {
        self.0
    }

    /// Whether the object is gone.
    pub(super) fn is_of_removal(self) -> bool {
        self.0.starts_with("ObjectRemoved:")
    }

    /// Whether an event of the other type is one of this.
    #[must_use]
    pub fn means(self, other: Self) -> bool {
        self == other || self.0.strip_suffix('*').is_some_and(|family| other.0.starts_with(family))
    }

    /// Whether there are events of both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.means(other) || other.means(self)
    }

    /// The version of the record's structure that first had such events. Source: "Event message structure" in S3's guide.
    pub(super) fn record_version(self) -> &'static str {
        match self.0.split(':').next() {
            Some("ObjectCreated" | "ObjectRemoved" | "ObjectRestore" | "ReducedRedundancyLostObject") => {
                "2.1"
            }
            Some("Replication") => "2.2",
            _ => "2.3",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for EventType {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = text.strip_prefix(PREFIX).and_then(|name| TYPES.into_iter().find(|known| *known == name));
        known.map(Self).ok_or_else(|| {
            InvalidArgument::new("The event is not supported for notifications").argument("Event", text)
        })
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_means_its_types_and_no_others() {
        let all: EventType = "s3:ObjectCreated:*".parse().unwrap();
        let put: EventType = "s3:ObjectCreated:Put".parse().unwrap();
        assert!(all.means(put) && !put.means(all) && put.overlaps(all));
        assert!(!all.means("s3:ObjectRemoved:Delete".parse().unwrap()));
        let transition: EventType = "s3:LifecycleTransition".parse().unwrap();
        assert!(!transition.overlaps("s3:LifecycleExpiration:*".parse().unwrap()));
    }

    #[test]
    fn only_what_s3_knows_can_be_asked_for() {
        for text in ["ObjectCreated:Put", "s3:ObjectAccessed:Get", "s3:TestEvent", "s3:*", ""] {
            let error = text.parse::<EventType>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("The event is not supported for notifications (Event: {text})")
            );
        }
    }

    #[test]
    fn records_of_servers_are_told_in_s3s_words() {
        for (text, expected) in [
            ("s3:ObjectCreated:Put", Some("ObjectCreated:Put")),
            ("ObjectRemoved:DeleteMarkerCreated", Some("ObjectRemoved:DeleteMarkerCreated")),
            ("s3:ObjectCreated:PutTagging", Some("ObjectTagging:Put")),
            ("s3:ObjectRemoved:DeleteObjects", Some("ObjectRemoved:Delete")),
            ("s3:ObjectRemoved:NoOP", None),
            ("s3:ObjectAccessed:Get", None),
            ("ObjectCreated:*", None),
            ("s3:TestEvent", None),
        ] {
            assert_eq!(EventType::of_record(text).map(EventType::in_record), expected, "{text}");
        }
    }

    #[test]
    fn types_are_in_order_and_each_is_once() {
        assert!(TYPES.is_sorted_by(|a, b| a < b));
    }
}
