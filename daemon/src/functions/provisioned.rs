//! Provisioned concurrency: how many sandboxes of a version are kept initialised, whether or not anybody calls.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Alias, InvalidField, Qualifier, Version};

/// A version's or alias's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedConcurrency {
    /// How many are wanted.
    pub requested: ProvisionedExecutions,
    /// When that was said.
    #[serde(with = "time::serde::rfc3339")]
    pub last_modified: OffsetDateTime,
}

/// How many calls of a version can begin at once without a cold start: at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ProvisionedExecutions(NonZeroU32);

impl ProvisionedExecutions {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for ProvisionedExecutions {
    type Error = InvalidField;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        NonZeroU32::new(number).map(Self).ok_or_else(|| {
            InvalidField::constraint(
                "provisioned_concurrent_executions",
                "provisionedConcurrentExecutions",
                number,
                "Member must have value greater than or equal to 1",
            )
        })
    }
}

impl From<ProvisionedExecutions> for u32 {
    fn from(number: ProvisionedExecutions) -> u32 {
        number.get()
    }
}

/// What a configuration wants of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionedPart {
    /// The version.
    pub version: Version,
    /// How many it wants.
    pub count: u32,
    /// How many others want of the same version that come before it.
    pub before: u32,
}

/// What a configuration of a qualifier wants of which version. An alias with two has them divided by their weights, as
/// Lambda does while a deployment shifts traffic.
pub(super) fn divide(
    qualifier: &Qualifier,
    requested: ProvisionedExecutions,
    alias: Option<&Alias>,
) -> Vec<(Version, u32)> {
    let requested = requested.get();
    match (qualifier, alias) {
        (Qualifier::Version(version), _) => vec![(*version, requested)],
        (Qualifier::Alias(_), Some(Alias { version, routing, .. })) => {
            let second = routing.map(|routing| {
                let share = (f64::from(requested) * f64::from(routing.weight)).round();
                // A weight is of [0, 1], so that it is no more than was requested.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
                let share = share as u32;
                (Version::Number(routing.version), share.min(requested))
            });
            let taken = second.map_or(0, |(_, count)| count);
            let both = [Some((*version, requested - taken)), second];
            both.into_iter().flatten().filter(|(_, count)| *count > 0).collect()
        }
        (Qualifier::Alias(_) | Qualifier::Nothing(_), _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_at_all_is_no_configuration() {
        let told = ProvisionedExecutions::try_from(0).unwrap_err().to_string();
        assert!(told.contains("Value '0' at 'provisionedConcurrentExecutions' failed"), "{told}");
        assert_eq!(ProvisionedExecutions::try_from(7).unwrap().get(), 7);
    }
}
