//! Stops a sandbox's time between calls and lets it go on.
//!
//! By writing its cgroup: a tenth of a millisecond. Where the daemon can't write cgroups (it runs in a container with a
//! read-only view of them), by Docker's pause: a hundred times slower, and the only case in which Docker is asked on
//! the path of a warm call. Limits are set by the same means ([`limits`](super::limits)).

use std::{fmt, sync::Arc};

use super::{
    cgroup::{Cgroup, CgroupError, CgroupHost},
    engine::{Engine, EngineError},
};

/// How sandboxes are frozen on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreezerKind {
    /// By the cgroup freezer.
    Cgroup,
    /// By Docker's pause.
    Engine,
}

impl FreezerKind {
    /// Looks whether the cgroup tree can be written.
    pub(super) fn detect(cgroups: &CgroupHost) -> Self {
        if cgroups.can_write() {
            return Self::Cgroup;
        }
        tracing::warn!(
            "the machine's cgroups can't be written from here: sandboxes are frozen and limited by Docker, which costs \
             every call some 25 ms. Run thawd on the host itself"
        );
        Self::Engine
    }
}

impl fmt::Display for FreezerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroup => "cgroup",
            Self::Engine => "engine",
        })
    }
}

/// Why a sandbox could not be frozen or thawed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FreezeError {
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One sandbox's freezer.
#[derive(Debug)]
pub(super) enum Freezer {
    Cgroup(Arc<Cgroup>),
    Engine { engine: Arc<Engine>, container: String },
}

impl Freezer {
    /// Tells every task of the sandbox to stop; told again, it tells those that did not. True if they stand still now;
    /// if not, they are about to.
    pub(super) async fn freeze(&self) -> Result<bool, FreezeError> {
        match self {
            // A write of a few microseconds into kernel memory: no reason to move it to another thread.
            Self::Cgroup(cgroup) => {
                cgroup.request_freeze()?;
                Ok(cgroup.is_frozen()?)
            }
            Self::Engine { engine, container } => {
                engine.pause(container).await?;
                Ok(true)
            }
        }
    }

    /// Lets them go on.
    pub(super) async fn thaw(&self) -> Result<(), FreezeError> {
        match self {
            Self::Cgroup(cgroup) => Ok(cgroup.thaw()?),
            Self::Engine { engine, container } => Ok(engine.unpause(container).await?),
        }
    }
}
