//! Calls under way, from the moment they are made until they are counted.

use std::{pin::pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use super::{Answer, Target};
use crate::commands::bench::{arguments::Limits, tally::Tally};

/// How often somebody who watches is told how far it is.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Somebody who watches.
pub(in super::super) trait Watch {
    /// How far it is: so long, so many calls under way.
    fn show(&mut self, since: Duration, under_way: usize, tally: &Tally);
}

/// A call that has ended.
#[derive(Debug)]
pub(super) struct Landed {
    function: usize,
    /// When it was meant to be made, when it was, and when it ended.
    meant: Instant,
    made: Instant,
    ended: Instant,
    answer: Answer,
    is_measured: bool,
}

impl Landed {
    /// Whether it came to nobody.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.answer, Answer::Lost { .. })
    }
}

/// Calls under way, and the figures of those that have ended.
#[derive(Debug)]
pub(in super::super) struct Flight<T, W> {
    target: T,
    watch: W,
    limits: Limits,
    begin: Instant,
    under_way: JoinSet<Landed>,
    /// Calls that count, made or skipped; and of those made, the ones that have not ended.
    measured: u64,
    unanswered: u64,
    shown: tokio::time::Interval,
    tally: Tally,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    Landed(Landed),
    /// Somebody has asked for the end.
    Stopped,
}

impl<T: Target, W: Watch> Flight<T, W> {
    /// Nothing under way. The time runs from now on.
    pub(in super::super) fn new(target: T, watch: W, limits: Limits, functions: usize) -> Self {
        let mut shown = tokio::time::interval(SHOWN_EVERY);
        // Nobody wants to be told what was, had there been time to tell it.
        shown.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            target,
            watch,
            limits,
            begin: Instant::now(),
            under_way: JoinSet::new(),
            measured: 0,
            unanswered: 0,
            shown,
            tally: Tally::new(functions),
        }
    }

    /// When the first call could be made.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// When the last call may be made, if time decides it.
    pub(super) fn end(&self) -> Option<Instant> {
        let duration = self.limits.duration?;
        self.begin.checked_add(self.limits.warm_up)?.checked_add(duration)
    }

    /// Whether as many calls were made as were asked for.
    pub(super) fn has_all_calls(&self) -> bool {
        self.limits.calls.is_some_and(|calls| self.measured >= calls)
    }

    /// Whether a call that is meant for this moment would be one too many.
    pub(super) fn is_over(&self, meant: Instant) -> bool {
        self.has_all_calls() || self.end().is_some_and(|end| meant >= end)
    }

    fn is_measured(&self, meant: Instant) -> bool {
        meant.saturating_duration_since(self.begin) >= self.limits.warm_up
    }

    /// Calls under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Makes a call that is meant for `meant`: in an open loop, which may be late.
    pub(super) fn make(&mut self, function: usize, meant: Instant) {
        let is_measured = self.is_measured(meant);
        self.measured += u64::from(is_measured);
        self.unanswered += u64::from(is_measured);
        let call = self.target.call(function);
        self.under_way.spawn(async move {
            let made = Instant::now();
            let answer = call.await;
            Landed { function, meant, made, ended: Instant::now(), answer, is_measured }
        });
    }

    /// Counts a call that can't be made, since too many are under way.
    pub(super) fn skip(&mut self, function: usize, meant: Instant) {
        if self.is_measured(meant) {
            self.measured += 1;
            self.tally.not_sent(function);
        }
    }

    /// The next thing that happens. For ever if nothing is under way and nobody stops it.
    pub(super) async fn event(&mut self, stop: &mut impl AsyncFnMut()) -> Event {
        let mut stop = pin!(stop());
        loop {
            let is_idle = self.under_way.is_empty();
            tokio::select! {
                biased;
                () = &mut stop => return Event::Stopped,
                Some(landed) = self.under_way.join_next(), if !is_idle => {
                    // One that panicked is a defect, and its call has no answer; none is cancelled before the end.
                    if let Ok(landed) = landed {
                        return Event::Landed(landed);
                    }
                }
                _ = self.shown.tick() => self.watch.show(self.begin.elapsed(), self.under_way.len(), &self.tally),
            }
        }
    }

    /// Counts a call that has ended.
    pub(super) fn count(&mut self, landed: Landed) {
        if landed.is_measured {
            self.unanswered -= 1;
            let latency = landed.ended.saturating_duration_since(landed.meant);
            let late = landed.made.saturating_duration_since(landed.meant);
            self.tally.count(landed.function, latency, late, landed.answer);
        }
    }

    /// Waits for what is under way, as long as it may take or until somebody stops it, and gives the figures.
    pub(super) async fn finish(mut self, stop: &mut impl AsyncFnMut()) -> Tally {
        let mut limit = pin!(tokio::time::sleep(self.limits.wait));
        while !self.under_way.is_empty() {
            let event = tokio::select! {
                biased;
                () = &mut limit => break,
                event = self.event(stop) => event,
            };
            match event {
                Event::Landed(landed) => self.count(landed),
                Event::Stopped => break,
            }
        }
        self.tally.unanswered(self.unanswered);
        self.tally.elapsed = self.begin.elapsed().saturating_sub(self.limits.warm_up);
        self.under_way.shutdown().await;
        self.tally
    }
}
