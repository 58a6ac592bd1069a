//! `cron(…)` in AWS's six fields: minutes, hours, day of month, month, day of week, year.
//!
//! AWS's form is checked here, and told to croner as plain numbers; croner knows `L`, `W` and `#` and finds the next and the
//! previous match on the calendar. It is asked about civil time alone: what a time zone makes of that is `expression`'s.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::civil::DateTime;

/// The years that AWS's field has.
const YEARS: (u16, u16) = (1970, 2199);

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A pattern on the calendar.
#[derive(Clone, Debug)]
pub(super) struct AwsCron(Cron);

/// A field: its name, its numbers and the names of these.
struct Field {
    name: &'static str,
    least: u16,
    most: u16,
    names: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "minutes", least: 0, most: 59, names: &[] },
    Field { name: "hours", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of week", least: 1, most: 7, names: &DAYS },
    Field { name: "year", least: YEARS.0, most: YEARS.1, names: &[] },
];

const DAY_OF_MONTH: usize = 2;
const DAY_OF_WEEK: usize = 4;

impl AwsCron {
    /// Reads what is between the parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_uppercase();
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let Ok(fields) = <[&str; 6]>::try_from(fields) else {
            return Err("cron has six fields: minutes hours day-of-month month day-of-week year".to_owned());
        };
        if (fields[DAY_OF_MONTH] == "?") == (fields[DAY_OF_WEEK] == "?") {
            return Err("one of day-of-month and day-of-week must be ?, and the other must not".to_owned());
        }
        let mut pattern = "0".to_owned();
        for (index, (field, text)) in FIELDS.iter().zip(fields).enumerate() {
            pattern.push(' ');
            pattern.push_str(&field.translate(index, text)?);
        }
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).build();
        parser.parse(&pattern).map(Self).map_err(|error| error.to_string())
    }

    /// The first match after a time; none if there is none any more.
    pub(super) fn next(&self, after: DateTime) -> Option<DateTime> {
        self.0.find_next_occurrence(&after, false).ok().filter(|found| found.year() <= 2199)
    }

    /// The last match at or before a time.
    pub(super) fn previous(&self, until: DateTime) -> Option<DateTime> {
        self.0.find_previous_occurrence(&until, true).ok().filter(|found| found.year() >= 1970)
    }
}

impl Field {
    /// A field as croner takes it: `*`, or numbers and what has `L`, `W` or `#`.
    fn translate(&self, index: usize, text: &str) -> Result<String, String> {
        if text == "?" {
            return match index {
                DAY_OF_MONTH | DAY_OF_WEEK => Ok("*".to_owned()),
                _ => Err(format!("{} can't be ?", self.name)),
            };
        }
        if text == "*" {
            return Ok(if self.least == YEARS.0 {
                format!("{}-{}", YEARS.0, YEARS.1)
            } else {
                "*".to_owned()
            });
        }
        let parts: Vec<String> =
            text.split(',').map(|part| self.part(index, part)).collect::<Result<_, _>>()?;
        Ok(parts.join(","))
    }

    fn part(&self, index: usize, part: &str) -> Result<String, String> {
        match index {
            DAY_OF_MONTH if part == "L" || part == "LW" => return Ok(part.to_owned()),
            DAY_OF_MONTH if part.ends_with('W') => {
                let day = self.number(part.trim_end_matches('W'), part)?;
                return Ok(format!("{day}W"));
            }
            // The week's last day.
            DAY_OF_WEEK if part == "L" => return Ok("6".to_owned()),
            DAY_OF_WEEK if part.ends_with('L') => {
                let day = self.number(&part[..part.len() - 1], part)?;
                return Ok(format!("{}L", day - 1));
            }
            DAY_OF_WEEK if part.contains('#') => {
                let (day, nth) = part.split_once('#').unwrap_or_default();
                let nth: u8 =
                    nth.parse().ok().filter(|nth| (1..=5).contains(nth)).ok_or_else(|| self.bad(part))?;
                return Ok(format!("{}#{nth}", self.number(day, part)? - 1));
            }
            _ => {}
        }
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, part)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (self.number(first, part)?, self.number(last, part)?),
            None if range == "*" || range.is_empty() && step.is_some() => (self.least, self.most),
            None => {
                let first = self.number(range, part)?;
                (first, if step.is_some() { self.most } else { first })
            }
        };
        // A range may go over the end, as FRI-MON does. Years don't come round again.
        let count = self.most - self.least + 1;
        let length = if last >= first { last - first } else { last + count - first };
        if last < first && self.least == YEARS.0 {
            return Err(self.bad(part));
        }
        // Numbers of days of the week begin with 0 for croner.
        let offset = u16::from(index == DAY_OF_WEEK);
        let numbers = (0..=length)
            .step_by(usize::from(step.unwrap_or(1)))
            .map(|ahead| ((first - self.least + ahead) % count + self.least - offset).to_string());
        Ok(numbers.collect::<Vec<_>>().join(","))
    }

    fn number(&self, text: &str, part: &str) -> Result<u16, String> {
        if let Some(at) = self.names.iter().position(|name| *name == text) {
            // At most 12 names.
            return Ok(u16::try_from(at).unwrap_or_default() + self.least);
        }
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        number
            .and_then(|text| text.parse().ok())
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| self.bad(part))
    }

    fn step(&self, text: &str, part: &str) -> Result<u16, String> {
        let step = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        step.and_then(|text| text.parse().ok())
            .filter(|step| (1..=self.most - self.least + 1).contains(step))
            .ok_or_else(|| self.bad(part))
    }

    fn bad(&self, part: &str) -> String {
        let part: String = part.chars().take(32).collect();
        format!("{part:?} is nothing that {} can be ({} to {})", self.name, self.least, self.most)
    }
}
