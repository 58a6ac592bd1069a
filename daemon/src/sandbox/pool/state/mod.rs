//! The pool's bookkeeping: which sandbox may serve whom, what must be started and what must go.
//!
//! Plain data behind one short lock, without tasks, clocks or Docker, so that every rule can be tested by itself. Methods
//! take what happened; what is to be done about it is fetched with [`PoolState::take_actions`]. Every step is O(log n) in
//! the number of sandboxes at the most.
//!
//! The phases of a sandbox, as the pool sees them:
//!
//! ```text
//!   Preparing ──prepared──> Ready ──assigned──> Starting ──offer──> Idle <──offer── Finishing
//!        │                                        ^  │ grant         │ grant           ^
//!        └────────────── assigned ────────────────┘  └────────────> Busy ──────────────┘ finishing
//!   any ──stopping──> Stopping ──gone──> (forgotten, memory free)
//! ```
//!
//! A *waiter* is a call without a sandbox. It takes whichever comes first of its version: one that becomes free, or a new
//! one. A *want* is what a waiter has made for it: memory first, then a sandbox without a function, whichever of its
//! base is ready first. Supply is counted: at least as many sandboxes are wanted, starting or finishing as there are
//! waiters, at every moment, so that no waiter waits for nothing; and a want that no waiter needs any more is taken back
//! while nothing was done for it. A want that a function's next call is expected to need ([`foresight`]) has no waiter from the
//! start.
//!
//! Of some versions so many sandboxes are there in any case ([`provision`]). What other idle sandboxes there are is given up in the order of [`order`], when calls need the memory, and by themselves after
//! the time that [`keep`] gives them.

mod budget;
mod fading;
mod foresight;
mod histogram;
mod keep;
mod order;
mod provision;
mod shelf;
#[cfg(test)]
mod tests;
mod usage;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use self::{
    budget::{Budget, Hold},
    order::{Order, Rank},
    provision::Floor,
    shelf::Shelf,
    usage::Usages,
};
use crate::sandbox::spec::{Base, BaseKey, SandboxId, SandboxSpec, SpecKey};

pub(super) use self::keep::Policy;
pub use self::{
    foresight::Forecast,
    keep::Plan,
    provision::{FloorState, Shortfall},
    shelf::ReadyLimits,
};

/// A call that waits.
pub(super) type WaiterId = u64;

/// Something that is made for a call.
type WantId = u64;

/// A place in the order in which sandboxes became idle.
type IdleSeq = u64;

/// MB that a sandbox without a function is thought to need until it is measured.
pub(super) const READY_MB: u64 = 64;

/// The part of the budget that sandboxes without a function may have together: one in this many.
const READY_SHARE: u64 = 4;

/// What a sandbox is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its container starts; it has no function yet.
    Preparing,
    /// It has no function, and stands frozen until it gets one.
    Ready,
    /// It has a function, and its runtime initialises.
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

impl Phase {
    fn hold(self) -> Hold {
        match self {
            Self::Preparing | Self::Starting | Self::Busy | Self::Finishing => Hold::Firm,
            Self::Ready | Self::Idle => Hold::Evictable,
            Self::Stopping => Hold::Leaving,
        }
    }

    /// Whether it has a function and is to stay.
    fn is_alive(self) -> bool {
        self == Self::Starting || self.is_initialised()
    }

    /// Whether its function is initialised and it is to stay.
    fn is_initialised(self) -> bool {
        matches!(self, Self::Idle | Self::Busy | Self::Finishing)
    }
}

#[derive(Debug)]
struct Entry {
    base: Arc<Base>,
    /// From its assignment on.
    spec: Option<Arc<SandboxSpec>>,
    phase: Phase,
    /// MB that it holds.
    held_mb: u64,
    idle_seq: IdleSeq,
    /// The time on the clock of [`order`] when it came into its phase.
    clock: u64,
    /// While it can go.
    rank: Option<Rank>,
    /// It belongs to a floor.
    of_floor: bool,
}

impl Entry {
    fn hold(&self) -> Hold {
        match self.phase.hold() {
            Hold::Evictable if self.of_floor => Hold::Firm,
            hold => hold,
        }
    }
}

