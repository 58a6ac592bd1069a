//! Latencies in a few classes with round borders, for drawing.

use hdrhistogram::Histogram;

/// Renard's preferred numbers: each class is 6 % wider than the one before, and every second, fourth … of them make
/// coarser rows. Source: ISO 3, R40.
const RENARD: [u64; 40] = [
    100, 106, 112, 118, 125, 132, 140, 150, 160, 170, 180, 190, 200, 212, 224, 236, 250, 265, 280, 300, 315,
    335, 355, 375, 400, 425, 450, 475, 500, 530, 560, 600, 630, 670, 710, 750, 800, 850, 900, 950,
];

/// Every how many of them make a border, the finest first.
const STEPS: [usize; 6] = [1, 2, 4, 8, 20, 40];

/// A class: from `from` on, and less than `to`, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

/// The classes of several histograms of microseconds: the same for all, from the first to the last that has anything in
/// any of them, and as fine as goes with `most` of them. Empty if the histograms are.
pub(super) fn buckets<const N: usize>(histograms: [&Histogram<u64>; N], most: usize) -> [Vec<Bucket>; N] {
    let filled = || histograms.iter().filter(|histogram| !histogram.is_empty());
    let (Some(least), Some(largest)) = (
        filled().map(|it| it.min().max(1)).min(),
        filled().map(|it| it.lowest_equivalent(it.max()).max(1)).max(),
    ) else {
        return std::array::from_fn(|_| Vec::new());
    };
    let borders = STEPS
        .iter()
        .map(|&step| borders(least, largest, step))
        .find(|borders| borders.len() <= most + 1)
        .unwrap_or_else(|| borders(least, largest, 40));
    histograms.map(|histogram| {
        let mut classes: Vec<_> = borders
            .windows(2)
            .filter_map(|pair| match pair {
                [from, to] => Some(Bucket { from: *from, to: *to, count: 0 }),
                _ => None,
            })
            .collect();
        for value in histogram.iter_recorded() {
            let micros = histogram.lowest_equivalent(value.value_iterated_to()).clamp(least, largest) as f64;
            let at = classes.partition_point(|class| class.to <= micros);
            if let Some(class) = classes.get_mut(at) {
                class.count += value.count_at_value();
            }
        }
        classes
    })
}

/// Borders of which the first is not over `least` and the last is over `largest`.
fn borders(least: u64, largest: u64, step: usize) -> Vec<f64> {
    let mut borders = Vec::new();
    // A float goes further than any latency.
    let mut decade = 0.01;
    while borders.last().is_none_or(|&last| last <= largest as f64) {
        for &number in RENARD.iter().step_by(step) {
            let border = number as f64 * decade;
            if border <= least as f64 {
                borders.clear();
            }
            if borders.last().is_none_or(|&last| last <= largest as f64) {
                borders.push(border);
            }
        }
        decade *= 10.0;
    }
    borders
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        for &value in values {
            histogram.record(value).unwrap();
        }
        histogram
    }

    #[test]
    fn borders_are_round_and_as_fine_as_there_is_room_for() {
        let values = histogram(&[600, 640, 700, 1100]);
        let [fine] = buckets([&values], 20);
        assert!((fine[0].from, fine[0].to) == (600.0, 630.0) && fine[0].count == 1, "{fine:?}");
        let [coarse] = buckets([&values], 4);
        let borders: Vec<_> = coarse.iter().map(|class| class.from.round()).collect();
        assert_eq!(borders, [500.0, 630.0, 800.0, 1000.0]);
        assert_eq!(coarse.iter().map(|class| class.count).collect::<Vec<_>>(), [1, 2, 0, 1]);
    }

    #[test]
    fn two_histograms_share_their_classes() {
        let [some, others] = buckets([&histogram(&[100, 100]), &histogram(&[9000])], 10);
        assert_eq!(some.len(), others.len());
        assert_eq!((some[0].count, others[0].count), (2, 0));
        assert_eq!((some.last().unwrap().count, others.last().unwrap().count), (0, 1));
    }

    #[test]
    fn nothing_has_no_classes() {
        assert_eq!(buckets([&histogram(&[])], 10), [vec![]]);
    }

    proptest! {
        #[test]
        fn every_value_is_in_one_class(
            values in prop::collection::vec(0_u64..1 << 40, 1..50), most in 13_usize..80,
        ) {
            let [classes] = buckets([&histogram(&values)], most);
            prop_assert!(classes.len() <= most);
            prop_assert_eq!(classes.iter().map(|class| class.count).sum::<u64>(), values.len() as u64);
            prop_assert!(classes.iter().all(|class| class.from < class.to));
            prop_assert!(classes.first().unwrap().count > 0 && classes.last().unwrap().count > 0);
        }
    }
}
