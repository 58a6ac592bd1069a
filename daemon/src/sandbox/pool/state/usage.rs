//! What is known of the functions that were called: the gaps between their calls, how often they are called, and what a
//! cold start of each costs.
//!
//! It outlives a function's sandboxes and its revisions, but not the daemon: it is evidence, not state, and a few calls
//! bring it back. It is bounded: whatever was called least lately is forgotten.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    fading::Fading,
    histogram::Histogram,
    keep::{Plan, Policy},
};
use crate::sandbox::spec::{SandboxSpec, UsageKey};

/// Functions that are known at the most: some 4 MB.
const MOST_FUNCTIONS: usize = 10_000;

/// How long calls count for a function's frequency, in fixed times: an hour, where that is 10 minutes.
const FREQUENCY_MEMORY: u32 = 6;

/// What a cold start is thought to cost until one was measured.
const COST_UNKNOWN: Duration = Duration::from_millis(100);

/// What the newest cold start counts for in the average.
const NEWEST: f64 = 0.25;

/// What is known of one function.
#[derive(Debug)]
pub(super) struct Usage {
    /// What was called last. It may be gone.
    pub(super) spec: Weak<SandboxSpec>,
    pub(super) gaps: Histogram,
    pub(super) plan: Plan,
    /// When the last call ended, since the last one came.
    pub(super) ended: Option<Instant>,
    /// When the next sandbox is to be made ahead.
    pub(super) due: Option<Instant>,
    calls: Fading,
    /// Of its cold starts, in seconds.
    cost: Option<f64>,
    /// When it was called, in steps.
    step: u64,
}

impl Usage {
    /// Calls that it had lately.
    pub(super) fn calls(&self) -> f64 {
        self.calls.last_level()
    }

    /// How long a call waits if it has no sandbox.
    pub(super) fn cost(&self) -> Option<Duration> {
        self.cost.map(Duration::from_secs_f64)
    }
}

/// What is known of all.
#[derive(Debug)]
pub(super) struct Usages {
    policy: Policy,
    known: HashMap<UsageKey, Usage>,
    /// The one that was called least lately first.
    by_step: BTreeMap<u64, UsageKey>,
    /// Who gets a sandbox made ahead, and when.
    due: BTreeSet<(Instant, UsageKey)>,
    step: u64,
    most: usize,
}

