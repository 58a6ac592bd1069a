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

    /// How often it was done.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The median.
    pub(crate) fn p50(&self) -> f64 {
        self.percentile(50)
    }
}

/// A chapter's outcome: a table, what was asked of it and whether it held, and what else is to be said.
#[derive(Debug)]
pub(crate) struct Section {
    title: String,
    unit_name: String,
    unit: f64,
    lines: Vec<(String, Series)>,
    remarks: Vec<String>,
}

impl Section {
    /// A table whose last column shows everything as a multiple of `unit`.
    pub(crate) fn new(title: &str, unit_name: &str, unit: &Series) -> Self {
        Self {
            title: title.to_owned(),
            unit_name: unit_name.to_owned(),
            unit: unit.p50(),
            lines: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, label: &str, series: &Series) {
        self.lines.push((label.to_owned(), series.clone()));
    }

    /// Adds what was asked for and whether it was held.
    pub(crate) fn promise(&mut self, text: String, is_held: bool) {
        self.remarks.push(format!("{text}: {}", if is_held { "held" } else { "**not held**" }));
    }

    /// Adds what else is to be said.
    pub(crate) fn note(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// The chapter as it goes into the README.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n| step | n | p50 ms | p90 ms | p99 ms | p50 / {} |\n|---|---:|---:|---:|---:|---:|\n",
            self.title, self.unit_name
        );
        for (label, series) in &self.lines {
            // A percentile that no measurement stands for says nothing.
            let p99 =
                if series.count() < 100 { "-".to_owned() } else { format!("{:.3}", series.percentile(99)) };
            let (p50, p90, ratio) = (series.p50(), series.percentile(90), series.p50() / self.unit);
            // Writing to a String can't fail.
            let _ =
                writeln!(text, "| {label} | {} | {p50:.3} | {p90:.3} | {p99} | {ratio:.2} |", series.count());
        }
        text.push('\n');
        for remark in &self.remarks {
            let _ = writeln!(text, "- {remark}");
        }
        text
    }

    /// Its lines: what, and how long at the median and the 99th percentile in milliseconds.
    pub(crate) fn bars(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        self.lines.iter().map(|(label, series)| (label.as_str(), series.p50(), series.percentile(99)))
    }

    /// What it is about.
    pub(crate) fn title(&self) -> &str {
        &self.title
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
    fn a_table_has_its_ratios_and_says_what_was_held() {
        let unit = Series::of_millis([2.0]).unwrap();
        let mut section = Section::new("Calls", "call", &unit);
        section.line("twice", &Series::of_millis([4.0]).unwrap());
        section.promise("twice / call: 2.00 (at most 1)".to_owned(), false);
        let text = section.markdown();
        assert!(text.contains("| twice | 1 | 4.000 | 4.000 | - | 2.00 |\n"), "{text}");
        assert!(text.ends_with("- twice / call: 2.00 (at most 1): **not held**\n"), "{text}");
        assert_eq!(section.bars().collect::<Vec<_>>(), [("twice", 4.0, 4.0)]);
    }
}
