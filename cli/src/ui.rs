//! Everything that a person sees: tables, colours, progress, errors. And JSON, for programs.

use std::{
    env,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::failure::Failure;

/// Lambda's form of a time: 2015-07-16T00:34:31.322+0000.
const STAMP: &[BorrowedFormatItem<'_>] = format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3][offset_hour sign:mandatory][offset_minute]"
);

/// How to print results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables, for people.
    Table,
    /// JSON, for programs.
    Json,
}

/// An ARN's function with its qualifier, if it has one: the rest is the same everywhere.
pub(crate) fn function_of(arn: &str) -> &str {
    arn.split_once(":function:").map_or(arn, |(_, name)| name)
}

/// A terminal, or whatever stands in its place.
#[derive(Debug)]
pub(crate) struct Ui {
    format: Format,
    colours: bool,
    terminal: bool,
}

impl Ui {
    pub(crate) fn new(format: Format) -> Self {
        let terminal = io::stderr().is_terminal();
        // Source: no-color.org.
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format, colours: terminal && !refused, terminal }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints an error and gives its exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        if let Some(message) = failure.message() {
            let label = if self.colours { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
            self.note(&format!("{label} {message}"));
        }
        ExitCode::from(failure.code())
    }

    /// A line for people, beside the result.
    pub(crate) fn note(&self, line: &str) {
        // Without a place for errors there is nobody to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A result as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            Err(error) => Err(Failure::Local(anyhow::Error::from(error).context("writing the result"))),
            Ok(()) => Ok(()),
        }
    }

    /// What a command did: JSON, or a sentence.
    pub(crate) fn done(&self, json: &Value, sentence: &str) -> Result<(), Failure> {
        if self.is_json() { self.json(json) } else { self.line(sentence) }
    }

    /// A line of a result.
    pub(crate) fn line(&self, line: &str) -> Result<(), Failure> {
        self.raw(format!("{line}\n").as_bytes())
    }

    /// A result as JSON.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Failure> {
        self.line(&format!("{value:#}"))
    }

    /// A table with a heading.
    pub(crate) fn table(&self, heading: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
        self.columns(heading, rows, CellAlignment::Left)
    }

    /// A table of figures: names, and numbers below each other.
    pub(crate) fn figures(&self, heading: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
        self.columns(heading, rows, CellAlignment::Right)
    }

    fn columns(
        &self,
        heading: &[&str],
        rows: Vec<Vec<String>>,
        but_the_first: CellAlignment,
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(heading.iter().map(|name| name.to_uppercase()));
        table.add_rows(
            rows.into_iter().map(|row| row.into_iter().map(|cell| plain(&cell)).collect::<Vec<_>>()),
        );
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(but_the_first);
        }
        let text: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.line(&text.join("\n"))
    }

    /// Names and their values, one below the other.
    pub(crate) fn list(&self, pairs: &[(&str, String)]) -> Result<(), Failure> {
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in pairs {
            self.line(&format!("{name:width$}  {}", plain(value)))?;
        }
        Ok(())
    }

    /// A bar that fills, on a terminal.
    pub(crate) fn bar(&self, what: &'static str, length: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = if self.terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
        bar.with_style(style).with_message(what)
    }

    /// Something that turns, on a terminal, for work whose length nobody knows.
    pub(crate) fn spinner(&self) -> ProgressBar {
        if !self.terminal {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    /// How many characters fit beside each other, if results go to a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        Table::new().width().map(usize::from)
    }

    /// Whether there is somebody who watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.terminal
    }
}

/// A text without what a terminal would obey: what functions and other people wrote is shown, never executed.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && character != '\t' { '\u{fffd}' } else { character })
        .collect()
}

/// As [`plain`], with the ends of lines kept.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| plain(line.trim_end_matches('\n')) + if line.ends_with('\n') { "\n" } else { "" })
        .collect()
}

/// Bytes, for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A moment as Lambda writes it.
pub(crate) fn stamp(moment: Option<prost_types::Timestamp>) -> String {
    moment
        .and_then(|moment| {
            let nanos = i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos);
            OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(STAMP).ok()
        })
        .unwrap_or_default()
}

/// A span of time, for people.
pub(crate) fn span(span: Option<prost_types::Duration>) -> String {
    let seconds = span.map_or(0, |span| span.seconds);
    match seconds {
        0 => "<1s".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_on_lambda() {
        let moment = prost_types::Timestamp { seconds: 1_437_006_871, nanos: 322_000_000 };
        assert_eq!(stamp(Some(moment)), "2015-07-16T00:34:31.322+0000");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        assert_eq!(plain("a\x1b[31mb\r"), "a\u{fffd}[31mb\u{fffd}");
    }
}
