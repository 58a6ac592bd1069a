//! What a bucket's owner wants to be told of, checked as S3 checks it.

use serde::{Deserialize, Serialize};

use super::{EventType, InvalidArgument};
use crate::functions::{FunctionArn, Region};

/// Notifications of a bucket. Source: S3 quotas, "Event notifications".
pub const MOST_NOTIFICATIONS: usize = 100;

/// Bytes of a filter's prefix or suffix. Source: S3's `FilterRule`.
const MAX_FILTER: usize = 1024;

/// Characters of a notification's id. Source: S3's guide.
const MAX_ID: usize = 255;

/// Bytes of all notifications of a bucket together, about: they are one record of the store.
const MAX_BYTES: usize = 96 * 1024;

/// What a function is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Names it within its bucket; it is in the records, as `configurationId`.
    pub id: Box<str>,
    /// The function, with or without a qualifier.
    pub function: FunctionArn,
    /// Of which events.
    pub events: Vec<EventType>,
    /// Of which objects.
    pub filter: Filter,
}

/// Which objects: as their keys begin and end. Keys are compared as they are in records, which is encoded as in URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// How they begin.
    pub prefix: Option<Box<str>>,
    /// How they end.
    pub suffix: Option<Box<str>>,
}

/// A notification as a caller writes it.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Its name; if there is none, it gets one.
    pub id: Option<String>,
    /// The function's ARN.
    pub function: String,
    /// Of which events.
    pub events: Vec<String>,
    /// Names and values of the rules that keys are chosen by.
    pub rules: Vec<(String, String)>,
}

/// All notifications of a bucket. None is ambiguous with another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    notifications: Vec<Notification>,
}

impl Notification {
    /// Checks one by itself.
    ///
    /// # Errors
    /// What S3 says.
    pub fn new(draft: Draft, here: &Region) -> Result<Self, InvalidArgument> {
        let Draft { id, function, events, rules } = draft;
        let id = match id.filter(|id| !id.is_empty()) {
            Some(id) if id.chars().count() > MAX_ID || id.chars().any(char::is_control) => {
                let told = format!("An ID has at most {MAX_ID} characters, and none that controls");
                return Err(InvalidArgument::new(told).argument("Id", shortened(&id)));
            }
            Some(id) => id.into(),
            None => uuid::Uuid::new_v4().to_string().into(),
        };
        let arn: FunctionArn = function.parse().map_err(|_| {
            InvalidArgument::new("The ARN could not be parsed")
                .argument("CloudFunction", shortened(&function))
        })?;
        if arn.region != *here {
            let told =
                "The notification destination service region is not valid for the bucket location constraint";
            return Err(InvalidArgument::new(told).argument("CloudFunction", function));
        }
        if events.is_empty() {
            return Err(InvalidArgument::new("A notification is about one event at least").argument("Id", id));
        }
        let events = events.iter().map(|event| event.parse()).collect::<Result<Vec<EventType>, _>>()?;
        if let Some(twice) = events.iter().enumerate().find(|(at, event)| events[..*at].contains(event)) {
            let told = "A notification names each event once";
            return Err(InvalidArgument::new(told).argument("Event", twice.1.to_string()));
        }
        Ok(Self { id, function: arn, events, filter: Filter::new(rules)? })
    }

    /// Whether it is about an event of an object whose key is, as in records, `key`.
    #[must_use]
    pub fn means(&self, event: EventType, key: &str) -> bool {
        self.events.iter().any(|wanted| wanted.means(event)) && self.filter.means(key)
    }

    fn bytes(&self) -> usize {
        let filter = [&self.filter.prefix, &self.filter.suffix].into_iter().flatten();
        let filter: usize = filter.map(|text| text.len()).sum();
        // An event's name has some 40 letters; the rest is the function's ARN and what JSON adds.
        self.id.len() + self.events.len() * 48 + filter + 320
    }
}

