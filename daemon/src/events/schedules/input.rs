//! What a target is given: the event, a part of it, a text, or a template with parts of it.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::functions::{InvalidField, string_forms};

/// Characters of an input and of a template. Source: EventBridge's Target and InputTransformer.
const MAX_TEXT: usize = 8192;

/// Variables of a template. Source: InputTransformer.
const MAX_VARIABLES: usize = 100;

/// What a target is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum TargetInput {
    /// The event as it is.
    #[default]
    Event,
    /// This JSON, whatever the event is.
    Text(String),
    /// A part of the event.
    Part(Path),
    /// A text with parts of the event in it.
    Template {
        /// Names for parts of the event.
        parts: BTreeMap<String, Path>,
        /// JSON with `<name>` where a part goes.
        text: String,
    },
}

/// A way into an event: `$`, `$.detail.name`, `$.resources[0]`, `$['detail-type']`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Box<str>);

string_forms!(Path);

impl FromStr for Path {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 256 && steps(text).is_some() {
            return Ok(Self(text.into()));
        }
        Err(InvalidField::new("input_path", "give a JSON path such as $.detail or $.resources[0]"))
    }
}

#[derive(Debug, PartialEq)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, others) = after.split_at(end);
            if name.is_empty() || name.contains([']', '\'', '"', '*', '?', '(']) {
                return None;
            }
            steps.push(Step::Member(name));
            rest = others;
            continue;
        }
        let (inside, others) = rest.strip_prefix('[')?.split_once(']')?;
        let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
        steps.push(match quoted {
            Some("") => return None,
            Some(name) => Step::Member(name),
            None => Step::Item(inside.parse().ok()?),
        });
        rest = others;
    }
    Some(steps)
}

impl Path {
    fn of<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        // It was read when it was made.
        steps(&self.0)?.into_iter().try_fold(event, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Item(index) => value.get(index),
        })
    }
}

/// What a rule's template may name beside its own variables.
pub(super) struct Context<'a> {
    pub(super) rule_arn: &'a str,
    pub(super) rule_name: &'a str,
}

impl TargetInput {
    /// Checks what can be checked before there is an event.
    ///
    /// # Errors
    /// It is too long, or no JSON; a template names what is not there.
    pub fn check(&self) -> Result<(), InvalidField> {
        match self {
            Self::Event | Self::Part(_) => Ok(()),
            Self::Text(text) => {
                check_length("input", text)?;
                serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|error| {
                    InvalidField::new("input", format!("JSON syntax error in input: {error}"))
                })
            }
            Self::Template { parts, text } => {
                check_length("input_template", text)?;
                if parts.len() > MAX_VARIABLES || parts.keys().any(|name| name.is_empty() || name.len() > 256)
                {
                    return Err(InvalidField::new(
                        "input_paths_map",
                        format!("at most {MAX_VARIABLES} variables, with names of 1 to 256 characters"),
                    ));
                }
                let event = Value::Object(serde_json::Map::new());
                let context = Context { rule_arn: "arn", rule_name: "name" };
                self.render(&event, &context)
                    .map(drop)
                    .map_err(|why| InvalidField::new("input_template", why))
            }
        }
    }

    /// What the target is given of this event.
    pub(super) fn render(&self, event: &Value, context: &Context<'_>) -> Result<String, String> {
        match self {
            Self::Event => Ok(event.to_string()),
            Self::Text(text) => Ok(text.clone()),
            Self::Part(path) => Ok(path.of(event).unwrap_or(&Value::Null).to_string()),
            Self::Template { parts, text } => {
                let rendered = fill(text, |name| match name {
                    "aws.events.rule-arn" => Some(Value::from(context.rule_arn)),
                    "aws.events.rule-name" => Some(Value::from(context.rule_name)),
                    "aws.events.event" | "aws.events.event.json" => Some(event.clone()),
                    "aws.events.event.ingestion-time" => Some(event.get("time").cloned().unwrap_or_default()),
                    // A part that the event lacks leaves nothing behind.
                    name => Some(parts.get(name)?.of(event).cloned().unwrap_or_else(|| Value::from(""))),
                })?;
                serde_json::from_str::<serde::de::IgnoredAny>(&rendered)
                    .map_err(|error| format!("what the template makes is no JSON: {error}"))?;
                Ok(rendered)
            }
        }
    }
}

