//! Which item is next: plain data, with the time passed in.
//!
//! Items lie in the store, ordered within their lane by the time at which they are due. Here is only what is needed to
//! choose: of each lane the first few hundred places (its window), what of it runs, and when it may go on. So the memory
//! that a queue takes does not grow with it.
//!
//! Fair among accounts, and within an account among lanes: both take turns, item by item. A lane has one item running at
//! first, and one more whenever its first item has been due for [`LATE`]: a function that keeps up is not given a second
//! sandbox.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

/// How many places of a lane are held at least, while there are as many.
pub(super) const WINDOW: usize = 512;

/// How long, in milliseconds, the first item of a lane has to have been due before one more of the lane may run.
const LATE: i64 = 500;

/// How long, in milliseconds, a lane keeps the number that may run before it is given one more.
const GROWS_EVERY: i64 = 250;

/// How long a lane pauses, in milliseconds, when it is throttled for the first time in a row. Source: "How Lambda handles
/// errors and retries with asynchronous invocation": from 1 second up to 5 minutes.
const FIRST_PAUSE: i64 = 1_000;

/// How long a lane pauses at the most, in milliseconds.
pub(super) const LONGEST_PAUSE: i64 = 300_000;

/// A lane's name: `ACCOUNT/FUNCTION`.
pub(super) type LaneName = Arc<str>;

/// Where an item stands in its lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// When it is due, in milliseconds of the queue's clock.
    pub(super) due: i64,
    pub(super) id: Arc<str>,
}

/// How many may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// All lanes together.
    pub(super) all: usize,
    /// One lane.
    pub(super) lane: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Run this. It counts as running from now on.
    Run(LaneName, Place),
    /// Look into the store for what comes after this place of the lane, and [`Books::fill`] it in.
    Fill(LaneName, Place),
    /// Nothing before this time, unless the books change.
    At(i64),
    /// Nothing unless the books change.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    limits: Option<Limits>,
    lanes: HashMap<LaneName, Lane>,
    /// Lanes that have something to do now, by account; accounts in turn.
    turns: VecDeque<(Arc<str>, VecDeque<LaneName>)>,
    /// Lanes that will have, by time.
    sleeping: BTreeSet<(i64, LaneName)>,
    running: usize,
}

#[derive(Debug)]
struct Lane {
    /// The first places that are not in hand.
    window: BTreeSet<Place>,
    /// The last place up to which the window is complete; everything is in it if there is none.
    edge: Option<Place>,
    /// What was given out and is still in the store, whether it runs or its end is being written.
    in_hand: HashSet<Place>,
    running: usize,
    may_run: usize,
    grown_at: i64,
    paused_until: i64,
    /// Throttled so many times in a row.
    throttled: u32,
    listed: Listed,
}

/// In which list a lane is. Never in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Nowhere,
    InTurn,
    Sleeping(i64),
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            window: BTreeSet::new(),
            edge: None,
            in_hand: HashSet::new(),
            running: 0,
            may_run: 1,
            grown_at: i64::MIN,
            paused_until: i64::MIN,
            throttled: 0,
            listed: Listed::Nowhere,
        }
    }
}

/// What a lane waits for.
enum Wait {
    Nothing,
    Until(i64),
}

impl Lane {
    /// Whether there is anything that this lane could ever do by itself, and when.
    fn wait(&self, now: i64, limits: Limits) -> Wait {
        let Some(first) = self.window.first() else {
            return if self.edge.is_some() { Wait::Until(now) } else { Wait::Nothing };
        };
        let mut at = first.due.max(self.paused_until);
        if self.running >= self.may_run {
            if self.may_run >= limits.lane {
                // The end of one of those that run will tell.
                return Wait::Nothing;
            }
            at = at.max(first.due + LATE).max(self.grown_at.saturating_add(GROWS_EVERY));
        }
        Wait::Until(at)
    }

    fn is_over(&self) -> bool {
        self.window.is_empty() && self.edge.is_none() && self.in_hand.is_empty()
    }
}

