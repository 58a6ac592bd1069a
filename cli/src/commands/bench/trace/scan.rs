//! Reads a trace from beginning to end, entry by entry; and what has to be known before it can be played.

use std::time::Duration;

use super::{
    TraceError,
    format::{Columns, Entry, Format, quoted},
    lines::Lines,
};
use crate::commands::bench::arguments::TraceSettings;

/// How long Huawei's only row lasts, if there is only one.
const MINUTE: i64 = 60_000_000_000;

/// The longest that a row can last.
const DAY: i64 = 24 * 60 * MINUTE;

/// Where a trace begins and ends.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) format: Format,
    /// The first moment, in nanoseconds of the file's own.
    begin: i64,
    /// The moment after the last.
    end: i64,
    /// The part that is to be played.
    from: i64,
    until: i64,
}

impl Scan {
    /// Reads the whole file once, and so finds every line that is wrong.
    pub(super) fn of(settings: &TraceSettings) -> Result<Self, TraceError> {
        let (mut begin, mut end) = (i64::MAX, i64::MIN);
        let format = read(settings, &mut |entry| {
            begin = begin.min(entry.start);
            end = end.max(entry.start + entry.width.unwrap_or(1));
            Ok(())
        })?;
        if begin > end {
            return Err(TraceError::Whole { path: settings.path.clone(), why: "it has no calls".to_owned() });
        }
        let from = begin.saturating_add(nanos(settings.from));
        let until = settings.length.map_or(end, |length| from.saturating_add(nanos(length)));
        Ok(Self { format, begin, end, from, until })
    }

    /// How long the trace is.
    pub(super) fn length(&self) -> Duration {
        Duration::from_nanos(self.end.abs_diff(self.begin))
    }

    /// The first moment of the part that is played, and the one after its last.
    pub(super) fn part(&self) -> (i64, i64) {
        (self.from, self.until)
    }

    /// Whether an entry is at least partly in the part that is played.
    pub(super) fn is_in_part(&self, entry: &Entry<'_>) -> bool {
        entry.start < self.until && entry.start + entry.width.unwrap_or(1) > self.from
    }
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// Hands every entry of a trace to `each`.
///
/// # Errors
/// If the file can't be read, or the line where that ends with what is wrong.
pub(super) fn read(
    settings: &TraceSettings,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), String>,
) -> Result<Format, TraceError> {
    let mut lines = Lines::open(&settings.path)?;
    let Some(header) = lines.next()? else {
        return Err(TraceError::Whole { path: settings.path.clone(), why: "it is empty".to_owned() });
    };
    let found = Columns::of(header).filter(|found| settings.format.is_none_or(|it| it == found.format()));
    let (columns, is_header) = match (found, settings.format) {
        (Some(columns), _) => (columns, true),
        (None, Some(format)) => match Columns::documented(format) {
            Some(columns) => (columns, false),
            None => {
                let why = format!("{} is not the first line of a trace of the form {format}", quoted(header));
                return Err(lines.error(why));
            }
        },
        (None, None) => {
            let why = format!(
                "{} is the first line of no form of trace that is known; name it with --trace-format, or give the \
                 file a first line `timestamp,function`",
                quoted(header)
            );
            return Err(lines.error(why));
        }
    };
    let first = if is_header { None } else { Some(header.to_owned()) };
    if let Some(first) = first {
        columns.read(&first, 0, each).map_err(|why| lines.error(why))?;
    }
    match columns {
        Columns::Huawei { .. } => rows(&columns, &mut lines, each)?,
        _ => {
            while let Some(line) = lines.next()? {
                let read = columns.read(line, 0, each);
                read.map_err(|why| lines.error(why))?;
            }
        }
    }
    Ok(columns.format())
}

/// Rows that last from one to the next. How long that is the first two tell; where some are missing nothing was called.
fn rows<R: std::io::BufRead>(
    columns: &Columns,
    lines: &mut Lines<R>,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), String>,
) -> Result<(), TraceError> {
    let Some(first) = lines.next()?.map(str::to_owned) else { return Ok(()) };
    let mut last = columns.row_start(&first).map_err(|why| lines.error(why))?;
    let Some(second) = lines.next()?.map(str::to_owned) else {
        return columns.read(&first, MINUTE, each).map_err(|why| lines.error(why));
    };
    let step = columns.row_start(&second).map_err(|why| lines.error(why))? - last;
    if !(1..=DAY).contains(&step) {
        return Err(lines.error("its time is not after that of the line before, by a day at most".to_owned()));
    }
    columns.read(&first, step, each).map_err(|why| lines.error(why))?;
    let mut line = Some(second.as_str());
    while let Some(row) = line {
        let read = columns.row_start(row).and_then(|start| {
            if start - last < step {
                return Err("its time is less after the line before than that of the second line".to_owned());
            }
            last = start;
            columns.read(row, step, each)
        });
        read.map_err(|why| lines.error(why))?;
        line = lines.next()?;
    }
    Ok(())
}
