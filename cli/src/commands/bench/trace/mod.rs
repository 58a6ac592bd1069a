//! Recorded traces: which calls were made when, read from a file and played again.
//!
//! The file is read three times from beginning to end: once to know where the trace begins ([`scan`]), once to count the
//! calls of each of its functions in the part that is played ([`assign`]), and once to note that part ([`replay`]). So
//! nothing has to be held of a file of any size but names, counts a minute, and, in formats with a call a line, the
//! moments of the calls in that part, which are limited.

mod assign;
mod format;
mod lines;
mod replay;
mod scan;

pub(super) use format::Format;
pub(super) use replay::Replay;

use std::{io, path::PathBuf};

use super::arguments::TraceSettings;
use crate::failure::Failure;
use assign::Assignment;
use replay::Part;
use scan::Scan;

/// Why a trace can't be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceError {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to play, or too much.
    #[error("{}: {why}", path.display())]
    Whole {
        /// Of which file.
        path: PathBuf,
        /// What.
        why: String,
    },
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A trace that is ready to be played.
#[derive(Debug)]
pub(super) struct Trace {
    /// Its calls, in order.
    pub(super) calls: Replay,
    /// What was found, for people.
    pub(super) found: Found,
}

/// What a trace has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) format: Format,
    /// Functions with calls in the part that is played.
    pub(super) functions: usize,
    /// Calls in that part that are played.
    pub(super) calls: u64,
    /// Calls in it that no line of the map names a function for.
    pub(super) left_out: u64,
}

/// Reads a trace for the functions of these names.
///
/// # Errors
/// If it can't be read, has a line that can't be understood, or has no calls in the part that was asked for.
pub(super) fn open(settings: &TraceSettings, names: &[String], seed: u64) -> Result<Trace, TraceError> {
    let scan = Scan::of(settings)?;
    let assignment = Assignment::of(settings, &scan, names)?;
    let part = Part::of(settings, &scan, &assignment, names.len())?;
    let found = Found {
        format: scan.format,
        functions: assignment.functions(),
        calls: part.calls(),
        left_out: assignment.left_out(),
    };
    if found.calls == 0 {
        let why = if found.left_out > 0 {
            "none of the calls in this part is of a function that --trace-map names".to_owned()
        } else {
            format!(
                "no call in this part of it: the trace is {} long; see --trace-from and --trace-for",
                humantime::format_duration(scan.length())
            )
        };
        return Err(TraceError::Whole { path: settings.path.clone(), why });
    }
    Ok(Trace { calls: Replay::new(part, settings, &scan, seed), found })
}

#[cfg(test)]
mod tests;
