//! Which schedule is next: plain data, with the time passed in. A look costs the logarithm of how many there are.

use std::collections::{BTreeSet, HashMap};

use time::{Duration, OffsetDateTime};

use super::{Definition, Key, Missed, Progress};

/// A run this late was missed: EventBridge's schedules are exact to the minute.
const LATE: Duration = Duration::minutes(1);

/// A clock that goes back by less than this repeats an hour, and what was run in it is not run again. One that goes back
/// further was wrong before, and its schedules begin anew.
const REPEATED: Duration = Duration::hours(2);

/// When each schedule is next to be looked at.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    times: HashMap<Key, OffsetDateTime>,
    order: BTreeSet<(OffsetDateTime, Key)>,
}

impl Agenda {
    /// Sets when a schedule is next; `None` takes it off.
    pub(super) fn set(&mut self, key: &Key, next: Option<OffsetDateTime>) {
        if let Some(old) = self.times.remove(key) {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(next) = next {
            self.times.insert(key.clone(), next);
            self.order.insert((next, key.clone()));
        }
    }

    /// Takes one off whose time has come.
    pub(super) fn take_due(&mut self, now: OffsetDateTime) -> Option<Key> {
        let (next, _) = self.order.first()?;
        if *next > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.times.remove(&key);
        Some(key)
    }

    /// The first time of all.
    pub(super) fn first(&self) -> Option<OffsetDateTime> {
        self.order.first().map(|(next, _)| *next)
    }
}

/// What is to become of a schedule at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its next run is later, at this time; or never.
    Later(Option<OffsetDateTime>),
    /// It is to run now, for this time, and whatever was before that is not run any more.
    Run(OffsetDateTime),
    /// It missed its run of this time, and is not to make up for it.
    Skip(OffsetDateTime),
}

/// What is to become of a schedule now. Puts its progress right if the clock has gone back.
pub(super) fn look(definition: &Definition, progress: &mut Progress, now: OffsetDateTime) -> Due {
    if !definition.enabled || definition.targets.is_empty() {
        return Due::Later(None);
    }
    let Definition { expression, zone, .. } = definition;
    if let Some(interval) = expression.interval() {
        // A rate is time between runs: no clock makes it wait for longer.
        let next = expression.next(zone, progress.anchor, progress.considered);
        if next.is_none_or(|next| next - now > interval) {
            (progress.anchor, progress.considered) = (now, now);
        }
    } else if !expression.is_once() && progress.considered - now > REPEATED {
        progress.considered = now;
    }
    let Some(next) = expression.next(zone, progress.anchor, progress.considered) else {
        return Due::Later(None);
    };
    if next > now {
        return Due::Later(Some(next));
    }
    let latest = expression.last(zone, progress.anchor, now).map_or(next, |last| last.max(next));
    match definition.missed {
        Missed::Skip if now - latest > LATE => Due::Skip(latest),
        Missed::Skip | Missed::Once => Due::Run(latest),
    }
}
