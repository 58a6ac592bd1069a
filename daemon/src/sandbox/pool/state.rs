//! The pool's bookkeeping: which sandbox may serve whom, what must be started and what must go.
//!
//! Plain data behind one short lock, without tasks, time or Docker, so that every rule can be tested by itself. Methods
//! take what happened and give back [`Action`]s for the pool to carry out. Every step is O(1) or O(log n) in the number
//! of sandboxes.
//!
//! The phases of a sandbox, as the pool sees them:
//!
//! ```text
//!   Queued ──memory──> Starting ──offer──> Idle <──offer── Finishing
//!                         │                 │ grant            ^
//!                         │ grant           v                  │ finishing
//!                         └──────────────> Busy ───────────────┘
//!   any ──stopping──> Stopping ──gone──> (forgotten, memory free)
//! ```
//!
//! A waiter is a call without a sandbox. It takes whichever comes first: one of its version that becomes free, or a new
//! one. Supply is counted: at least as many sandboxes are on their way (queued, starting, finishing) as there are
//! waiters, at every moment, so that no waiter waits for nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::sandbox::spec::{SandboxId, SpecKey};

/// A call that waits.
pub(super) type WaiterId = u64;

/// A place in the order in which sandboxes became idle.
type IdleSeq = u64;

/// What a sandbox is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for memory that evicted sandboxes are about to give back.
    Queued,
    /// Its container starts, or its runtime initialises.
    Starting,
    /// Frozen, for whoever comes.
    Idle,
    /// Given to a call.
    Busy,
    /// Has answered its call and not asked for the next.
    Finishing,
    /// On its way out.
    Stopping,
}

#[derive(Debug)]
struct Entry {
    key: SpecKey,
    memory_mb: u64,
    phase: Phase,
    idle_seq: IdleSeq,
    /// Whether its memory is reserved: from its start until it is gone.
    reserved: bool,
}

#[derive(Debug, Default)]
struct Version {
    idle: BTreeSet<IdleSeq>,
    waiters: VecDeque<WaiterId>,
    /// Queued and starting.
    coming: usize,
    finishing: usize,
}

impl Version {
    fn is_unused(&self) -> bool {
        self.idle.is_empty() && self.waiters.is_empty() && self.coming == 0 && self.finishing == 0
    }
}

/// What the pool is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start the sandbox; its memory is reserved.
    Start(SandboxId),
    /// Tell the sandbox to stop.
    Stop(SandboxId),
    /// There is no memory for the waiter's sandbox.
    Refuse(WaiterId),
}

/// What becomes of a sandbox that has nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It was given to a waiter.
    Granted(WaiterId),
    /// It stays, idle.
    Kept,
    /// It is not wanted any more.
    Stop,
}

/// How many sandboxes are in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queued or starting.
    pub starting: u32,
    /// Idle.
    pub idle: u32,
    /// Busy or finishing.
    pub busy: u32,
    /// Stopping.
    pub stopping: u32,
}

/// The bookkeeping.
#[derive(Debug)]
pub(super) struct PoolState {
    budget_mb: u64,
    reserved_mb: u64,
    /// Memory of idle and of stopping sandboxes: what could be free soon.
    idle_mb: u64,
    stopping_mb: u64,
    /// Memory that queued sandboxes wait for.
    queued_mb: u64,
    entries: HashMap<SandboxId, Entry>,
    versions: HashMap<SpecKey, Version>,
    /// All idle sandboxes, the one that was used least lately first.
    idle: BTreeMap<IdleSeq, SandboxId>,
    queue: VecDeque<SandboxId>,
    next_seq: IdleSeq,
}

impl PoolState {
    pub(super) fn new(budget_mb: u64) -> Self {
        Self {
            budget_mb,
            reserved_mb: 0,
            idle_mb: 0,
            stopping_mb: 0,
            queued_mb: 0,
            entries: HashMap::new(),
            versions: HashMap::new(),
            idle: BTreeMap::new(),
            queue: VecDeque::new(),
            next_seq: 0,
        }
    }

    /// MB that are given out, to sandboxes in any phase but queued.
    pub(super) fn reserved_mb(&self) -> u64 {
        self.reserved_mb
    }

    pub(super) fn budget_mb(&self) -> u64 {
        self.budget_mb
    }

    pub(super) fn phase(&self, id: &SandboxId) -> Option<Phase> {
        self.entries.get(id).map(|entry| entry.phase)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.entries.values() {
            *match entry.phase {
                Phase::Queued | Phase::Starting => &mut counts.starting,
                Phase::Idle => &mut counts.idle,
                Phase::Busy | Phase::Finishing => &mut counts.busy,
                Phase::Stopping => &mut counts.stopping,
            } += 1;
        }
        counts
    }

