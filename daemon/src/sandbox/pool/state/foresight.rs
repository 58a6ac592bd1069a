//! What the books know of the next call: how long a sandbox stays for it, and which are made ahead of it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Entry, Phase, PoolState, keep::Plan, order::Worth};
use crate::sandbox::spec::{SandboxId, SandboxSpec};

/// What was decided for a function, and on what ground.
#[derive(Debug)]
pub struct Forecast {
    /// The function, as it was called last.
    pub spec: Arc<SandboxSpec>,
    /// What was decided.
    pub plan: Plan,
    /// Gaps between calls that it was decided by.
    pub gaps: u32,
    /// Calls that it had lately: what is older than an hour or so hardly counts.
    pub calls: f64,
    /// How long a call waits that finds no sandbox, once that was measured.
    pub cold_start: Option<Duration>,
}

impl PoolState {
    /// A call came.
    pub(in crate::sandbox::pool) fn called(&mut self, spec: &Arc<SandboxSpec>, now: Instant) {
        self.usages.called(spec, now);
    }

    /// A call ended, if the sandbox ran one.
    pub(in crate::sandbox::pool) fn call_ended(&mut self, id: &SandboxId, now: Instant) {
        let busy = self.entries.get(id).filter(|entry| entry.phase == Phase::Busy);
        if let Some(spec) = busy.and_then(|entry| entry.spec.clone()) {
            self.usages.ended(spec.usage(), now);
        }
    }

    /// A sandbox has initialised its function, this long after it was given to it.
    pub(in crate::sandbox::pool) fn started(&mut self, id: &SandboxId, took: Duration) {
        if let Some(spec) = self.entries.get(id).and_then(|entry| entry.spec.clone()) {
            self.usages.started(spec.usage(), took);
        }
    }

    /// How long a sandbox that becomes idle now may stay.
    pub(in crate::sandbox::pool) fn stay(&self, spec: &SandboxSpec, now: Instant) -> Duration {
        self.usages.stay(spec.usage(), now)
    }

    /// When the next sandbox is to be made ahead of its call.
    pub(in crate::sandbox::pool) fn next_due(&self) -> Option<Instant> {
        self.usages.next_due()
    }

    /// Takes out the functions that a call of is expected now.
    pub(in crate::sandbox::pool) fn take_due(&mut self, now: Instant) -> Vec<Arc<SandboxSpec>> {
        self.usages.take_due(now)
    }

    /// Has a sandbox made ahead of the function's next call: a want that no waiter has made. It takes only memory that is free
    /// and that nobody waits for; what a guess is worth must not cost a call that has come. False if there is none, or if
    /// a sandbox that runs no call is there or on its way.
    pub(in crate::sandbox::pool) fn expect(&mut self, spec: &Arc<SandboxSpec>, now: Instant) -> bool {
        let has_one = self.versions.get(&spec.key).is_some_and(|version| !version.is_spent());
        if has_one || !self.queue.is_empty() {
            return false;
        }
        // What becomes the sandbox holds some of it already.
        let ready = self.shelves.get(spec.base.key()).and_then(|shelf| shelf.ready.last());
        let credit = ready.map_or(0, |id| self.held(id));
        self.budget.fits(u64::from(spec.memory_mb).saturating_sub(credit)) && self.want(spec, now)
    }

    /// What was decided for each function that was called lately and is still there.
    pub(in crate::sandbox::pool) fn forecasts(&self) -> Vec<Forecast> {
        let usages = self.usages.all();
        let there = usages.filter_map(|usage| Some((usage, usage.spec.upgrade()?)));
        there
            .filter(|(_, spec)| !spec.is_retired())
            .map(|(usage, spec)| Forecast {
                spec,
                plan: usage.plan,
                gaps: usage.gaps.total(),
                calls: usage.calls(),
                cold_start: usage.cost(),
            })
            .collect()
    }

    /// What a sandbox is worth that can go.
    pub(super) fn worth(&self, entry: &Entry) -> Worth {
        match &entry.spec {
            Some(spec) => {
                let (calls, cost) = self.usages.worth(spec.usage());
                Worth { calls, cost: cost.as_secs_f64() * 1e6, size: entry.held_mb }
            }
            // All of them take Docker as long.
            None => {
                let demand = self.shelves.get(entry.base.key()).map_or(0.0, |shelf| shelf.demand());
                Worth { calls: 1.0 + demand, cost: 1e6, size: entry.held_mb }
            }
        }
    }
}
