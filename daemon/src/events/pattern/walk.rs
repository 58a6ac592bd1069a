//! A pattern and an event, side by side.

use serde_json::{Map, Value};

use super::parse::{Content, Object};
use super::rule::Rule;

/// A place in an event.
#[derive(Clone, Copy)]
enum Place<'e> {
    /// A value.
    At(&'e Value),
    /// Within a key that has dots: what of it is left, and the value behind it.
    Within(&'e str, &'e Value),
}

pub(super) fn matches(root: &Object, absent: &[Vec<String>], event: &Value) -> bool {
    // Looked up before, for the whole event: an element of an array does not know of the others.
    let absent: Vec<bool> = absent.iter().map(|path| is_absent(path, event)).collect();
    object(root, &[Place::At(event)], &absent)
}

/// Whether an object of the pattern holds of one of the objects in some places; or of nothing at all, if there is none.
fn object(wanted: &Object, places: &[Place<'_>], absent: &[bool]) -> bool {
    let mut places = elements(places);
    if places.is_empty() {
        places.push(Place::At(&Value::Null));
    }
    places.iter().any(|place| holds(wanted, *place, absent))
}

fn holds(wanted: &Object, place: Place<'_>, absent: &[bool]) -> bool {
    let fields = wanted.fields.iter().all(|field| {
        let found = below(place, &field.key);
        match &field.content {
            Content::Nested(nested) => object(nested, &found, absent),
            Content::Rules(rules) => {
                let values = scalars(&found);
                rules.iter().any(|rule| match rule {
                    Rule::Absent(path) => absent.get(*path) == Some(&true),
                    rule => values.iter().any(|value| rule.holds(value)),
                })
            }
        }
    });
    fields && wanted.choices.iter().all(|choices| choices.iter().any(|choice| holds(choice, place, absent)))
}

/// Whether an event has no value at a path.
fn is_absent(path: &[String], event: &Value) -> bool {
    let mut places = vec![Place::At(event)];
    for key in path {
        places = elements(&places).into_iter().flat_map(|place| below(place, key)).collect();
    }
    scalars(&places).is_empty()
}

/// What there is under a key, also where the event's own keys have dots.
fn below<'e>(place: Place<'e>, key: &str) -> Vec<Place<'e>> {
    match place {
        Place::At(Value::Object(map)) => below_object(map, key),
        Place::At(_) => Vec::new(),
        Place::Within(left, value) if left == key => vec![Place::At(value)],
        Place::Within(left, value) => {
            after_dot(left, key).map(|left| Place::Within(left, value)).into_iter().collect()
        }
    }
}

fn below_object<'e>(map: &'e Map<String, Value>, key: &str) -> Vec<Place<'e>> {
    let joined = map.iter().filter_map(|(found, value)| Some(Place::Within(after_dot(found, key)?, value)));
    map.get(key).map(Place::At).into_iter().chain(joined).collect()
}

fn after_dot<'k>(found: &'k str, key: &str) -> Option<&'k str> {
    found.strip_prefix(key)?.strip_prefix('.')
}

/// The same places, with the elements of arrays in these arrays' stead.
fn elements<'e>(places: &[Place<'e>]) -> Vec<Place<'e>> {
    let mut found = Vec::new();
    for place in places {
        match place {
            Place::At(value) => flatten(value, &mut found),
            within => found.push(*within),
        }
    }
    found
}

/// The depth is that of the event, which is JSON of bounded depth.
fn flatten<'e>(value: &'e Value, found: &mut Vec<Place<'e>>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, found)),
        value => found.push(Place::At(value)),
    }
}

/// The values in some places that have no others in them.
fn scalars<'e>(places: &[Place<'e>]) -> Vec<&'e Value> {
    elements(places)
        .into_iter()
        .filter_map(|place| match place {
            Place::At(value) if !value.is_object() => Some(value),
            _ => None,
        })
        .collect()
}
