//! How callers name a function: by name, partial ARN or ARN.

use std::{fmt, str::FromStr};

use super::{
    arn::FunctionArn,
    field::{InvalidField, InvalidKind, text_forms},
    name::FunctionName,
    region::Region,
    version::Qualifier,
};
use crate::identity::AccountId;

/// Lambda's pattern for the parameter `FunctionName`, as its messages quote it.
const PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

/// A caller's `FunctionName`: `NAME`, `function:NAME`, `ACCOUNT:function:NAME` or an ARN, each with or without
/// `:QUALIFIER`. What it leaves out is the caller's own region and account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionReference {
    region: Option<Region>,
    account: Option<AccountId>,
    name: FunctionName,
    qualifier: Option<Qualifier>,
}

impl FunctionReference {
    /// The function.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.name
    }

    /// The qualifier that the reference itself carries.
    #[must_use]
    pub fn qualifier(&self) -> Option<&Qualifier> {
        self.qualifier.as_ref()
    }

    /// The region that the reference names, if it is another than `here`.
    #[must_use]
    pub fn foreign_region(&self, here: &Region) -> Option<&Region> {
        self.region.as_ref().filter(|region| *region != here)
    }

    /// The account that the reference names, or `caller`'s where it names none.
    #[must_use]
    pub fn account_or(&self, caller: AccountId) -> AccountId {
        self.account.unwrap_or(caller)
    }

    /// The ARN that is meant by a caller of this region and account, with the reference's own qualifier.
    #[must_use]
    pub fn arn_for(&self, region: &Region, caller: AccountId) -> FunctionArn {
        FunctionArn {
            region: self.region.clone().unwrap_or_else(|| region.clone()),
            account: self.account_or(caller),
            name: self.name.clone(),
            qualifier: self.qualifier.clone(),
        }
    }

    /// The one qualifier that is meant by this reference together with a separate `Qualifier` parameter.
    ///
    /// # Errors
    /// Both are there and differ.
    pub fn qualifier_with<'a>(
        &'a self,
        separate: Option<&'a Qualifier>,
    ) -> Result<Option<&'a Qualifier>, InvalidField> {
        match (self.qualifier(), separate) {
            (Some(own), Some(other)) if own != other => Err(InvalidField::new(
                "qualifier",
                "The derived qualifier from the function name does not match the specified qualifier.",
            )),
            (own, other) => Ok(own.or(other)),
        }
    }
}

impl From<FunctionName> for FunctionReference {
    fn from(name: FunctionName) -> Self {
        Self { region: None, account: None, name, qualifier: None }
    }
}

impl From<FunctionArn> for FunctionReference {
    fn from(arn: FunctionArn) -> Self {
        let FunctionArn { region, account, name, qualifier } = arn;
        Self { region: Some(region), account: Some(account), name, qualifier }
    }
}

impl fmt::Display for FunctionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, name, qualifier } = self;
        match (region, account) {
            (Some(region), Some(account)) => {
                write!(f, "{}", FunctionArn::new(region.clone(), *account, name.clone()))?;
            }
            (_, Some(account)) => write!(f, "{account}:function:{name}")?,
            // A function may itself be called `function`; then the short form would be read as a prefix.
            (_, None) if name.as_str() == "function" && qualifier.is_some() => write!(f, "function:{name}")?,
            (_, None) => write!(f, "{name}")?,
        }
        match qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

impl FromStr for FunctionReference {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("arn:") {
            // Lambda's pattern has room for an ARN that ends where its function's name should begin. One of a function that is
            // named so is longer.
            if let Some(before) =
                text.strip_suffix(":function").filter(|before| before.split(':').count() == 5)
            {
                let named = format!("{before}:function:function");
                return named.parse::<FunctionArn>().map(Self::from).map_err(|_| refuse(text));
            }
            return text
                .parse::<FunctionArn>()
                .map(Self::from)
                .map_err(|_| long_name(text).unwrap_or_else(|| refuse(text)));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (account, name, qualifier) = match parts.as_slice() {
            [name] => (None, *name, None),
            ["function", name] => (None, *name, None),
            [name, qualifier] => (None, *name, Some(*qualifier)),
            ["function", name, qualifier] => (None, *name, Some(*qualifier)),
            [account, "function", name] => (Some(*account), *name, None),
            [account, "function", name, qualifier] => (Some(*account), *name, Some(*qualifier)),
            _ => return Err(refuse(text)),
        };
        // A name that is only too long is told so; anything else is told the whole pattern.
        let name = name
            .parse::<FunctionName>()
            .map_err(|error| if error.kind == InvalidKind::Value { error } else { refuse(text) })?;
        Ok(Self {
            region: None,
            account: account.map(str::parse).transpose().map_err(|_| refuse(text))?,
            name,
            qualifier: qualifier.map(Qualifier::in_name).transpose().map_err(|_| refuse(text))?,
        })
    }
}

