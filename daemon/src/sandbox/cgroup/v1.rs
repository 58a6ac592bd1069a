//! Version 1: one tree for each controller.
//!
//! A frozen task takes a SIGKILL only once it is thawed, so killing means: freeze, so that nothing forks away; kill;
//! thaw.

use std::path::PathBuf;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    CPU_PERIOD_US, CgroupError,
    file::{self, CgroupFile},
};

/// Where the controllers that sandboxes need are mounted.
#[derive(Clone, Debug)]
pub struct Trees {
    pub(super) freezer: PathBuf,
    pub(super) memory: PathBuf,
    pub(super) cpu: PathBuf,
    /// Every mounted tree, the version 2 tree of a hybrid system among them: Docker makes a container's cgroup in each.
    pub(super) all: Vec<PathBuf>,
}

impl Trees {
    /// None if there is no version 1 freezer.
    pub(super) fn from_mounts(mountinfo: &str) -> Result<Option<Self>, CgroupError> {
        let mounts: Vec<_> = file::mounts(mountinfo, "cgroup").collect();
        let find = |controller: &str| {
            mounts
                .iter()
                .find(|(_, options)| options.split(',').any(|option| option == controller))
                .map(|(path, _)| path.clone())
        };
        let Some(freezer) = find("freezer") else { return Ok(None) };
        Ok(Some(Self {
            freezer,
            memory: find("memory").ok_or(CgroupError::Missing("controller `memory`"))?,
            cpu: find("cpu").ok_or(CgroupError::Missing("controller `cpu`"))?,
            all: mounts.into_iter().chain(file::mounts(mountinfo, "cgroup2")).map(|(path, _)| path).collect(),
        }))
    }
}

/// The directories in the three trees, and the files that every warm call uses.
#[derive(Debug)]
pub(super) struct Cgroup {
    freezer: PathBuf,
    memory: PathBuf,
    cpu: PathBuf,
    state: CgroupFile,
    memory_peak: CgroupFile,
    oom: CgroupFile,
}

impl Cgroup {
    /// Opens the cgroup of a container, given the text of its process's /proc/PID/cgroup. None if that names another.
    pub(super) fn open(trees: &Trees, lines: &str, container: &str) -> Result<Option<Self>, CgroupError> {
        let directory = |tree: &PathBuf, controller: &str| {
            lines.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                let path = fields.next()?;
                let is_it = controllers.split(',').any(|name| name == controller) && path.contains(container);
                is_it.then(|| tree.join(path.trim_start_matches('/')))
            })
        };
        let (Some(freezer), Some(memory), Some(cpu)) = (
            directory(&trees.freezer, "freezer"),
            directory(&trees.memory, "memory"),
            directory(&trees.cpu, "cpu"),
        ) else {
            return Ok(None);
        };
        Ok(Some(Self {
            // Where it can't be written, Docker freezes.
            state: CgroupFile::open(freezer.join("freezer.state"), true)
                .or_else(|_| CgroupFile::open(freezer.join("freezer.state"), false))?,
            memory_peak: CgroupFile::open(memory.join("memory.max_usage_in_bytes"), false)?,
            oom: CgroupFile::open(memory.join("memory.oom_control"), false)?,
            freezer,
            memory,
            cpu,
        }))
    }

    pub(super) fn request_freeze(&self) -> Result<(), CgroupError> {
        self.state.write("FROZEN")
    }

    pub(super) fn is_frozen(&self) -> Result<bool, CgroupError> {
        self.state.read(|text| Some(text.trim() == "FROZEN"))
    }

    pub(super) fn thaw(&self) -> Result<(), CgroupError> {
        self.state.write("THAWED")
    }

    pub(super) fn kill_round(&self) -> Result<usize, CgroupError> {
        let processes = file::processes(&self.freezer)?;
        for pid in &processes {
            // One that died meanwhile is as good as killed.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if !processes.is_empty() && self.state.is_writable() {
            // The cgroup goes with its last process.
            if let Err(error) = self.thaw()
                && !file::processes(&self.freezer)?.is_empty()
            {
                return Err(error);
            }
        }
        Ok(processes.len())
    }

    pub(super) fn pending_kill(&self) -> Result<bool, CgroupError> {
        let pending = file::processes(&self.freezer)?.into_iter().any(|pid| {
            // A process that is gone was killed too.
            std::fs::read_to_string(format!("/proc/{pid}/status"))
                .map_or(true, |status| has_pending_kill(&status))
        });
        Ok(pending)
    }

    pub(super) fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        file::processes(&self.freezer)
    }

    pub(super) fn memory_used(&self) -> Result<u64, CgroupError> {
        file::number(self.memory.join("memory.usage_in_bytes"))
    }

    pub(super) fn memory_peak(&self) -> Result<u64, CgroupError> {
        self.memory_peak.number()
    }

    pub(super) fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.oom.entry("oom_kill")
    }

    /// The two limits may never be in the wrong order, so the one that moves away goes first. Source: the kernel's
    /// admin-guide/cgroup-v1/memory.rst, 2.4.
    pub(super) fn set_memory_limit(&self, bytes: u64) -> Result<(), CgroupError> {
        let text = bytes.to_string();
        let memory = self.memory.join("memory.limit_in_bytes");
        let with_swap = self.memory.join("memory.memsw.limit_in_bytes");
        let is_growing = file::number(memory.clone())? < bytes;
        // Not there if the kernel does not account swap.
        let files = if !with_swap.exists() {
            vec![memory]
        } else if is_growing {
            vec![with_swap, memory]
        } else {
            vec![memory, with_swap]
        };
        files.into_iter().try_for_each(|path| file::write(path, &text))
    }

    pub(super) fn reset_memory_peak(&self) -> Result<(), CgroupError> {
        file::write(self.memory.join("memory.max_usage_in_bytes"), "0")
    }

    pub(super) fn set_cpu_quota(&self, quota_us: i64) -> Result<(), CgroupError> {
        file::write(self.cpu.join("cpu.cfs_period_us"), &CPU_PERIOD_US.to_string())?;
        file::write(self.cpu.join("cpu.cfs_quota_us"), &quota_us.to_string())
    }
}