impl Books {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits: Some(limits), ..Self::default() }
    }

    fn limits(&self) -> Limits {
        self.limits.unwrap_or(Limits { all: 1, lane: 1 })
    }

    /// An item is in the store. Nothing changes if it is known.
    pub(super) fn add(&mut self, name: &LaneName, place: Place, now: i64) {
        let lane = self.lanes.entry(name.clone()).or_default();
        if lane.in_hand.contains(&place) || lane.edge.as_ref().is_some_and(|edge| place > *edge) {
            return;
        }
        lane.window.insert(place);
        if lane.window.len() > 2 * WINDOW {
            let kept: Vec<Place> = lane.window.iter().take(WINDOW).cloned().collect();
            lane.edge = kept.last().cloned();
            lane.window = kept.into_iter().collect();
        }
        self.list(name, now);
    }

    /// A lane has items in the store that were not looked at yet.
    pub(super) fn add_unread(&mut self, name: &LaneName, now: i64) {
        let lane = self.lanes.entry(name.clone()).or_default();
        if lane.window.is_empty() && lane.edge.is_none() {
            lane.edge = Some(Place { due: i64::MIN, id: "".into() });
        }
        self.list(name, now);
    }

    /// What the store has after the place that [`Next::Fill`] named; `more` if that was not all.
    pub(super) fn fill(&mut self, name: &LaneName, places: Vec<Place>, more: bool, now: i64) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.edge = if more { places.last().cloned() } else { None };
        for place in places {
            if !lane.in_hand.contains(&place) {
                lane.window.insert(place);
            }
        }
        self.tidy(name, now);
    }

    /// Takes an item that nobody has into hand, so that it is not given out; [`Books::gone`] ends that. `false` if
    /// somebody has it.
    pub(super) fn withdraw(&mut self, name: &LaneName, place: &Place, now: i64) -> bool {
        let lane = self.lanes.entry(name.clone()).or_default();
        if !lane.in_hand.insert(place.clone()) {
            return false;
        }
        lane.window.remove(place);
        self.list(name, now);
        true
    }

    /// What is next. Takes turns, so that asking again gives another lane's item.
    pub(super) fn next(&mut self, now: i64) -> Next {
        while let Some((at, _)) = self.sleeping.first()
            && *at <= now
        {
            let Some((_, name)) = self.sleeping.pop_first() else { break };
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.listed = Listed::Nowhere;
            }
            self.list(&name, now);
        }
        let limits = self.limits();
        if self.running >= limits.all {
            return Next::Nothing;
        }
        while let Some(name) = self.take_turn() {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            lane.listed = Listed::Nowhere;
            match lane.wait(now, limits) {
                Wait::Nothing => continue,
                Wait::Until(at) if at > now => {
                    self.list(&name, now);
                    continue;
                }
                Wait::Until(_) => {}
            }
            let Some(place) = lane.window.pop_first() else {
                // Not listed until it is filled.
                let edge = lane.edge.clone().unwrap_or(Place { due: i64::MIN, id: "".into() });
                return Next::Fill(name, edge);
            };
            if lane.running >= lane.may_run {
                lane.may_run += 1;
                lane.grown_at = now;
            }
            lane.running += 1;
            lane.in_hand.insert(place.clone());
            self.running += 1;
            self.list(&name, now);
            return Next::Run(name, place);
        }
        match self.sleeping.first() {
            Some((at, _)) => Next::At(*at),
            None => Next::Nothing,
        }
    }

    /// What was given out runs no more. It stays in hand until [`Books::gone`].
    pub(super) fn ran(&mut self, name: &LaneName, ended: Ended, now: i64) {
        self.running = self.running.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.running = lane.running.saturating_sub(1);
        match ended {
            Ended::Well => lane.throttled = 0,
            Ended::Throttled => {
                // As many as run now are as many as may.
                lane.may_run = lane.running.max(1);
                lane.grown_at = now;
                // With none running, nothing else tells when to try again.
                if lane.running == 0 {
                    let pause = FIRST_PAUSE.saturating_mul(1 << lane.throttled.min(16)).min(LONGEST_PAUSE);
                    lane.paused_until = now + pause;
                    lane.throttled = lane.throttled.saturating_add(1);
                }
            }
        }
        self.list(name, now);
    }

    /// An item that was in hand is no more in the store at this place.
    pub(super) fn gone(&mut self, name: &LaneName, place: &Place, now: i64) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.in_hand.remove(place);
        }
        self.tidy(name, now);
    }

    /// An item that was in hand waits again where it was.
    pub(super) fn put_back(&mut self, name: &LaneName, place: Place, now: i64) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.in_hand.remove(&place);
        }
        self.add(name, place, now);
    }

    /// A lane that was throttled may try again at once.
    pub(super) fn wake(&mut self, name: &LaneName, now: i64) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.paused_until = i64::MIN;
            lane.throttled = 0;
            self.list(name, now);
        }
    }

    /// Whether an item was given out.
    pub(super) fn is_in_hand(&self, name: &str, place: &Place) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.in_hand.contains(place))
    }

    fn tidy(&mut self, name: &LaneName, now: i64) {
        self.list(name, now);
        if self.lanes.get(name).is_some_and(|lane| lane.is_over() && lane.running == 0) {
            // It is in no list: it has nothing to wait for.
            self.lanes.remove(name);
        }
    }

    /// Puts a lane into the list where it belongs.
    fn list(&mut self, name: &LaneName, now: i64) {
        let limits = self.limits();
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let belongs = match lane.wait(now, limits) {
            Wait::Nothing => Listed::Nowhere,
            Wait::Until(at) if at <= now => Listed::InTurn,
            Wait::Until(at) => Listed::Sleeping(at),
        };
        if belongs == lane.listed {
            return;
        }
        // What is in turn is looked at again when its turn comes.
        if lane.listed == Listed::InTurn {
            return;
        }
        if let Listed::Sleeping(at) = lane.listed {
            self.sleeping.remove(&(at, name.clone()));
        }
        lane.listed = belongs;
        match belongs {
            Listed::Nowhere => {}
            Listed::Sleeping(at) => {
                self.sleeping.insert((at, name.clone()));
            }
            Listed::InTurn => {
                let account = account(name);
                match self.turns.iter_mut().find(|(of, _)| &**of == account) {
                    Some((_, lanes)) => lanes.push_back(name.clone()),
                    None => self.turns.push_back((account.into(), [name.clone()].into())),
                }
            }
        }
    }

    fn take_turn(&mut self) -> Option<LaneName> {
        let (account, mut lanes) = self.turns.pop_front()?;
        let name = lanes.pop_front();
        if !lanes.is_empty() {
            self.turns.push_back((account, lanes));
        }
        name
    }
}

/// How a run ended, as far as its lane is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There was room for it.
    Well,
    /// There was none.
    Throttled,
}

fn account(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
