//! Calls as they come to a cloud: from a public trace, or made up after what was published of it.

mod azure;
mod generated;

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// Functions that are played. As many as one machine of two CPUs serves when hours are minutes.
pub(crate) const FUNCTIONS: usize = 40;

/// The fixed time of the comparison, in the trace's seconds: the setting's default.
const KEEP_SECONDS: u32 = 600;

/// What is played, and how.
#[derive(Debug, Args)]
pub(crate) struct TraceOptions {
    /// A day of Azure's trace of 2019 (invocations_per_function_md.anon.d01.csv); without it one is made up.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How many hours of it are played. The last one is shown apart: the policy has learned by then.
    #[arg(long, value_name = "HOURS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=24))]
    trace_hours: u32,
    /// How many times faster than they were; a divisor of 600, as thawd has its times in whole seconds.
    #[arg(long, value_name = "TIMES", default_value_t = 60, value_parser = speed)]
    trace_speed: u32,
    /// Another number makes up other calls, or picks other functions.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    trace_seed: u64,
}

/// A call, and how long after the trace's beginning it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    /// Which of the functions.
    pub(crate) function: usize,
}

/// What is played.
#[derive(Debug)]
pub(crate) struct Trace {
    /// By their moments.
    pub(crate) calls: Vec<Call>,
    pub(crate) functions: usize,
    /// Where they are from, for whoever reads the figures.
    pub(crate) origin: String,
}

impl TraceOptions {
    /// Reads the trace, or makes it up.
    ///
    /// # Errors
    /// If the file can't be read, or has no call in these hours.
    pub(crate) fn calls(&self) -> anyhow::Result<Trace> {
        match &self.trace {
            Some(path) => azure::read(path, self.trace_hours, self.trace_seed),
            None => Ok(generated::trace(self.trace_hours, self.trace_seed)),
        }
    }

    /// How long they are.
    pub(crate) fn length(&self) -> Duration {
        hours(self.trace_hours)
    }

    /// How many times faster it is played.
    pub(crate) fn speed(&self) -> u32 {
        self.trace_speed
    }

    /// The fixed time at this speed, in seconds.
    pub(crate) fn keep_seconds(&self) -> u32 {
        KEEP_SECONDS / self.trace_speed
    }
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3600)
}

fn speed(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(speed) if speed > 0 && KEEP_SECONDS.is_multiple_of(speed) => Ok(speed),
        _ => Err(format!("must divide {KEEP_SECONDS}, such as 30, 60, 120, 200 or 600")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_time_is_whole_seconds_at_every_speed() {
        for text in ["0", "-1", "7", "1200", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
        assert_eq!(speed("600"), Ok(600));
    }
}