impl Filter {
    fn new(rules: Vec<(String, String)>) -> Result<Self, InvalidArgument> {
        let mut filter = Self::default();
        for (name, value) in rules {
            let (part, word) = match name.to_ascii_lowercase().as_str() {
                "prefix" => (&mut filter.prefix, "prefix"),
                "suffix" => (&mut filter.suffix, "suffix"),
                _ => {
                    let told = "filter rule name must be either prefix or suffix";
                    return Err(InvalidArgument::new(told).argument("FilterRule.Name", shortened(&name)));
                }
            };
            if value.is_empty() {
                let told = "filter value cannot be empty";
                return Err(InvalidArgument::new(told).argument("FilterRule.Name", word));
            }
            if value.len() > MAX_FILTER {
                let told = format!("Size of filter rule value cannot exceed {MAX_FILTER} bytes in UTF-8");
                return Err(InvalidArgument::new(told).argument("FilterRule.Value", shortened(&value)));
            }
            if value.chars().any(char::is_control) {
                let told = "A filter rule's value has no characters that control: write them as in URLs";
                return Err(InvalidArgument::new(told).argument("FilterRule.Name", word));
            }
            if part.replace(value.into()).is_some() {
                let told = format!("Cannot specify more than one {word} rule in a filter.");
                return Err(InvalidArgument::new(told).argument("FilterRule.Name", word));
            }
        }
        Ok(filter)
    }

    fn means(&self, key: &str) -> bool {
        let begins = self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix));
        begins && self.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix))
    }

    /// Whether some key is meant by both.
    fn overlaps(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|filter| filter.prefix.as_deref().unwrap_or_default());
        let prefixes = ours.starts_with(theirs) || theirs.starts_with(ours);
        let [ours, theirs] = [self, other].map(|filter| filter.suffix.as_deref().unwrap_or_default());
        prefixes && (ours.ends_with(theirs) || theirs.ends_with(ours))
    }
}

impl Configuration {
    /// Checks notifications together.
    ///
    /// # Errors
    /// There are too many, two have the same id, or two are about the same events of the same objects.
    pub fn new(notifications: Vec<Notification>) -> Result<Self, InvalidArgument> {
        let bytes: usize = notifications.iter().map(Notification::bytes).sum();
        if notifications.len() > MOST_NOTIFICATIONS || bytes > MAX_BYTES {
            let told = format!(
                "A bucket has at most {MOST_NOTIFICATIONS} notifications, of {MAX_BYTES} bytes together"
            );
            return Err(InvalidArgument::new(told));
        }
        for (at, notification) in notifications.iter().enumerate() {
            for other in &notifications[..at] {
                if other.id == notification.id {
                    let told = "Same ID used for multiple configurations. IDs must be unique";
                    return Err(InvalidArgument::new(told).argument("Id", &*notification.id));
                }
                let shared = |event: &EventType| other.events.iter().any(|theirs| theirs.overlaps(*event));
                if notification.events.iter().any(shared) && notification.filter.overlaps(&other.filter) {
                    return Err(InvalidArgument::new(
                        "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the \
                         prefixes are overlapping for the same event type.",
                    ));
                }
            }
        }
        Ok(Self { notifications })
    }

    /// Every notification, in the order in which they were given.
    #[must_use]
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }
}

