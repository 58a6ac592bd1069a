//! Why something about schedules was not done.

use super::{Key, Kind};
use crate::{
    changes::Interrupted,
    functions::{FunctionError, InvalidField},
    store::StoreError,
};

/// Why something about schedules was not done.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// A field of the request is at fault.
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    /// There is no such schedule.
    #[error("{}", missing(.0))]
    NotFound(Key),
    /// There would be too many.
    #[error("an account has at most {limit} {what}; delete one that is not needed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// It still calls something.
    #[error("Rule can't be deleted since it has targets.")]
    HasTargets,
    /// What it is to call is not there.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon is ending.
    #[error("the daemon is stopping; ask again when it is back")]
    Interrupted,
}

impl From<Interrupted> for ScheduleError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

fn missing(key: &Key) -> String {
    match key.kind {
        Kind::Rule => format!("Rule {} does not exist on EventBus default.", key.name),
        Kind::Own => format!("there is no schedule {}; see `thaw schedule list`", key.name),
    }
}
