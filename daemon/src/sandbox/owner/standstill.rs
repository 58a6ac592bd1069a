//! How a sandbox comes to stand still between calls: after a grace, told to freeze, frozen, settled, and at last at rest.

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
pub(super) const SETTLE: Duration = Duration::from_millis(50);

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
    /// They have for so long that the next call is not expected soon.
    Resting { since: Instant },
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is another one to come.
    Pending,
    /// It stands still and has for a while.
    Settled,
    /// It has stood still for so long that its memory may go.
    Resting,
    /// It does not freeze.
    Stuck,
}

/// Where a sandbox is on its way to a standstill.
#[derive(Debug)]
pub(super) struct Standstill {
    stage: Stage,
    /// How long after the freeze it rests; never if there is none.
    rests_after: Option<Duration>,
}

impl Standstill {
    /// It runs on for `grace`.
    pub(super) fn after(grace: Duration) -> Self {
        Self { stage: Stage::Grace { ends: Instant::now() + grace }, rests_after: None }
    }

    /// And rests once it has stood still for so long.
    pub(super) fn resting_after(self, rests_after: Option<Duration>) -> Self {
        Self { rests_after, ..self }
    }

    /// Waits until there is a step to take; for ever if there is none. Cancel safe.
    pub(super) async fn due(&self) {
        match self.stage {
            // The runtime's clock has ticks of a millisecond, and would wait for the next.
            Stage::Grace { ends } if ends <= Instant::now() => {}
            Stage::Grace { ends } => tokio::time::sleep_until(ends).await,
            Stage::Freezing { look_at, .. } => tokio::time::sleep_until(look_at).await,
            Stage::Frozen { since } => tokio::time::sleep_until(since + SETTLE).await,
            Stage::Settled { since } => match self.rests_after {
                Some(rests_after) => tokio::time::sleep_until(since + rests_after.max(SETTLE)).await,
                None => std::future::pending().await,
            },
            Stage::Resting { .. } => std::future::pending().await,
        }
    }

    /// Takes the step that is due.
    pub(super) async fn step(&mut self, freezer: &Freezer) -> Result<Step, FreezeError> {
        let now = Instant::now();
        let began = match self.stage {
            Stage::Grace { .. } => now,
            Stage::Freezing { began, .. } => began,
            Stage::Frozen { since } => {
                self.stage = Stage::Settled { since };
                return Ok(Step::Settled);
            }
            Stage::Settled { since } | Stage::Resting { since } => {
                self.stage = Stage::Resting { since };
                return Ok(Step::Resting);
            }
        };
        if freezer.freeze().await? {
            self.stage = Stage::Frozen { since: Instant::now() };
        } else if now - began > LIMIT {
            return Ok(Step::Stuck);
        } else {
            self.stage = Stage::Freezing { began, look_at: now + LOOK };
        }
        Ok(Step::Pending)
    }

    /// Whether its tasks were told to stop, and have to be told to go on.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Grace { .. })
    }

    /// Whether it has stood still for so long that what happened to it meanwhile must be looked for.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled { .. } | Stage::Resting { .. })
    }
}
