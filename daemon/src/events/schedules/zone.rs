//! Time zones, by their names in the IANA database.

use std::str::FromStr;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::functions::InvalidField;

/// The longest name. Source: EventBridge Scheduler's ScheduleExpressionTimezone.
const MAX_LEN: usize = 50;

/// A time zone: that of the machine's database, or of the one that is compiled in where that lacks it.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Box<str>,
    zone: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".into(), zone: TimeZone::UTC }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl FromStr for Zone {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "UTC" {
            return Ok(Self::utc());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte);
        let known = (text.len() <= MAX_LEN && text.bytes().all(plain)).then(|| {
            let bundled = || TimeZoneDatabase::bundled().get(text);
            jiff::tz::db().get(text).or_else(|_| bundled()).ok()
        });
        match known.flatten() {
            Some(zone) => Ok(Self { name: text.into(), zone }),
            None => Err(InvalidField::new(
                "time_zone",
                "Give a time zone of the IANA database, such as Europe/Berlin or UTC.",
            )),
        }
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

crate::functions::text_forms!(Zone);