/// Looks for SIGKILL, signal 9, in the sets of pending signals of a thread and of its process. Source: proc_pid_status(5).
fn has_pending_kill(status: &str) -> bool {
    status
        .lines()
        .filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")))
        .filter_map(|set| u64::from_str_radix(set.trim(), 16).ok())
        .any(|set| set & (1 << 8) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(root: &std::path::Path) -> Trees {
        let tree = |name: &str| root.join(name);
        let (freezer, memory, cpu) = (tree("freezer"), tree("memory"), tree("cpu"));
        Trees { all: vec![freezer.clone(), memory.clone(), cpu.clone()], freezer, memory, cpu }
    }

    fn tree_with(container: &str) -> (tempfile::TempDir, Trees) {
        let root = tempfile::tempdir().unwrap();
        let trees = trees(root.path());
        let write = |tree: &PathBuf, name: &str, text: &str| {
            let directory = tree.join("thaw/000000000000").join(container);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(name), text).unwrap();
        };
        write(&trees.freezer, "freezer.state", "THAWED\n");
        write(&trees.freezer, "cgroup.procs", "");
        write(&trees.memory, "memory.usage_in_bytes", "1000\n");
        write(&trees.memory, "memory.max_usage_in_bytes", "2000\n");
        write(&trees.memory, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
        write(&trees.cpu, "cpu.cfs_period_us", "");
        write(&trees.cpu, "cpu.cfs_quota_us", "");
        (root, trees)
    }

    const LINES: &str = "9:name=systemd:/thaw/000000000000/abc\n6:freezer:/thaw/000000000000/abc\n\
                         4:memory:/thaw/000000000000/abc\n1:cpu,cpuacct:/thaw/000000000000/abc\n";

    #[test]
    fn counters_are_read_and_the_freezer_is_written() {
        let (root, trees) = tree_with("abc");
        let cgroup = Cgroup::open(&trees, LINES, "abc").unwrap().unwrap();
        assert_eq!(cgroup.memory_used().unwrap(), 1000);
        assert_eq!(cgroup.memory_peak().unwrap(), 2000);
        assert_eq!(cgroup.oom_kills().unwrap(), 3);
        cgroup.request_freeze().unwrap();
        assert!(cgroup.is_frozen().unwrap());
        cgroup.set_cpu_quota(1447).unwrap();
        assert_eq!(file::open_below(root.path()), 3);
        let quota = root.path().join("cpu/thaw/000000000000/abc/cpu.cfs_quota_us");
        assert_eq!(std::fs::read_to_string(quota).unwrap(), "1447");
    }

    #[test]
    fn a_process_of_another_container_is_refused() {
        let (_root, trees) = tree_with("abc");
        assert!(Cgroup::open(&trees, LINES, "def").unwrap().is_none());
        assert!(Cgroup::open(&trees, "0::/init.scope\n", "abc").unwrap().is_none());
    }

    #[test]
    fn a_pending_kill_is_seen() {
        assert!(has_pending_kill("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n"));
        assert!(!has_pending_kill("SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\n"));
    }
}
