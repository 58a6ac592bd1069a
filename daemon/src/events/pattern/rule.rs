//! What may be said of one value.

use serde_json::{Number, Value};

use super::{PatternError, cidr::Cidr, wildcard::Wildcard};

/// A rule of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// The very same value.
    Is(Scalar),
    /// A text that begins so.
    Prefix(Affix),
    /// A text that ends so.
    Suffix(Affix),
    /// A text that is the same in lower case.
    EqualsIgnoreCase(String),
    /// A text of this form.
    Wildcard(Wildcard),
    /// A number within bounds.
    Numeric(Vec<Bound>),
    /// An address of a network.
    Cidr(Cidr),
    /// Any value.
    Exists,
    /// No value at all, at the path of this number.
    Absent(usize),
    /// Any value but these.
    AnythingBut(Excluded),
}

/// A value that has no others in it.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

/// The beginning or end of a text.
#[derive(Clone, Debug)]
pub(super) struct Affix {
    /// In lower case if that does not matter.
    text: String,
    ignore_case: bool,
}

/// What `anything-but` excludes.
#[derive(Clone, Debug)]
pub(super) enum Excluded {
    Scalars(Vec<Scalar>),
    Prefixes(Vec<String>),
    Suffixes(Vec<String>),
    /// In lower case.
    IgnoringCase(Vec<String>),
    Wildcards(Vec<Wildcard>),
}

/// One side of a range of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    comparison: Comparison,
    number: f64,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Rule {
    pub(super) fn parse(value: &Value) -> Result<Self, PatternError> {
        let Value::Object(map) = value else {
            return Scalar::of(value).map(Self::Is).ok_or_else(|| {
                PatternError::new("Match value must be String, number, true, false, or null")
            });
        };
        let mut entries = map.iter();
        let (Some((operator, argument)), None) = (entries.next(), entries.next()) else {
            return Err(PatternError::new("Only one key allowed in match expression"));
        };
        match operator.as_str() {
            "prefix" => Affix::parse("prefix", argument).map(Self::Prefix),
            "suffix" => Affix::parse("suffix", argument).map(Self::Suffix),
            "equals-ignore-case" => {
                text("equals-ignore-case", argument).map(|text| Self::EqualsIgnoreCase(text.to_lowercase()))
            }
            "wildcard" => text("wildcard", argument)?.parse().map(Self::Wildcard),
            "numeric" => bounds(argument).map(Self::Numeric),
            // EventBridge says prefix of it, too.
            "cidr" => text("prefix", argument)?.parse().map(Self::Cidr),
            "exists" if argument.as_bool() == Some(true) => Ok(Self::Exists),
            "exists" => Err(PatternError::new("exists match pattern must be either true or false.")),
            "anything-but" => Excluded::parse(argument).map(Self::AnythingBut),
            other => Err(PatternError::new(format!("Unrecognized match type {other}"))),
        }
    }

    /// Whether it holds of a value that is there and has no others in it.
    pub(super) fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Is(scalar) => scalar.is(value),
            Self::Prefix(prefix) => text.is_some_and(|text| prefix.begins(text)),
            Self::Suffix(suffix) => text.is_some_and(|text| suffix.ends(text)),
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::Wildcard(wildcard) => text.is_some_and(|text| wildcard.matches(text)),
            Self::Numeric(bounds) => {
                value.as_f64().is_some_and(|number| bounds.iter().all(|bound| bound.holds(number)))
            }
            Self::Cidr(network) => text.is_some_and(|text| network.has(text)),
            Self::Exists => true,
            Self::Absent(_) => false,
            Self::AnythingBut(excluded) => !excluded.has(value),
        }
    }
}

impl Scalar {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(wanted), Value::Bool(value)) => wanted == value,
            (Self::Text(wanted), Value::String(value)) => wanted == value,
            // 300 and 300.0 are the same number; large whole ones are told apart.
            (Self::Number(wanted), Value::Number(value)) => {
                wanted == value || (wanted.is_f64() || value.is_f64()) && wanted.as_f64() == value.as_f64()
            }
            _ => false,
        }
    }
}

impl Affix {
    fn parse(operator: &str, argument: &Value) -> Result<Self, PatternError> {
        let ignoring =
            argument.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("equals-ignore-case"));
        match ignoring {
            Some(argument) => Ok(Self { text: text(operator, argument)?.to_lowercase(), ignore_case: true }),
            None => Ok(Self { text: text(operator, argument)?.to_owned(), ignore_case: false }),
        }
    }

    fn begins(&self, text: &str) -> bool {
        if self.ignore_case {
            text.to_lowercase().starts_with(&self.text)
        } else {
            text.starts_with(&self.text)
        }
    }

    fn ends(&self, text: &str) -> bool {
        if self.ignore_case { text.to_lowercase().ends_with(&self.text) } else { text.ends_with(&self.text) }
    }
}

