//! Aliases: names that point to a version, or spread calls over two.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    AliasName, Description, FunctionArn, InvalidField, Qualifier, RevisionId, Version, VersionNumber,
};

/// An alias at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The alias's ARN: the function's, with the alias as its qualifier.
    pub arn: FunctionArn,
    /// Its name.
    pub name: AliasName,
    /// The version that it points to.
    pub version: Version,
    /// Another version that takes a share of the calls.
    pub routing: Option<Routing>,
    /// For people.
    pub description: Description,
    /// Differs from that of every other state of it.
    pub revision_id: RevisionId,
}

/// A second version of an alias, and its share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routing {
    /// The version that takes a share of the calls.
    pub version: VersionNumber,
    /// How many of all calls it takes: 0 to 1.
    pub weight: Weight,
}

/// A share of calls: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(f64);

impl TryFrom<f64> for Weight {
    type Error = InvalidField;

    fn try_from(weight: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(InvalidField::new("routing_config", "A weight is a number from 0 to 1."))
        }
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> f64 {
        weight.0
    }
}

impl Alias {
    pub(super) fn arn(function: &FunctionArn, name: &AliasName) -> FunctionArn {
        function.with_qualifier(Qualifier::Alias(name.clone()))
    }

    /// The version that a call takes that drew this number of [0, 1).
    #[must_use]
    pub fn choose(&self, drawn: f64) -> Version {
        match self.routing {
            Some(Routing { version, weight }) if drawn < weight.0 => Version::Number(version),
            _ => self.version,
        }
    }

    /// Whether calls may come to this version.
    #[must_use]
    pub fn leads_to(&self, version: Version) -> bool {
        self.version == version
            || self.routing.is_some_and(|routing| Version::Number(routing.version) == version)
    }
}

impl Routing {
    /// The second version in a caller's `AdditionalVersionWeights`; none if these are empty.
    ///
    /// # Errors
    /// There are several; a key is no version's number; a weight is not from 0 to 1.
    pub fn of_weights(weights: &BTreeMap<String, f64>) -> Result<Option<Self>, InvalidField> {
        let refuse = |constraint: &str| {
            let shown: Vec<String> =
                weights.iter().map(|(version, weight)| format!("{version}={weight:?}")).collect();
            InvalidField::constraint(
                "routing_config",
                "routingConfig.additionalVersionWeights",
                format_args!("{{{}}}", shown.join(", ")),
                constraint,
            )
        };
        let is_number = |text: &String| {
            !text.is_empty() && text.len() <= 1024 && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !weights.keys().all(is_number) {
            return Err(refuse(
                "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must \
                 have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
            ));
        }
        if !weights.values().all(|weight| (0.0..=1.0).contains(weight)) {
            return Err(refuse(
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
                 have value greater than or equal to 0.0, Member must not be null]",
            ));
        }
        if weights.len() > 1 {
            return Err(InvalidField::new(
                "routing_config",
                "Number of items in AdditionalVersionWeights cannot be greater than 1",
            ));
        }
        let Some((version, weight)) = weights.iter().next() else { return Ok(None) };
        let version = match Version::from_str(version)? {
            Version::Number(version) => version,
            // `is_number` leaves only what `Version` takes for a number or refuses.
            Version::Latest => return Ok(None),
        };
        Ok(Some(Self { version, weight: Weight::try_from(*weight)? }))
    }
}

/// An alias to create.
#[derive(Clone, Debug)]
pub struct CreateAlias {
    /// Its name.
    pub name: AliasName,
    /// The version to point to.
    pub version: Version,
    /// A second version.
    pub routing: Option<Routing>,
    /// For people.
    pub description: Description,
}

/// What to change of an alias; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct UpdateAlias {
    /// The version to point to.
    pub version: Option<Version>,
    /// A second version; `Some(None)` is no second one.
    pub routing: Option<Option<Routing>>,
    /// For people.
    pub description: Option<Description>,
    /// If set, the update is refused unless the alias is at this revision.
    pub revision_id: Option<RevisionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(weights: &[(&str, f64)]) -> Result<Option<Routing>, InvalidField> {
        Routing::of_weights(
            &weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight)).collect(),
        )
    }

    #[test]
    fn weights_are_refused_in_lambdas_words() {
        assert_eq!(weights(&[]), Ok(None));
        let told = |given: &[(&str, f64)]| weights(given).unwrap_err().message;
        assert_eq!(
            told(&[("2", 2.0)]),
            "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to \
             satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to \
             1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
        );
        assert!(told(&[("2", f64::NAN)]).contains("Map value must satisfy"));
        assert!(told(&[("$LATEST", 0.5)]).contains("Value '{$LATEST=0.5}'"));
        assert_eq!(
            told(&[("1", 0.5), ("2", 0.5)]),
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        );
        assert!(weights(&[("0", 0.5)]).is_err());
    }

    #[test]
    fn a_share_of_the_draws_goes_to_the_second_version() {
        let alias = Alias {
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f:live".parse().unwrap(),
            name: "live".parse().unwrap(),
            version: "1".parse().unwrap(),
            routing: weights(&[("2", 0.25)]).unwrap(),
            description: Description::default(),
            revision_id: RevisionId::random(),
        };
        let drawn = |drawn| alias.choose(drawn).to_string();
        assert_eq!(
            (drawn(0.0), drawn(0.2499), drawn(0.25), drawn(0.999)),
            ("2".into(), "2".into(), "1".into(), "1".into())
        );
        assert!(alias.leads_to("2".parse().unwrap()) && !alias.leads_to(Version::Latest));
    }
}