/// A refused value as an answer may repeat it.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn notification(id: &str, event: &str, prefix: &str, suffix: &str) -> Notification {
        let rules =
            [("prefix", prefix), ("Suffix", suffix)].into_iter().filter(|(_, value)| !value.is_empty());
        let draft = Draft {
            id: Some(id.to_owned()),
            function: FUNCTION.to_owned(),
            events: vec![event.to_owned()],
            rules: rules.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        Notification::new(draft, &Region::default()).unwrap()
    }

    fn refusal(change: impl FnOnce(&mut Draft)) -> String {
        let events = vec!["s3:ObjectCreated:*".to_owned()];
        let mut draft = Draft { function: FUNCTION.to_owned(), events, ..Draft::default() };
        change(&mut draft);
        Notification::new(draft, &Region::default()).unwrap_err().to_string()
    }

    #[test]
    fn a_notification_chooses_by_type_prefix_and_suffix() {
        let jpgs = notification("a", "s3:ObjectCreated:*", "in/", ".jpg");
        let (put, removed) = (EventType::OBJECT_CREATED_PUT, EventType::OBJECT_REMOVED_DELETE);
        assert!(jpgs.means(put, "in/cat.jpg") && jpgs.means(put, "in/.jpg"));
        assert!(!jpgs.means(removed, "in/cat.jpg"));
        assert!(!jpgs.means(put, "out/cat.jpg") && !jpgs.means(put, "in/cat.png"));
        let all = notification("b", "s3:ObjectCreated:Put", "", "");
        assert!(all.means(put, "") && !all.means(EventType::OBJECT_CREATED_COPY, ""));
    }

    #[test]
    fn what_is_refused_is_told_in_s3s_words() {
        let parsed = "The ARN could not be parsed (CloudFunction: invalid-queue)";
        assert_eq!(refusal(|draft| draft.function = "invalid-queue".to_owned()), parsed);
        let elsewhere = refusal(|draft| draft.function = FUNCTION.replace("us-east-1", "eu-west-1"));
        assert!(elsewhere.contains("region is not valid for the bucket location constraint"), "{elsewhere}");
        let rule = |name: &str, value: &str| {
            let rules = vec![(name.to_owned(), value.to_owned())];
            refusal(|draft| draft.rules = rules)
        };
        assert!(rule("Infix", "x").starts_with("filter rule name must be either prefix or suffix"));
        assert!(rule("prefix", "").starts_with("filter value cannot be empty"));
        assert!(
            rule("prefix", &"x".repeat(1025)).starts_with("Size of filter rule value cannot exceed 1024")
        );
        let twice = ["prefix", "Prefix"].map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        let twice = refusal(|draft| draft.rules = twice);
        assert!(twice.starts_with("Cannot specify more than one prefix rule in a filter."), "{twice}");
        assert!(refusal(|draft| draft.events.clear()).contains("one event at least"));
        assert!(
            refusal(|draft| draft.events.push("s3:ObjectCreated:*".to_owned())).contains("each event once")
        );
        assert!(refusal(|draft| draft.id = Some("x".repeat(256))).contains("at most 255"));
    }

    #[test]
    fn two_that_are_about_the_same_are_refused_and_two_that_differ_in_anything_are_not() {
        let created = "s3:ObjectCreated:*";
        let first = notification("a", created, "images/", ".jpg");
        for (event, prefix, suffix, refused) in [
            (created, "images/", ".jpg", true),
            (created, "", "", true),
            ("s3:ObjectCreated:Put", "images/cats/", "cat.jpg", true),
            (created, "im", "jpg", true),
            (created, "images/", ".png", false),
            (created, "videos/", ".jpg", false),
            ("s3:ObjectRemoved:*", "images/", ".jpg", false),
        ] {
            let both = vec![first.clone(), notification("b", event, prefix, suffix)];
            let error = Configuration::new(both).err().map(|error| error.to_string());
            let told = "Configuration is ambiguously defined.";
            assert_eq!(
                error.is_some_and(|error| error.starts_with(told)),
                refused,
                "{event} {prefix} {suffix}"
            );
        }
        let same = vec![first.clone(), notification("a", created, "videos/", "")];
        assert!(Configuration::new(same).unwrap_err().to_string().starts_with("Same ID used"));
    }

    #[test]
    fn a_bucket_has_so_many_notifications_and_no_more() {
        let many = |count: usize| {
            let all = (0..count)
                .map(|at| notification(&at.to_string(), "s3:ObjectCreated:*", &format!("{at}/"), ""));
            Configuration::new(all.collect())
        };
        assert!(many(MOST_NOTIFICATIONS).is_ok());
        assert!(many(MOST_NOTIFICATIONS + 1).is_err());
    }

    #[test]
    fn a_configuration_survives_serde() {
        let all = vec![notification("a", "s3:ObjectCreated:*", "a", "")];
        let configuration = Configuration::new(all).unwrap();
        let json = serde_json::to_string(&configuration).unwrap();
        assert_eq!(serde_json::from_str::<Configuration>(&json).unwrap(), configuration);
    }
}
