//! The mark of one state of a function.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::field::{InvalidField, text_forms};

/// Changes with every change of a function, and never comes again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId(Uuid);

impl RevisionId {
    /// A new one, which no function has or had.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The revision that a caller expects, in whatever text: what is no revision id is the current one of nothing.
    #[must_use]
    pub fn expected(text: &str) -> Self {
        text.parse().unwrap_or(Self(Uuid::nil()))
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevisionId({self})")
    }
}

impl FromStr for RevisionId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| {
            InvalidField::constraint(
                "revision_id",
                "revisionId",
                text,
                "Member must be a revision id that Thaw gave",
            )
        })
    }
}

text_forms!(RevisionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_survives_text_and_back_and_differs_from_the_next() {
        let revision = RevisionId::random();
        assert_eq!(revision.to_string().parse(), Ok(revision));
        assert_ne!(revision, RevisionId::random());
        assert_ne!(RevisionId::expected("yesterday"), revision);
        assert_eq!(RevisionId::expected(&revision.to_string()), revision);
        assert_eq!("yesterday".parse::<RevisionId>().unwrap_err().field, "revision_id");
    }
}
