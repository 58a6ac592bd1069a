//! Tags: words that people put on a function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InvalidField;

/// Tags that a function may have. Source: Lambda's TagResource.
const MAX_TAGS: usize = 50;

/// Characters of a key and of a value. Source: "Tag naming and usage conventions" of AWS.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// A function's tags, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// The tags in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and others, which win.
    ///
    /// # Errors
    /// They are too many together.
    pub fn with(&self, others: Self) -> Result<Self, InvalidField> {
        let mut tags = self.0.clone();
        tags.extend(others.0);
        tags.try_into()
    }

    /// These without some.
    #[must_use]
    pub fn without(&self, keys: &[String]) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| !keys.contains(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }
}

impl TryFrom<BTreeMap<String, String>> for Tags {
    type Error = InvalidField;

    fn try_from(tags: BTreeMap<String, String>) -> Result<Self, Self::Error> {
        if tags.len() > MAX_TAGS {
            return Err(InvalidField::new("tags", "Number of tags exceeds resource tag limit."));
        }
        for (key, value) in &tags {
            if key.is_empty() || key.chars().count() > MAX_KEY {
                return Err(InvalidField::new("tags", format!("A tag's key has 1 to {MAX_KEY} characters.")));
            }
            if value.chars().count() > MAX_VALUE {
                return Err(InvalidField::new(
                    "tags",
                    format!("A tag's value has at most {MAX_VALUE} characters."),
                ));
            }
            if key.to_lowercase().starts_with("aws:") {
                return Err(InvalidField::new("tags", "Keys that begin with aws: are reserved for AWS."));
            }
        }
        Ok(Self(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(count: usize) -> Result<Tags, InvalidField> {
        (0..count).map(|number| (format!("k{number}"), "v".to_owned())).collect::<BTreeMap<_, _>>().try_into()
    }

    #[test]
    fn fifty_tags_are_the_most_also_together() {
        let fifty = tags(50).unwrap();
        assert_eq!(tags(51).unwrap_err().message, "Number of tags exceeds resource tag limit.");
        let more = Tags::try_from(BTreeMap::from([("new".to_owned(), "v".to_owned())])).unwrap();
        assert!(fifty.with(more.clone()).is_err());
        assert!(fifty.without(&["k0".to_owned(), "not there".to_owned()]).with(more).is_ok());
    }

    #[test]
    fn keys_and_values_have_their_lengths() {
        let one =
            |key: &str, value: &str| Tags::try_from(BTreeMap::from([(key.to_owned(), value.to_owned())]));
        assert!(one("k", "").is_ok());
        assert!(one("", "v").is_err() && one(&"k".repeat(129), "v").is_err());
        assert!(one("k", &"v".repeat(257)).is_err() && one("aws:k", "v").is_err());
    }
}
