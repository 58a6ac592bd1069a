//! From JSON to the tree of a pattern.

use serde_json::{Map, Value};

use super::{Expected, PatternError, rule::Rule};

/// Levels that a pattern may have, those between dots counted. JSON itself is read to 128.
const MAX_DEPTH: usize = 128;

/// What has to hold of an object of the event: everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) fields: Vec<Field>,
    /// Of each of these, one alternative at least.
    pub(super) choices: Vec<Vec<Object>>,
}

/// What has to hold of what an object has under a key.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) content: Content,
}

/// What a pattern has under a key.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// One of these rules has to hold of one value.
    Rules(Vec<Rule>),
    /// An object of the event has to be such.
    Nested(Object),
}

impl Object {
    /// Reads a whole pattern. Notes the paths of what must not exist.
    pub(super) fn parse(value: &Value, absent: &mut Vec<Vec<String>>) -> Result<Self, PatternError> {
        let map = value.as_object().ok_or_else(|| PatternError::new("Filter is not an object"))?;
        let mut parser = Parser { absent, path: Vec::new() };
        let root = parser.object(map)?;
        if root.fields.is_empty() && root.choices.is_empty() {
            return Err(PatternError::new("Empty objects are not allowed"));
        }
        Ok(root)
    }

    pub(super) fn expects(&self, key: &str) -> Option<Expected> {
        let own = self.fields.iter().find(|field| field.key == key).map(|field| match field.content {
            Content::Rules(_) => Expected::Value,
            Content::Nested(_) => Expected::Object,
        });
        own.or_else(|| self.choices.iter().flatten().find_map(|choice| choice.expects(key)))
    }
}

struct Parser<'a> {
    absent: &'a mut Vec<Vec<String>>,
    path: Vec<String>,
}

impl Parser<'_> {
    fn object(&mut self, map: &Map<String, Value>) -> Result<Object, PatternError> {
        let mut object = Object::default();
        for (key, value) in map {
            match alternatives(key, value) {
                Some(alternatives) => {
                    let parsed = alternatives.into_iter().map(|alternative| self.object(alternative));
                    object.choices.push(parsed.collect::<Result<_, _>>()?);
                }
                None => object.fields.push(self.field(key, value)?),
            }
        }
        Ok(object)
    }

    /// A key with dots stands for objects in one another.
    fn field(&mut self, key: &str, value: &Value) -> Result<Field, PatternError> {
        if self.path.len() >= MAX_DEPTH {
            return Err(PatternError::new(format!(
                "Event pattern is nested too deeply: {MAX_DEPTH} levels are allowed"
            )));
        }
        let (first, rest) = match key.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (key, None),
        };
        self.path.push(first.to_owned());
        let content = match rest {
            Some(rest) => {
                Content::Nested(Object { fields: vec![self.field(rest, value)?], choices: Vec::new() })
            }
            None => self.content(key, value)?,
        };
        self.path.pop();
        Ok(Field { key: first.to_owned(), content })
    }

    fn content(&mut self, key: &str, value: &Value) -> Result<Content, PatternError> {
        match value {
            Value::Object(map) if map.is_empty() => Err(PatternError::new("Empty objects are not allowed")),
            Value::Object(map) => Ok(Content::Nested(self.object(map)?)),
            Value::Array(rules) if rules.is_empty() => Err(PatternError::new("Empty arrays are not allowed")),
            Value::Array(rules) => {
                let rules: Result<Vec<Rule>, PatternError> =
                    rules.iter().map(|rule| self.rule(rule)).collect();
                Ok(Content::Rules(rules?))
            }
            _ => Err(PatternError::new(format!("\"{key}\" must be an object or an array"))),
        }
    }

    fn rule(&mut self, value: &Value) -> Result<Rule, PatternError> {
        if let Some(map) = value.as_object()
            && map.len() == 1
            && map.get("exists") == Some(&Value::Bool(false))
        {
            self.absent.push(self.path.clone());
            return Ok(Rule::Absent(self.absent.len() - 1));
        }
        Rule::parse(value)
    }
}

/// The alternatives of an `$or`. One that is not of two objects at least is a key as any other, as on EventBridge.
fn alternatives<'v>(key: &str, value: &'v Value) -> Option<Vec<&'v Map<String, Value>>> {
    if key != "$or" {
        return None;
    }
    let alternatives: Option<Vec<_>> = value.as_array()?.iter().map(Value::as_object).collect();
    alternatives.filter(|found| found.len() >= 2 && found.iter().all(|one| !one.is_empty()))
}
