//! What a line of each format means.
//!
//! Sources: AzureFunctionsDataset2019.md and AzureFunctionsInvocationTrace2021.md of Azure's public dataset; the readme and
//! the notebooks of the data release of "How Does It Function?" (Huawei, SoCC 2023).

use std::fmt;

use clap::ValueEnum;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::lines::fields;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// The largest moment in seconds either side of zero: the year 2096 for those who count from 1970. A moment less a span
/// of this length is still in the range of 64 bits of nanoseconds.
const MOMENT_LIMIT: f64 = 4e9;

/// More calls of one function in one minute or second than anything could make: a defect of the file.
const COUNT_LIMIT: f64 = 1e9;

/// Minutes of a day.
const MINUTES: usize = 1440;

/// The forms of traces that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum Format {
    /// Azure Functions 2019: calls of a function in each minute of a day.
    #[value(name = "azure-2019")]
    Azure2019,
    /// Azure Functions 2021: a call a line, by its end and duration.
    #[value(name = "azure-2021")]
    Azure2021,
    /// Huawei 2023: calls of all functions in each second or minute.
    Huawei,
    /// timestamp,function: a call a line.
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Azure2019 => "azure-2019",
            Self::Azure2021 => "azure-2021",
            Self::Huawei => "huawei",
            Self::Csv => "csv",
        })
    }
}

/// Calls of one function. Moments and spans are nanoseconds; where moments are counted from is the file's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) start: i64,
    /// None for a call whose moment is known; else it or they came within this span.
    pub(super) width: Option<i64>,
    pub(super) function: &'a str,
    pub(super) count: u64,
}

/// Where in a line what stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// The first minute's column is the fifth.
    Azure2019,
    Azure2021 {
        app: usize,
        func: usize,
        end: usize,
        duration: usize,
    },
    /// Which function each column is, apart from those of the day and of the moment.
    Huawei {
        time: usize,
        functions: Vec<(usize, String)>,
    },
    Csv {
        timestamp: usize,
        function: usize,
    },
}

impl Columns {
    /// Those of a first line, if it is one of a format.
    pub(super) fn of(header: &str) -> Option<Self> {
        let names: Vec<_> = fields(header).collect();
        let at = |name: &str| names.iter().position(|it| it.eq_ignore_ascii_case(name));
        if let [owner, app, function, trigger, minutes @ ..] = names.as_slice()
            && [owner, app, function, trigger] == [&"HashOwner", &"HashApp", &"HashFunction", &"Trigger"]
            && minutes.len() <= MINUTES
            && minutes.iter().enumerate().all(|(at, minute)| minute.parse() == Ok(at + 1))
        {
            return Some(Self::Azure2019);
        }
        if let (Some(app), Some(func), Some(end), Some(duration)) =
            (at("app"), at("func"), at("end_timestamp"), at("duration"))
        {
            return Some(Self::Azure2021 { app, func, end, duration });
        }
        if let (Some(timestamp), Some(function)) = (at("timestamp"), at("function")) {
            return Some(Self::Csv { timestamp, function });
        }
        let (day, time) = (at("day")?, at("time")?);
        let mut functions = Vec::new();
        for (at, name) in names.iter().enumerate().filter(|(at, _)| ![day, time].contains(at)) {
            name.parse::<u32>().ok()?;
            functions.push((at, (*name).to_owned()));
        }
        (!functions.is_empty()).then_some(Self::Huawei { time, functions })
    }

    /// Those of a file of this format without a first line of names, if the format has an order of its own.
    pub(super) fn documented(format: Format) -> Option<Self> {
        match format {
            Format::Azure2019 => Some(Self::Azure2019),
            Format::Azure2021 => Some(Self::Azure2021 { app: 0, func: 1, end: 2, duration: 3 }),
            Format::Csv => Some(Self::Csv { timestamp: 0, function: 1 }),
            Format::Huawei => None,
        }
    }

