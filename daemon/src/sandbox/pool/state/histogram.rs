//! How long the gaps between a function's calls were: how many of each length, and what that says of the next.
//!
//! A gap is measured in units of the fixed time (the setting `idle_timeout_seconds`), so that one setting says what is long
//! here and everything else follows it. The bins are log-linear: each doubling of the gap has as many, so that
//! the error is an eighth of the gap at the most, whether that is a second or an hour. (The trace paper has bins of a minute,
//! which is what its sandboxes cost at least; here, one that stands still costs memory only and is made within a fraction of
//! a second, so that seconds are worth telling apart.)

/// Bins for each doubling.
const PER_OCTAVE: usize = 8;

/// Doublings, from the shortest gap to the longest.
const OCTAVES: usize = 15;

/// The shortest gap that is told apart, in units: 0.6 s where the unit is 10 minutes.
const SHORTEST: f64 = 1.0 / 1024.0;

/// The longest, in units: what is longer is out of bounds. 5 hours and 20 minutes where the unit is 10 minutes; the paper has 4
/// hours.
#[cfg(test)]
const LONGEST: f64 = 32.0;

const BINS: usize = PER_OCTAVE * OCTAVES;

/// How many gaps count. When there are more, all counts are halved: what was long ago counts less, and a function that
/// comes in another rhythm than before is believed after some hundred calls.
const MOST_GAPS: u32 = 512;

/// Gaps by length. 240 bytes and a bit, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Histogram {
    bins: [u16; BINS],
    within: u32,
    beyond: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; BINS], within: 0, beyond: 0 }
    }
}

impl Histogram {
    /// Takes note of a gap, in units.
    pub(super) fn record(&mut self, gap: f64) {
        if self.total() >= MOST_GAPS {
            self.halve();
        }
        match self.bins.get_mut(bin(gap)) {
            Some(count) => {
                *count += 1;
                self.within += 1;
            }
            None => self.beyond += 1,
        }
    }

    /// Gaps that count.
    pub(super) fn total(&self) -> u32 {
        self.within + self.beyond
    }

    /// The part of them that is longer than the longest.
    pub(super) fn share_beyond(&self) -> f64 {
        f64::from(self.beyond) / f64::from(self.total().max(1))
    }

    /// A gap than which at most `share` of those within bounds are shorter, rounded down.
    pub(super) fn head(&self, share: f64) -> f64 {
        let bin = self.bin_of(share);
        if bin == 0 { 0.0 } else { lower_edge(bin) }
    }

    /// A gap than which `share` of those within bounds are not longer, rounded up.
    pub(super) fn tail(&self, share: f64) -> f64 {
        lower_edge(self.bin_of(share) + 1)
    }

    /// Standard deviation of the bins' counts by their mean: 0 if every length is as likely as any other, and the higher the
    /// fewer bins the gaps share.
    pub(super) fn variation(&self) -> f64 {
        if self.within == 0 {
            return 0.0;
        }
        let bins = BINS as f64;
        let mean = f64::from(self.within) / bins;
        let squares: f64 = self.bins.iter().map(|&count| f64::from(count).powi(2)).sum();
        (squares / bins - mean.powi(2)).max(0.0).sqrt() / mean
    }

    /// The bin in which the gap lies that `share` of all are not longer than.
    fn bin_of(&self, share: f64) -> usize {
        let rank = (f64::from(self.within) * share).ceil().max(1.0);
        let mut seen = 0.0;
        let found = self.bins.iter().position(|&count| {
            seen += f64::from(count);
            seen >= rank
        });
        found.unwrap_or(BINS - 1)
    }

    fn halve(&mut self) {
        self.bins.iter_mut().for_each(|count| *count /= 2);
        self.within = self.bins.iter().map(|&count| u32::from(count)).sum();
        self.beyond /= 2;
    }
}

