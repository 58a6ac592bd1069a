//! The sandboxes of one base that have no function yet, and the calls that want one.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{WantId, fading::Fading};
use crate::sandbox::spec::{Base, SandboxId};

/// How long a burst is remembered: after this, a third of it still counts. Longer than filling a shelf again takes, shorter
/// than a quiet hour.
const MEMORY: Duration = Duration::from_secs(120);

/// How many sandboxes are to stand ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyLimits {
    /// Even if nobody wants one.
    pub least: usize,
    /// However many are wanted.
    pub most: usize,
}

#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) base: Arc<Base>,
    /// Up and waiting, the last one that came last.
    pub(super) ready: Vec<SandboxId>,
    /// On their way here.
    pub(super) preparing: usize,
    /// Who gets the next ones.
    pub(super) wants: VecDeque<WantId>,
    /// How many more wait for memory before they want one.
    pub(super) queued: usize,
    /// Whether functions of this base are there to be called.
    pub(super) is_kept: bool,
    /// How many were wanted lately.
    demand: Fading,
}

impl Shelf {
    pub(super) fn new(base: Arc<Base>, now: Instant) -> Self {
        Self {
            base,
            ready: Vec::new(),
            preparing: 0,
            wants: VecDeque::new(),
            queued: 0,
            is_kept: false,
            demand: Fading::new(MEMORY, now),
        }
    }

    /// Somebody wanted one.
    pub(super) fn wanted(&mut self, now: Instant) {
        self.demand.add(now);
    }

    /// How many were wanted lately, as of the last one.
    pub(super) fn demand(&self) -> f64 {
        self.demand.last_level()
    }

    /// How many are to stand ready.
    pub(super) fn target(&self, limits: ReadyLimits, now: Instant) -> usize {
        if self.is_kept {
            self.demand.count(now).clamp(limits.least.min(limits.most), limits.most)
        } else {
            0
        }
    }

    /// How many will stand ready if nothing else happens.
    pub(super) fn stock(&self) -> usize {
        self.ready.len() + self.preparing.saturating_sub(self.wants.len())
    }

    pub(super) fn is_unused(&self) -> bool {
        self.ready.is_empty()
            && self.preparing == 0
            && self.wants.is_empty()
            && self.queued == 0
            && !self.is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ReadyLimits = ReadyLimits { least: 1, most: 4 };

    fn shelf(now: Instant) -> Shelf {
        let mut shelf = Shelf::new(Base::for_tests("image"), now);
        shelf.is_kept = true;
        shelf
    }

    #[test]
    fn demand_raises_the_target_up_to_the_most_and_fades_to_the_least() {
        let now = Instant::now();
        let mut shelf = shelf(now);
        assert_eq!(shelf.target(LIMITS, now), 1);
        for _ in 0..3 {
            shelf.wanted(now);
        }
        assert_eq!(shelf.target(LIMITS, now), 3);
        for _ in 0..100 {
            shelf.wanted(now);
        }
        assert_eq!(shelf.target(LIMITS, now), 4);
        assert_eq!(shelf.target(LIMITS, now + MEMORY), 4, "a burst of a hundred is not over in two minutes");
        assert_eq!(shelf.target(LIMITS, now + MEMORY * 10), 1);
    }

    #[test]
    fn nothing_stands_ready_for_functions_that_are_not_there() {
        let now = Instant::now();
        let mut shelf = shelf(now);
        shelf.wanted(now);
        shelf.is_kept = false;
        assert_eq!(shelf.target(LIMITS, now), 0);
    }

    #[test]
    fn a_most_below_the_least_counts() {
        let now = Instant::now();
        assert_eq!(shelf(now).target(ReadyLimits { least: 2, most: 0 }, now), 0);
    }
}
