//! Floors: versions of which so many sandboxes are there and initialised, whether or not anybody calls.
//!
//! A sandbox that a floor has made belongs to it to its end, or until the floor is lowered. It holds its function's whole
//! memory also while it stands still: a call that comes finds that there is room for it. It makes room for nobody and
//! does not expire. A call takes such a one first; what is called beyond them gets sandboxes as without a floor. What a
//! floor lacks are wants without a waiter, as [`super::foresight`] makes them, but these are not taken back, and they are
//! as good as a call's: idle sandboxes of others go for them.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Phase, PoolState, WantId};
use crate::sandbox::spec::{SandboxId, SandboxSpec, SpecKey};

/// Sandboxes that are made for floors at the same time: more would only take the processors from calls.
const AT_ONCE: usize = 4;

/// How long nothing is made for a floor after one could not be; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long that gets.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// Why a floor has less than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// There is no room for another sandbox of so many MB in a budget of so many.
    #[error(
        "no memory for another sandbox of {needed_mb} MB in the {budget_mb} MB that there are: provision less, or raise \
         memory_budget_mb"
    )]
    NoMemory {
        /// What the sandbox would need.
        needed_mb: u64,
        /// What there is (setting `memory_budget_mb`).
        budget_mb: u64,
    },
    /// The function's own initialisation failed. The words are Lambda's.
    #[error("FUNCTION_ERROR_INIT_FAILURE")]
    Init,
    /// The image that its sandboxes are made of is gone.
    #[error("the image of its runtime is gone; build it again")]
    NoImage,
    /// The last sandbox could not be made.
    #[error("a sandbox could not be made: {0}")]
    Launch(String),
    /// The last sandbox ended before it was called.
    #[error("a sandbox ended before it was called; it is made again")]
    Stopped,
}

/// How a floor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FloorState {
    /// Sandboxes of it that are initialised, idle or not.
    pub initialised: usize,
    /// Why there are not as many as there should be, if it is known.
    pub shortfall: Option<Shortfall>,
}

#[derive(Debug)]
pub(super) struct Floor {
    spec: Arc<SandboxSpec>,
    least: usize,
    shortfall: Option<Shortfall>,
    /// How often one could not be made, one after the other.
    failures: u32,
    /// Nothing is made until then.
    pause: Option<Instant>,
}

impl PoolState {
    /// So many sandboxes of these versions, and of no others, are to be there.
    pub(in crate::sandbox::pool) fn set_floors(&mut self, floors: &[(Arc<SandboxSpec>, u32)], now: Instant) {
        let is_kept = |key: &SpecKey| floors.iter().any(|(spec, _)| spec.key == *key);
        let others: Vec<_> = self.floors.keys().filter(|key| !is_kept(key)).cloned().collect();
        for key in others {
            self.lower(&key, 0);
        }
        for (spec, least) in floors {
            let least = usize::try_from(*least).unwrap_or(usize::MAX);
            let floor = self.floors.entry(spec.key.clone()).or_insert_with(|| Floor {
                spec: Arc::clone(spec),
                least,
                shortfall: None,
                failures: 0,
                pause: None,
            });
            let is_lower = least < floor.least;
            floor.least = least;
            if is_lower {
                self.lower(&spec.key, least);
            }
        }
        self.fill(now);
    }

    /// Has made what floors lack, a few at a time: the others when these are there.
    pub(in crate::sandbox::pool) fn fill(&mut self, now: Instant) {
        let mut coming: usize = self.floors.keys().map(|key| self.coming_of_floor(key)).sum();
        let keys: Vec<_> = self.floors.keys().cloned().collect();
        for key in keys {
            while coming < AT_ONCE
                && let Some(spec) = self.lacking(&key, now)
            {
                if !self.want_for(&spec, true, now) {
                    self.fall_short(
                        &key,
                        Shortfall::NoMemory {
                            needed_mb: spec.memory_mb.into(),
                            budget_mb: self.budget.limit(),
                        },
                    );
                    break;
                }
                coming += 1;
            }
        }
    }

    /// What is to be made one more of for a floor, if it lacks one now.
    fn lacking(&self, key: &SpecKey, now: Instant) -> Option<Arc<SandboxSpec>> {
        let floor = self.floors.get(key)?;
        let there = self.versions.get(key).map_or(0, |version| version.of_floor);
        let is_due = floor.pause.is_none_or(|pause| pause <= now);
        let lacks = there + self.wants_of_floor(key).count() < floor.least;
        (is_due && lacks && !floor.spec.is_retired()).then(|| Arc::clone(&floor.spec))
    }