/// Where a gap is counted; [`BINS`] or more if it is out of bounds.
fn bin(gap: f64) -> usize {
    let multiple = (gap / SHORTEST).max(1.0);
    let octave = multiple.log2().floor();
    let part = (multiple / octave.exp2() - 1.0) * PER_OCTAVE as f64;
    // Neither is negative, and a gap that is too long for a number is too long for a bin.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let (octave, part) = (octave as usize, part as usize);
    octave.saturating_mul(PER_OCTAVE).saturating_add(part.min(PER_OCTAVE - 1))
}

/// The shortest gap of a bin.
fn lower_edge(bin: usize) -> f64 {
    let (octave, part) = (bin / PER_OCTAVE, bin % PER_OCTAVE);
    SHORTEST * (octave as f64).exp2() * (1.0 + part as f64 / PER_OCTAVE as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(gaps: impl IntoIterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram::default();
        gaps.into_iter().for_each(|gap| histogram.record(gap));
        histogram
    }

    #[test]
    fn a_gap_lies_within_its_bin_and_the_bins_follow_each_other() {
        for number in 1..BINS {
            let edge = lower_edge(number);
            assert_eq!(bin(edge * 1.000_001), number);
            assert_eq!(bin(edge * 0.999_999), number - 1);
        }
        assert_eq!(bin(0.0), 0);
        assert!(bin(LONGEST * 0.999) < BINS && bin(LONGEST * 1.001) >= BINS);
    }

    #[test]
    fn the_ends_are_rounded_away_from_the_middle() {
        let histogram = of((0..100).map(|number| 1.0 + f64::from(number) / 100.0));
        let (head, tail) = (histogram.head(0.05), histogram.tail(0.99));
        assert!((1.0..=1.05).contains(&head), "{head}");
        assert!((1.98..=2.25).contains(&tail), "{tail}");
    }

    #[test]
    fn what_is_too_long_is_counted_apart() {
        let histogram = of([1.0, 40.0, 4000.0, f64::INFINITY]);
        assert_eq!((histogram.total(), histogram.share_beyond()), (4, 0.75));
        assert!(histogram.tail(0.99) < 1.2);
    }

    #[test]
    fn gaps_of_one_length_vary_most_and_of_every_length_least() {
        let one = of((0..50).map(|_| 2.0));
        assert!((one.variation() - ((BINS - 1) as f64).sqrt()).abs() < 1e-9);
        let every = of((0..BINS).map(|bin| lower_edge(bin) * 1.01));
        assert!(every.variation() < 1e-9);
    }

    #[test]
    fn another_rhythm_is_believed_after_some_hundred_calls() {
        let mut histogram = of((0..10_000).map(|_| 4.0));
        let calls = (1..10_000).find(|_| {
            histogram.record(0.25);
            histogram.head(0.05) < 0.3 && histogram.head(0.5) < 0.3
        });
        assert!(calls.is_some_and(|calls| calls < 600), "{calls:?}");
    }

    proptest! {
        #[test]
        fn head_and_tail_hold_what_they_say(gaps in prop::collection::vec(0.0..40.0_f64, 1..400)) {
            let histogram = of(gaps.iter().copied());
            let within: Vec<_> = gaps.iter().copied().filter(|&gap| bin(gap) < BINS).collect();
            prop_assert_eq!(histogram.total() as usize, gaps.len());
            if within.is_empty() {
                return Ok(());
            }
            let share = |count: usize| count as f64 / within.len() as f64;
            let (head, tail) = (histogram.head(0.05), histogram.tail(0.99));
            prop_assert!(head < tail);
            prop_assert!(share(within.iter().filter(|&&gap| gap < head).count()) <= 0.05);
            prop_assert!(share(within.iter().filter(|&&gap| gap <= tail).count()) >= 0.99);
        }

        #[test]
        fn no_gap_breaks_it(gaps in prop::collection::vec(any::<f64>(), 0..2_000)) {
            let histogram = of(gaps);
            prop_assert!(histogram.total() <= MOST_GAPS);
            prop_assert!(histogram.variation() >= 0.0 && histogram.tail(0.99) <= LONGEST);
        }
    }
}