fn check_length(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if text.chars().count() <= MAX_TEXT {
        return Ok(());
    }
    Err(InvalidField::new(field, format!("it has at most {MAX_TEXT} characters")))
}

/// Puts values in the place of `<name>`: as JSON, or, between quotes, as what a text of JSON may have.
fn fill(template: &str, value: impl Fn(&str) -> Option<Value>) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = template;
    while let Some(character) = rest.chars().next() {
        if character == '<'
            && let Some((name, after)) = rest[1..].split_once('>')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        {
            let value = value(name).ok_or_else(|| format!("it contains the invalid placeholder <{name}>"))?;
            filled.push_str(&if quoted { within_text(&value) } else { value.to_string() });
            (rest, escaped) = (after, false);
            continue;
        }
        match character {
            '\\' if quoted && !escaped => escaped = true,
            '"' if !escaped => quoted = !quoted,
            _ => escaped = false,
        }
        filled.push(character);
        rest = &rest[character.len_utf8()..];
    }
    Ok(filled)
}

fn within_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let literal = Value::from(text).to_string();
    // A text's literal has quotes around it.
    literal.get(1..literal.len() - 1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({ "detail-type": "Scheduled Event", "resources": ["arn:a \"b\""], "detail": { "n": [1, 2] } })
    }

    fn rendered(text: &str, parts: &[(&str, &str)]) -> Result<String, String> {
        let parts = parts.iter().map(|(name, path)| ((*name).to_owned(), path.parse().unwrap())).collect();
        let context = Context { rule_arn: "arn:rule", rule_name: "nightly" };
        TargetInput::Template { parts, text: text.to_owned() }.render(&event(), &context)
    }

    #[test]
    fn a_part_of_the_event_is_found_by_its_path() {
        for (path, found) in [
            ("$", event()),
            ("$.detail.n[1]", json!(2)),
            ("$['detail-type']", json!("Scheduled Event")),
            ("$.detail-type", json!("Scheduled Event")),
            ("$.not.there", Value::Null),
        ] {
            let input = TargetInput::Part(path.parse().unwrap());
            let context = Context { rule_arn: "", rule_name: "" };
            assert_eq!(input.render(&event(), &context).unwrap(), found.to_string(), "{path}");
        }
        for path in ["", "detail", "$.", "$..a", "$[", "$[x]", "$['']", "$.a[*]"] {
            assert!(path.parse::<Path>().is_err(), "{path}");
        }
    }

    #[test]
    fn a_template_is_filled_within_and_without_quotes() {
        let parts = [("n", "$.detail.n"), ("r", "$.resources[0]"), ("none", "$.none")];
        let told = rendered(
            r#"{"list": <n>, "text": "<r> of <aws.events.rule-name>", "r": <r>, "x": "<none>"}"#,
            &parts,
        );
        let told: Value = serde_json::from_str(&told.unwrap()).unwrap();
        assert_eq!(
            told,
            json!({ "list": [1, 2], "text": "arn:a \"b\" of nightly", "r": "arn:a \"b\"", "x": "" })
        );
    }

    #[test]
    fn what_a_template_can_never_make_is_refused_when_it_is_put() {
        assert!(rendered("\"<other>\"", &[]).unwrap_err().contains("<other>"));
        assert!(rendered("{", &[]).unwrap_err().contains("no JSON"));
        let bad = TargetInput::Text("{".to_owned());
        assert!(bad.check().unwrap_err().message.starts_with("JSON syntax error"));
    }
}
