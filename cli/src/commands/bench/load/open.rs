//! An open loop: calls have their moments, whatever became of those before.
//!
//! A call's latency counts from the moment it was meant for. Where calls are made late, because those before it hold
//! everything up, the delay is theirs too, as it would be for people who come at their own times. Measured from when it
//! was really made, a call would look quick just when everything is slow: that omission this avoids.

use std::{io, pin::pin};

use super::{
    Alarm, Target,
    flight::{Event, Flight, Watch},
};
use crate::commands::bench::{arrivals::Call, tally::Tally};

/// Makes the calls of a schedule until it ends, the flight is over or `stop` returns, and gives the figures.
///
/// # Errors
/// If the alarm breaks.
pub(in super::super) async fn open<T: Target, W: Watch>(
    mut flight: Flight<T, W>,
    schedule: impl Iterator<Item = Call>,
    max_in_flight: usize,
    alarm: &mut impl Alarm,
    stop: &mut impl AsyncFnMut(),
) -> io::Result<Tally> {
    for Call { at, function } in schedule {
        // A moment that no clock reaches.
        let Some(meant) = flight.begin().checked_add(at) else { break };
        if flight.has_all_calls() {
            break;
        }
        // The time that was asked for is waited out, though no call is left in it.
        let until = flight.end().map_or(meant, |end| end.min(meant));
        if !wait_until(until, &mut flight, alarm, stop).await? || flight.is_over(meant) {
            break;
        }
        if flight.len() < max_in_flight {
            flight.make(function, meant);
            // Where calls are late, each still has to get on its way before the next.
            tokio::task::yield_now().await;
        } else {
            flight.skip(function, meant);
        }
    }
    Ok(flight.finish(stop).await)
}

/// Counts what ends until then. Says whether to go on.
async fn wait_until<T: Target, W: Watch>(
    moment: tokio::time::Instant,
    flight: &mut Flight<T, W>,
    alarm: &mut impl Alarm,
    stop: &mut impl AsyncFnMut(),
) -> io::Result<bool> {
    let mut due = pin!(alarm.until(moment));
    loop {
        let event = tokio::select! {
            event = flight.event(stop) => event,
            waited = &mut due => return waited.map(|()| true),
        };
        match event {
            Event::Landed(landed) => flight.count(landed),
            Event::Stopped => return Ok(false),
        }
    }
}