    /// The most recently used idle sandbox of a version, given away at once.
    pub(super) fn take_idle(&mut self, key: &SpecKey) -> Option<SandboxId> {
        let seq = *self.versions.get(key)?.idle.last()?;
        let id = self.idle.get(&seq)?.clone();
        self.set_phase(&id, Phase::Busy);
        Some(id)
    }

    /// A call waits. `new` names the sandbox that is started for it, should one be needed.
    pub(super) fn wait(
        &mut self,
        waiter: WaiterId,
        key: &SpecKey,
        memory_mb: u64,
        new: SandboxId,
    ) -> Vec<Action> {
        let version = self.versions.entry(key.clone()).or_default();
        version.waiters.push_back(waiter);
        if version.waiters.len() <= version.coming + version.finishing {
            return Vec::new();
        }
        self.start(key, memory_mb, new).unwrap_or_else(|| {
            self.give_up(waiter, key);
            vec![Action::Refuse(waiter)]
        })
    }

    /// A waiter that counted on a sandbox that is finishing has waited long enough: start one for it, unless one is
    /// coming anyway. Where there is no memory for one it goes on waiting: the other is still to come.
    pub(super) fn insist(
        &mut self,
        waiter: WaiterId,
        key: &SpecKey,
        memory_mb: u64,
        new: SandboxId,
    ) -> Vec<Action> {
        match self.versions.get(key) {
            Some(version) if version.waiters.contains(&waiter) && version.waiters.len() > version.coming => {
                self.start(key, memory_mb, new).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// A call does not wait any more.
    pub(super) fn give_up(&mut self, waiter: WaiterId, key: &SpecKey) {
        if let Some(version) = self.versions.get_mut(key) {
            version.waiters.retain(|other| *other != waiter);
        }
        self.forget_unused(key);
    }

    /// Starts one more, now or when evicted ones have made room. None if there can't be room.
    fn start(&mut self, key: &SpecKey, memory_mb: u64, new: SandboxId) -> Option<Vec<Action>> {
        // What would stay reserved even if everything idle were to go.
        if self.reserved_mb + self.queued_mb + memory_mb - self.idle_mb - self.stopping_mb > self.budget_mb {
            return None;
        }
        let mut actions = Vec::new();
        while self.reserved_mb + self.queued_mb + memory_mb - self.stopping_mb > self.budget_mb {
            let Some(victim) = self.idle.values().next().cloned() else { break };
            self.set_phase(&victim, Phase::Stopping);
            actions.push(Action::Stop(victim));
        }
        let fits = self.queue.is_empty() && self.reserved_mb + memory_mb <= self.budget_mb;
        let phase = if fits { Phase::Starting } else { Phase::Queued };
        let entry = Entry { key: key.clone(), memory_mb, phase, idle_seq: 0, reserved: fits };
        self.entries.insert(new.clone(), entry);
        self.versions.entry(key.clone()).or_default().coming += 1;
        if fits {
            self.reserved_mb += memory_mb;
            actions.push(Action::Start(new));
        } else {
            self.queued_mb += memory_mb;
            self.queue.push_back(new);
        }
        Some(actions)
    }

    /// A sandbox that has nothing to do (it started, it finished, or its call went away): to a waiter of its version,
    /// if there is one.
    pub(super) fn try_grant(&mut self, id: &SandboxId) -> Option<WaiterId> {
        let entry = self.entries.get(id)?;
        if entry.phase == Phase::Stopping {
            return None;
        }
        let key = entry.key.clone();
        let waiter = self.versions.get_mut(&key)?.waiters.pop_front()?;
        self.set_phase(id, Phase::Busy);
        Some(waiter)
    }

    /// As [`PoolState::try_grant`], or the sandbox becomes idle, or it is to stop if it is not `wanted`.
    pub(super) fn offer(&mut self, id: &SandboxId, wanted: bool) -> Offer {
        if let Some(waiter) = self.try_grant(id) {
            return Offer::Granted(waiter);
        }
        if self.phase(id).is_none_or(|phase| phase == Phase::Stopping) {
            return Offer::Stop;
        }
        if wanted {
            self.set_phase(id, Phase::Idle);
            Offer::Kept
        } else {
            self.set_phase(id, Phase::Stopping);
            Offer::Stop
        }
    }

    /// A busy sandbox has answered.
    pub(super) fn finishing(&mut self, id: &SandboxId) {
        if self.phase(id) == Some(Phase::Busy) {
            self.set_phase(id, Phase::Finishing);
        }
    }

    /// A sandbox is on its way out. If it was on its way *in*, or about to be free, then one waiter too many counts on
    /// it: that one is given back, to fail with it. So a function that can't start is not started for ever.
    pub(super) fn stopping(&mut self, id: &SandboxId) -> Option<WaiterId> {
        let key = self.entries.get(id)?.key.clone();
        self.set_phase(id, Phase::Stopping);
        let version = self.versions.get_mut(&key)?;
        let waiter = if version.waiters.len() > version.coming + version.finishing {
            version.waiters.pop_front()
        } else {
            None
        };
        self.forget_unused(&key);
        waiter
    }

    /// An idle sandbox that has been idle for too long stops; one that was given away meanwhile does not.
    pub(super) fn expire(&mut self, id: &SandboxId) -> bool {
        let expired = self.phase(id) == Some(Phase::Idle);
        if expired {
            self.set_phase(id, Phase::Stopping);
        }
        expired
    }

    /// A sandbox is gone. Its memory may let queued ones start.
    pub(super) fn gone(&mut self, id: &SandboxId) -> Vec<Action> {
        self.set_phase(id, Phase::Stopping);
        if let Some(entry) = self.entries.remove(id) {
            if entry.reserved {
                self.stopping_mb -= entry.memory_mb;
                self.reserved_mb -= entry.memory_mb;
            }
            self.forget_unused(&entry.key);
        }
        let mut actions = Vec::new();
        while let Some(next) = self.queue.front() {
            let memory_mb = self.entries.get(next).map_or(0, |entry| entry.memory_mb);
            if self.reserved_mb + memory_mb > self.budget_mb {
                break;
            }
            let Some(next) = self.queue.pop_front() else { break };
            if let Some(entry) = self.entries.get_mut(&next) {
                entry.phase = Phase::Starting;
                entry.reserved = true;
                self.queued_mb -= memory_mb;
                self.reserved_mb += memory_mb;
                actions.push(Action::Start(next));
            }
        }
        actions
    }

    /// Idle sandboxes of a version are not wanted any more.
    pub(super) fn retire(&mut self, key: &SpecKey) -> Vec<Action> {
        let seqs: Vec<_> =
            self.versions.get(key).map(|version| version.idle.iter().copied().collect()).unwrap_or_default();
        self.stop_idle(seqs)
    }

    /// No idle sandbox is wanted any more.
    pub(super) fn retire_all(&mut self) -> Vec<Action> {
        let seqs = self.idle.keys().copied().collect();
        self.stop_idle(seqs)
    }

    fn stop_idle(&mut self, seqs: Vec<IdleSeq>) -> Vec<Action> {
        let ids: Vec<_> = seqs.iter().filter_map(|seq| self.idle.get(seq).cloned()).collect();
        ids.into_iter()
            .map(|id| {
                self.set_phase(&id, Phase::Stopping);
                Action::Stop(id)
            })
            .collect()
    }

    /// Moves a sandbox to another phase and keeps every count true. The only place that does.
    fn set_phase(&mut self, id: &SandboxId, phase: Phase) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let version = self.versions.entry(entry.key.clone()).or_default();
        match entry.phase {
            Phase::Queued => {
                version.coming -= 1;
                self.queued_mb -= entry.memory_mb;
                self.queue.retain(|other| other != id);
            }
            Phase::Starting => version.coming -= 1,
            Phase::Idle => {
                version.idle.remove(&entry.idle_seq);
                self.idle.remove(&entry.idle_seq);
                self.idle_mb -= entry.memory_mb;
            }
            Phase::Finishing => version.finishing -= 1,
            Phase::Stopping if entry.reserved => self.stopping_mb -= entry.memory_mb,
            Phase::Stopping | Phase::Busy => {}
        }
        entry.phase = phase;
        match phase {
            Phase::Idle => {
                self.next_seq += 1;
                entry.idle_seq = self.next_seq;
                version.idle.insert(self.next_seq);
                self.idle.insert(self.next_seq, id.clone());
                self.idle_mb += entry.memory_mb;
            }
            Phase::Finishing => version.finishing += 1,
            Phase::Stopping if entry.reserved => self.stopping_mb += entry.memory_mb,
            Phase::Queued | Phase::Starting => version.coming += 1,
            Phase::Stopping | Phase::Busy => {}
        }
    }

    fn forget_unused(&mut self, key: &SpecKey) {
        if self.versions.get(key).is_some_and(Version::is_unused) {
            self.versions.remove(key);
        }
    }
}
