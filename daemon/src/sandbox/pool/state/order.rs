//! In which order sandboxes go when calls need their memory: greedy-dual, as in FaasCache (Fuerst and Sharma, ASPLOS 2021).
//!
//! A sandbox's priority is what it would cost to make it again, times how often its function was called lately, for each MB
//! that it holds; and on top of that the clock at the time when it became idle. The clock is the priority of the last that
//! had to go. So whatever is not used falls behind by and by, however precious it was, and ties go to the one that was used
//! least lately.
//!
//! Sandboxes without a function go before all others: they can be made for nobody in particular at any time. Among
//! themselves they go by how often their like was wanted.

use std::collections::BTreeMap;

use crate::sandbox::spec::SandboxId;

/// What a sandbox is worth to whom it may be given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worth {
    /// Calls that it could have served lately.
    pub(super) calls: f64,
    /// Microseconds that a call waits for another one.
    pub(super) cost: f64,
    /// MB that it holds.
    pub(super) size: u64,
}

impl Worth {
    fn value(self) -> u64 {
        let value = self.calls.max(0.0) * self.cost.max(0.0) / self.size.max(1) as f64;
        // Whole microseconds a MB are precise enough; a cast of what is too large gives the largest there is.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let value = value as u64;
        value
    }
}

/// A place in the order; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    has_function: bool,
    priority: u64,
    /// Became idle at this step.
    seq: u64,
}

/// The sandboxes that can go.
#[derive(Debug, Default)]
pub(super) struct Order {
    clock: u64,
    ranks: BTreeMap<Rank, SandboxId>,
}

impl Order {
    /// The time on the clock: the priority of the last that had to go.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// Takes in a sandbox that became idle at step `seq`, with this time on the clock.
    pub(super) fn insert(
        &mut self,
        id: SandboxId,
        has_function: bool,
        worth: Worth,
        clock: u64,
        seq: u64,
    ) -> Rank {
        let rank = Rank { has_function, priority: clock.saturating_add(worth.value()), seq };
        self.ranks.insert(rank, id);
        rank
    }

    /// One can't go any more.
    pub(super) fn remove(&mut self, rank: &Rank) {
        self.ranks.remove(rank);
    }

    /// The one that has to go now. The caller takes it out.
    pub(super) fn first(&mut self) -> Option<SandboxId> {
        let (rank, id) = self.ranks.first_key_value()?;
        // What has no function says nothing of what those are worth that have.
        if rank.has_function {
            self.clock = self.clock.max(rank.priority);
        }
        Some(id.clone())
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<SandboxId> {
        self.ranks.values().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORTH: Worth = Worth { calls: 10.0, cost: 1000.0, size: 10 };

    fn goes_first(one: Worth, other: Worth) -> bool {
        let mut order = Order::default();
        let (a, b) = (SandboxId::random(), SandboxId::random());
        order.insert(a.clone(), true, one, 0, 1);
        order.insert(b, true, other, 0, 2);
        order.first() == Some(a)
    }

    #[test]
    fn the_cheap_the_large_and_the_rarely_called_go_first() {
        assert!(goes_first(Worth { cost: 900.0, ..WORTH }, WORTH));
        assert!(goes_first(Worth { size: 11, ..WORTH }, WORTH));
        assert!(goes_first(Worth { calls: 9.0, ..WORTH }, WORTH));
        assert!(!goes_first(Worth { calls: 11.0, ..WORTH }, WORTH));
        assert!(goes_first(WORTH, WORTH), "of two alike the one that was used least lately");
    }

    #[test]
    fn what_has_no_function_goes_before_all_others_and_leaves_the_clock() {
        let mut order = Order::default();
        let (with, without) = (SandboxId::random(), SandboxId::random());
        let rank = order.insert(without.clone(), false, Worth { calls: 1e9, ..WORTH }, 0, 1);
        order.insert(with.clone(), true, Worth { calls: 0.0, ..WORTH }, 0, 2);
        assert_eq!(order.first(), Some(without));
        assert_eq!(order.clock(), 0);
        order.remove(&rank);
        assert_eq!(order.first(), Some(with));
    }

    #[test]
    fn what_is_not_used_falls_behind_however_precious_it_was() {
        let mut order = Order::default();
        let precious = SandboxId::random();
        order.insert(precious.clone(), true, Worth { calls: 1000.0, ..WORTH }, 0, 0);
        let turns = (1..10_000).find(|&turn| {
            let clock = order.clock();
            let rank = order.insert(SandboxId::random(), true, WORTH, clock, turn);
            let is_gone = order.first().as_ref() == Some(&precious);
            order.remove(&rank);
            is_gone
        });
        assert!(turns.is_some_and(|turns| turns > 50), "{turns:?}");
    }

    proptest! {
        #[test]
        fn the_clock_never_goes_back_and_nothing_overflows(
            worths in prop::collection::vec((any::<f64>(), any::<f64>(), any::<u64>(), any::<bool>()), 1..100)
        ) {
            let mut order = Order::default();
            let mut ranks = Vec::new();
            for (seq, (calls, cost, size, has_function)) in worths.into_iter().enumerate() {
                let before = order.clock();
                let worth = Worth { calls, cost, size };
                ranks.push(order.insert(SandboxId::random(), has_function, worth, before, seq as u64));
                if seq % 3 == 0 {
                    prop_assert!(order.first().is_some());
                    let least = *ranks.iter().min().unwrap();
                    order.remove(&least);
                    ranks.retain(|rank| *rank != least);
                }
                prop_assert!(order.clock() >= before);
            }
            prop_assert_eq!(order.all().len(), ranks.len());
        }
    }
}