impl Excluded {
    fn parse(argument: &Value) -> Result<Self, PatternError> {
        const WRONG: &str = "Value of anything-but must be an array or single string/number value.";
        match argument {
            Value::String(_) | Value::Number(_) => {
                Ok(Self::Scalars(Scalar::of(argument).into_iter().collect()))
            }
            Value::Array(values) if values.is_empty() => {
                Err(PatternError::new("Empty arrays are not allowed"))
            }
            Value::Array(values) => {
                let scalars = values.iter().map(|value| match value {
                    Value::String(_) | Value::Number(_) => Scalar::of(value),
                    _ => None,
                });
                scalars.collect::<Option<_>>().map(Self::Scalars).ok_or_else(|| {
                    PatternError::new("Inside anything but list, start|null|boolean is not supported.")
                })
            }
            Value::Object(map) => {
                let mut entries = map.iter();
                let (Some((operator, argument)), None) = (entries.next(), entries.next()) else {
                    return Err(PatternError::new("Only one key allowed in match expression"));
                };
                if argument.is_object() {
                    return Err(PatternError::new(WRONG));
                }
                const AFFIX: &str = "prefix/suffix match pattern must be a string";
                match operator.as_str() {
                    "prefix" => texts(argument, AFFIX).and_then(not_empty).map(Self::Prefixes),
                    "suffix" => texts(argument, AFFIX).and_then(not_empty).map(Self::Suffixes),
                    "equals-ignore-case" => {
                        const LIST: &str = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is \
                                            not supported.";
                        let excluded = texts(argument, LIST)?;
                        Ok(Self::IgnoringCase(excluded.iter().map(|text| text.to_lowercase()).collect()))
                    }
                    "wildcard" => {
                        let excluded = texts(argument, "wildcard match pattern must be a string")?;
                        excluded
                            .iter()
                            .map(|text| text.parse())
                            .collect::<Result<_, _>>()
                            .map(Self::Wildcards)
                    }
                    other => Err(PatternError::new(format!("Unsupported anything-but pattern: {other}"))),
                }
            }
            Value::Null | Value::Bool(_) => Err(PatternError::new(WRONG)),
        }
    }

    fn has(&self, value: &Value) -> bool {
        let text = value.as_str();
        let any_of = |excluded: &[String], is: fn(&str, &str) -> bool| {
            text.is_some_and(|text| excluded.iter().any(|excluded| is(text, excluded)))
        };
        match self {
            Self::Scalars(excluded) => excluded.iter().any(|scalar| scalar.is(value)),
            Self::Prefixes(excluded) => any_of(excluded, |text, prefix| text.starts_with(prefix)),
            Self::Suffixes(excluded) => any_of(excluded, |text, suffix| text.ends_with(suffix)),
            Self::IgnoringCase(excluded) => text.is_some_and(|text| excluded.contains(&text.to_lowercase())),
            Self::Wildcards(excluded) => {
                text.is_some_and(|text| excluded.iter().any(|one| one.matches(text)))
            }
        }
    }
}

impl Bound {
    fn holds(self, number: f64) -> bool {
        match self.comparison {
            Comparison::Equal => number == self.number,
            Comparison::Less => number < self.number,
            Comparison::LessOrEqual => number <= self.number,
            Comparison::Greater => number > self.number,
            Comparison::GreaterOrEqual => number >= self.number,
        }
    }
}

fn text<'v>(operator: &str, argument: &'v Value) -> Result<&'v str, PatternError> {
    argument.as_str().ok_or_else(|| PatternError::new(format!("{operator} match pattern must be a string")))
}

/// One text or a list of them.
fn texts(argument: &Value, wrong: &str) -> Result<Vec<String>, PatternError> {
    let one = std::slice::from_ref(argument);
    let all = argument.as_array().map_or(one, Vec::as_slice);
    if all.is_empty() {
        return Err(PatternError::new("Empty arrays are not allowed"));
    }
    let texts: Option<Vec<String>> = all.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    texts.ok_or_else(|| PatternError::new(wrong))
}

fn not_empty(texts: Vec<String>) -> Result<Vec<String>, PatternError> {
    if texts.iter().any(String::is_empty) {
        return Err(PatternError::new("Null prefix/suffix not allowed"));
    }
    Ok(texts)
}

/// `["=", 5]`, `["<", 5]`, or from below and above: `[">", 0, "<=", 5]`.
fn bounds(argument: &Value) -> Result<Vec<Bound>, PatternError> {
    let parts = argument.as_array().ok_or_else(|| PatternError::new("Value of numeric must be an array."))?;
    if parts.is_empty() {
        return Err(PatternError::new("Invalid numeric match: an operator and a number are missing"));
    }
    let mut bounds = Vec::new();
    for pair in parts.chunks(2) {
        let Some(operator) = pair.first().and_then(Value::as_str) else {
            return Err(PatternError::new("Invalid member in numeric match: an operator has to be a string"));
        };
        let comparison = match operator {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            other => return Err(PatternError::new(format!("Unrecognized numeric range operator: {other}"))),
        };
        let fits = match (bounds.first(), comparison) {
            (None, _) => true,
            (
                Some(Bound { comparison: Comparison::Greater | Comparison::GreaterOrEqual, .. }),
                Comparison::Less | Comparison::LessOrEqual,
            ) => bounds.len() == 1,
            _ => false,
        };
        if !fits {
            return Err(PatternError::new(format!("Bad numeric range operator: {operator}")));
        }
        let number = pair.get(1).and_then(Value::as_f64);
        let number =
            number.ok_or_else(|| PatternError::new(format!("Value of {operator} must be numeric")))?;
        bounds.push(Bound { comparison, number });
    }
    if let [low, high] = bounds.as_slice()
        && low.number >= high.number
    {
        return Err(PatternError::new("Bottom must be less than top"));
    }
    Ok(bounds)
}
