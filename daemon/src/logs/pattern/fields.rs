//! Fields of messages that spaces delimit: `[ip, user, ..., status = 4*, bytes > 1000]`.
//!
//! What is between double quotes or square brackets is one field. The last field named takes the rest of the message.

use super::{PatternError, condition::Condition, expression::Budget, scanner::Scanner, value::Comparison};

/// What a message's fields have to be, from its start and from its end.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    first: Vec<Field>,
    /// What comes after `...`, if that is there.
    last: Option<Vec<Field>>,
}

/// One field; without a condition any will do.
#[derive(Clone, Debug)]
struct Field(Option<Condition<Comparison>>);

impl Fields {
    pub(super) fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut fields = Self { first: Vec::new(), last: None };
        scanner.expect("[")?;
        scanner.skip_spaces();
        if scanner.eat("]") {
            fields.last = Some(Vec::new());
            return Ok(fields);
        }
        loop {
            scanner.skip_spaces();
            if scanner.eat("...") {
                if fields.last.is_some() {
                    return Err(scanner.error("... can be there once"));
                }
                fields.last = Some(Vec::new());
            } else {
                let field = Field::parse(scanner, budget)?;
                fields.last.as_mut().unwrap_or(&mut fields.first).push(field);
            }
            scanner.skip_spaces();
            if scanner.eat("]") {
                return Ok(fields);
            }
            if !scanner.eat(",") {
                return Err(scanner.error("a comma or ] is missing"));
            }
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let Some(last) = &self.last else {
            let found: Vec<Found<'_>> = split(message).take(self.first.len()).collect();
            let Some((end, before)) = found.split_last() else { return false };
            let Some((end_field, before_fields)) = self.first.split_last() else { return false };
            let rest = match split(&message[end.start..]).nth(1) {
                None => end.text,
                Some(_) => message[end.start..].trim_end(),
            };
            return found.len() == self.first.len()
                && before_fields.iter().zip(before).all(|(field, found)| field.matches(found.text))
                && end_field.matches(rest);
        };
        let found: Vec<Found<'_>> = split(message).collect();
        let Some(skipped) = found.len().checked_sub(last.len()).filter(|&count| count >= self.first.len())
        else {
            return false;
        };
        let all = |fields: &[Field], found: &[Found<'_>]| {
            fields.iter().zip(found).all(|(field, found)| field.matches(found.text))
        };
        all(&self.first, &found) && all(last, &found[skipped..])
    }
}

impl Field {
    fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        match scanner.peek() {
            // A field that has no name.
            Some(',' | ']') => return Ok(Self(None)),
            Some('(') => {}
            _ => {
                let mut ahead = scanner.clone();
                name(&mut ahead)?;
                ahead.skip_spaces();
                if matches!(ahead.peek(), Some(',' | ']')) {
                    *scanner = ahead;
                    return Ok(Self(None));
                }
            }
        }
        let mut expected: Option<String> = None;
        let condition = Condition::parse(scanner, &mut |scanner: &mut Scanner<'_>| {
            let name = name(scanner)?.to_owned();
            let expected = expected.get_or_insert_with(|| name.clone());
            if *expected != name {
                return Err(scanner.error(&format!("the conditions of field {expected} cannot be on {name}")));
            }
            Comparison::parse(scanner, budget)
        })?;
        Ok(Self(Some(condition)))
    }

    fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|condition| condition.holds(&|comparison| comparison.holds(text)))
    }
}

fn name<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, PatternError> {
    let name = scanner.take_while(|next| next.is_alphanumeric() || "_-".contains(next));
    if !name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        return Err(
            scanner.error("a field's name is missing; it is letters, digits, _ and -, a letter first")
        );
    }
    Ok(name)
}

/// A field of a message.
struct Found<'a> {
    /// Without its quotes or brackets.
    text: &'a str,
    /// Where it begins in the message, with them.
    start: usize,
}

fn split(message: &str) -> impl Iterator<Item = Found<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &message[at..];
        let spaces = rest.len() - rest.trim_start().len();
        let (rest, start) = (&rest[spaces..], at + spaces);
        let closing = match rest.chars().next()? {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        if let Some((closing, length)) = closing.and_then(|closing| Some((closing, rest[1..].find(closing)?)))
        {
            at = start + 1 + length + closing.len_utf8();
            return Some(Found { text: &rest[1..=length], start });
        }
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        at = start + length;
        Some(Found { text: &rest[..length], start })
    })
}
