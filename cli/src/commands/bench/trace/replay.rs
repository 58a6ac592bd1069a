//! The calls of a trace, in order, at the speed that was asked for.

use std::{
    collections::{BTreeMap, btree_map},
    time::Duration,
    vec,
};

use super::{
    TraceError,
    assign::Assignment,
    scan::{Scan, read},
};
use crate::commands::bench::{
    arguments::{Arrivals, TraceSettings},
    arrivals::Call,
};

/// The most calls of known moments that are held, of 16 bytes each. Two weeks of Azure's in 2021 were 2 million.
const CALL_LIMIT: usize = 10_000_000;

/// The most counts, of 8 bytes each: minutes or seconds times functions.
const COUNT_LIMIT: usize = 10_000_000;

/// The part of a trace that is played.
#[derive(Debug)]
pub(super) enum Part {
    /// Calls of known moments: nanoseconds of the file's own, and a function.
    Calls(Vec<(i64, u32)>),
    /// How many calls each function got in each span, by its beginning.
    Spans { width: i64, counts: BTreeMap<i64, Vec<u64>> },
}

impl Part {
    /// Notes it, for so many functions.
    pub(super) fn of(
        settings: &TraceSettings,
        scan: &Scan,
        assignment: &Assignment,
        functions: usize,
    ) -> Result<Self, TraceError> {
        let mut calls = Vec::new();
        let mut counts: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        let mut width = None;
        read(settings, &mut |entry| {
            if entry.count == 0 || !scan.is_in_part(&entry) {
                return Ok(());
            }
            let Some(function) = assignment.get(entry.function) else { return Ok(()) };
            let too_much = |what: &str| {
                Err(format!("this part of the trace has more than {what}; play less of it with --trace-for"))
            };
            match entry.width {
                None if calls.len() == CALL_LIMIT => return too_much(&format!("{CALL_LIMIT} calls")),
                // There are never more functions than a command line has room for.
                None => calls.push((entry.start, u32::try_from(function).unwrap_or(u32::MAX))),
                Some(_) if (counts.len() + 1) * functions > COUNT_LIMIT => {
                    return too_much(&format!("{COUNT_LIMIT} counts"));
                }
                Some(span) => {
                    width = Some(span);
                    let span = counts.entry(entry.start).or_insert_with(|| vec![0; functions]);
                    if let Some(count) = span.get_mut(function) {
                        *count = count.saturating_add(entry.count);
                    }
                }
            }
            Ok(())
        })?;
        Ok(match width {
            Some(width) => Self::Spans { width, counts },
            None => {
                calls.sort_unstable();
                Self::Calls(calls)
            }
        })
    }

    /// How many calls it has.
    pub(super) fn calls(&self) -> u64 {
        match self {
            Self::Calls(calls) => calls.len() as u64,
            Self::Spans { counts, .. } => {
                counts.values().flatten().fold(0, |sum: u64, &count| sum.saturating_add(count))
            }
        }
    }
}

/// Plays a part of a trace.
#[derive(Debug)]
pub(in super::super) struct Replay {
    source: Source,
    /// The part's first moment and the one after its last.
    from: i64,
    until: i64,
    speed: f64,
}

#[derive(Debug)]
enum Source {
    Calls(vec::IntoIter<(i64, u32)>),
    Spans {
        rest: btree_map::IntoIter<i64, Vec<u64>>,
        width: i64,
        now: Option<Span>,
        arrivals: Arrivals,
        random: fastrand::Rng,
    },
}

/// Calls that came within a span, of which only the count is known.
#[derive(Debug)]
struct Span {
    begin: i64,
    /// How much of it is over: 0 to 1.
    over: f64,
    left: u64,
    total: u64,
    /// Of `left`, those of each function.
    functions: Vec<u64>,
}

impl Replay {
    pub(super) fn new(part: Part, settings: &TraceSettings, scan: &Scan, seed: u64) -> Self {
        let source = match part {
            Part::Calls(calls) => Source::Calls(calls.into_iter()),
            Part::Spans { width, counts } => Source::Spans {
                rest: counts.into_iter(),
                width,
                now: None,
                arrivals: settings.arrivals,
                random: fastrand::Rng::with_seed(seed),
            },
        };
        let (from, until) = scan.part();
        Self { source, from, until, speed: settings.speed }
    }
}

impl Iterator for Replay {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        loop {
            let (moment, function) = self.source.next()?;
            // A span may begin before the part or end after it.
            if (self.from..self.until).contains(&moment) {
                let recorded = Duration::from_nanos(moment.abs_diff(self.from));
                return Some(Call { at: recorded.div_f64(self.speed), function });
            }
        }
    }
}

impl Source {
    fn next(&mut self) -> Option<(i64, usize)> {
        match self {
            Self::Calls(calls) => calls.next().map(|(at, function)| (at, function as usize)),
            Self::Spans { rest, width, now, arrivals, random } => loop {
                if let Some(span) = now
                    && let Some((over, function)) = span.next(*arrivals, random)
                {
                    let offset = (over * *width as f64) as i64;
                    return Some((span.begin + offset.min(*width - 1), function));
                }
                let (begin, functions) = rest.next()?;
                let total = functions.iter().fold(0, |sum: u64, &count| sum.saturating_add(count));
                *now = Some(Span { begin, over: 0.0, left: total, total, functions });
            },
        }
    }
}

impl Span {
    /// The next call: how much of the span is over then, and its function.
    ///
    /// By chance, the moments are those of a Poisson process that is known to have made so many calls: independent and
    /// evenly likely. Of `left` such moments in what is left of the span, the first is at `1 - u^(1/left)` of it, so that
    /// they come in order without being held.
    fn next(&mut self, arrivals: Arrivals, random: &mut fastrand::Rng) -> Option<(f64, usize)> {
        if self.left == 0 {
            return None;
        }
        match arrivals {
            Arrivals::Constant => self.over = ((self.total - self.left) as f64 + 0.5) / self.total as f64,
            Arrivals::Poisson => {
                self.over += (1.0 - self.over) * (1.0 - (1.0 - random.f64()).powf(1.0 / self.left as f64));
            }
        }
        let mut drawn = random.u64(..self.left);
        let function = self.functions.iter().position(|&count| {
            let is_it = drawn < count;
            drawn = drawn.saturating_sub(count);
            is_it
        })?;
        if let Some(count) = self.functions.get_mut(function) {
            *count -= 1;
        }
        self.left -= 1;
        Some((self.over, function))
    }
}