/// What is wrong with an ARN, if it is that its function's name is too long and nothing else.
fn long_name(arn: &str) -> Option<InvalidField> {
    let (before, rest) = arn.split_once(":function:")?;
    let name = rest.split(':').next()?;
    let error = name.parse::<FunctionName>().err().filter(|error| error.kind == InvalidKind::Value)?;
    let (short, after) = (name.get(..FunctionName::MAX_LEN)?, rest.get(name.len()..)?);
    format!("{before}:function:{short}{after}").parse::<FunctionArn>().ok()?;
    Some(error)
}

fn refuse(text: &str) -> InvalidField {
    InvalidField::constraint(
        "function_name",
        "functionName",
        text,
        format_args!("Member must satisfy regular expression pattern: {PATTERN}"),
    )
}

text_forms!(FunctionReference);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::arn::tests::{any_arn, any_qualifier},
        *,
    };

    fn reference(text: &str) -> FunctionReference {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_that_lambda_takes_names_the_same_function() {
        for text in [
            "hello",
            "function:hello",
            "000000000000:function:hello",
            "arn:aws:lambda:us-east-1:000000000000:function:hello",
        ] {
            let arn = reference(text).arn_for(&Region::default(), AccountId::DEFAULT);
            assert_eq!(arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello", "{text}");
            let qualified = reference(&format!("{text}:$LATEST"));
            assert_eq!(qualified.qualifier(), Some(&Qualifier::LATEST), "{text}");
            assert_eq!(qualified.name().as_str(), "hello", "{text}");
        }
    }

    #[test]
    fn a_function_may_be_called_function() {
        assert_eq!(reference("function").name().as_str(), "function");
        assert_eq!(reference("function:function").name().as_str(), "function");
        assert_eq!(reference("function:function:live").qualifier(), Some(&"live".parse().unwrap()));
    }

    #[test]
    fn a_foreign_region_is_told_apart() {
        let elsewhere = reference("arn:aws:lambda:eu-west-1:000000000000:function:hello");
        assert_eq!(elsewhere.foreign_region(&Region::default()).map(Region::as_str), Some("eu-west-1"));
        assert_eq!(reference("hello").foreign_region(&Region::default()), None);
    }

    #[test]
    fn two_qualifiers_must_agree() {
        let live: Qualifier = "live".parse().unwrap();
        assert_eq!(reference("hello:live").qualifier_with(Some(&live)), Ok(Some(&live)));
        assert_eq!(reference("hello").qualifier_with(Some(&live)), Ok(Some(&live)));
        let error = reference("hello:live").qualifier_with(Some(&Qualifier::LATEST)).unwrap_err();
        assert_eq!(
            error.message,
            "The derived qualifier from the function name does not match the specified qualifier."
        );
    }

    #[test]
    fn an_arn_whose_name_is_only_too_long_is_told_so() {
        let arn = |region: &str, name: &str| format!("arn:aws:lambda:{region}:000000000000:function:{name}");
        let long = "x".repeat(65);
        let kind = |text: String| text.parse::<FunctionReference>().unwrap_err().kind;
        assert_eq!(kind(long.clone()), InvalidKind::Value);
        assert_eq!(kind(arn("us-east-1", &long)), InvalidKind::Value);
        assert_eq!(kind(arn("us-east-1", &format!("{long}:1"))), InvalidKind::Value);
        assert_eq!(kind(arn("nowhere", &long)), InvalidKind::Constraint);
        assert_eq!(kind(arn("us-east-1", &format!("{long}!"))), InvalidKind::Constraint);
    }

    #[test]
    fn what_names_no_function_is_refused() {
        for text in [
            "",
            ":",
            "a:",
            ":a",
            "a:b:c",
            "1:function:a",
            "a b",
            "arn:aws:lambda:us-east-1:0:function:a",
            "a:b:c:d:e",
        ] {
            assert_eq!(text.parse::<FunctionReference>().unwrap_err().field, "function_name", "{text:?}");
        }
    }

    prop_compose! {
        fn any_reference()(arn in any_arn(), form in 0..3, qualifier in prop::option::of(any_qualifier())) -> FunctionReference {
            FunctionReference {
                region: (form == 0).then_some(arn.region),
                account: (form <= 1).then_some(arn.account),
                name: arn.name,
                qualifier,
            }
        }
    }

    #[test]
    fn a_function_can_be_named_function() {
        let reference: FunctionReference =
            "arn:aws:lambda:us-east-1:000000000000:function:function".parse().unwrap();
        assert_eq!((reference.name().as_str(), reference.qualifier()), ("function", None));
        let cut: FunctionReference = "arn:aws:lambda:us-east-1:000000000000:function".parse().unwrap();
        assert_eq!(cut, reference);
    }

    proptest! {
        #[test]
        fn a_reference_survives_text_and_back(reference in any_reference()) {
            prop_assert_eq!(reference.to_string().parse::<FunctionReference>(), Ok(reference));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(arn:aws:lambda:|function|:|[0-9]{12}|\\$LATEST|[a-z]|.){0,12}") {
            if let Ok(reference) = text.parse::<FunctionReference>() {
                prop_assert_eq!(reference.to_string().parse::<FunctionReference>(), Ok(reference));
            }
        }
    }
}
