//! Makes a sandbox, in two steps: [`prepare`] brings up a container that has no function, [`furnish`] gives it one.
//!
//! The order matters. The listener and the mounts are in place before init is told what to run, so the function never
//! sees a half-furnished sandbox. Everything made on the way is written into [`Ground`] at once, and whoever called
//! clears the ground in the end, whether it worked or not.

mod furnish;
mod ground;
mod prepare;

use std::{io, path::PathBuf, time::Duration};

use thaw_kernel::{DetachedMount, KernelError};

pub(super) use self::{
    furnish::{Furnished, furnish},
    ground::Ground,
    prepare::{Prepared, prepare},
};
use super::{cgroup::CgroupError, container::USER, engine::EngineError, host::Host};
use crate::logs::LogError;

/// How long init may take to connect once its container was started. It does so within milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// MB of /tmp that every function has unless it asks for another size. Source: Lambda's `EphemeralStorage`.
const DEFAULT_DISK_MB: u32 = 512;

/// Where a function may write.
const TMP: &str = "/tmp";

/// Why a sandbox could not be made. None of these is the function's doing.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Docker could not do its part.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The kernel could not do its part.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The cgroup was not where it had to be.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A file of the sandbox could not be made.
    #[error("could not {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its log stream could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Init never connected.
    #[error("the sandbox's first process did not connect within {} s: does the image run on this machine?", CONNECT_LIMIT.as_secs())]
    Silent,
    /// Something under it broke.
    #[error("a sandbox could not be set up: {0}")]
    Broken(&'static str),
}

/// Makes an error of the control socket's.
fn control_error(what: &'static str) -> impl FnOnce(io::Error) -> LaunchError {
    move |source| LaunchError::File { what, path: "control.sock".into(), source }
}

/// An empty /tmp, not yet anywhere. Waits for a disk.
fn disk(host: &Host, size_mb: u32) -> Result<DetachedMount, LaunchError> {
    Ok(host.disks.create(u64::from(size_mb) << 20, USER.0, USER.1)?)
}

/// Runs kernel calls that may wait for a disk where they hold up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LaunchError> + Send + 'static,
) -> Result<T, LaunchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(LaunchError::Broken("its set-up panicked")))
}
