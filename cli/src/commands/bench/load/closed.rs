//! A closed loop: each client calls again when it was answered.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{
    Target,
    flight::{Event, Flight, Watch},
};
use crate::commands::bench::{mix::Mix, tally::Tally};

/// How long a client leaves a daemon alone that did not answer: one that is gone refuses a million calls a second.
const AFTER_LOSS: Duration = Duration::from_millis(100);

/// Lets so many clients call until the flight is over or `stop` returns, and gives the figures.
pub(in super::super) async fn closed<T: Target, W: Watch>(
    mut flight: Flight<T, W>,
    mut mix: Mix,
    clients: u32,
    think: Duration,
    stop: &mut impl AsyncFnMut(),
) -> Tally {
    let end = flight.end();
    // When each client that is not being answered calls again.
    let mut free: BinaryHeap<_> = (0..clients).map(|_| Reverse(flight.begin())).collect();
    loop {
        let now = Instant::now();
        if flight.is_over(now) {
            break;
        }
        if free.peek().is_some_and(|&Reverse(at)| at <= now) {
            free.pop();
            flight.make(mix.next(), now);
            continue;
        }
        let wake = [end, free.peek().map(|&Reverse(at)| at)].into_iter().flatten().min();
        let event = tokio::select! {
            event = flight.event(stop) => event,
            () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => continue,
        };
        match event {
            Event::Landed(landed) => {
                let pause = if landed.is_lost() { think.max(AFTER_LOSS) } else { think };
                // One that thinks for longer than clocks go does not come back.
                free.extend(Instant::now().checked_add(pause).map(Reverse));
                flight.count(landed);
            }
            Event::Stopped => break,
        }
    }
    flight.finish(stop).await
}