#[derive(Debug)]
struct Want {
    spec: Arc<SandboxSpec>,
    /// Its memory is promised to it.
    admitted: bool,
    /// A floor needs it, whether or not a waiter does.
    of_floor: bool,
}

#[derive(Debug, Default)]
struct Version {
    /// Those of its floor last, since the last is taken first.
    idle: BTreeMap<(bool, IdleSeq), SandboxId>,
    waiters: VecDeque<WaiterId>,
    wants: VecDeque<WantId>,
    starting: usize,
    finishing: usize,
    /// Of its floor, from when they start.
    of_floor: usize,
    /// Of these, those that have started.
    initialised: usize,
}

impl Version {
    /// Sandboxes that will be there without a call having to end.
    fn coming(&self) -> usize {
        self.starting + self.wants.len()
    }

    /// Whether nothing of it is there or on its way but what runs a call.
    fn is_spent(&self) -> bool {
        self.idle.is_empty() && self.waiters.is_empty() && self.coming() == 0 && self.finishing == 0
    }

    fn is_unused(&self) -> bool {
        self.is_spent() && self.of_floor == 0
    }
}

/// What the pool is to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Make a sandbox of this id.
    Prepare(SandboxId, Arc<Base>),
    /// Give the sandbox its function; its memory is reserved. Whether it is for a floor.
    Assign(SandboxId, Arc<SandboxSpec>, bool),
    /// Give the sandbox to the waiter.
    Grant(WaiterId, SandboxId),
    /// Tell the sandbox to stop.
    Stop(SandboxId),
    /// There is no memory, in MB, for the waiter's sandbox.
    Refuse(WaiterId, u64),
}

/// What an idle sandbox can do for a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This one is the call's.
    Sandbox(SandboxId),
    /// There is none.
    None,
    /// There is one, but not the memory, in MB, to let it run.
    NoMemory(u64),
}

/// How many sandboxes are in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Starting, with a function or without; and calls for which none is starting yet.
    pub starting: u32,
    /// Ready for a function.
    pub ready: u32,
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
    budget: Budget,
    ready_limits: ReadyLimits,
    entries: HashMap<SandboxId, Entry>,
    versions: HashMap<SpecKey, Version>,
    shelves: HashMap<BaseKey, Shelf>,
    floors: HashMap<SpecKey, Floor>,
    wants: HashMap<WantId, Want>,
    /// Wants that wait for memory.
    queue: VecDeque<WantId>,
    /// All idle and ready sandboxes, the one that is worth least first.
    order: Order,
    usages: Usages,
    counts: Counts,
    next: u64,
    actions: Vec<Action>,
}

impl PoolState {
    pub(super) fn new(budget_mb: u64, ready_limits: ReadyLimits, policy: Policy) -> Self {
        Self {
            budget: Budget::new(budget_mb),
            ready_limits,
            entries: HashMap::new(),
            versions: HashMap::new(),
            shelves: HashMap::new(),
            floors: HashMap::new(),
            wants: HashMap::new(),
            queue: VecDeque::new(),
            order: Order::default(),
            usages: Usages::new(policy),
            counts: Counts::default(),
            next: 0,
            actions: Vec::new(),
        }
    }

    /// What is to be done about all that happened since this was asked last.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// MB that sandboxes hold or are promised.
    pub(super) fn reserved_mb(&self) -> u64 {
        self.budget.taken()
    }

    pub(super) fn budget_mb(&self) -> u64 {
        self.budget.limit()
    }

    pub(super) fn phase(&self, id: &SandboxId) -> Option<Phase> {
        self.entries.get(id).map(|entry| entry.phase)
    }

