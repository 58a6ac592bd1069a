//! When the calls of an open loop are due.

use std::time::Duration;

use super::{arguments::Arrivals, mix::Mix};

/// A call and the moment it is meant for, from the first moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) at: Duration,
    /// The function's index.
    pub(super) function: usize,
}

/// Calls at a rate, without an end.
#[derive(Debug)]
pub(super) struct Schedule {
    rate: f64,
    arrivals: Arrivals,
    random: fastrand::Rng,
    mix: Mix,
    made: u64,
    /// Seconds; only of chance, where each gap adds to the last.
    at: f64,
}

impl Schedule {
    /// `rate` calls a second.
    pub(super) fn new(rate: f64, arrivals: Arrivals, mix: Mix, seed: u64) -> Self {
        // Apart from the mix's: which function is called must not hang on when.
        let random = fastrand::Rng::with_seed(seed.wrapping_add(1));
        Self { rate, arrivals, random, mix, made: 0, at: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let at = match self.arrivals {
            // Of the count and not of the last moment: a thousand rounded gaps would be off by a thousand roundings.
            Arrivals::Constant => self.made as f64 / self.rate,
            Arrivals::Poisson => {
                // 1 - f64() is never 0, whose logarithm would be no number.
                self.at -= (1.0 - self.random.f64()).ln() / self.rate;
                self.at
            }
        };
        self.made += 1;
        Some(Call { at: Duration::try_from_secs_f64(at).ok()?, function: self.mix.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::mix::Share;

    fn schedule(rate: f64, arrivals: Arrivals, seed: u64) -> Schedule {
        Schedule::new(rate, arrivals, Mix::new(&[Share::parse("a").unwrap()], seed), seed)
    }

    #[test]
    fn constant_calls_are_evenly_spaced_for_ever() {
        let calls: Vec<_> = schedule(4.0, Arrivals::Constant, 1).take(4_000_001).collect();
        assert_eq!(calls[1].at, Duration::from_millis(250));
        assert_eq!(calls[4_000_000].at, Duration::from_secs(1_000_000));
    }

    #[test]
    fn poisson_calls_keep_their_rate_and_scatter_as_they_should() {
        let calls: Vec<_> = schedule(100.0, Arrivals::Poisson, 3).take(20_001).collect();
        let gaps: Vec<_> =
            calls.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64() * 100.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Exponential gaps: mean and variance are both 1.
        assert!((mean - 1.0).abs() < 0.03 && (variance - 1.0).abs() < 0.06, "{mean} {variance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_moments() {
        let moments = |seed| schedule(9.0, Arrivals::Poisson, seed).take(50).collect::<Vec<_>>();
        assert_eq!(moments(5), moments(5));
        assert_ne!(moments(5), moments(6));
    }
}
