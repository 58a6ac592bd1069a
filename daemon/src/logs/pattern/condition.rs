//! Conditions joined by `&&` and `||`, of which `&&` binds more closely, and by parentheses.

use super::{PatternError, scanner::Scanner};

/// Parentheses within parentheses. A pattern's length allows hundreds, which no condition needs and a stack may not hold.
const DEPTH_MAX: usize = 16;

/// A condition on whatever `T` tests.
#[derive(Clone, Debug)]
pub(super) enum Condition<T> {
    Test(T),
    All(Vec<Condition<T>>),
    Any(Vec<Condition<T>>),
}

impl<T> Condition<T> {
    /// Parses a condition whose tests `test` parses. Spaces around it are taken.
    pub(super) fn parse<'a>(
        scanner: &mut Scanner<'a>,
        test: &mut impl FnMut(&mut Scanner<'a>) -> Result<T, PatternError>,
    ) -> Result<Self, PatternError> {
        Self::alternatives(scanner, test, DEPTH_MAX)
    }

    fn alternatives<'a>(
        scanner: &mut Scanner<'a>,
        test: &mut impl FnMut(&mut Scanner<'a>) -> Result<T, PatternError>,
        depth: usize,
    ) -> Result<Self, PatternError> {
        let mut all = vec![Self::conjunction(scanner, test, depth)?];
        while scanner.eat("||") {
            all.push(Self::conjunction(scanner, test, depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Self::Any(all) })
    }

    fn conjunction<'a>(
        scanner: &mut Scanner<'a>,
        test: &mut impl FnMut(&mut Scanner<'a>) -> Result<T, PatternError>,
        depth: usize,
    ) -> Result<Self, PatternError> {
        let mut all = vec![Self::operand(scanner, test, depth)?];
        while scanner.eat("&&") {
            all.push(Self::operand(scanner, test, depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Self::All(all) })
    }

    fn operand<'a>(
        scanner: &mut Scanner<'a>,
        test: &mut impl FnMut(&mut Scanner<'a>) -> Result<T, PatternError>,
        depth: usize,
    ) -> Result<Self, PatternError> {
        scanner.skip_spaces();
        let operand = if scanner.eat("(") {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(
                    scanner.error(&format!("at most {DEPTH_MAX} parentheses can be within each other"))
                );
            };
            let inside = Self::alternatives(scanner, test, depth)?;
            scanner.expect(")")?;
            inside
        } else {
            Self::Test(test(scanner)?)
        };
        scanner.skip_spaces();
        Ok(operand)
    }

    /// Whether it holds, where `passes` says of each test whether it does.
    pub(super) fn holds(&self, passes: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Test(test) => passes(test),
            Self::All(all) => all.iter().all(|condition| condition.holds(passes)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(passes)),
        }
    }
}
