//! Provisioned concurrency, as the pool carries it out: so many sandboxes of a version are there in any case.

use std::sync::Arc;

use tokio::time::Instant;

use super::{AcquireError, FloorState, Pool, Shortfall};
use crate::sandbox::{
    engine::EngineError,
    launch::LaunchError,
    spec::{SandboxId, SandboxSpec},
};

impl Pool {
    /// So many sandboxes of these versions, and of no others, are to be there. To be told again from time to time: what
    /// could not be made is tried again then.
    pub fn set_floors(&self, floors: &[(Arc<SandboxSpec>, u32)]) {
        let mut books = self.books();
        if !books.draining {
            books.state.set_floors(floors, Instant::now());
            self.carry_out(&mut books);
        }
    }

    /// How a version's floor stands.
    #[must_use]
    pub fn floor(&self, spec: &SandboxSpec) -> FloorState {
        self.books().state.floor(&spec.key)
    }

    /// Whether a sandbox is there for provisioned concurrency.
    pub(in crate::sandbox) fn is_provisioned(&self, id: &SandboxId) -> bool {
        self.books().state.belongs_to_floor(id)
    }
}

/// What the end of a sandbox means for the floor that counted on it.
pub(super) fn why(reason: &AcquireError) -> Shortfall {
    match reason {
        AcquireError::InitFailed(_) => Shortfall::Init,
        AcquireError::Launch(LaunchError::Engine(EngineError::NoSuchImage(_))) => Shortfall::NoImage,
        AcquireError::Launch(error) => Shortfall::Launch(error.to_string()),
        AcquireError::Draining | AcquireError::TooManyRequests { .. } | AcquireError::Stopped => {
            Shortfall::Stopped
        }
    }
}
