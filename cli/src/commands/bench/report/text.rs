//! The results for people: tables, and histograms drawn with characters.

use indicatif::HumanCount;

use super::{
    Results,
    buckets::{Bucket, buckets},
    figures::{Figures, calls, digits},
};
use crate::{failure::Failure, ui::Ui};

/// Rows of a drawn histogram: one fits a terminal of 24 lines.
const ROWS: usize = 20;

/// The width where nobody watches.
const PLAIN_WIDTH: usize = 80;

/// The width of a bar at least, on a terminal however small, and at most.
const BARS: std::ops::RangeInclusive<usize> = 10..=100;

/// Room for the marks of all percentiles.
const MARKS: usize = 16;

/// Eighths of a character.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Prints everything.
pub(in super::super) fn show(results: &Results, ui: &Ui) -> Result<(), Failure> {
    let tally = &results.tally;
    let latencies = tally.latencies();
    let cold = latencies.cold.len();
    let mut facts = vec![("load", results.load.clone())];
    if results.was_stopped {
        facts.push(("ended", "early, by you".to_owned()));
    }
    facts.push((
        "answered",
        format!(
            "{} in {:.1} s: {:.1}/s; {} cold, {} warm",
            calls(tally.answered()),
            tally.elapsed.as_secs_f64(),
            tally.rate(),
            HumanCount(cold),
            HumanCount(latencies.warm.len())
        ),
    ));
    facts.push((
        "failed",
        match tally.missed() {
            0 => "none".to_owned(),
            missed => format!("{} of {}", HumanCount(missed), calls(tally.calls())),
        },
    ));
    for (kind, misses) in tally.misses() {
        facts.push(("", format!("{} {}: {}", HumanCount(misses.count), kind.words(), misses.first)));
    }
    if results.is_open && !tally.late.is_empty() {
        let late = Figures::of(&tally.late);
        facts.push((
            "sent late",
            format!(
                "by {} ms at p50, {} at p99, {} at most",
                digits(late.p50),
                digits(late.p99),
                digits(late.max)
            ),
        ));
    }
    ui.list(&facts)?;
    if tally.answered() == 0 {
        return Ok(());
    }
    ui.line("")?;
    let mut rows = vec![row("all", &Figures::of(&latencies.all()), &[])];
    for (name, histogram) in [("warm", &latencies.warm), ("cold", &latencies.cold)] {
        if !histogram.is_empty() {
            rows.push(row(name, &Figures::of(histogram), &[]));
        }
    }
    ui.figures(&["ms", "calls", "min", "mean", "p50", "p90", "p99", "p99.9", "max"], rows)?;
    functions(results, ui)?;
    for (name, histogram) in [("warm", &latencies.warm), ("cold", &latencies.cold)] {
        if histogram.is_empty() {
            continue;
        }
        let [classes] = buckets([histogram], ROWS);
        let figures = Figures::of(histogram);
        let marks = [("p50", figures.p50), ("p90", figures.p90), ("p99", figures.p99)];
        ui.line(&format!("\n {name}, ms"))?;
        for line in draw(&classes, &marks, ui.width()) {
            ui.line(&line)?;
        }
    }
    Ok(())
}

/// Each function apart, if there are several.
fn functions(results: &Results, ui: &Ui) -> Result<(), Failure> {
    let shown = results.shown();
    if results.names.len() < 2 || shown.is_empty() {
        return Ok(());
    }
    ui.line("")?;
    let rows = shown.iter().filter_map(|&at| {
        let (name, function) = (results.names.get(at)?, results.tally.functions().get(at)?);
        let between = [HumanCount(function.misses), HumanCount(function.latencies.cold.len())];
        Some(row(name, &Figures::of(&function.latencies.all()), &between.map(|count| count.to_string())))
    });
    let heading = ["ms", "calls", "failed", "cold", "min", "mean", "p50", "p90", "p99", "p99.9", "max"];
    ui.figures(&heading, rows.collect())?;
    match results.names.len() - shown.len() {
        0 => Ok(()),
        more => ui.line(&format!(" and {more} more: --top shows them")),
    }
}

