//! Takes away what an earlier life of this daemon left, before any work is taken.
//!
//! A daemon that was killed leaves containers (frozen ones too), their directories, and perhaps loop devices. All of
//! them carry the daemon's instance id or lie in its directories; nothing else is touched.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    cgroup,
    engine::{EngineError, LabelledContainer},
    freezer::FreezerKind,
    host::Host,
};

/// What was found and taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers.
    pub containers: usize,
    /// Directories of sandboxes.
    pub directories: usize,
    /// Loop devices.
    pub loop_devices: usize,
}

/// Why the remains of an earlier life could not be taken away.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Docker could not do its part.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A directory or a file could not be removed or made.
    #[error("could not clear or make {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

impl Host {
    /// Removes the remains of an earlier life and makes the directories that sandboxes need.
    ///
    /// # Errors
    /// If something can't be removed: the daemon must not start work then.
    pub async fn sweep(&self) -> Result<Swept, SweepError> {
        let left = self.engine.labelled(&self.instance).await?;
        let mut swept = Swept { containers: left.len(), ..Swept::default() };
        // A few at a time: one after the other a thousand would take Docker minutes, and at once it misses some.
        stream::iter(left)
            .map(|container| self.sweep_container(container))
            .buffer_unordered(self.settings.concurrent_starts)
            .try_collect::<()>()
            .await?;
        swept.directories = empty(&self.sandboxes_dir)?;
        empty(&self.empty_dir)?;
        write_hosts(&self.hosts_file).map_err(failed(&self.hosts_file))?;
        match self.disks.detach_leaked() {
            Ok(count) => swept.loop_devices = count,
            // The disks' files are gone already; a device that stays is freed with its last user.
            Err(error) => tracing::warn!(%error, "left loop devices could not be looked for"),
        }
        self.remove_cgroup_parents();
        if self.freezer == FreezerKind::Cgroup
            && let Err(error) = cgroup::keep_freezer_switched_on(&self.cgroups, &self.instance)
        {
            tracing::warn!(%error, "the first freeze and the last thaw on this machine will take a tenth of a millisecond");
        }
        Ok(swept)
    }

    async fn sweep_container(&self, container: LabelledContainer) -> Result<(), SweepError> {
        // A task that version 1 has frozen dies only after a thaw, whoever kills it.
        if let Some(pid) = container.pid {
            match self.cgroups.of_container(pid, &container.id) {
                Ok(cgroup) => {
                    if let Err(error) = cgroup.kill_all() {
                        tracing::warn!(container = container.id, %error, "a left container resists its cgroup");
                    }
                }
                Err(error) => {
                    tracing::debug!(container = container.id, %error, "a left container has no cgroup any more");
                }
            }
        }
        Ok(self.engine.remove(&container.id).await?)
    }

    /// Removes the cgroups that held the sandboxes of each tenant. Call when no sandbox is left.
    pub fn remove_cgroup_parents(&self) {
        if let Err(error) = cgroup::remove_parents(&self.cgroups, self.cgroup_driver, &self.instance) {
            tracing::warn!(%error, "the tenants' cgroups could not be removed");
        }
    }
}

/// Makes `directory` if it isn't there and empties it if it is.
fn empty(directory: &Path) -> Result<usize, SweepError> {
    let failed = || failed(directory);
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(directory).map_err(failed())?;
    let mut count = 0;
    for entry in std::fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_type().map_err(failed())?.is_dir() {
            std::fs::remove_dir_all(entry.path()).map_err(failed())?;
        } else {
            std::fs::remove_file(entry.path()).map_err(failed())?;
        }
        count += 1;
    }
    Ok(count)
}

/// Writes what sandboxes know of names: their own loopback interface.
fn write_hosts(path: &Path) -> io::Result<()> {
    std::fs::write(path, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")?;
    // Whatever the umask: the sandboxes' user reads it.
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SweepError {
    let path = path.display().to_string();
    move |source| SweepError::File { path, source }
}
