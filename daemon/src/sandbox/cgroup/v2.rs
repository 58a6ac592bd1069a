//! Version 2: one tree for all controllers.

use std::path::PathBuf;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    CPU_PERIOD_US, CgroupError,
    file::{self, CgroupFile},
};

/// Where the tree is mounted.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) root: PathBuf,
}

impl Tree {
    pub(super) fn from_mounts(mountinfo: &str) -> Option<Self> {
        file::mounts(mountinfo, "cgroup2").next().map(|(root, _)| Self { root })
    }
}

/// The directory, and the files that every warm call uses.
#[derive(Debug)]
pub(super) struct Cgroup {
    directory: PathBuf,
    freeze: CgroupFile,
    events: CgroupFile,
    /// Since Linux 5.19; before it, what is in use now has to do. Where it can be reset, that counts for this file
    /// description alone, so the peak has to be read from the one that was reset.
    memory_peak: Option<CgroupFile>,
    memory_events: CgroupFile,
}

impl Cgroup {
    /// Opens the cgroup of a container, given the text of its process's /proc/PID/cgroup. None if that names another.
    pub(super) fn open(tree: &Tree, lines: &str, container: &str) -> Result<Option<Self>, CgroupError> {
        let path = lines.lines().find_map(|line| line.strip_prefix("0::"));
        let Some(path) = path.filter(|path| path.contains(container)) else { return Ok(None) };
        let directory = tree.root.join(path.trim_start_matches('/'));
        let open = |name: &str, write| CgroupFile::open(directory.join(name), write);
        Ok(Some(Self {
            // Where it can't be written, Docker freezes.
            freeze: open("cgroup.freeze", true).or_else(|_| open("cgroup.freeze", false))?,
            events: open("cgroup.events", false)?,
            memory_peak: open("memory.peak", true).or_else(|_| open("memory.peak", false)).ok(),
            memory_events: open("memory.events", false)?,
            directory,
        }))
    }

    pub(super) fn request_freeze(&self) -> Result<(), CgroupError> {
        self.freeze.write("1")
    }

    pub(super) fn is_frozen(&self) -> Result<bool, CgroupError> {
        self.events.entry("frozen").map(|frozen| frozen == 1)
    }

    pub(super) fn thaw(&self) -> Result<(), CgroupError> {
        self.freeze.write("0")
    }

    /// A frozen task takes a SIGKILL at once here.
    pub(super) fn kill_round(&self) -> Result<usize, CgroupError> {
        let processes = file::processes(&self.directory)?;
        if processes.is_empty() {
            return Ok(0);
        }
        // Since Linux 5.14. The cgroup goes with its last process, and what can't be killed is counted by the next round.
        if file::write(self.directory.join("cgroup.kill"), "1").is_err() {
            for pid in &processes {
                // One that died meanwhile is as good as killed.
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        Ok(processes.len())
    }

    pub(super) fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        file::processes(&self.directory)
    }

    pub(super) fn memory_used(&self) -> Result<u64, CgroupError> {
        file::number(self.directory.join("memory.current"))
    }

    pub(super) fn memory_peak(&self) -> Result<u64, CgroupError> {
        self.memory_peak.as_ref().map_or_else(|| self.memory_used(), CgroupFile::number)
    }

    pub(super) fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.memory_events.entry("oom_kill")
    }

    pub(super) fn set_memory_limit(&self, bytes: u64) -> Result<(), CgroupError> {
        file::write(self.directory.join("memory.max"), &bytes.to_string())
    }

    /// Since Linux 6.12, for the file description that writes. Source: the kernel's admin-guide/cgroup-v2.rst, memory.peak.
    /// Not there if the kernel does not account swap: then nothing is limited, and nothing has to be.
    pub(super) fn allow_swap(&self, bytes: u64) -> Result<(), CgroupError> {
        let path = self.directory.join("memory.swap.max");
        if path.exists() { file::write(path, &bytes.to_string()) } else { Ok(()) }
    }

    pub(super) fn reset_memory_peak(&self) -> Result<(), CgroupError> {
        if let Some(peak) = &self.memory_peak
            && peak.is_writable()
        {
            return peak.write("reset");
        }
        Ok(())
    }

    pub(super) fn set_cpu_quota(&self, quota_us: i64) -> Result<(), CgroupError> {
        file::write(self.directory.join("cpu.max"), &format!("{quota_us} {CPU_PERIOD_US}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_the_freezer_is_written() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("thaw.slice/docker-abc.scope");
        std::fs::create_dir_all(&directory).unwrap();
        for (name, text) in [
            ("cgroup.freeze", "0\n"),
            ("cgroup.events", "populated 1\nfrozen 1\n"),
            ("memory.current", "1000\n"),
            ("memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ("cpu.max", "max 100000\n"),
            ("cgroup.procs", ""),
        ] {
            std::fs::write(directory.join(name), text).unwrap();
        }
        let tree = Tree { root: root.path().to_owned() };
        let cgroup = Cgroup::open(&tree, "0::/thaw.slice/docker-abc.scope\n", "abc").unwrap().unwrap();
        assert!(cgroup.is_frozen().unwrap());
        assert_eq!(cgroup.oom_kills().unwrap(), 1);
        assert_eq!(cgroup.memory_peak().unwrap(), 1000);
        assert_eq!(cgroup.kill_round().unwrap(), 0);
        cgroup.set_cpu_quota(1447).unwrap();
        assert_eq!(file::open_below(root.path()), 3, "one more with a memory.peak");
        assert!(std::fs::read_to_string(directory.join("cpu.max")).unwrap().starts_with("1447 20000"));
        assert!(Cgroup::open(&tree, "0::/thaw.slice/docker-abc.scope\n", "def").unwrap().is_none());
    }
}