impl Usages {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            known: HashMap::new(),
            by_step: BTreeMap::new(),
            due: BTreeSet::new(),
            step: 0,
            most: MOST_FUNCTIONS,
        }
    }

    pub(super) fn get(&self, key: &UsageKey) -> Option<&Usage> {
        self.known.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Usage> {
        self.known.values()
    }

    /// A call of it came: what was waited for is here.
    pub(super) fn called(&mut self, spec: &Arc<SandboxSpec>, now: Instant) {
        self.step += 1;
        let key = spec.usage();
        if !self.known.contains_key(key) {
            self.make_room();
            self.known.insert(key.clone(), self.unknown(spec, now));
        }
        let Some(usage) = self.known.get_mut(key) else { return };
        if !Weak::ptr_eq(&usage.spec, &Arc::downgrade(spec)) {
            usage.spec = Arc::downgrade(spec);
        }
        if let Some(ended) = usage.ended.take() {
            usage.gaps.record(self.policy.units(now.saturating_duration_since(ended)));
            usage.plan = self.policy.plan(&usage.gaps);
        }
        usage.calls.add(now);
        self.by_step.remove(&usage.step);
        usage.step = self.step;
        self.by_step.insert(self.step, key.clone());
        if let Some(due) = usage.due.take() {
            self.due.remove(&(due, key.clone()));
        }
    }

    /// A call of it ended. What comes until the next is a gap.
    pub(super) fn ended(&mut self, key: &UsageKey, now: Instant) {
        let Some(usage) = self.known.get_mut(key) else { return };
        usage.ended = Some(now);
        if let Some(due) = usage.due.take() {
            self.due.remove(&(due, key.clone()));
        }
        if let Some(ahead) = usage.plan.ahead {
            usage.due = Some(now + ahead);
            self.due.insert((now + ahead, key.clone()));
        }
    }

    /// A sandbox of it was made, and whoever called had to wait this long.
    pub(super) fn started(&mut self, key: &UsageKey, took: Duration) {
        if let Some(usage) = self.known.get_mut(key) {
            let took = took.as_secs_f64();
            usage.cost = Some(usage.cost.map_or(took, |average| average + NEWEST * (took - average)));
        }
    }

    /// How often it was called lately, and what it waits for a sandbox.
    pub(super) fn worth(&self, key: &UsageKey) -> (f64, Duration) {
        self.get(key)
            .map_or((0.0, COST_UNKNOWN), |usage| (usage.calls(), usage.cost().unwrap_or(COST_UNKNOWN)))
    }

    /// How long a sandbox of it stays that becomes idle now.
    pub(super) fn stay(&self, key: &UsageKey, now: Instant) -> Duration {
        let Some(usage) = self.get(key) else { return self.policy.fixed };
        let since_end = usage.ended.map_or(Duration::ZERO, |ended| now.saturating_duration_since(ended));
        self.policy.stay(&usage.plan, since_end)
    }

    /// When the first sandbox is to be made ahead.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes out whoever gets a sandbox made ahead now, as far as it is still there.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Arc<SandboxSpec>> {
        let mut specs = Vec::new();
        while self.next_due().is_some_and(|due| due <= now)
            && let Some((_, key)) = self.due.pop_first()
        {
            if let Some(usage) = self.known.get_mut(&key) {
                usage.due = None;
                specs.extend(usage.spec.upgrade().filter(|spec| !spec.is_retired()));
            }
        }
        specs
    }

    fn unknown(&self, spec: &Arc<SandboxSpec>, now: Instant) -> Usage {
        Usage {
            spec: Arc::downgrade(spec),
            gaps: Histogram::default(),
            plan: self.policy.fixed_plan(),
            ended: None,
            due: None,
            calls: Fading::new(self.policy.fixed * FREQUENCY_MEMORY, now),
            cost: None,
            step: self.step,
        }
    }

    fn make_room(&mut self) {
        while self.known.len() >= self.most
            && let Some((_, key)) = self.by_step.pop_first()
        {
            if let Some(due) = self.known.remove(&key).and_then(|usage| usage.due) {
                self.due.remove(&(due, key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{config::KeepAlive, sandbox::spec::Base};

    const MINUTE: Duration = Duration::from_secs(60);

    fn usages() -> Usages {
        Usages::new(Policy { mode: KeepAlive::Histogram, fixed: MINUTE * 10 })
    }

    fn spec(name: &str) -> Arc<SandboxSpec> {
        SandboxSpec::for_tests(&Base::for_tests("image"), name, 128)
    }

    /// Calls every half hour, each of them over at once.
    fn by_timer(usages: &mut Usages, spec: &Arc<SandboxSpec>, mut now: Instant) -> Instant {
        for _ in 0..8 {
            now += MINUTE * 30;
            usages.called(spec, now);
            usages.ended(spec.usage(), now);
        }
        now
    }

    #[test]
    fn a_call_that_is_expected_has_a_sandbox_made_ahead_once() {
        let (mut usages, spec) = (usages(), spec("timer"));
        let now = by_timer(&mut usages, &spec, Instant::now());
        let due = usages.next_due().unwrap();
        assert!(due > now + MINUTE * 24 && due < now + MINUTE * 30);
        assert!(usages.take_due(now + MINUTE).is_empty());
        assert_eq!(usages.take_due(due).len(), 1);
        assert!(usages.take_due(due + MINUTE * 90).is_empty() && usages.next_due().is_none());
    }

    #[test]
    fn a_call_that_came_is_not_expected_any_more() {
        let (mut usages, spec) = (usages(), spec("timer"));
        let now = by_timer(&mut usages, &spec, Instant::now());
        usages.called(&spec, now + MINUTE);
        assert!(usages.next_due().is_none());
    }

    #[test]
    fn nothing_is_made_of_what_is_gone_or_was_replaced() {
        for is_gone in [true, false] {
            let (mut usages, spec) = (usages(), spec("timer"));
            let now = by_timer(&mut usages, &spec, Instant::now());
            spec.retire();
            let kept = (!is_gone).then_some(spec);
            assert!(usages.take_due(now + MINUTE * 30).is_empty());
            drop(kept);
        }
    }

    #[test]
    fn what_is_known_survives_an_update_of_the_function() {
        let (mut usages, old) = (usages(), spec("timer"));
        let now = by_timer(&mut usages, &old, Instant::now());
        let new = spec("timer");
        old.retire();
        usages.called(&new, now + MINUTE * 30);
        usages.ended(new.usage(), now + MINUTE * 30);
        let due = usages.take_due(now + MINUTE * 60);
        assert!(due.len() == 1 && Arc::ptr_eq(&due[0], &new));
    }

    #[test]
    fn a_call_beside_another_makes_no_gap() {
        let (mut usages, spec) = (usages(), spec("two"));
        let now = Instant::now();
        (0..20).for_each(|second| usages.called(&spec, now + Duration::from_secs(second)));
        assert_eq!(usages.get(spec.usage()).unwrap().gaps.total(), 0);
    }

    #[test]
    fn a_cold_start_costs_what_was_measured_lately() {
        let (mut usages, spec) = (usages(), spec("a"));
        assert_eq!(usages.worth(spec.usage()), (0.0, COST_UNKNOWN));
        usages.called(&spec, Instant::now());
        usages.started(spec.usage(), Duration::from_secs(4));
        usages.started(spec.usage(), Duration::from_secs(8));
        assert_eq!(usages.worth(spec.usage()), (1.0, Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn no_more_are_known_than_may_be(calls in prop::collection::vec((0..30_u8, any::<bool>(), 0..4000_u32), 0..300)) {
            let mut usages = Usages { most: 10, ..usages() };
            let specs: Vec<_> = (0..30).map(|number| spec(&number.to_string())).collect();
            let mut now = Instant::now();
            for (number, ends, seconds) in calls {
                let spec = &specs[usize::from(number)];
                now += Duration::from_secs(seconds.into());
                usages.called(spec, now);
                if ends {
                    usages.ended(spec.usage(), now);
                }
                prop_assert!(usages.get(spec.usage()).is_some(), "the last one called is known");
                prop_assert!(usages.known.len() <= 10);
                prop_assert_eq!(usages.by_step.len(), usages.known.len());
                let due: Vec<_> = usages.known.values().filter_map(|usage| usage.due).collect();
                prop_assert_eq!(usages.due.len(), due.len());
                prop_assert_eq!(usages.next_due(), due.into_iter().min());
            }
        }
    }
}
