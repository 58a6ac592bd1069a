//! Making the calls: [`closed`] and [`open`] loops, and what both do with a call once it is to be made ([`flight`]).
//!
//! One task, the loop, decides when calls are made and keeps all figures; each call is a task of its own that notes the
//! moments itself, so that a loop that is busy makes no call look slow.

mod alarm;
mod closed;
mod flight;
mod open;
#[cfg(test)]
mod tests;

pub(super) use alarm::{Alarm, Timer};
pub(super) use closed::closed;
pub(super) use flight::{Flight, Watch};
pub(super) use open::open;

/// How a call ended. A call that a function answered, well or not, tells whether its sandbox was started for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The function returned.
    Returned { is_cold: bool },
    /// The function failed.
    Failed { is_cold: bool, why: String },
    /// There was no memory left for another sandbox.
    Throttled { why: String },
    /// The daemon refused for another reason.
    Refused { why: String },
    /// The connection or the sandbox was lost, or the answer did not come in time.
    Lost { why: String },
}

/// Who is called.
pub(super) trait Target {
    /// Calls a function, by its index, and waits for its answer.
    fn call(&self, function: usize) -> impl Future<Output = Answer> + Send + 'static;
}
