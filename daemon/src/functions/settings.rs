//! The settings of a function that are text: handler, role, description.

use std::str::FromStr;

use super::field::{InvalidField, string_forms};

/// Where the runtime finds the handler, e.g. `app.handler`: 1 to 128 characters, no white space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler(Box<str>);

string_forms!(Handler);

impl FromStr for Handler {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |constraint| InvalidField::constraint("handler", "handler", text, constraint);
        if text.chars().count() > 128 {
            return Err(refuse("Member must have length less than or equal to 128"));
        }
        // It travels in the environment, where no NUL can.
        if text.is_empty() || text.chars().any(|character| character.is_whitespace() || character == '\0') {
            return Err(refuse(r"Member must satisfy regular expression pattern: [^\s]+"));
        }
        Ok(Self(text.into()))
    }
}

/// The ARN of the execution role. Thaw hands it through as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn(Box<str>);

string_forms!(RoleArn);

impl RoleArn {
    /// Characters that the ARN may have: the longest that IAM makes, generously.
    const MAX_LEN: usize = 2048;
}

impl FromStr for RoleArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LEN || !is_role_arn(text) {
            return Err(InvalidField::constraint(
                "role",
                "role",
                text,
                r"Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
            ));
        }
        Ok(Self(text.into()))
    }
}

fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) =
        (next(), next(), next(), next(), next(), next());
    let partition_is_aws = partition.is_empty()
        || partition
            .strip_prefix("aws")
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'));
    let role = resource.strip_prefix("role").map(|rest| rest.strip_prefix('/').unwrap_or(rest));
    arn == "arn"
        && partition_is_aws
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.is_some_and(|role| {
            !role.is_empty()
                && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&byte))
        })
}

/// What the function is for, in at most 256 characters; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Description(Box<str>);

string_forms!(Description);

impl FromStr for Description {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().count() > 256 {
            return Err(InvalidField::constraint(
                "description",
                "description",
                text,
                "Member must have length less than or equal to 256",
            ));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_handler_has_no_white_space_and_at_most_128_characters() {
        assert!("app.handler".parse::<Handler>().is_ok());
        assert!("päckchen/app.handler".parse::<Handler>().is_ok());
        for text in ["", "a b", "a\tb", "a\u{a0}b", "a\0b", &"x".repeat(129)] {
            assert_eq!(text.parse::<Handler>().unwrap_err().field, "handler", "{text:?}");
        }
    }

    #[test]
    fn a_role_is_an_arn_of_iam() {
        for text in
            ["arn:aws:iam::123456789012:role/lambda-ex", "arn:aws-cn:iam::123456789012:role/a/b+c=d,e.f@g_h"]
        {
            assert_eq!(text.parse::<RoleArn>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "lambda-ex",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::12345678901:role/x",
            "arn:aws:iam:us-east-1:123456789012:role/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a:b",
            "arn:aws1:iam::123456789012:role/x",
        ] {
            assert_eq!(text.parse::<RoleArn>().unwrap_err().field, "role", "{text:?}");
        }
    }

    #[test]
    fn a_description_is_counted_in_characters() {
        assert!("é".repeat(256).parse::<Description>().is_ok());
        assert!("é".repeat(257).parse::<Description>().is_err());
    }

    proptest! {
        #[test]
        fn settings_that_parse_are_the_text_they_were_parsed_from(text in "(arn:|aws|iam|::|[0-9]{12}:|role/|.){0,12}") {
            if let Ok(handler) = text.parse::<Handler>() {
                prop_assert_eq!(handler.to_string(), text.clone());
            }
            if let Ok(role) = text.parse::<RoleArn>() {
                prop_assert_eq!(role.to_string(), text);
            }
        }
    }
}