    /// Sandboxes that are on their way for a floor.
    fn coming_of_floor(&self, key: &SpecKey) -> usize {
        let starting = self.versions.get(key).map_or(0, |version| version.of_floor - version.initialised);
        starting + self.wants_of_floor(key).count()
    }

    fn wants_of_floor(&self, key: &SpecKey) -> impl Iterator<Item = WantId> {
        let wants = self.versions.get(key).into_iter().flat_map(|version| &version.wants).copied();
        wants.filter(|want| self.is_of_floor(*want))
    }

    pub(super) fn is_of_floor(&self, want: WantId) -> bool {
        self.wants.get(&want).is_some_and(|want| want.of_floor)
    }

    /// A floor has this many at the most from now on; 0 ends it. What it has too many is given back: first what is not
    /// made yet, then what stands idle; what runs a call or comes up is like any other from now on.
    fn lower(&mut self, key: &SpecKey, least: usize) {
        if least == 0 {
            self.floors.remove(key);
        }
        let there = self.versions.get(key).map_or(0, |version| version.of_floor);
        let wants: Vec<_> = self.wants_of_floor(key).collect();
        let mut surplus = (there + wants.len()).saturating_sub(least);
        for want in wants.into_iter().rev().take(surplus) {
            if let Some(want) = self.wants.get_mut(&want) {
                want.of_floor = false;
            }
            surplus -= 1;
        }
        if surplus > 0 {
            let mut of_floor: Vec<_> = self
                .entries
                .iter()
                .filter(|(_, entry)| {
                    entry.of_floor && entry.spec.as_ref().is_some_and(|spec| spec.key == *key)
                })
                .map(|(id, entry)| (entry.phase != Phase::Idle, id.clone()))
                .filter(|(_, id)| self.phase(id) != Some(Phase::Stopping))
                .collect();
            of_floor.sort_unstable();
            for (is_needed, id) in of_floor.into_iter().take(surplus) {
                self.leave(&id);
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.of_floor = false;
                }
                self.enter(&id);
                if !is_needed {
                    self.stop(&id);
                }
            }
        }
        // No waiter needs what no floor needs any more.
        self.take_back(key);
        self.forget_unused(key);
    }

    /// A sandbox is there that a floor lacked.
    pub(in crate::sandbox::pool) fn came_up(&mut self, id: &SandboxId, now: Instant) {
        let of_floor = self.entries.get(id).filter(|entry| entry.of_floor);
        let floor = of_floor.and_then(|entry| self.floors.get_mut(&entry.spec.as_ref()?.key));
        if let Some(floor) = floor {
            (floor.shortfall, floor.failures, floor.pause) = (None, 0, None);
            self.fill(now);
        }
    }

    /// A sandbox that a floor lacked could not be made.
    pub(super) fn fail_floor(&mut self, key: &SpecKey, why: Shortfall, now: Instant) {
        self.fall_short(key, why);
        if let Some(floor) = self.floors.get_mut(key) {
            let pause = FIRST_PAUSE.saturating_mul(1 << floor.failures.min(10)).min(LONGEST_PAUSE);
            floor.failures += 1;
            floor.pause = Some(now + pause);
        }
    }

    fn fall_short(&mut self, key: &SpecKey, why: Shortfall) {
        if let Some(floor) = self.floors.get_mut(key) {
            floor.shortfall = Some(why);
        }
    }

    /// How a floor stands; of none it is nothing.
    pub(in crate::sandbox::pool) fn floor(&self, key: &SpecKey) -> FloorState {
        let Some(floor) = self.floors.get(key) else { return FloorState::default() };
        let version = self.versions.get(key);
        let (there, initialised) = version.map_or((0, 0), |version| (version.of_floor, version.initialised));
        // What was in the way once is not any more when enough is there or on its way.
        let is_short = there + self.wants_of_floor(key).count() < floor.least || floor.pause.is_some();
        FloorState { initialised, shortfall: floor.shortfall.clone().filter(|_| is_short) }
    }

    /// Whether a sandbox belongs to a floor.
    pub(in crate::sandbox::pool) fn belongs_to_floor(&self, id: &SandboxId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.of_floor)
    }

    /// The version is not wanted any more, and no floor of it.
    pub(super) fn end_floor(&mut self, key: &SpecKey) {
        if self.floors.contains_key(key) {
            self.lower(key, 0);
        }
    }
}
