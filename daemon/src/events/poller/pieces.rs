//! What is left of a stream's batch, and what to try next of it.
//!
//! A batch is tried whole. What fails is tried again: whole, or in halves if it is bisected, or from the record on that the
//! function said had failed. Splitting does not count as a try, as on Lambda, and ends with pieces of one record. Pieces are
//! tried in the order of their records, and none before those before it are through: done, or given up.
//!
//! Plain data; the worker carries it out.

use std::ops::Range;

/// What may be done with what failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Tries after the first; for ever if it is not said.
    pub(super) retries: Option<u32>,
    pub(super) bisect: bool,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every record is processed.
    Done,
    /// Those before this one of the piece are processed; it and what follows is not.
    FailedFrom(usize),
}

/// What has become of records, by their places in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Through {
    Done(Range<usize>),
    GivenUp {
        records: Range<usize>,
        /// How often they were tried.
        tries: u32,
    },
}

/// Records that are tried together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) records: Range<usize>,
    /// How often they were tried.
    pub(super) tries: u32,
}

/// A batch that is under way.
#[derive(Debug)]
pub(super) struct Pieces {
    rules: Rules,
    /// The next one last.
    left: Vec<Piece>,
}

impl Pieces {
    pub(super) fn of(records: usize, rules: Rules) -> Self {
        let left = if records == 0 { Vec::new() } else { vec![Piece { records: 0..records, tries: 0 }] };
        Self { rules, left }
    }

    /// What to try next.
    pub(super) fn next(&self) -> Option<&Piece> {
        self.left.last()
    }

    /// Gives up the first records of what is next: they are too old.
    pub(super) fn expire(&mut self, count: usize) -> Option<Through> {
        let piece = self.left.last_mut()?;
        let end = piece.records.start + count.min(piece.records.len());
        let records = piece.records.start..end;
        let tries = piece.tries;
        piece.records.start = end;
        if piece.records.is_empty() {
            self.left.pop();
        }
        (!records.is_empty()).then_some(Through::GivenUp { records, tries })
    }

    /// Notes what came of trying what is next. What is through then, in its order.
    pub(super) fn tried(&mut self, verdict: Verdict) -> Vec<Through> {
        let Some(Piece { records, tries }) = self.left.pop() else { return Vec::new() };
        let mut through = Vec::new();
        let failed = match verdict {
            Verdict::Done => records.end..records.end,
            Verdict::FailedFrom(at) => (records.start + at).min(records.end)..records.end,
        };
        if failed.start > records.start {
            through.push(Through::Done(records.start..failed.start));
        }
        if failed.is_empty() {
            return through;
        }
        let has_shrunk = failed.start > records.start;
        if self.rules.bisect && has_shrunk {
            self.left.push(Piece { records: failed, tries });
        } else if self.rules.bisect && failed.len() > 1 {
            let middle = failed.start + failed.len() / 2;
            self.left.push(Piece { records: middle..failed.end, tries });
            self.left.push(Piece { records: failed.start..middle, tries });
        } else if self.rules.retries.is_some_and(|retries| tries >= retries) {
            through.push(Through::GivenUp { records: failed, tries: tries + 1 });
        } else {
            self.left.push(Piece { records: failed, tries: tries.saturating_add(1) });
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tries a batch in which some records fail always. What became of each, and how often each was tried.
    fn play(
        records: usize,
        bad: &[usize],
        rules: Rules,
        reports: bool,
    ) -> (Vec<usize>, Vec<usize>, Vec<u32>) {
        let mut pieces = Pieces::of(records, rules);
        let (mut done, mut given_up, mut tried) = (Vec::new(), Vec::new(), vec![0; records]);
        while let Some(piece) = pieces.next().cloned() {
            piece.records.clone().for_each(|record| tried[record] += 1);
            let first_bad = piece.records.clone().find(|record| bad.contains(record));
            let verdict = match first_bad {
                None => Verdict::Done,
                Some(bad) if reports => Verdict::FailedFrom(bad - piece.records.start),
                Some(_) => Verdict::FailedFrom(0),
            };
            for through in pieces.tried(verdict) {
                match through {
                    Through::Done(records) => done.extend(records),
                    Through::GivenUp { records, .. } => given_up.extend(records),
                }
            }
        }
        (done, given_up, tried)
    }

    #[test]
    fn bisecting_isolates_one_bad_record_and_the_others_succeed() {
        let rules = Rules { retries: Some(0), bisect: true };
        let (done, given_up, tried) = play(8, &[5], rules, false);
        assert_eq!((done, given_up), (vec![0, 1, 2, 3, 4, 6, 7], vec![5]));
        assert_eq!(tried[5], 4, "8, 4, 2 and alone");
    }

    #[test]
    fn without_bisecting_a_batch_is_given_up_whole_after_its_retries() {
        let (done, given_up, tried) = play(3, &[1], Rules { retries: Some(2), bisect: false }, false);
        assert_eq!((done, given_up), (vec![], vec![0, 1, 2]));
        assert_eq!(tried, [3, 3, 3]);
    }

    #[test]
    fn what_a_function_reports_as_failed_is_tried_again_from_there_on() {
        let (done, given_up, tried) = play(3, &[2], Rules { retries: Some(3), bisect: false }, true);
        assert_eq!((done, given_up), (vec![0, 1], vec![2]));
        assert_eq!(tried, [1, 1, 4]);
    }

    #[test]
    fn records_that_are_too_old_are_given_up_from_the_front() {
        let mut pieces = Pieces::of(3, Rules { retries: None, bisect: false });
        assert_eq!(pieces.expire(0), None);
        assert_eq!(pieces.expire(2), Some(Through::GivenUp { records: 0..2, tries: 0 }));
        assert_eq!(pieces.next(), Some(&Piece { records: 2..3, tries: 0 }));
        assert_eq!(pieces.expire(9), Some(Through::GivenUp { records: 2..3, tries: 0 }));
        assert_eq!(pieces.expire(1), None);
        assert_eq!(pieces.next(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn every_record_is_through_once_and_in_order(
            records in 0_usize..40,
            bad in prop::collection::btree_set(0_usize..40, 0..6),
            retries in 0_u32..4,
            bisect: bool,
            reports: bool,
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|bad| *bad < records).collect();
            let rules = Rules { retries: Some(retries), bisect };
            let mut pieces = Pieces::of(records, rules);
            let mut next = 0;
            while let Some(piece) = pieces.next().cloned() {
                prop_assert_eq!(piece.records.start, next, "a record is passed over or comes twice");
                let first_bad = piece.records.clone().find(|record| bad.contains(record));
                let verdict = match first_bad {
                    None => Verdict::Done,
                    Some(bad) => Verdict::FailedFrom(if reports { bad - piece.records.start } else { 0 }),
                };
                for through in pieces.tried(verdict) {
                    let (Through::Done(range) | Through::GivenUp { records: range, .. }) = through.clone();
                    prop_assert_eq!(range.start, next);
                    next = range.end;
                    if let Through::Done(range) = through {
                        prop_assert!(range.into_iter().all(|record| !bad.contains(&record)));
                    }
                }
            }
            prop_assert_eq!(next, records);
            if bisect {
                let (_, given_up, _) = play(records, &bad, rules, reports);
                prop_assert_eq!(given_up, bad);
            }
        }
    }
}