fn row(name: &str, figures: &Figures, between: &[String]) -> Vec<String> {
    let Figures { count, min, mean, p50, p90, p99, p999, max } = *figures;
    let mut row = vec![name.to_owned(), HumanCount(count).to_string()];
    row.extend_from_slice(between);
    row.extend([min, mean, p50, p90, p99, p999, max].map(digits));
    row
}

/// A histogram, a class a line: its borders in milliseconds, a bar, its count, and the percentiles that lie in it. In
/// blocks for a terminal of this width, else in plain characters.
fn draw(classes: &[Bucket], marks: &[(&str, f64)], width: Option<usize>) -> Vec<String> {
    let border = |micros: f64| digits(micros / 1e3);
    let labels: Vec<_> = classes.iter().map(|class| (border(class.from), border(class.to))).collect();
    let longest = labels.iter().map(|(from, to)| from.len().max(to.len())).max().unwrap_or(0);
    let most = classes.iter().map(|class| class.count).max().unwrap_or(0).max(1);
    let counts = HumanCount(most).to_string().len();
    let room = width.unwrap_or(PLAIN_WIDTH).saturating_sub(2 * longest + counts + MARKS + 8);
    let room = room.clamp(*BARS.start(), *BARS.end());
    let lines = classes.iter().zip(labels).map(|(class, (from, to))| {
        let bar = bar(class.count, most, room, width.is_some());
        let within = |&&(_, value): &&(&str, f64)| (class.from..class.to).contains(&(value * 1e3));
        let marks: String = marks.iter().filter(within).map(|(name, _)| format!(" {name}")).collect();
        let count = if class.count == 0 { String::new() } else { HumanCount(class.count).to_string() };
        format!(" {from:>longest$} - {to:>longest$}  {bar} {count}{marks}").trim_end().to_owned()
    });
    lines.collect()
}

/// A bar in proportion; whatever is not nothing can be seen.
fn bar(count: u64, most: u64, room: usize, in_blocks: bool) -> String {
    let room = u128::try_from(room).unwrap_or_default();
    let parts = if in_blocks { 8 } else { 1 };
    let length = (u128::from(count) * room * parts).div_ceil(u128::from(most.max(1)));
    // No longer than the room, by which it was multiplied.
    let length = usize::try_from(length).unwrap_or_default();
    if !in_blocks {
        return "#".repeat(length);
    }
    let mut bar = "█".repeat(length / 8);
    bar.extend((length % 8).checked_sub(1).and_then(|part| EIGHTHS.get(part)));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(counts: &[u64]) -> Vec<Bucket> {
        let class = |(at, &count): (usize, &u64)| Bucket {
            from: 1000.0 * (at + 1) as f64,
            to: 1000.0 * (at + 2) as f64,
            count,
        };
        counts.iter().enumerate().map(class).collect()
    }

    #[test]
    fn a_plain_histogram_has_its_bars_counts_and_marks() {
        let lines = draw(&classes(&[1200, 0, 1]), &[("p50", 1.5), ("p99", 3.0)], None);
        assert_eq!(lines[0], format!(" 1.00 - 2.00  {} 1,200 p50", "#".repeat(43)));
        assert_eq!(lines[1], " 2.00 - 3.00");
        assert_eq!(lines[2], " 3.00 - 4.00  # 1 p99");
    }

    #[test]
    fn a_histogram_on_a_terminal_fills_it_and_no_more() {
        for width in [0, 40, 80, 100, 300] {
            let lines = draw(
                &classes(&[1_000_000, 12, 500_001]),
                &[("p50", 1.5), ("p90", 1.5), ("p99", 1.5)],
                Some(width),
            );
            let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width.max(60), "{longest} of {width}: {lines:#?}");
            assert!(width < 80 || longest + 10 > width.min(140), "{longest} of {width}: {lines:#?}");
        }
        assert_eq!(draw(&classes(&[8, 1]), &[], Some(47))[1], " 2.00 - 3.00  █▊ 1");
    }
}
