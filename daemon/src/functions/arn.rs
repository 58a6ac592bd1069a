//! The name of a function that is the same everywhere: its ARN.

use std::{fmt, str::FromStr};

use super::{
    field::{InvalidField, text_forms},
    name::FunctionName,
    region::Region,
    version::{Qualifier, Version},
};
use crate::identity::AccountId;

/// `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`, with the partition that the region is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionArn {
    /// The region.
    pub region: Region,
    /// The account that owns the function.
    pub account: AccountId,
    /// The function.
    pub name: FunctionName,
    /// A version or alias of it; without one, the function as a whole.
    pub qualifier: Option<Qualifier>,
}

impl FunctionArn {
    /// The function as a whole.
    #[must_use]
    pub fn new(region: Region, account: AccountId, name: FunctionName) -> Self {
        Self { region, account, name, qualifier: None }
    }

    /// The same function with this qualifier.
    #[must_use]
    pub fn with_qualifier(&self, qualifier: Qualifier) -> Self {
        Self { qualifier: Some(qualifier), ..self.clone() }
    }

    /// The same function at this version.
    #[must_use]
    pub fn with_version(&self, version: Version) -> Self {
        self.with_qualifier(Qualifier::Version(version))
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, name, qualifier } = self;
        write!(f, "arn:{}:lambda:{region}:{account}:function:{name}", region.partition())?;
        match qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

impl FromStr for FunctionArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| {
            InvalidField::constraint(
                "function_arn",
                "functionArn",
                text,
                "Member must be an ARN of a function: arn:aws:lambda:REGION:ACCOUNT:function:NAME",
            )
        })
    }
}

text_forms!(FunctionArn);

fn parse(text: &str) -> Option<FunctionArn> {
    let (region, account, mut rest) = parse_head(text, "function")?;
    let name = rest.next()?.parse().ok()?;
    let qualifier = rest.next().map(Qualifier::in_name).transpose().ok()?;
    if rest.next().is_some() {
        return None;
    }
    Some(FunctionArn { region, account, name, qualifier })
}

/// What every ARN of Lambda's begins with, `arn:PARTITION:lambda:REGION:ACCOUNT:KIND`, and the parts that follow.
pub(super) fn parse_head<'a>(
    text: &'a str,
    kind: &str,
) -> Option<(Region, AccountId, std::str::Split<'a, char>)> {
    let mut parts = text.split(':');
    if parts.next()? != "arn" {
        return None;
    }
    let partition = parts.next()?;
    if parts.next()? != "lambda" {
        return None;
    }
    let region: Region = parts.next()?.parse().ok()?;
    let account = parts.next()?.parse().ok()?;
    (parts.next()? == kind && partition == region.partition()).then_some((region, account, parts))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        pub(in crate::functions) fn any_qualifier()(text in r"\$LATEST|[1-9][0-9]{0,17}|[a-zA-Z_-][a-zA-Z0-9_-]{0,127}") -> Qualifier {
            text.parse().unwrap()
        }
    }

    prop_compose! {
        pub(in crate::functions) fn any_arn()(
            region in "us-east-1|cn-north-1|us-gov-west-1|[a-z]{2}-[a-z]{4,9}-[1-9]",
            account in "[0-9]{12}",
            name in "[a-zA-Z0-9_-]{1,64}",
            qualifier in prop::option::of(any_qualifier()),
        ) -> FunctionArn {
            FunctionArn {
                region: region.parse().unwrap(),
                account: account.parse().unwrap(),
                name: name.parse().unwrap(),
                qualifier,
            }
        }
    }

    #[test]
    fn an_arn_is_written_as_lambda_writes_it() {
        let arn = FunctionArn::new(Region::default(), AccountId::DEFAULT, "hello".parse().unwrap());
        assert_eq!(arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello");
        assert_eq!(
            arn.with_version(Version::Latest).to_string(),
            "arn:aws:lambda:us-east-1:000000000000:function:hello:$LATEST"
        );
    }

    #[test]
    fn what_is_no_arn_of_a_function_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:lambda:us-east-1:000000000000:function",
            "arn:aws:lambda:us-east-1:000000000000:function:",
            "arn:aws:lambda:us-east-1:000000000000:function:a:",
            "arn:aws:lambda:us-east-1:000000000000:function:a:b:c",
            "arn:aws:lambda:us-east-1:00000000000:function:a",
            "arn:aws:lambda:us-east-1:000000000000:layer:a",
            "arn:aws:s3:us-east-1:000000000000:function:a",
            "arn:aws-cn:lambda:us-east-1:000000000000:function:a",
            " arn:aws:lambda:us-east-1:000000000000:function:a",
        ] {
            assert!(text.parse::<FunctionArn>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_arn_survives_text_and_back(arn in any_arn()) {
            prop_assert_eq!(arn.to_string().parse::<FunctionArn>(), Ok(arn));
        }

        #[test]
        fn an_arn_that_parses_is_the_text_it_was_parsed_from(text in "(arn|aws|lambda|:|[a-z0-9$-]|.){0,30}") {
            if let Ok(arn) = text.parse::<FunctionArn>() {
                prop_assert_eq!(arn.to_string(), text);
            }
        }

        #[test]
        fn an_arn_with_one_character_changed_never_panics(arn in any_arn(), at in any::<prop::sample::Index>(), new in any::<char>()) {
            let mut characters: Vec<char> = arn.to_string().chars().collect();
            let at = at.index(characters.len());
            characters[at] = new;
            let text: String = characters.into_iter().collect();
            if let Ok(changed) = text.parse::<FunctionArn>() {
                prop_assert_eq!(changed.to_string(), text);
            }
        }
    }
}