    /// Whose they are.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Azure2019 => Format::Azure2019,
            Self::Azure2021 { .. } => Format::Azure2021,
            Self::Huawei { .. } => Format::Huawei,
            Self::Csv { .. } => Format::Csv,
        }
    }

    /// Hands each entry of a line to `each`. `step` is how long a row of Huawei's lasts.
    ///
    /// # Errors
    /// What is wrong with the line, or what `each` finds wrong with it.
    pub(super) fn read(
        &self,
        line: &str,
        step: i64,
        each: &mut dyn FnMut(Entry<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Self::Azure2019 => azure_2019(line, each),
            Self::Azure2021 { app, func, end, duration } => {
                let fields: Vec<_> = fields(line).collect();
                let (end, span) = (moment(field(&fields, *end)?)?, moment(field(&fields, *duration)?)?);
                if span < 0 {
                    return Err("its duration is negative".to_owned());
                }
                // A function's id is unique only within its app.
                let function = format!("{}/{}", field(&fields, *app)?, field(&fields, *func)?);
                each(Entry { start: end - span, width: None, function: &function, count: 1 })
            }
            Self::Huawei { functions, .. } => {
                let start = self.row_start(line)?;
                let fields: Vec<_> = fields(line).collect();
                for (at, function) in functions {
                    let count = count(field(&fields, *at)?)?;
                    each(Entry { start, width: Some(step), function, count })?;
                }
                Ok(())
            }
            Self::Csv { timestamp, function } => {
                let fields: Vec<_> = fields(line).collect();
                let function = field(&fields, *function)?;
                if function.is_empty() {
                    return Err("it names no function".to_owned());
                }
                each(Entry { start: moment(field(&fields, *timestamp)?)?, width: None, function, count: 1 })
            }
        }
    }

    /// When a row of Huawei's begins.
    pub(super) fn row_start(&self, line: &str) -> Result<i64, String> {
        let Self::Huawei { time, .. } = self else { return Ok(0) };
        moment(fields(line).nth(*time).ok_or_else(|| missing(*time))?)
    }
}

fn azure_2019(line: &str, each: &mut dyn FnMut(Entry<'_>) -> Result<(), String>) -> Result<(), String> {
    let mut fields = fields(line);
    let (Some(_), Some(_), Some(function), Some(_)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("it should begin with owner, app, function and trigger".to_owned());
    };
    if function.is_empty() {
        return Err("it names no function".to_owned());
    }
    let mut minutes = 0;
    for (minute, field) in fields.enumerate() {
        if minute == MINUTES {
            return Err(format!("it has more than {MINUTES} minutes"));
        }
        let count = count(field).map_err(|why| format!("minute {}: {why}", minute + 1))?;
        // At most a day.
        let start = 60 * SECOND * i64::try_from(minute).unwrap_or_default();
        each(Entry { start, width: Some(60 * SECOND), function, count })?;
        minutes += 1;
    }
    if minutes == 0 { Err("it has no minutes".to_owned()) } else { Ok(()) }
}

fn field<'a>(fields: &[&'a str], at: usize) -> Result<&'a str, String> {
    fields.get(at).copied().ok_or_else(|| missing(at))
}

fn missing(at: usize) -> String {
    format!("it has no field number {}", at + 1)
}

/// Seconds, or a date and time, as nanoseconds.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.abs() <= MOMENT_LIMIT {
            // In range by the limit; a float has no more digits to lose.
            let nanos = (seconds * 1e9).round() as i64;
            Ok(nanos)
        } else {
            Err(format!("{} is no moment in seconds", quoted(text)))
        };
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|moment| i64::try_from(moment.unix_timestamp_nanos()).ok())
        .filter(|nanos| nanos.abs() / SECOND <= MOMENT_LIMIT as i64)
        .ok_or_else(|| format!("{} is neither seconds nor a time such as 2026-01-31T12:00:00Z", quoted(text)))
}

/// How many calls. Nothing is none: Huawei's traces have holes, and numbers with a point.
fn count(text: &str) -> Result<u64, String> {
    if text.is_empty() || text.eq_ignore_ascii_case("nan") {
        return Ok(0);
    }
    match text.parse::<f64>() {
        Ok(count) if (0.0..=COUNT_LIMIT).contains(&count) => {
            let count = count.round() as u64;
            Ok(count)
        }
        _ => Err(format!("{} is no number of calls", quoted(text))),
    }
}

/// What stands in a file, short enough for a message.
pub(super) fn quoted(text: &str) -> String {
    let short: String =
        text.chars().take(40).map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
}
