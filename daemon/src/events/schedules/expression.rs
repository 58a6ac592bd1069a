//! When something is to run: `rate(…)`, `cron(…)` or `at(…)`.
//!
//! What a time zone does twice a year is as EventBridge Scheduler has it: a time that a change to summer time leaves out is
//! not run, one that a change back repeats is run the first time only, and a rate counts time, not the clock's face.

use std::str::FromStr;

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use time::{Duration, OffsetDateTime};

use super::{cron::AwsCron, zone::Zone};
use crate::functions::InvalidField;

/// The longest expression. Source: EventBridge's ScheduleExpression.
const MAX_LEN: usize = 256;

/// The longest interval of a rate, in minutes: a hundred years.
const LONGEST_RATE_MINUTES: u32 = 100 * 366 * 24 * 60;

/// Matches that are passed over because a time zone leaves them out or has had them: of a whole day, each minute.
const MOST_PASSED_OVER: usize = 2 * 24 * 60;

/// When something is to run.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Box<str>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Rate(Duration),
    Cron(Box<AwsCron>),
    At(DateTime),
}

impl Expression {
    /// The first time after `after`, of a schedule that was set at `anchor`; none if there is none any more.
    #[must_use]
    pub fn next(&self, zone: &Zone, anchor: OffsetDateTime, after: OffsetDateTime) -> Option<OffsetDateTime> {
        match &self.kind {
            Kind::Rate(interval) => {
                let passed = (after - anchor).whole_seconds().div_euclid(interval.whole_seconds());
                nth(anchor, *interval, passed.max(0).checked_add(1)?)
            }
            Kind::Cron(cron) => {
                let mut civil = civil(zone, after)?;
                for _ in 0..MOST_PASSED_OVER {
                    civil = cron.next(civil)?;
                    if let Some(found) = instant(zone.zone(), civil).filter(|found| *found > after) {
                        return Some(found);
                    }
                }
                None
            }
            Kind::At(civil) => instant(zone.zone(), *civil).filter(|found| *found > after),
        }
    }

    /// The last time that is not after `until`.
    #[must_use]
    pub fn last(&self, zone: &Zone, anchor: OffsetDateTime, until: OffsetDateTime) -> Option<OffsetDateTime> {
        match &self.kind {
            Kind::Rate(interval) => {
                let passed = (until - anchor).whole_seconds().div_euclid(interval.whole_seconds());
                (passed > 0).then(|| nth(anchor, *interval, passed)).flatten()
            }
            Kind::Cron(cron) => {
                let mut civil = civil(zone, until)?;
                for _ in 0..MOST_PASSED_OVER {
                    civil = cron.previous(civil)?;
                    if let Some(found) = instant(zone.zone(), civil).filter(|found| *found <= until) {
                        return Some(found);
                    }
                    civil = civil.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
                }
                None
            }
            Kind::At(civil) => instant(zone.zone(), *civil).filter(|found| *found <= until),
        }
    }

    /// The time between two runs, of a rate.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self.kind {
            Kind::Rate(interval) => Some(interval),
            Kind::Cron(_) | Kind::At(_) => None,
        }
    }

    /// Whether it is one time only.
    #[must_use]
    pub fn is_once(&self) -> bool {
        matches!(self.kind, Kind::At(_))
    }
}

fn nth(anchor: OffsetDateTime, interval: Duration, number: i64) -> Option<OffsetDateTime> {
    anchor.checked_add(Duration::seconds(interval.whole_seconds().checked_mul(number)?))
}

/// What a clock in this zone shows.
fn civil(zone: &Zone, instant: OffsetDateTime) -> Option<DateTime> {
    let instant = Timestamp::from_second(instant.unix_timestamp()).ok()?;
    Some(zone.zone().to_datetime(instant))
}

/// When a clock in this zone shows that for the first time; never, if it leaves it out.
fn instant(zone: &TimeZone, civil: DateTime) -> Option<OffsetDateTime> {
    let found = zone.to_ambiguous_timestamp(civil);
    if matches!(found.offset(), AmbiguousOffset::Gap { .. }) {
        return None;
    }
    OffsetDateTime::from_unix_timestamp(found.earlier().ok()?.as_second()).ok()
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expression {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why: String| InvalidField::new("expression", why);
        let form = "give rate(5 minutes), cron(0 12 * * ? *) or at(2030-01-31T12:00:00)";
        if text.len() > MAX_LEN {
            return Err(refuse(format!("an expression has at most {MAX_LEN} characters")));
        }
        let inside = text.strip_suffix(')').and_then(|text| text.split_once('('));
        let kind = match inside {
            Some(("rate", inside)) => Kind::Rate(rate(inside).map_err(refuse)?),
            Some(("cron", inside)) => Kind::Cron(Box::new(AwsCron::parse(inside).map_err(refuse)?)),
            Some(("at", inside)) => Kind::At(at(inside).map_err(refuse)?),
            _ => return Err(refuse(form.to_owned())),
        };
        Ok(Self { text: text.into(), kind })
    }
}

crate::functions::text_forms!(Expression);

fn rate(text: &str) -> Result<Duration, String> {
    let form =
        || "rate takes a number and a unit: rate(1 minute), rate(5 minutes), rate(2 hours), rate(7 days)";
    let (number, unit) = text.split_once(' ').ok_or_else(form)?;
    let number = Some(number).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u32 =
        number.and_then(|text| text.parse().ok()).filter(|number| *number > 0).ok_or_else(form)?;
    let minutes = match (unit, number == 1) {
        ("minute", true) | ("minutes", false) => 1,
        ("hour", true) | ("hours", false) => 60,
        ("day", true) | ("days", false) => 24 * 60,
        _ => return Err(form().to_owned()),
    };
    let minutes = number.checked_mul(minutes).filter(|minutes| *minutes <= LONGEST_RATE_MINUTES);
    minutes
        .map(|minutes| Duration::minutes(minutes.into()))
        .ok_or_else(|| "rate: at most 36,600 days".to_owned())
}

fn at(text: &str) -> Result<DateTime, String> {
    let whole = text.len() == "yyyy-mm-ddThh:mm:ss".len();
    DateTime::strptime("%Y-%m-%dT%H:%M:%S", text)
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| "at takes a time as yyyy-mm-ddThh:mm:ss, without an offset".to_owned())
}
