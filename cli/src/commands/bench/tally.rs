//! The figures of calls that have ended.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::load::Answer;

/// Digits that a latency keeps. Three are exact to a thousandth of it, in a few kilobytes a function.
const DIGITS: u8 = 3;

/// The longest latency that is told from longer ones: some twelve days. Histograms grow no further than needed.
const MICROS_LIMIT: u64 = 1 << 40;

/// How a call can come to nothing, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The function answered with an error.
    FunctionError,
    /// There was no memory left for another sandbox.
    Throttled,
    /// Refused for another reason.
    Refused,
    /// The connection or the sandbox was lost.
    Lost,
    /// There was no answer when the end had been waited for.
    Unanswered,
    /// Too many calls were under way when its moment came.
    NotSent,
}

impl Kind {
    /// As a program reads it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FunctionError => "FunctionError",
            Self::Throttled => "Throttled",
            Self::Refused => "Refused",
            Self::Lost => "Lost",
            Self::Unanswered => "Unanswered",
            Self::NotSent => "NotSent",
        }
    }

    /// As a person reads it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::FunctionError => "function error",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Unanswered => "unanswered",
            Self::NotSent => "not sent in time",
        }
    }
}

/// Calls that came to nothing in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Misses {
    pub(super) count: u64,
    /// What was said of the first.
    pub(super) first: String,
}

/// Latencies in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    /// Of calls that a sandbox was started for.
    pub(super) cold: Histogram<u64>,
    /// Of the others.
    pub(super) warm: Histogram<u64>,
}

impl Latencies {
    fn new() -> Self {
        Self { cold: histogram(), warm: histogram() }
    }

    /// Both together.
    pub(super) fn all(&self) -> Histogram<u64> {
        let mut all = self.warm.clone();
        all += &self.cold;
        all
    }

    fn of(&mut self, is_cold: bool) -> &mut Histogram<u64> {
        if is_cold { &mut self.cold } else { &mut self.warm }
    }
}

/// The figures of one function.
#[derive(Clone, Debug)]
pub(super) struct FunctionTally {
    pub(super) latencies: Latencies,
    /// Calls that came to nothing.
    pub(super) misses: u64,
}

impl FunctionTally {
    /// All its calls, whatever became of them. A call that was answered by an error is in both figures.
    pub(super) fn answered(&self) -> u64 {
        self.latencies.warm.len() + self.latencies.cold.len()
    }
}

/// All figures.
#[derive(Debug)]
pub(super) struct Tally {
    functions: Vec<FunctionTally>,
    misses: BTreeMap<Kind, Misses>,
    /// How much later than they were meant to be calls were made, in microseconds.
    pub(super) late: Histogram<u64>,
    /// How long was measured.
    pub(super) elapsed: Duration,
}

impl Tally {
    /// Of nothing, for so many functions.
    pub(super) fn new(functions: usize) -> Self {
        let function = FunctionTally { latencies: Latencies::new(), misses: 0 };
        Self {
            functions: vec![function; functions],
            misses: BTreeMap::new(),
            late: histogram(),
            elapsed: Duration::ZERO,
        }
    }

    /// Adds a call that has ended.
    pub(super) fn count(&mut self, function: usize, latency: Duration, late: Duration, answer: Answer) {
        record(&mut self.late, late);
        let Some(tally) = self.functions.get_mut(function) else { return };
        let (kind, why) = match answer {
            Answer::Returned { is_cold } => return record(tally.latencies.of(is_cold), latency),
            Answer::Failed { is_cold, why } => {
                record(tally.latencies.of(is_cold), latency);
                (Kind::FunctionError, why)
            }
            Answer::Throttled { why } => (Kind::Throttled, why),
            Answer::Refused { why } => (Kind::Refused, why),
            Answer::Lost { why } => (Kind::Lost, why),
        };
        self.miss(Some(function), kind, 1, why);
    }

    /// Adds a call that could not be made.
    pub(super) fn not_sent(&mut self, function: usize) {
        self.miss(Some(function), Kind::NotSent, 1, "--max-in-flight calls were under way".to_owned());
    }

    /// Adds calls that are given up.
    pub(super) fn unanswered(&mut self, count: u64) {
        if count > 0 {
            self.miss(None, Kind::Unanswered, count, "--wait was over, or you ended it".to_owned());
        }
    }

    fn miss(&mut self, function: Option<usize>, kind: Kind, count: u64, why: String) {
        if let Some(tally) = function.and_then(|function| self.functions.get_mut(function)) {
            tally.misses += count;
        }
        let misses = self.misses.entry(kind).or_insert_with(|| Misses { count: 0, first: why });
        misses.count += count;
    }

    /// The figures of each function, in the order of the command line.
    pub(super) fn functions(&self) -> &[FunctionTally] {
        &self.functions
    }

    /// Calls that came to nothing, by how.
    pub(super) fn misses(&self) -> &BTreeMap<Kind, Misses> {
        &self.misses
    }

    /// How many that are.
    pub(super) fn missed(&self) -> u64 {
        self.misses.values().map(|misses| misses.count).sum()
    }

    /// Calls that a function answered, well or with an error.
    pub(super) fn answered(&self) -> u64 {
        self.functions.iter().map(FunctionTally::answered).sum()
    }

    /// Calls that were meant to be made, all told.
    pub(super) fn calls(&self) -> u64 {
        let errors = self.misses.get(&Kind::FunctionError).map_or(0, |misses| misses.count);
        self.answered() + self.missed() - errors
    }

    /// Answered calls a second.
    pub(super) fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.answered() as f64 / seconds } else { 0.0 }
    }

    /// The latencies of all functions.
    pub(super) fn latencies(&self) -> Latencies {
        let mut sum = Latencies::new();
        for function in &self.functions {
            sum.cold += &function.latencies.cold;
            sum.warm += &function.latencies.warm;
        }
        sum
    }
}

fn histogram() -> Histogram<u64> {
    // It refuses more digits than five.
    #[expect(
        clippy::expect_used,
        reason = "three digits are allowed by its documentation, and a test makes one"
    )]
    Histogram::new(DIGITS).expect("a histogram of three digits")
}

fn record(histogram: &mut Histogram<u64>, span: Duration) {
    let micros = u64::try_from(span.as_micros()).unwrap_or(MICROS_LIMIT).min(MICROS_LIMIT);
    // It refuses what it can't grow to, which is far over this limit. (Its saturating sister does not grow.)
    let _ = histogram.record(micros);
}
