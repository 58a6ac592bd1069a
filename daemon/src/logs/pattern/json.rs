//! Properties of messages that are JSON: `{ $.a.b[0] = "x" && ($.n > 3 || $.e IS NULL) }`.

use serde_json::Value;

use super::{PatternError, condition::Condition, expression::Budget, scanner::Scanner, value::Comparison};

/// CloudWatch's limit for one selector.
const WILDCARDS_MAX_OF_SELECTOR: usize = 1;

/// CloudWatch's limit for the selectors of one pattern.
const WILDCARDS_MAX: usize = 3;

/// A condition on a message's properties.
#[derive(Clone, Debug)]
pub(super) struct Properties(Condition<Test>);

/// What one selector has to find.
#[derive(Clone, Debug)]
struct Test {
    path: Vec<Step>,
    check: Check,
}

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Index(usize),
    /// Every element or every property.
    Every,
}

#[derive(Clone, Debug)]
enum Check {
    Comparison(Comparison),
    IsTrue,
    IsFalse,
    IsNull,
    NotExists,
}

impl Properties {
    pub(super) fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut wildcards = 0;
        scanner.expect("{")?;
        let condition = Condition::parse(scanner, &mut |scanner: &mut Scanner<'_>| {
            let path = selector(scanner)?;
            wildcards += path.iter().filter(|step| matches!(step, Step::Every)).count();
            if wildcards > WILDCARDS_MAX {
                return Err(scanner.error(&format!(
                    "a filter pattern has at most {WILDCARDS_MAX} wildcards in its selectors"
                )));
            }
            Ok(Test { path, check: Check::parse(scanner, budget)? })
        })?;
        scanner.expect("}")?;
        Ok(Self(condition))
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        // Most lines are no JSON, and that is told by a look at the first character.
        if !message.trim_start().starts_with(['{', '[']) {
            return false;
        }
        serde_json::from_str(message).is_ok_and(|message| self.0.holds(&|test| test.passes(&message)))
    }
}

impl Test {
    fn passes(&self, message: &Value) -> bool {
        let mut found = vec![message];
        for step in &self.path {
            found = found.into_iter().flat_map(|value| step.take(value)).collect();
        }
        match &self.check {
            Check::NotExists => found.is_empty(),
            check => found.into_iter().any(|value| check.passes(value)),
        }
    }
}

impl Step {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(properties)) => properties.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(elements)) => elements.get(*index).into_iter().collect(),
            (Self::Every, Value::Array(elements)) => elements.iter().collect(),
            (Self::Every, Value::Object(properties)) => properties.values().collect(),
            _ => Vec::new(),
        }
    }
}

impl Check {
    fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        scanner.skip_spaces();
        if scanner.eat_word("NOT") {
            scanner.skip_spaces();
            return match scanner.eat_word("EXISTS") {
                true => Ok(Self::NotExists),
                false => Err(scanner.error("EXISTS is missing after NOT")),
            };
        }
        if scanner.eat_word("IS") {
            scanner.skip_spaces();
            return [("TRUE", Self::IsTrue), ("FALSE", Self::IsFalse), ("NULL", Self::IsNull)]
                .into_iter()
                .find_map(|(word, check)| scanner.eat_word(word).then_some(check))
                .ok_or_else(|| scanner.error("TRUE, FALSE or NULL is missing after IS"));
        }
        Comparison::parse(scanner, budget).map(Self::Comparison)
    }

    fn passes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::IsTrue, value) => *value == Value::Bool(true),
            (Self::IsFalse, value) => *value == Value::Bool(false),
            (Self::IsNull, value) => value.is_null(),
            (Self::Comparison(comparison), Value::String(text)) => comparison.holds(text),
            (Self::Comparison(comparison), Value::Number(number)) => comparison.holds(&number.to_string()),
            // What has no one text equals nothing, and differs from nothing.
            (Self::Comparison(_) | Self::NotExists, _) => false,
        }
    }
}

/// Parses `$.name`, `$.*`, `$['name']`, `$[0]`, `$[*]` and what follows from them.
fn selector(scanner: &mut Scanner<'_>) -> Result<Vec<Step>, PatternError> {
    if !scanner.eat("$") {
        return Err(scanner.error("a selector is missing; it begins with $."));
    }
    let mut path = Vec::new();
    loop {
        if scanner.eat(".") {
            if scanner.peek() != Some('[') {
                path.push(property(scanner)?);
                continue;
            }
        } else if scanner.peek() != Some('[') {
            break;
        }
        scanner.expect("[")?;
        path.push(bracketed(scanner)?);
        scanner.expect("]")?;
    }
    if path.is_empty() {
        return Err(scanner.error("a selector names a property: $.name"));
    }
    if path.iter().filter(|step| matches!(step, Step::Every)).count() > WILDCARDS_MAX_OF_SELECTOR {
        return Err(scanner.error(&format!("a selector has at most {WILDCARDS_MAX_OF_SELECTOR} wildcard")));
    }
    Ok(path)
}

fn property(scanner: &mut Scanner<'_>) -> Result<Step, PatternError> {
    if scanner.eat("*") {
        return Ok(Step::Every);
    }
    let name = scanner.take_while(|next| next.is_alphanumeric() || "_-@:/#".contains(next));
    if name.is_empty() {
        return Err(scanner.error("a property's name is missing; one with other symbols is written ['name']"));
    }
    Ok(Step::Name(name.to_owned()))
}

fn bracketed(scanner: &mut Scanner<'_>) -> Result<Step, PatternError> {
    if scanner.eat("*") {
        return Ok(Step::Every);
    }
    for quote in ["'", "\""] {
        if scanner.eat(quote) {
            let name = scanner.take_while(|next| !quote.contains(next));
            scanner.expect(quote)?;
            return Ok(Step::Name(name.to_owned()));
        }
    }
    let digits = scanner.take_while(|next| next.is_ascii_digit());
    let index = digits.parse().map_err(|_| scanner.error("an index, * or a name in quotes is missing"))?;
    Ok(Step::Index(index))
}
