//! Which records of a source are meant for a function.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    events::pattern::{Expected, Pattern},
    functions::InvalidField,
};

/// Filters that a mapping may have: what Lambda allows on request, which is 5 without one.
const MAX_FILTERS: usize = 10;

/// The filters of a mapping. A record is kept that matches any of them; all are if there is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct FilterCriteria(Vec<Filter>);

#[derive(Clone, Debug)]
struct Filter {
    text: String,
    pattern: Pattern,
}

impl FilterCriteria {
    /// The patterns as they were given.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|filter| filter.text.as_str())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record is kept. `payload` is the key of what was sent (`body`, `data`), which patterns see as an object or
    /// array if it is JSON of one, and as text if it is not.
    ///
    /// As on Lambda, a record whose payload is text matches no pattern that expects JSON there, whatever else that says; nor
    /// the other way round.
    #[must_use]
    pub fn keeps(&self, record: &Value, payload: Option<&str>) -> bool {
        let wrong_form = |pattern: &Pattern| {
            let Some(key) = payload else { return false };
            let is_text = record.get(key).is_none_or(|value| !value.is_object() && !value.is_array());
            match pattern.expects(key) {
                None => false,
                Some(Expected::Object) => is_text,
                Some(Expected::Value) => !is_text,
            }
        };
        self.0.is_empty()
            || self.0.iter().any(|filter| !wrong_form(&filter.pattern) && filter.pattern.matches(record))
    }
}

impl PartialEq for FilterCriteria {
    fn eq(&self, other: &Self) -> bool {
        self.patterns().eq(other.patterns())
    }
}

impl Eq for FilterCriteria {}

impl TryFrom<Vec<String>> for FilterCriteria {
    type Error = InvalidField;

    fn try_from(texts: Vec<String>) -> Result<Self, InvalidField> {
        if texts.len() > MAX_FILTERS {
            let told = format!("Maximum number of filters exceeded: {MAX_FILTERS} are allowed.");
            return Err(InvalidField::new("filter_criteria", told));
        }
        let filters = texts.into_iter().map(|text| match text.parse() {
            Ok(pattern) => Ok(Filter { text, pattern }),
            // Lambda does not say why.
            Err(_) => Err(InvalidField::new("filter_criteria", "Invalid filter pattern definition.")),
        });
        filters.collect::<Result<_, _>>().map(Self)
    }
}

impl From<FilterCriteria> for Vec<String> {
    fn from(criteria: FilterCriteria) -> Self {
        criteria.0.into_iter().map(|filter| filter.text).collect()
    }
}

/// What a pattern sees of a payload: JSON of an object or array as such, everything else as text.
#[must_use]
pub fn seen_by_patterns(payload: &str) -> Value {
    match serde_json::from_str::<Value>(payload) {
        Ok(value) if value.is_object() || value.is_array() => value,
        _ => Value::String(payload.to_owned()),
    }
}
