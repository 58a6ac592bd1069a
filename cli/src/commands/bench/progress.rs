//! How far it is, in one line, for somebody who watches.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar};

use super::{load::Watch, tally::Tally};

/// A line that is always the newest.
#[derive(Debug)]
pub(super) struct Progress {
    spinner: ProgressBar,
    warm_up: Duration,
}

impl Progress {
    pub(super) fn new(spinner: ProgressBar, warm_up: Duration) -> Self {
        Self { spinner, warm_up }
    }
}

impl Watch for Progress {
    fn show(&mut self, since: Duration, under_way: usize, tally: &Tally) {
        if !self.spinner.is_hidden() {
            self.spinner.set_message(line(since, self.warm_up, under_way, tally));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Results begin where it stood.
        self.spinner.finish_and_clear();
    }
}

fn line(since: Duration, warm_up: Duration, under_way: usize, tally: &Tally) -> String {
    let seconds = since.as_secs();
    if since < warm_up {
        return format!("{seconds} s  warming up  {under_way} under way");
    }
    let measured = (since - warm_up).as_secs_f64();
    let rate = if measured > 0.0 { tally.answered() as f64 / measured } else { 0.0 };
    let missed = tally.missed();
    let missed = if missed == 0 { String::new() } else { format!("  {} failed", HumanCount(missed)) };
    format!(
        "{seconds} s  {} calls answered  {rate:.0}/s{missed}  {under_way} under way; Ctrl-C ends it",
        HumanCount(tally.answered())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::load::Answer;

    #[test]
    fn the_line_tells_what_was_measured() {
        let mut tally = Tally::new(1);
        let warm_up = Duration::from_secs(2);
        assert_eq!(line(Duration::from_secs(1), warm_up, 3, &tally), "1 s  warming up  3 under way");
        for _ in 0..1200 {
            tally.count(0, Duration::ZERO, Duration::ZERO, Answer::Returned { is_cold: false });
        }
        tally.count(0, Duration::ZERO, Duration::ZERO, Answer::Refused { why: String::new() });
        let shown = line(Duration::from_secs(12), warm_up, 3, &tally);
        assert_eq!(shown, "12 s  1,200 calls answered  120/s  1 failed  3 under way; Ctrl-C ends it");
    }
}
