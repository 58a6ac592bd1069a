//! Measured times, and how they are shown.

use std::{fmt::Write, time::Duration};

/// How long something took, each time it was done. In milliseconds, sorted, never empty.
#[derive(Clone, Debug)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// The times of a measurement.
    ///
    /// # Errors
    /// If nothing was measured.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> anyhow::Result<Self> {
        Self::of_millis(times.into_iter().map(|time| time.as_secs_f64() * 1e3))
    }

    /// The same from milliseconds.
    ///
    /// # Errors
    /// If nothing was measured.
    pub(crate) fn of_millis(times: impl IntoIterator<Item = f64>) -> anyhow::Result<Self> {
        let mut times: Vec<f64> = times.into_iter().collect();
        anyhow::ensure!(!times.is_empty(), "nothing was measured");
        times.sort_by(f64::total_cmp);
        Ok(Self(times))
    }

    /// The time that `percent` of all are not longer than.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.saturating_sub(1).min(self.0.len() - 1)]
    }

    /// The median.
    pub(crate) fn p50(&self) -> f64 {
        self.percentile(50)
    }
}

/// A table of series, each beside one that it is compared with.
#[derive(Debug)]
pub(crate) struct Report {
    lines: String,
    unit: f64,
}

impl Report {
    /// A table whose last column shows everything as a multiple of `unit`.
    pub(crate) fn new(name: &str, unit: &Series) -> Self {
        let lines = format!(
            "| step | n | p50 ms | p90 ms | p99 ms | p50 / {name} |\n|---|---:|---:|---:|---:|---:|\n"
        );
        Self { lines, unit: unit.p50() }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, label: &str, series: &Series) {
        // A percentile that no measurement stands for says nothing.
        let p99 = if series.0.len() < 100 { "-".to_owned() } else { format!("{:.3}", series.percentile(99)) };
        let (p50, p90, ratio) = (series.p50(), series.percentile(90), series.p50() / self.unit);
        // Writing to a String can't fail.
        let _ = writeln!(
            self.lines,
            "| {label} | {} | {p50:.3} | {p90:.3} | {p99} | {ratio:.2} |",
            series.0.len()
        );
    }

    /// The table.
    pub(crate) fn markdown(&self) -> &str {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let series = Series::of((1..=200).rev().map(Duration::from_millis)).unwrap();
        assert_eq!([50, 90, 99, 100].map(|percent| series.percentile(percent)), [100.0, 180.0, 198.0, 200.0]);
        let one = Series::of_millis([7.0]).unwrap();
        assert_eq!((one.p50(), one.percentile(99)), (7.0, 7.0));
        assert!(Series::of([]).is_err());
    }

    #[test]
    fn a_table_has_its_ratios() {
        let unit = Series::of_millis([2.0]).unwrap();
        let mut report = Report::new("call", &unit);
        report.line("twice", &Series::of_millis([4.0]).unwrap());
        assert!(
            report.markdown().ends_with("| twice | 1 | 4.000 | 4.000 | - | 2.00 |\n"),
            "{}",
            report.markdown()
        );
    }
}
