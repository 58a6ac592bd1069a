//! Calls made up after what is published of Azure's in "Serverless in the Wild" (Shahrad and others, USENIX ATC 2020): 45 % of the
//! applications are called once an hour at the most and 81 % once a minute at the most, and 16 % of the functions have a timer.
//! What the others' calls look like is a guess: by chance, or in bursts.

use std::time::Duration;

use super::{Call, FUNCTIONS, Trace, hours};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// Timers by their minutes: common settings of cron.
const TIMERS: [f64; 7] = [5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 60.0];

/// Functions that are called once an hour at most, by chance: with the two timers above 45 % of all.
const RARE: usize = FUNCTIONS * 45 / 100 - 2;

/// More than once a minute: 19 %.
const BUSY: usize = FUNCTIONS - FUNCTIONS * 81 / 100;

/// Calls of a burst, and the seconds between them: longer than a cold start at many times their speed.
const BURST: std::ops::RangeInclusive<u32> = 3..=12;
const WITHIN_BURST: f64 = 30.0;

/// The same for the same seed.
pub(super) fn trace(length: u32, seed: u64) -> Trace {
    let mut random = Random(fastrand::Rng::with_seed(seed));
    let end = hours(length).as_secs_f64();
    let mut calls = Vec::new();
    for function in 0..FUNCTIONS {
        let moments = moments(function, end, &mut random);
        // All are between zero and the end.
        calls.extend(moments.into_iter().map(|at| Call { at: Duration::from_secs_f64(at), function }));
    }
    calls.sort_unstable();
    let origin = format!(
        "**made up** (seed {seed}) after the shares that \"Serverless in the Wild\" gives of Azure's, not the trace itself: {} timers of 5 \
         minutes to an hour, {RARE} functions once in 1 to 6 hours by chance, {BUSY} once or twice a minute, the others in \
         between, every other one of those in bursts",
        TIMERS.len()
    );
    Trace { calls, functions: FUNCTIONS, origin }
}

/// When a function is called, in seconds.
fn moments(function: usize, end: f64, random: &mut Random) -> Vec<f64> {
    if let Some(minutes) = TIMERS.get(function) {
        let period = minutes * MINUTE;
        let first = random.0.f64() * period;
        return (0..).map(|turn| first + f64::from(turn) * period).take_while(|at| *at < end).collect();
    }
    match function - TIMERS.len() {
        ..RARE => random.by_chance((1.0, 6.0), HOUR, end),
        other if other < RARE + BUSY => random.by_chance((0.5, 1.0), MINUTE, end),
        other if other % 2 == 0 => random.by_chance((1.0, 60.0), MINUTE, end),
        _ => {
            let bursts = random.by_chance((10.0, 60.0), MINUTE, end);
            bursts.into_iter().flat_map(|at| random.burst(at)).filter(|at| *at < end).collect()
        }
    }
}

struct Random(fastrand::Rng);

impl Random {
    /// Independently of each other. The mean gap is between these two, as likely as not above any doubling.
    fn by_chance(&mut self, (least, most): (f64, f64), unit: f64, end: f64) -> Vec<f64> {
        let mean = unit * least * (most / least).powf(self.0.f64());
        let mut at = self.gap(mean);
        let mut moments = Vec::new();
        while at < end {
            moments.push(at);
            at += self.gap(mean);
        }
        moments
    }

    fn burst(&mut self, start: f64) -> Vec<f64> {
        let mut at = start;
        let mut moments = vec![start];
        for _ in 1..self.0.u32(BURST) {
            at += self.gap(WITHIN_BURST);
            moments.push(at);
        }
        moments
    }

    fn gap(&mut self, mean: f64) -> f64 {
        // 1 - f64() is never 0, whose logarithm would be no number.
        -(1.0 - self.0.f64()).ln() * mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_calls_and_another_gives_others() {
        assert_eq!(trace(2, 7).calls, trace(2, 7).calls);
        assert_ne!(trace(2, 7).calls, trace(2, 8).calls);
    }

    #[test]
    fn functions_are_as_rare_as_was_published() {
        let length = 24 * 30;
        let trace = trace(length, 1);
        assert!(trace.calls.is_sorted() && trace.calls.iter().all(|call| call.at < hours(length)));
        let share = |most_an_hour: f64| {
            let count = |function| trace.calls.iter().filter(|call| call.function == function).count() as f64;
            let most = most_an_hour * f64::from(length);
            let functions = (0..FUNCTIONS).filter(|&function| count(function) <= most).count();
            functions as f64 / FUNCTIONS as f64
        };
        // Of those in between the rarest come once an hour, give or take; a tenth more or less is chance.
        let (hourly, by_the_minute) = (share(1.1), share(62.0));
        assert!((hourly - 0.45).abs() < 0.06, "{hourly}");
        assert!((by_the_minute - 0.81).abs() < 0.04, "{by_the_minute}");
    }

    #[test]
    fn timers_keep_their_beat() {
        let calls = trace(6, 3).calls;
        for (function, minutes) in TIMERS.iter().enumerate() {
            let moments: Vec<_> = calls.iter().filter(|call| call.function == function).collect();
            assert!(moments.len() >= 6);
            for pair in moments.windows(2) {
                let gap = (pair[1].at - pair[0].at).as_secs_f64();
                assert!((gap - minutes * MINUTE).abs() < 1e-6, "{gap}");
            }
        }
    }
}
