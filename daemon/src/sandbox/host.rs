//! What all sandboxes of a daemon share: the engine, the machine's cgroups, disks, logs and settings.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use thaw_kernel::disk::DiskTemplates;
use tokio::sync::Semaphore;

use super::{
    cgroup::{CgroupDriver, CgroupHost},
    engine::Engine,
    freezer::FreezerKind,
    pool::ReadyLimits,
};
use crate::{clock::SharedClock, config::KeepAlive, logs::LogStore};

/// Settings of the sandboxes; each is a setting of the daemon by the same name.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// MB that all sandboxes may take together.
    pub memory_budget_mb: u64,
    /// What decides how long a sandbox stays without a call.
    pub keep_alive: KeepAlive,
    /// How long it stays where nothing else is known.
    pub idle_timeout: Duration,
    /// How long a sandbox may run on after a call, at the most, if calls come one on the other's heels.
    pub freeze_grace: Duration,
    /// How long a sandbox has to have stood still before its memory goes to the machine's swap; never if `None`.
    pub reclaim_after: Option<Duration>,
    /// How many sandboxes of each kind stand ready for a function.
    pub ready: ReadyLimits,
    /// How long an initialisation may take, where the function's own time-out isn't longer.
    pub init_timeout: Duration,
    /// Sandboxes that are made at the same time.
    pub concurrent_starts: usize,
    /// Processes and threads in one sandbox.
    pub pids_limit: u32,
    /// Bytes of output that one invocation may store.
    pub log_invocation_limit: usize,
}

/// What sandboxes share.
#[derive(Debug)]
pub struct Host {
    /// Docker.
    pub engine: Arc<Engine>,
    /// Who makes cgroups: decides how a parent is named.
    pub cgroup_driver: CgroupDriver,
    /// The machine's cgroup trees.
    pub cgroups: CgroupHost,
    /// How sandboxes are frozen here.
    pub freezer: FreezerKind,
    /// Where /tmp comes from.
    pub disks: Arc<DiskTemplates>,
    /// Where output goes.
    pub logs: LogStore,
    /// The time.
    pub clock: SharedClock,
    /// Names this daemon's containers and cgroups: whatever carries it may be removed by it.
    pub instance: Arc<str>,
    /// One directory a sandbox in here, while it lives.
    pub sandboxes_dir: PathBuf,
    /// An empty directory.
    pub empty_dir: PathBuf,
    /// The /etc/hosts of every sandbox.
    pub hosts_file: PathBuf,
    /// The static first process.
    pub init: PathBuf,
    /// How sandboxes are to be.
    pub settings: SandboxSettings,
    starts: Semaphore,
    reclaims: Arc<Semaphore>,
    preparations_failed: AtomicU64,
}

/// What [`Host::new`] takes; the rest of [`Host`] follows from it.
#[derive(Debug)]
pub struct HostParts {
    /// See [`Host::engine`].
    pub engine: Arc<Engine>,
    /// See [`Host::cgroup_driver`].
    pub cgroup_driver: CgroupDriver,
    /// See [`Host::cgroups`].
    pub cgroups: CgroupHost,
    /// See [`Host::disks`].
    pub disks: Arc<DiskTemplates>,
    /// See [`Host::logs`].
    pub logs: LogStore,
    /// See [`Host::clock`].
    pub clock: SharedClock,
    /// See [`Host::instance`].
    pub instance: Arc<str>,
    /// The daemon's directory for what does not outlive a boot.
    pub run_dir: PathBuf,
    /// See [`Host::init`].
    pub init: PathBuf,
    /// See [`Host::settings`].
    pub settings: SandboxSettings,
}

impl Host {
    /// Puts a host together.
    #[must_use]
    pub fn new(parts: HostParts) -> Self {
        let HostParts {
            engine,
            cgroup_driver,
            cgroups,
            disks,
            logs,
            clock,
            instance,
            run_dir,
            init,
            settings,
        } = parts;
        Self {
            freezer: FreezerKind::detect(&cgroups),
            engine,
            cgroup_driver,
            cgroups,
            disks,
            logs,
            clock,
            instance,
            sandboxes_dir: run_dir.join("sandboxes"),
            empty_dir: run_dir.join("empty"),
            hosts_file: run_dir.join("hosts"),
            init,
            starts: Semaphore::new(settings.concurrent_starts),
            reclaims: Arc::new(Semaphore::new(1)),
            settings,
            preparations_failed: AtomicU64::new(0),
        }
    }

    /// A sandbox could not be made that has no function yet.
    pub(super) fn preparation_failed(&self) {
        self.preparations_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many could not.
    pub(super) fn preparations_failed(&self) -> u64 {
        self.preparations_failed.load(Ordering::Relaxed)
    }

    /// Gives turns to move memory to swap: one at a time, since it takes a processor and the swap's bandwidth.
    pub(super) fn reclaim_turns(&self) -> &Arc<Semaphore> {
        &self.reclaims
    }

    /// Waits for a turn to ask the engine for something slow. Cold starts share the machine with running calls.
    pub(super) async fn engine_turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.starts.acquire().await.ok()
    }
}