    pub(super) fn counts(&self) -> Counts {
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        Counts { starting: self.counts.starting + waiting, ..self.counts }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// What calls want.
impl PoolState {
    /// The most recently used idle sandbox of a version, given away at once.
    pub(super) fn take_idle(&mut self, spec: &SandboxSpec) -> Taken {
        let idle = self.versions.get(&spec.key).and_then(|version| version.idle.values().next_back());
        let Some(id) = idle.cloned() else { return Taken::None };
        let needed = u64::from(spec.memory_mb);
        // One of a floor holds what it needs already.
        if !self.belongs_to_floor(&id) && !self.budget.could_run(needed) {
            return Taken::NoMemory(needed);
        }
        self.set_phase(&id, Phase::Busy, Some(needed));
        // It held only what it had when it was frozen. What others must give back for it they do while it runs: a frozen
        // sandbox is killed in less time than it takes to fill the memory.
        while self.budget.is_overdrawn() && self.evict() {}
        Taken::Sandbox(id)
    }

    /// A call waits.
    pub(super) fn wait(&mut self, waiter: WaiterId, spec: &Arc<SandboxSpec>, now: Instant) {
        let version = self.versions.entry(spec.key.clone()).or_default();
        version.waiters.push_back(waiter);
        if version.waiters.len() > version.coming() + version.finishing && !self.want(spec, now) {
            self.give_up(waiter, &spec.key);
            self.actions.push(Action::Refuse(waiter, u64::from(spec.memory_mb)));
        }
    }

    /// A waiter that counted on a sandbox that is finishing has waited long enough: start one for it, unless one is
    /// coming anyway. Where there is no memory for one it goes on waiting: the other is still to come.
    pub(super) fn insist(&mut self, waiter: WaiterId, spec: &Arc<SandboxSpec>, now: Instant) {
        let is_short = self.versions.get(&spec.key).is_some_and(|version| {
            version.waiters.contains(&waiter) && version.waiters.len() > version.coming()
        });
        if is_short {
            self.want(spec, now);
        }
    }

    /// A call does not wait any more.
    pub(super) fn give_up(&mut self, waiter: WaiterId, key: &SpecKey) {
        if let Some(version) = self.versions.get_mut(key) {
            version.waiters.retain(|other| *other != waiter);
        }
        self.take_back(key);
        self.forget_unused(key);
    }

    /// Has a sandbox made, now or when evicted ones have made room. False if there can't be room.
    fn want(&mut self, spec: &Arc<SandboxSpec>, now: Instant) -> bool {
        self.want_for(spec, false, now)
    }

    /// The same; for a floor it is not taken back when no waiter needs it.
    fn want_for(&mut self, spec: &Arc<SandboxSpec>, of_floor: bool, now: Instant) -> bool {
        let needed = u64::from(spec.memory_mb);
        if !self.budget.could_fit(needed) {
            return false;
        }
        let shelf = self.shelf(&spec.base, now);
        // What stands ready is for calls, and a floor tells nothing of these.
        if !of_floor {
            shelf.wanted(now);
        }
        shelf.queued += 1;
        let id = self.next();
        self.wants.insert(id, Want { spec: Arc::clone(spec), admitted: false, of_floor });
        self.versions.entry(spec.key.clone()).or_default().wants.push_back(id);
        self.budget.queue(needed);
        self.queue.push_back(id);
        self.admit();
        true
    }

    /// Lets wants in while there is room, and makes room for the others.
    fn admit(&mut self) {
        while let Some(&id) = self.queue.front() {
            let Some(want) = self.wants.get(&id) else { break };
            let needed = u64::from(want.spec.memory_mb);
            let base = Arc::clone(&want.spec.base);
            // What becomes the sandbox need not go to make room for it.
            let ready = self.shelves.get(base.key()).and_then(|shelf| shelf.ready.last());
            let credit = ready.map_or(0, |id| self.held(id).min(needed));
            if self.budget.fits(needed - credit) {
                self.queue.pop_front();
                self.budget.unqueue(needed);
                self.budget.promise(needed);
                if let Some(want) = self.wants.get_mut(&id) {
                    want.admitted = true;
                }
                self.place(id, &base);
            } else if self.budget.will_fit_all(credit) || !self.evict() {
                break;
            }
        }
    }

    /// Finds a sandbox for a want that has its memory: one that is ready, or the next that is.
    fn place(&mut self, want: WantId, base: &Arc<Base>) {
        let Some(shelf) = self.shelves.get_mut(base.key()) else { return };
        shelf.queued -= 1;
        if let Some(ready) = shelf.ready.last().cloned() {
            self.assign(&ready, want);
            return;
        }
        shelf.wants.push_back(want);
        if shelf.preparing < shelf.wants.len() {
            // It holds nothing beside what is promised to the want.
            self.prepare(base, 0);
        }
    }

    fn prepare(&mut self, base: &Arc<Base>, held_mb: u64) {
        let id = SandboxId::random();
        let entry = Entry {
            base: Arc::clone(base),
            spec: None,
            phase: Phase::Preparing,
            held_mb,
            idle_seq: 0,
            clock: 0,
            rank: None,
            of_floor: false,
        };
        self.entries.insert(id.clone(), entry);
        self.enter(&id);
        self.actions.push(Action::Prepare(id, Arc::clone(base)));
    }

    /// Gives a sandbox without a function the function that is wanted.
    fn assign(&mut self, id: &SandboxId, want: WantId) {
        let Some(Want { spec, of_floor, .. }) = self.wants.remove(&want) else { return };
        let needed = u64::from(spec.memory_mb);
        self.budget.redeem(needed);
        if let Some(version) = self.versions.get_mut(&spec.key) {
            version.wants.retain(|other| *other != want);
        }
        self.leave(id);
        if let Some(entry) = self.entries.get_mut(id) {
            entry.spec = Some(Arc::clone(&spec));
            entry.phase = Phase::Starting;
            entry.held_mb = needed;
            entry.of_floor = of_floor;
        }
        self.enter(id);
        self.actions.push(Action::Assign(id.clone(), spec, of_floor));
    }

    /// Takes wants of a version back that no waiter needs any more.
    fn take_back(&mut self, key: &SpecKey) {
        let mut any = false;
        while let Some(version) = self.versions.get_mut(key)
            && version.coming() > version.waiters.len()
            && let Some(at) =
                version.wants.iter().rposition(|want| self.wants.get(want).is_none_or(|want| !want.of_floor))
            && let Some(want) = version.wants.remove(at)
        {
            self.drop_want(want);
            any = true;
        }
        if any {
            self.admit();
        }
    }

    fn drop_want(&mut self, id: WantId) {
        let Some(want) = self.wants.remove(&id) else { return };
        let needed = u64::from(want.spec.memory_mb);
        let base = want.spec.base.key();
        let shelf = self.shelves.get_mut(base);
        if want.admitted {
            self.budget.redeem(needed);
            shelf.into_iter().for_each(|shelf| shelf.wants.retain(|other| *other != id));
        } else {
            self.budget.unqueue(needed);
            self.queue.retain(|other| *other != id);
            shelf.into_iter().for_each(|shelf| shelf.queued -= 1);
        }
        self.forget_unused_shelf(base);
    }
}

/// What sandboxes tell.
impl PoolState {
    /// A sandbox has a container, and its runtime comes up: to whoever wants one already. True if somebody does.
    pub(super) fn coming_up(&mut self, id: &SandboxId) -> bool {
        let Some(entry) = self.entries.get(id).filter(|entry| entry.phase == Phase::Preparing) else {
            return false;
        };
        let shelf = self.shelves.get_mut(entry.base.key());
        let Some(want) = shelf.and_then(|shelf| shelf.wants.pop_front()) else { return false };
        self.assign(id, want);
        true
    }

    /// A sandbox without a function is up: to whoever wants one, or to stay if it is `welcome`. False if it is to stop.
    pub(super) fn prepared(&mut self, id: &SandboxId, welcome: bool) -> bool {
        if self.coming_up(id) {
            return true;
        }
        if self.phase(id) != Some(Phase::Preparing) {
            return false;
        }
        if !welcome {
            self.stop(id);
            return false;
        }
        self.set_phase(id, Phase::Ready, Some(READY_MB));
        // One that was begun for a call holds something only now.
        while self.budget.is_overdrawn() && self.evict() {}
        self.admit();
        self.phase(id) != Some(Phase::Stopping)
    }

    /// A sandbox stands frozen and has this much memory.
    pub(super) fn measured(&mut self, id: &SandboxId, used_mb: u64) {
        let Some(entry) = self.entries.get(id) else { return };
        let most = entry.spec.as_ref().map_or(u64::MAX, |spec| u64::from(spec.memory_mb));
        // One of a floor holds everything that it may need.
        if matches!(entry.phase, Phase::Ready | Phase::Idle) && !entry.of_floor {
            let phase = entry.phase;
            let held = used_mb.clamp(1, most);
            self.budget.release(phase.hold(), entry.held_mb);
            self.budget.hold(phase.hold(), held);
            if let Some(entry) = self.entries.get_mut(id) {
                entry.held_mb = held;
            }
            self.rank(id);
            // One without a function can turn out to have more than was thought.
            while self.budget.is_overdrawn() && self.evict() {}
            self.admit();
        }
    }

    /// A sandbox that has nothing to do (it started, it finished, or its call went away): to a waiter of its version,
    /// if there is one.
    pub(super) fn try_grant(&mut self, id: &SandboxId) -> bool {
        let Some(spec) = self.entries.get(id).filter(|entry| entry.phase != Phase::Stopping).and_then(spec)
        else {
            return false;
        };
        let Some(waiter) = self.versions.get_mut(&spec.key).and_then(|version| version.waiters.pop_front())
        else {
            return false;
        };
        self.set_phase(id, Phase::Busy, Some(u64::from(spec.memory_mb)));
        self.actions.push(Action::Grant(waiter, id.clone()));
        self.take_back(&spec.key);
        true
    }

    /// As [`PoolState::try_grant`], or the sandbox becomes idle, or, if it is not `wanted`, it is to stop: then false.
    pub(super) fn offer(&mut self, id: &SandboxId, wanted: bool) -> bool {
        if self.try_grant(id) {
            return true;
        }
        if self.phase(id).is_none_or(|phase| phase == Phase::Stopping) {
            return false;
        }
        if wanted {
            self.set_phase(id, Phase::Idle, None);
            self.admit();
        } else {
            self.stop(id);
        }
        self.phase(id) != Some(Phase::Stopping)
    }

    /// A busy sandbox has answered.
    pub(super) fn finishing(&mut self, id: &SandboxId, now: Instant) {
        self.call_ended(id, now);
        if self.phase(id) == Some(Phase::Busy) {
            self.set_phase(id, Phase::Finishing, None);
        }
    }

    /// A sandbox is on its way out. If it was on its way *in*, or about to be free, then one waiter too many counts on
    /// it: that one is given back, to fail with it. So a function that can't start is not started for ever, and neither
    /// is one for a floor, which is told `why`. A function knows that it is initialised for a floor; if it fails then, the
    /// waiter gets one of its own.
    pub(super) fn stopping(&mut self, id: &SandboxId, why: Shortfall, now: Instant) -> Option<WaiterId> {
        let entry = self.entries.get(id)?;
        let (base, spec, phase) = (Arc::clone(&entry.base), entry.spec.clone(), entry.phase);
        let was_for_floor = entry.of_floor && matches!(phase, Phase::Starting | Phase::Idle);
        let own_may_start = was_for_floor && why == Shortfall::Init;
        self.set_phase(id, Phase::Stopping, None);
        let key = match &spec {
            Some(spec) => {
                if was_for_floor {
                    self.fail_floor(&spec.key, why, now);
                }
                spec.key.clone()
            }
            None if phase == Phase::Preparing => {
                let shelf = self.shelves.get_mut(base.key())?;
                if shelf.wants.len() <= shelf.preparing {
                    return None;
                }
                let want = shelf.wants.pop_front()?;
                let key = self.wants.get(&want)?.spec.key.clone();
                if self.is_of_floor(want) {
                    self.fail_floor(&key, why, now);
                }
                if let Some(version) = self.versions.get_mut(&key) {
                    version.wants.retain(|other| *other != want);
                }
                self.drop_want(want);
                key
            }
            None => return None,
        };
        let version = self.versions.get(&key)?;
        let is_short = version.waiters.len() > version.coming() + version.finishing;
        let has_another =
            is_short && own_may_start && spec.is_some_and(|spec| !spec.is_retired() && self.want(&spec, now));
        let waiter = match self.versions.get_mut(&key) {
            Some(version) if is_short && !has_another => version.waiters.pop_front(),
            _ => None,
        };
        self.forget_unused(&key);
        waiter
    }

    /// An idle or ready sandbox that has been so for too long stops; one that was given away meanwhile does not.
    pub(super) fn expire(&mut self, id: &SandboxId) -> bool {
        let expired = matches!(self.phase(id), Some(Phase::Idle | Phase::Ready));
        if expired {
            self.set_phase(id, Phase::Stopping, None);
        }
        expired
    }

    /// A sandbox is gone. Its memory may let others start.
    pub(super) fn gone(&mut self, id: &SandboxId) {
        self.set_phase(id, Phase::Stopping, None);
        self.leave(id);
        if let Some(entry) = self.entries.remove(id) {
            if let Some(spec) = &entry.spec {
                self.forget_unused(&spec.key);
            }
            self.forget_unused_shelf(entry.base.key());
        }
        self.admit();
    }
}

/// What stands ready.
impl PoolState {
    /// Sandboxes of these bases, and of no others, are to stand ready.
    pub(super) fn keep_ready(&mut self, bases: &[Arc<Base>], now: Instant) {
        for base in bases {
            self.shelf(base, now).is_kept = true;
        }
        let others: Vec<_> =
            self.shelves.keys().filter(|key| !bases.iter().any(|base| base.key() == *key)).cloned().collect();
        for key in others {
            let ready = match self.shelves.get_mut(&key) {
                Some(shelf) => {
                    shelf.is_kept = false;
                    shelf.ready.clone()
                }
                None => continue,
            };
            ready.iter().for_each(|id| self.stop(id));
            self.forget_unused_shelf(&key);
        }
    }

    /// Starts one more sandbox of a base that is short of them, if the budget has room for it that nobody else needs.
    pub(super) fn restock(&mut self, now: Instant) -> bool {
        let limits = self.ready_limits;
        let ready_mb: u64 =
            self.shelves.values().flat_map(|shelf| &shelf.ready).map(|id| self.held(id)).sum();
        if !self.budget.fits_beside_queue(READY_MB) || ready_mb + READY_MB > self.budget.limit() / READY_SHARE
        {
            return false;
        }
        let short = self.shelves.values().find(|shelf| shelf.stock() < shelf.target(limits, now));
        let Some(base) = short.map(|shelf| Arc::clone(&shelf.base)) else { return false };
        self.prepare(&base, READY_MB);
        true
    }

    /// Stops one ready sandbox of a base that has more than it needs.
    pub(super) fn shrink(&mut self, now: Instant) {
        let limits = self.ready_limits;
        let surplus = self.shelves.values().find(|shelf| shelf.ready.len() > shelf.target(limits, now));
        // The oldest: what is in memory of the others is more likely to be there still.
        if let Some(id) = surplus.and_then(|shelf| shelf.ready.first().cloned()) {
            self.stop(&id);
        }
    }

    /// Sandboxes that are on their way without a call that wants them.
    pub(super) fn restocking(&self) -> usize {
        self.shelves.values().map(|shelf| shelf.preparing.saturating_sub(shelf.wants.len())).sum()
    }

    fn shelf(&mut self, base: &Arc<Base>, now: Instant) -> &mut Shelf {
        self.shelves.entry(base.key().clone()).or_insert_with(|| Shelf::new(Arc::clone(base), now))
    }
}

/// Ends.
impl PoolState {
    /// Idle sandboxes of a version are not wanted any more.
    pub(super) fn retire(&mut self, key: &SpecKey) {
        let idle: Vec<_> = self
            .versions
            .get(key)
            .map(|version| version.idle.values().cloned().collect())
            .unwrap_or_default();
        idle.iter().for_each(|id| self.stop(id));
        self.end_floor(key);
    }

    /// No idle and no ready sandbox is wanted any more.
    pub(super) fn retire_all(&mut self) {
        self.order.all().iter().for_each(|id| self.stop(id));
    }

    /// Has the sandbox go that is worth least. False if none can.
    fn evict(&mut self) -> bool {
        let victim = self.order.first();
        if let Some(victim) = &victim {
            self.stop(victim);
        }
        victim.is_some()
    }

    fn stop(&mut self, id: &SandboxId) {
        self.set_phase(id, Phase::Stopping, None);
        self.actions.push(Action::Stop(id.clone()));
    }
}

/// Keeps every count true. The only place that does.
impl PoolState {
    /// Moves a sandbox to another phase, in which it holds `held_mb`, if that changes.
    fn set_phase(&mut self, id: &SandboxId, phase: Phase, held_mb: Option<u64>) {
        self.leave(id);
        if let Some(entry) = self.entries.get_mut(id) {
            entry.phase = phase;
            entry.held_mb = held_mb.unwrap_or(entry.held_mb);
        }
        self.enter(id);
    }

    fn leave(&mut self, id: &SandboxId) {
        let Some(entry) = self.entries.get(id) else { return };
        self.budget.release(entry.hold(), entry.held_mb);
        *self.counts.of(entry.phase) -= 1;
        let mut version = entry.spec.as_ref().and_then(|spec| self.versions.get_mut(&spec.key));
        if let Some(version) = version.as_mut().filter(|_| entry.of_floor) {
            version.of_floor -= usize::from(entry.phase.is_alive());
            version.initialised -= usize::from(entry.phase.is_initialised());
        }
        let shelf = self.shelves.get_mut(entry.base.key());
        match (entry.phase, version, shelf) {
            (Phase::Preparing, _, Some(shelf)) => shelf.preparing -= 1,
            (Phase::Ready, _, Some(shelf)) => shelf.ready.retain(|other| other != id),
            (Phase::Starting, Some(version), _) => version.starting -= 1,
            (Phase::Finishing, Some(version), _) => version.finishing -= 1,
            (Phase::Idle, Some(version), _) => {
                version.idle.remove(&(entry.of_floor, entry.idle_seq));
            }
            _ => {}
        }
        if let Some(rank) = &entry.rank {
            self.order.remove(rank);
        }
    }

    fn enter(&mut self, id: &SandboxId) {
        let seq = self.next();
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.idle_seq = seq;
        entry.clock = self.order.clock();
        self.budget.hold(entry.hold(), entry.held_mb);
        *self.counts.of(entry.phase) += 1;
        let mut version = entry.spec.as_ref().map(|spec| self.versions.entry(spec.key.clone()).or_default());
        if let Some(version) = version.as_mut().filter(|_| entry.of_floor) {
            version.of_floor += usize::from(entry.phase.is_alive());
            version.initialised += usize::from(entry.phase.is_initialised());
        }
        let shelf = self.shelves.get_mut(entry.base.key());
        match (entry.phase, version, shelf) {
            (Phase::Preparing, _, Some(shelf)) => shelf.preparing += 1,
            (Phase::Ready, _, Some(shelf)) => shelf.ready.push(id.clone()),
            (Phase::Starting, Some(version), _) => version.starting += 1,
            (Phase::Finishing, Some(version), _) => version.finishing += 1,
            (Phase::Idle, Some(version), _) => {
                version.idle.insert((entry.of_floor, seq), id.clone());
            }
            _ => {}
        }
        self.rank(id);
    }

    /// Gives a sandbox its place among those that can go, or none.
    fn rank(&mut self, id: &SandboxId) {
        let Some(entry) = self.entries.get(id) else { return };
        let (has_function, clock, seq) = (entry.spec.is_some(), entry.clock, entry.idle_seq);
        let worth = (entry.hold() == Hold::Evictable).then(|| self.worth(entry));
        if let Some(rank) = &entry.rank {
            self.order.remove(rank);
        }
        let rank = worth.map(|worth| self.order.insert(id.clone(), has_function, worth, clock, seq));
        if let Some(entry) = self.entries.get_mut(id) {
            entry.rank = rank;
        }
    }

    fn held(&self, id: &SandboxId) -> u64 {
        self.entries.get(id).map_or(0, |entry| entry.held_mb)
    }

    fn forget_unused(&mut self, key: &SpecKey) {
        if self.versions.get(key).is_some_and(Version::is_unused) {
            self.versions.remove(key);
        }
    }

    fn forget_unused_shelf(&mut self, key: &BaseKey) {
        if self.shelves.get(key).is_some_and(Shelf::is_unused) {
            self.shelves.remove(key);
        }
    }
}

impl Counts {
    fn of(&mut self, phase: Phase) -> &mut u32 {
        match phase {
            Phase::Preparing | Phase::Starting => &mut self.starting,
            Phase::Ready => &mut self.ready,
            Phase::Idle => &mut self.idle,
            Phase::Busy | Phase::Finishing => &mut self.busy,
            Phase::Stopping => &mut self.stopping,
        }
    }
}

fn spec(entry: &Entry) -> Option<Arc<SandboxSpec>> {
    entry.spec.clone()
}
