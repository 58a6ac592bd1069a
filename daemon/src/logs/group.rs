//! The name of a log group, and the directory it is kept in.

use std::{fmt, sync::Arc};

/// CloudWatch allows 512 characters, a directory's name 255 bytes once escaped. A function's group needs 82 at most.
const DIRECTORY_NAME_MAX_BYTES: usize = 255;

/// An account has 12 digits.
const ACCOUNT_DIGITS: usize = 12;

/// Which log group: the account it belongs to and its name, such as `/aws/lambda/NAME`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    account: Arc<str>,
    group: Arc<str>,
}

/// Why a text names no log group.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupKeyError {
    /// The account is not one.
    #[error("{0:?} is not an account id; give {ACCOUNT_DIGITS} digits")]
    Account(String),
    /// The name has other characters than a log group's, or none, or too many.
    #[error(
        "{0:?} is not the name of a log group; give letters, digits and any of . - _ / #; \
             {DIRECTORY_NAME_MAX_BYTES} at most, of which each . / # counts as three"
    )]
    Group(String),
}

impl GroupKey {
    /// The group `group` of `account`.
    ///
    /// # Errors
    /// `account` isn't 12 digits, or `group` isn't a name that CloudWatch allows, or is too long to keep.
    pub fn new(account: &str, group: &str) -> Result<Self, GroupKeyError> {
        if account.len() != ACCOUNT_DIGITS || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(GroupKeyError::Account(account.to_owned()));
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
        let lengths = 1..=DIRECTORY_NAME_MAX_BYTES;
        if !lengths.contains(&group.len())
            || !group.bytes().all(is_allowed)
            || !lengths.contains(&escaped(group).len())
        {
            return Err(GroupKeyError::Group(group.to_owned()));
        }
        Ok(Self { account: account.into(), group: group.into() })
    }

    /// The group that Lambda gives the function `name`.
    ///
    /// # Errors
    /// As for [`GroupKey::new`].
    pub fn of_function(account: &str, name: &str) -> Result<Self, GroupKeyError> {
        Self::new(account, &format!("/aws/lambda/{name}"))
    }

    /// The account's id.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name of the group's directory, in the account's.
    pub(super) fn directory(&self) -> String {
        escaped(&self.group)
    }

    /// The group that is kept in a directory of this name, in a directory of the account's.
    pub(super) fn of_directory(account: &str, directory: &str) -> Option<Self> {
        let key = Self::new(account, &unescaped(directory)?).ok()?;
        // Two directories must not stand for one group.
        (key.directory() == directory).then_some(key)
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of account {}", self.group, self.account)
    }
}

/// Letters, digits, `-` and `_` stand for themselves, any other byte for `%XX`: so there is no `/`, no `.` and no `..`.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: &str = "000000000000";

    #[test]
    fn a_functions_group_has_a_readable_directory() {
        let key = GroupKey::of_function(ACCOUNT, "my-function_1").unwrap();
        assert_eq!(key.group(), "/aws/lambda/my-function_1");
        assert_eq!(key.directory(), "%2Faws%2Flambda%2Fmy-function_1");
        assert_eq!(GroupKey::of_directory(ACCOUNT, &key.directory()), Some(key));
    }

    #[test]
    fn names_that_cloudwatch_does_not_allow_are_refused() {
        for group in ["", "a b", "a\0", "ä", "a%2F", &"a".repeat(256)] {
            assert_eq!(GroupKey::new(ACCOUNT, group), Err(GroupKeyError::Group(group.to_owned())));
        }
        for account in ["", "1", "00000000000x", "../../../etc", "٠٠٠٠٠٠"] {
            assert_eq!(GroupKey::new(account, "g"), Err(GroupKeyError::Account(account.to_owned())));
        }
    }

    #[test]
    fn a_directory_that_thaw_did_not_name_is_no_group() {
        for directory in ["", ".", "..", "a.b", "%2f", "%", "%4", "%zz", "%41", "%FF", "a b", "%+1"] {
            assert_eq!(GroupKey::of_directory(ACCOUNT, directory), None, "{directory}");
        }
    }

    proptest! {
        #[test]
        fn a_groups_directory_is_one_safe_name_and_leads_back(group in "[.\\-_/#A-Za-z0-9]{1,80}") {
            let key = GroupKey::new(ACCOUNT, &group).unwrap();
            let directory = key.directory();
            prop_assert!(directory.len() <= DIRECTORY_NAME_MAX_BYTES);
            prop_assert!(!directory.contains(['/', '.']));
            prop_assert_eq!(GroupKey::of_directory(ACCOUNT, &directory), Some(key));
        }

        #[test]
        fn any_directory_is_refused_or_leads_back(directory in ".{0,40}") {
            if let Some(key) = GroupKey::of_directory(ACCOUNT, &directory) {
                prop_assert_eq!(key.directory(), directory);
            }
        }
    }
}
