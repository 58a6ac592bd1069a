//! The names of layers and of their versions.

use std::{fmt, str::FromStr};

use crate::{
    functions::{
        Region, VersionNumber,
        arn::parse_head,
        field::{InvalidField, string_forms, text_forms},
        name::is_name_byte,
    },
    identity::AccountId,
};

/// Lambda's pattern for a layer version's ARN, as its messages quote it.
pub(in crate::functions) const VERSION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";

/// A layer's name: 1 to 140 letters, digits, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerName(Box<str>);

impl LayerName {
    /// Characters that a name may have.
    pub const MAX_LEN: usize = 140;
}

string_forms!(LayerName);

impl FromStr for LayerName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |constraint| InvalidField::constraint("layer_name", "layerName", text, constraint);
        if text.is_empty() {
            return Err(refuse("Member must have length greater than or equal to 1"));
        }
        if !text.bytes().all(is_name_byte) {
            return Err(refuse(
                r"Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+",
            ));
        }
        if text.len() > Self::MAX_LEN {
            return Err(refuse("Member must have length less than or equal to 140"));
        }
        Ok(Self(text.into()))
    }
}

/// `arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerArn {
    /// The region.
    pub region: Region,
    /// The account that owns the layer.
    pub account: AccountId,
    /// The layer.
    pub name: LayerName,
}

impl LayerArn {
    /// The same layer's version of this number.
    #[must_use]
    pub fn with_version(self, version: VersionNumber) -> LayerVersionArn {
        LayerVersionArn { layer: self, version }
    }
}

impl fmt::Display for LayerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, name } = self;
        write!(f, "arn:{}:lambda:{region}:{account}:layer:{name}", region.partition())
    }
}

impl FromStr for LayerArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parse(text) {
            Some((arn, None)) => Ok(arn),
            _ => Err(InvalidField::constraint(
                "layer_name",
                "layerName",
                text,
                "Member must be an ARN of a layer: arn:aws:lambda:REGION:ACCOUNT:layer:NAME",
            )),
        }
    }
}

text_forms!(LayerArn);

/// `arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerVersionArn {
    /// The layer.
    pub layer: LayerArn,
    /// Which version of it.
    pub version: VersionNumber,
}

impl fmt::Display for LayerVersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.version)
    }
}

impl FromStr for LayerVersionArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parse(text) {
            Some((arn, Some(version))) => Ok(arn.with_version(version)),
            _ => Err(InvalidField::constraint(
                "arn",
                "arn",
                text,
                format_args!("Member must satisfy regular expression pattern: {VERSION_PATTERN}"),
            )),
        }
    }
}

text_forms!(LayerVersionArn);

impl LayerVersionArn {
    /// The layers of a function, as a caller names them.
    ///
    /// # Errors
    /// One of them is no ARN of a layer version.
    pub fn of_list<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Self>, InvalidField> {
        let parsed: Result<Vec<Self>, _> = texts.iter().map(|text| text.as_ref().parse()).collect();
        parsed.map_err(|_| {
            let shown = texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
            InvalidField::constraint(
                "layers",
                "layers",
                format_args!("[{shown}]"),
                format_args!(
                    "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must \
                     have length greater than or equal to 1, Member must satisfy regular expression pattern: \
                     {VERSION_PATTERN}, Member must not be null]"
                ),
            )
        })
    }
}

/// A layer, and the version if the ARN names one.
fn parse(text: &str) -> Option<(LayerArn, Option<VersionNumber>)> {
    let (region, account, mut rest) = parse_head(text, "layer")?;
    let name = rest.next()?.parse().ok()?;
    let version = match rest.next() {
        Some(version) if version.bytes().all(|byte| byte.is_ascii_digit()) => Some(version.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    if rest.next().is_some() {
        return None;
    }
    Some((LayerArn { region, account, name }, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_survives_text_and_back() {
        let text = "arn:aws:lambda:us-east-1:000000000000:layer:my-layer:7";
        let arn: LayerVersionArn = text.parse().unwrap();
        assert_eq!(
            (arn.to_string().as_str(), arn.layer.name.as_str(), arn.version.get()),
            (text, "my-layer", 7)
        );
        assert!(text.parse::<LayerArn>().is_err());
        assert!("arn:aws:lambda:us-east-1:000000000000:layer:my-layer".parse::<LayerArn>().is_ok());
    }

    #[test]
    fn what_is_no_layer_version_is_refused_with_the_whole_list() {
        for text in [
            "",
            "arn:aws:lambda:us-east-1:000000000000:layer:a",
            "arn:aws:lambda:us-east-1:000000000000:layer:a:0",
            "arn:aws:lambda:us-east-1:000000000000:layer:a:+1",
            "arn:aws:lambda:us-east-1:000000000000:layer:a:1:2",
            "arn:aws:lambda:us-east-1:000000000000:function:a:1",
        ] {
            assert!(text.parse::<LayerVersionArn>().is_err(), "{text:?}");
        }
        let told = LayerVersionArn::of_list(&["a", "b"]).unwrap_err().message;
        assert!(told.starts_with("1 validation error detected: Value '[a, b]' at 'layers' failed"), "{told}");
    }
}
