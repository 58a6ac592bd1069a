//! Which function on this machine stands for which of the trace.

use std::collections::HashMap;

use super::{
    TraceError,
    format::quoted,
    lines::{Lines, fields},
    scan::{Scan, read},
};
use crate::commands::bench::arguments::TraceSettings;

/// The most functions of a trace that are told apart: ten times those of a day of Azure's.
const FUNCTION_LIMIT: usize = 500_000;

/// For each function of a trace that is called in the part that is played, the index of the one that stands for it.
#[derive(Debug)]
pub(super) struct Assignment {
    functions: HashMap<Box<str>, usize>,
    left_out: u64,
}

impl Assignment {
    /// Counts the calls of each function and deals them out.
    pub(super) fn of(settings: &TraceSettings, scan: &Scan, names: &[String]) -> Result<Self, TraceError> {
        let map = settings.map.as_ref().map(|path| {
            let mut lines = Lines::open(path)?;
            explicit(&mut lines, names)
        });
        let map = map.transpose()?;
        let mut counts: HashMap<Box<str>, u64> = HashMap::new();
        read(settings, &mut |entry| {
            if entry.count == 0 || !scan.is_in_part(&entry) {
                return Ok(());
            }
            if let Some(count) = counts.get_mut(entry.function) {
                *count += entry.count;
            } else if counts.len() == FUNCTION_LIMIT {
                return Err(format!(
                    "more than {FUNCTION_LIMIT} functions; play less of it with --trace-for"
                ));
            } else {
                counts.insert(entry.function.into(), entry.count);
            }
            Ok(())
        })?;
        Ok(match map {
            Some(map) => {
                let (functions, left_out): (Vec<_>, Vec<_>) =
                    counts.into_iter().partition(|(function, _)| map.contains_key(function));
                let functions = functions
                    .into_iter()
                    .filter_map(|(function, _)| map.get(&function).map(|&it| (function, it)));
                Self {
                    functions: functions.collect(),
                    left_out: left_out.into_iter().map(|(_, count)| count).sum(),
                }
            }
            None => Self { functions: dealt_out(counts, names.len()), left_out: 0 },
        })
    }

    /// Which stands for it, if one does.
    pub(super) fn get(&self, function: &str) -> Option<usize> {
        self.functions.get(function).copied()
    }

    /// How many are played.
    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Calls of those that are not.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// In turn, those with the most calls first, so that each function gets its part of the busy ones.
fn dealt_out(counts: HashMap<Box<str>, u64>, names: usize) -> HashMap<Box<str>, usize> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, some), (b, others)| others.cmp(some).then_with(|| a.cmp(b)));
    counts.into_iter().enumerate().map(|(at, (function, _))| (function, at % names.max(1))).collect()
}

/// Reads lines of `function of the trace,function`.
fn explicit<R: std::io::BufRead>(
    lines: &mut Lines<R>,
    names: &[String],
) -> Result<HashMap<Box<str>, usize>, TraceError> {
    let mut map = HashMap::new();
    while let Some(line) = lines.next()? {
        let added = pair(line, names).and_then(|(of_trace, at)| {
            if map.len() == FUNCTION_LIMIT {
                return Err(format!("more than {FUNCTION_LIMIT} functions"));
            }
            match map.insert(of_trace.into(), at) {
                None => Ok(()),
                Some(_) => Err(format!("{} has a function already", quoted(of_trace))),
            }
        });
        added.map_err(|why| lines.error(why))?;
    }
    Ok(map)
}

/// A function of the trace, and the index of the one that stands for it.
fn pair<'a>(line: &'a str, names: &[String]) -> Result<(&'a str, usize), String> {
    let mut parts = fields(line);
    let (Some(of_trace), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it should be `function of the trace,function`".to_owned());
    };
    match names.iter().position(|it| it == name) {
        Some(at) => Ok((of_trace, at)),
        None => Err(format!("{} is not among the functions that are called", quoted(name))),
    }
}
