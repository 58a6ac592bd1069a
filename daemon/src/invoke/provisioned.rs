//! Provisioned concurrency: tells the pool how many sandboxes of which version there are to be, and others how that goes.
//!
//! What is wanted is in the registry and durable there; a task turns it into recipes and floors of the pool, when the
//! daemon starts, after every change, and from time to time, since an image can come and go and memory can become free.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Inner, Invoker, recipes::VersionKey};
use crate::{
    functions::{FunctionVersion, Provisioned},
    sandbox::{SandboxSpec, Shortfall},
};

/// How often it is looked again when nothing changes.
const LOOK: Duration = Duration::from_secs(5);

/// How a configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionedState {
    /// Sandboxes that are initialised for it, in use or not.
    pub available: u32,
    /// Lambda's status.
    pub status: ProvisionedStatus,
}

/// Lambda's status of provisioned concurrency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisionedStatus {
    /// Sandboxes are coming up.
    InProgress,
    /// All are there.
    Ready,
    /// Not all are there, and the last could not be made. It is tried again.
    Failed {
        /// Why.
        reason: String,
    },
}

impl ProvisionedStatus {
    /// Lambda's word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Ready => "READY",
            Self::Failed { .. } => "FAILED",
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } => Some(reason),
            Self::InProgress | Self::Ready => None,
        }
    }
}

/// The recipe of each version that sandboxes are kept of, or why there is none.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<VersionKey, Result<Arc<SandboxSpec>, String>>>);

impl Kept {
    /// Replaced whole, so that it is right also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, HashMap<VersionKey, Result<Arc<SandboxSpec>, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invoker {
    /// Has the sandboxes kept that are wanted, until `stop`.
    pub async fn keep_provisioned(self, stop: CancellationToken) {
        let mut changes = self.inner.registry.watch_provisioned();
        loop {
            changes.mark_unchanged();
            self.inner.set_floors().await;
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// How a configuration stands.
    #[must_use]
    pub fn provisioned_state(&self, provisioned: &Provisioned) -> ProvisionedState {
        let Inner { pool, provisioned: kept, .. } = &*self.inner;
        let kept = kept.lock();
        let arn = &provisioned.arn;
        let (mut available, mut reason) = (0, None);
        for part in &provisioned.parts {
            match kept.get(&(arn.account, arn.name.clone(), part.version)) {
                None => {}
                Some(Err(why)) => reason = Some(why.clone()),
                Some(Ok(spec)) => {
                    let floor = pool.floor(spec);
                    let initialised = u32::try_from(floor.initialised).unwrap_or(u32::MAX);
                    let own = initialised.saturating_sub(part.before).min(part.count);
                    available += own;
                    if own < part.count {
                        reason = floor.shortfall.map(|shortfall| shortfall.to_string()).or(reason);
                    }
                }
            }
        }
        let status = match reason {
            _ if available >= provisioned.config.requested.get() => ProvisionedStatus::Ready,
            Some(reason) => ProvisionedStatus::Failed { reason },
            None => ProvisionedStatus::InProgress,
        };
        ProvisionedState { available, status }
    }
}

impl Inner {
    async fn set_floors(&self) {
        let (mut kept, mut floors) = (HashMap::new(), Vec::new());
        for (version, count) in self.registry.all_provisioned() {
            let recipe = self.recipe_to_keep(&version).await;
            if let Ok(spec) = &recipe {
                floors.push((Arc::clone(spec), count));
            }
            kept.insert((version.account(), version.name().clone(), version.version), recipe);
        }
        *self.provisioned.lock() = kept;
        self.pool.set_floors(&floors);
    }

    /// The recipe of a version. One whose image is gone is made anew.
    async fn recipe_to_keep(&self, version: &Arc<FunctionVersion>) -> Result<Arc<SandboxSpec>, String> {
        let told = |error: super::InvokeError| {
            tracing::debug!(function = %version.arn, version = %version.version, %error, "nothing can be provisioned");
            error.to_string()
        };
        let spec = self.recipes.get(version, &self.pool).await.map_err(told)?;
        if self.pool.floor(&spec).shortfall != Some(Shortfall::NoImage) {
            return Ok(spec);
        }
        self.recipes.forget(version, &self.pool);
        self.recipes.get(version, &self.pool).await.map_err(told)
    }
}
