//! Comparisons of one value, which is a text or a number.

use super::{
    PatternError,
    expression::{Budget, Expression},
    scanner::Scanner,
};

/// What cannot be in a value without double quotes.
const ENDS_A_VALUE: &str = "\"%&|()[]{},=!<>";

/// An operator and what it compares with.
#[derive(Clone, Debug)]
pub(super) enum Comparison {
    Equal(Operand),
    Unequal(Operand),
    Ordered(Order, f64),
}

/// How two numbers are ordered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a value equals or not.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Text { wildcard: Wildcard, number: Option<f64> },
    Expression(Expression),
}

/// A text in which each `*` stands for any characters.
#[derive(Clone, Debug)]
pub(super) struct Wildcard {
    /// What is between the asterisks; so there is one at least.
    parts: Vec<String>,
}

impl Comparison {
    /// Parses an operator and its operand, with spaces around them.
    pub(super) fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        scanner.skip_spaces();
        let order = [
            ("<=", Order::LessOrEqual),
            (">=", Order::GreaterOrEqual),
            ("<", Order::Less),
            (">", Order::Greater),
        ]
        .into_iter()
        .find_map(|(text, order)| scanner.eat(text).then_some(order));
        let is_unequal = order.is_none() && scanner.eat("!=");
        if order.is_none() && !is_unequal && !scanner.eat("=") {
            return Err(scanner.error("one of = != < <= > >= is missing"));
        }
        scanner.skip_spaces();
        let operand = Operand::parse(scanner, budget)?;
        match (order, operand) {
            (Some(order), Operand::Text { number: Some(number), .. }) => Ok(Self::Ordered(order, number)),
            (Some(_), _) => Err(scanner.error("a number is missing: < <= > >= compare numbers")),
            (None, operand) if is_unequal => Ok(Self::Unequal(operand)),
            (None, operand) => Ok(Self::Equal(operand)),
        }
    }

    /// Whether a text passes; if it looks like a number, it is one too.
    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equal(operand) => operand.equals(text),
            Self::Unequal(operand) => !operand.equals(text),
            Self::Ordered(order, than) => number(text).is_some_and(|number| match order {
                Order::Less => number < *than,
                Order::LessOrEqual => number <= *than,
                Order::Greater => number > *than,
                Order::GreaterOrEqual => number >= *than,
            }),
        }
    }
}

impl Operand {
    fn parse(scanner: &mut Scanner<'_>, budget: &mut Budget) -> Result<Self, PatternError> {
        let text = match scanner.peek() {
            Some('%') => return Ok(Self::Expression(Expression::parse(scanner, budget)?)),
            Some('"') => scanner.quoted()?,
            _ => {
                let word = scanner.take_while(|next| !next.is_whitespace() && !ENDS_A_VALUE.contains(next));
                if word.is_empty() {
                    return Err(scanner
                        .error("a value is missing; one with spaces or symbols is put in double quotes"));
                }
                word
            }
        };
        Ok(Self::Text { wildcard: Wildcard::new(text), number: number(text) })
    }

    fn equals(&self, text: &str) -> bool {
        match self {
            Self::Text { wildcard, number: wanted } => {
                wildcard.matches(text) || wanted.is_some_and(|wanted| number(text) == Some(wanted))
            }
            Self::Expression(expression) => expression.matches(text),
        }
    }
}

impl Wildcard {
    /// Of a text in which a backslash takes its meaning from an asterisk, a quote or a backslash.
    fn new(text: &str) -> Self {
        let (mut parts, mut part) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.next() {
            match (next, rest.peek()) {
                ('\\', Some(&escaped @ ('*' | '"' | '\\'))) => {
                    part.push(escaped);
                    rest.next();
                }
                ('*', _) => parts.push(std::mem::take(&mut part)),
                _ => part.push(next),
            }
        }
        parts.push(part);
        Self { parts }
    }

    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|whole| whole == text);
        };
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

/// The number that a text is, if it is written as one: `-1.5`, `1e+3`, and not `inf`.
fn number(text: &str) -> Option<f64> {
    let is_written_as_one = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.contains(|next: char| next.is_ascii_digit());
    is_written_as_one.then(|| text.parse().ok()).flatten()
}
