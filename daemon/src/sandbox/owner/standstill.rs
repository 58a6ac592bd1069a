//! How a sandbox comes to stand still between calls: after a grace, told to freeze, frozen, and settled.

use std::time::Duration;

use tokio::time::Instant;

use crate::sandbox::freezer::{FreezeError, Freezer};

/// How often a sandbox that is freezing is looked at. Most are frozen at the first look.
const LOOK: Duration = Duration::from_millis(1);

/// How long a freeze may take. A task in an uninterruptible wait holds it up; one that takes longer than this is stuck,
/// and its sandbox is destroyed.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a sandbox has to stand still before work is done for the case that it stays so. Calls that come one on the
/// other's heels should not each pay for it.
const SETTLE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It runs.
    Grace { ends: Instant },
    /// Its tasks were told to stop.
    Freezing { began: Instant, look_at: Instant },
    /// They stand still.
    Frozen { since: Instant },
    /// They have for a while.
    Settled { since: Instant },
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is another one to come.
    Pending,
    /// It stands still and has for a while.
    Settled,
    /// It does not freeze.
    Stuck,
}

/// Where a sandbox is on its way to a standstill.
#[derive(Debug)]
pub(super) struct Standstill(Stage);

impl Standstill {
    /// It runs on for `grace`.
    pub(super) fn after(grace: Duration) -> Self {
        Self(Stage::Grace { ends: Instant::now() + grace })
    }

    /// Waits until there is a step to take; for ever if there is none. Cancel safe.
    pub(super) async fn due(&self) {
        match self.0 {
            // The runtime's clock has ticks of a millisecond, and would wait for the next.
            Stage::Grace { ends } if ends <= Instant::now() => {}
            Stage::Grace { ends } => tokio::time::sleep_until(ends).await,
            Stage::Freezing { look_at, .. } => tokio::time::sleep_until(look_at).await,
            Stage::Frozen { since } => tokio::time::sleep_until(since + SETTLE).await,
            Stage::Settled { .. } => std::future::pending().await,
        }
    }

    /// Takes the step that is due.
    pub(super) async fn step(&mut self, freezer: &Freezer) -> Result<Step, FreezeError> {
        let now = Instant::now();
        let began = match self.0 {
            Stage::Grace { .. } => now,
            Stage::Freezing { began, .. } => began,
            Stage::Frozen { since } | Stage::Settled { since } => {
                self.0 = Stage::Settled { since };
                return Ok(Step::Settled);
            }
        };
        if freezer.freeze().await? {
            self.0 = Stage::Frozen { since: Instant::now() };
        } else if now - began > LIMIT {
            return Ok(Step::Stuck);
        } else {
            self.0 = Stage::Freezing { began, look_at: now + LOOK };
        }
        Ok(Step::Pending)
    }

    /// Whether its tasks were told to stop, and have to be told to go on.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.0, Stage::Grace { .. })
    }

    /// Whether it has stood still for so long that what happened to it meanwhile must be looked for.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.0, Stage::Settled { .. })
    }
}
