//! Latencies in a few figures.

use hdrhistogram::Histogram;
use indicatif::HumanCount;

/// Milliseconds of some latencies: of nothing, all are 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Figures {
    /// Those of a histogram of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        // A bucket's values are as good as each other; no percentile is to be over the largest that there was.
        let max = histogram.max();
        let at = |quantile| millis(histogram.value_at_quantile(quantile).min(max));
        Self {
            count: histogram.len(),
            min: millis(if histogram.is_empty() { 0 } else { histogram.min() }),
            mean: histogram.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(max),
        }
    }
}

/// Microseconds in milliseconds.
pub(super) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Milliseconds with three digits that tell something, and at least the whole ones.
pub(super) fn digits(millis: f64) -> String {
    match millis {
        ..10.0 => format!("{millis:.2}"),
        ..100.0 => format!("{millis:.1}"),
        _ => format!("{millis:.0}"),
    }
}

/// So many calls, in words.
pub(super) fn calls(count: u64) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{} calls", HumanCount(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::new(3).unwrap();
        for micros in 1..=10_000 {
            histogram.record(micros).unwrap();
        }
        let figures = Figures::of(&histogram);
        assert_eq!((figures.count, figures.min), (10_000, 0.001));
        let near = [
            (figures.mean, 5.0),
            (figures.p50, 5.0),
            (figures.p90, 9.0),
            (figures.p99, 9.9),
            (figures.p999, 9.99),
            (figures.max, 10.0),
        ];
        for (got, expected) in near {
            assert!((got - expected).abs() <= expected / 500.0, "{got} is not {expected}");
        }
    }

    #[test]
    fn nothing_has_figures_of_nothing() {
        let figures = Figures::of(&Histogram::new(3).unwrap());
        assert_eq!((figures.count, figures.min, figures.p50, figures.max), (0, 0.0, 0.0, 0.0));
    }
}
