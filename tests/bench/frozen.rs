//! Sees from outside whether a container stands still, without asking thawd or Docker, and without rest: a benchmark that
//! slept meanwhile would measure how a processor wakes up.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// A sandbox is frozen within a millisecond of asking for more work.
const SOON: Duration = Duration::from_secs(30);

/// Between the kernel's word that everything stands still and thawd's own knowledge of it, which looks every millisecond at
/// worst. A call that came sooner would be measured waiting for the end of a freeze.
const NOTICED: Duration = Duration::from_millis(3);

/// The file that tells whether a container's cgroup is frozen.
#[derive(Debug)]
pub(crate) struct Watch {
    file: PathBuf,
    frozen: &'static str,
}

impl Watch {
    /// Of the container whose first process is `pid`.
    ///
    /// # Errors
    /// If its cgroup isn't where it usually is.
    pub(crate) fn of(pid: i64) -> anyhow::Result<Self> {
        let lines =
            fs::read_to_string(format!("/proc/{pid}/cgroup")).context("the sandbox has no process")?;
        let path = |controller: &str| {
            lines.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                rest.strip_prefix(controller)?.strip_prefix(":/")
            })
        };
        let watch = match path("freezer") {
            Some(path) => {
                let file = PathBuf::from("/sys/fs/cgroup/freezer").join(path).join("freezer.state");
                Self { file, frozen: "FROZEN" }
            }
            None => {
                let path = path("").context("the sandbox is in no cgroup")?;
                Self {
                    file: PathBuf::from("/sys/fs/cgroup").join(path).join("cgroup.events"),
                    frozen: "frozen 1",
                }
            }
        };
        ensure!(watch.file.exists(), "there is no {}", watch.file.display());
        Ok(watch)
    }

    /// Looks until everything stands still.
    ///
    /// # Errors
    /// If that does not happen.
    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !fs::read_to_string(&self.file).context("the sandbox is gone")?.contains(self.frozen) {
            ensure!(begun.elapsed() < SOON, "the sandbox was not frozen after its call");
        }
        let seen = Instant::now();
        while seen.elapsed() < NOTICED {
            std::hint::spin_loop();
        }
        Ok(())
    }
}
