//! Gives the memory of a sandbox that has stood still for long to the machine's swap, if there is one.
//!
//! Beside the owner, one sandbox at a time on the whole machine: a call that comes meanwhile ends it and waits for nothing
//! but the few pages that are on their way. What the sandbox needs of its memory then comes back page by page as it is
//! touched.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use thaw_kernel::memory;
use tokio::task::JoinHandle;

use crate::sandbox::{cgroup::Cgroup, host::Host};

/// Memory on its way to swap. Dropped, it stops after the step that it is at.
#[derive(Debug)]
pub(super) struct Reclaim {
    go_on: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

impl Reclaim {
    /// Begins with it, in its turn. `memory_mb` is what the sandbox may have.
    pub(super) fn begin(host: &Host, cgroup: &Arc<Cgroup>, memory_mb: u32) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let (turns, cgroup, wanted) =
            (Arc::clone(host.reclaim_turns()), Arc::clone(cgroup), Arc::clone(&go_on));
        let work = tokio::spawn(async move {
            // Never closed.
            let Ok(_turn) = turns.acquire_owned().await else { return };
            let work = move || give_back(&cgroup, memory_mb, &|| wanted.load(Ordering::Relaxed));
            // Nobody waits for it but this task, and it panics nowhere.
            let _ = tokio::task::spawn_blocking(work).await;
        });
        Self { go_on, work }
    }

    /// Waits until it is done. Cancel safe.
    pub(super) async fn done(&mut self) {
        // As above.
        let _ = (&mut self.work).await;
    }
}

impl Drop for Reclaim {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::Relaxed);
    }
}

fn give_back(cgroup: &Cgroup, memory_mb: u32, go_on: &dyn Fn() -> bool) {
    if !go_on() {
        return;
    }
    match memory::has_free_swap() {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(%error, "it is not known whether this machine has swap");
            return;
        }
    }
    let limit = u64::from(memory_mb) << 20;
    let given = cgroup.allow_swap(limit).and_then(|()| cgroup.processes());
    match given {
        Ok(processes) => {
            for pid in processes.into_iter().filter_map(|pid| u32::try_from(pid).ok()) {
                if let Err(error) = memory::page_out(pid, go_on) {
                    tracing::warn!(%error, "memory of a frozen sandbox could not be given back");
                    break;
                }
            }
        }
        Err(error) => tracing::warn!(%error, "memory of a frozen sandbox could not be given back"),
    }
    // A function that runs has no swap.
    if let Err(error) = cgroup.allow_swap(0) {
        tracing::debug!(%error, "a sandbox's swap could not be limited again; it is going");
    }
}
