//! What a sandbox may take: set when it gets its function, and once more when that is up.
//!
//! By writing its cgroup. Where the daemon can't write cgroups, by Docker's update of the container: some milliseconds
//! each time, on the way of a cold call only.

use std::sync::Arc;

use super::{
    cgroup::{self, CPU_PERIOD_US, Cgroup, CgroupError},
    engine::{Engine, EngineError},
};

/// Why a limit could not be set.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitError {
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One sandbox's limits.
#[derive(Debug)]
pub(super) enum Limits {
    Cgroup(Arc<Cgroup>),
    Engine { engine: Arc<Engine>, container: String },
}

impl Limits {
    /// Those of a function with so much memory while it initialises. As on Lambda, a small function's share of the CPU
    /// applies from the first invocation on; a larger one has its own at once.
    pub(super) async fn of_init(&self, memory_mb: u32) -> Result<(), LimitError> {
        let (memory, quota) = (u64::from(memory_mb) << 20, cgroup::cpu_quota(memory_mb).max(CPU_PERIOD_US));
        match self {
            Self::Cgroup(cgroup) => {
                cgroup.set_memory_limit(memory)?;
                cgroup.set_cpu_quota(quota)?;
                // What was in use before there was a function is not its doing.
                Ok(cgroup.reset_memory_peak()?)
            }
            // Docker has no way to reset the peak: it stays that of the sandbox's whole life.
            Self::Engine { engine, container } => Ok(engine.limit(container, Some(memory), quota).await?),
        }
    }

    /// Those of the same function from its first invocation on.
    pub(super) async fn of_calls(&self, memory_mb: u32) -> Result<(), LimitError> {
        let quota = cgroup::cpu_quota(memory_mb);
        match self {
            Self::Cgroup(cgroup) => Ok(cgroup.set_cpu_quota(quota)?),
            Self::Engine { engine, container } => Ok(engine.limit(container, None, quota).await?),
        }
    }
}
