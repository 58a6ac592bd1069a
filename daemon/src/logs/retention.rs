//! How long a group's lines are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What CloudWatch allows.
const ALLOWED: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// A number of days that CloudWatch allows: 1, 3, 5, 7, 14, 30 and so on up to ten years.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RetentionDays(u16);

/// The number of days is not one that CloudWatch allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lines cannot be kept for {0} days; give one of {ALLOWED:?}")]
pub struct InvalidRetention(pub i64);

impl RetentionDays {
    /// The days.
    #[must_use]
    pub fn days(self) -> u16 {
        self.0
    }

    /// The same as a time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 86_400)
    }
}

impl TryFrom<i64> for RetentionDays {
    type Error = InvalidRetention;

    fn try_from(days: i64) -> Result<Self, InvalidRetention> {
        let allowed = ALLOWED.into_iter().find(|&allowed| i64::from(allowed) == days);
        allowed.map(Self).ok_or(InvalidRetention(days))
    }
}

impl TryFrom<u16> for RetentionDays {
    type Error = InvalidRetention;

    fn try_from(days: u16) -> Result<Self, InvalidRetention> {
        i64::from(days).try_into()
    }
}

impl From<RetentionDays> for u16 {
    fn from(days: RetentionDays) -> Self {
        days.0
    }
}
