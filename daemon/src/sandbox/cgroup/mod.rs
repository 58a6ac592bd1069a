//! Control groups: how a sandbox is limited, measured, frozen and killed. Versions 1 and 2 behind one interface.
//!
//! Which version the machine has is found by looking at its mounts, never configured. Docker makes a container's cgroup
//! with its limits; the daemon finds it through the container's first process, checks that it is the container's and no
//! other's, and from then on works on open files: no path is looked up on the way of a call. What no warm call uses is
//! opened when it is needed, so that a frozen sandbox costs three descriptors (version 1) or four (version 2).
//!
//! Source: the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst.

mod file;
mod parents;
mod v1;
mod v2;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use parents::{CgroupDriver, keep_freezer_switched_on, remove_parents, tenant_parent};

/// The period over which a CPU share is counted, in microseconds. Shorter than the kernel's default of 100 ms, so that
/// a small function that used its share up waits 20 ms at the most.
pub const CPU_PERIOD_US: i64 = 20_000;

/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA_US: i64 = 1_000;

/// MB of memory that come with one CPU. Source: "Configuring Lambda function memory".
const MB_PER_CPU: i64 = 1_769;

/// How often the processes of a dying cgroup are listed and killed; each round reaches what was forked in the last.
const KILL_ROUNDS: u32 = 100;

/// The CPU time, in microseconds of each [`CPU_PERIOD_US`], that comes with an amount of memory.
#[must_use]
pub fn cpu_quota(memory_mb: u32) -> i64 {
    (i64::from(memory_mb) * CPU_PERIOD_US / MB_PER_CPU).max(LEAST_QUOTA_US)
}

/// Why a cgroup did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file of the cgroup tree could not be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the cgroup tree does not read as documented.
    #[error("{path} can't be understood: {text:?}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// No cgroup tree is mounted, or one lacks a controller.
    #[error("this machine has no cgroup {0}: mount it under /sys/fs/cgroup")]
    Missing(&'static str),
    /// The process is not in the cgroup of its container: it is another process by now.
    #[error("process {pid} is not in a cgroup of container {container}")]
    NotOfContainer {
        /// The process.
        pid: u32,
        /// The container.
        container: String,
    },
    /// Some process did not die.
    #[error("{0} processes of the cgroup did not die")]
    Unkillable(usize),
}

/// Version 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One tree for each controller.
    V1,
    /// One tree for all.
    V2,
}

impl CgroupVersion {
    /// 1 or 2.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// The machine's cgroup trees.
#[derive(Clone, Debug)]
pub enum CgroupHost {
    /// Version 1.
    V1(v1::Trees),
    /// Version 2.
    V2(v2::Tree),
}

impl CgroupHost {
    /// Looks at the mounts of this process.
    ///
    /// # Errors
    /// If there is no usable tree.
    pub fn detect() -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        Self::from_mounts(&fs::read_to_string(path).map_err(file::failed(path))?)
    }

    /// A version 1 freezer decides: hybrid systems mount an empty version 2 tree beside it.
    fn from_mounts(mountinfo: &str) -> Result<Self, CgroupError> {
        match v1::Trees::from_mounts(mountinfo)? {
            Some(trees) => Ok(Self::V1(trees)),
            None => v2::Tree::from_mounts(mountinfo).map(Self::V2).ok_or(CgroupError::Missing("tree")),
        }
    }

    /// Which version the machine has.
    #[must_use]
    pub fn version(&self) -> CgroupVersion {
        match self {
            Self::V1(_) => CgroupVersion::V1,
            Self::V2(_) => CgroupVersion::V2,
        }
    }

    /// Whether what freezes and limits sandboxes can be written from here.
    #[must_use]
    pub fn can_write(&self) -> bool {
        match self {
            Self::V1(trees) => {
                [&trees.freezer, &trees.memory, &trees.cpu].into_iter().all(|tree| is_writable(tree))
            }
            Self::V2(tree) => is_writable(&tree.root),
        }
    }

    /// The cgroup of a container, through its first process.
    ///
    /// # Errors
    /// If the process is gone, is not in the container's cgroup, or the cgroup's files are not there.
    pub fn of_container(&self, pid: u32, container: &str) -> Result<Cgroup, CgroupError> {
        let path = PathBuf::from(format!("/proc/{pid}/cgroup"));
        let lines = fs::read_to_string(&path).map_err(file::failed(&path))?;
        let stranger = || CgroupError::NotOfContainer { pid, container: container.to_owned() };
        Ok(Cgroup(match self {
            Self::V1(trees) => Inner::V1(v1::Cgroup::open(trees, &lines, container)?.ok_or_else(stranger)?),
            Self::V2(tree) => Inner::V2(v2::Cgroup::open(tree, &lines, container)?.ok_or_else(stranger)?),
        }))
    }
}

/// Whether a directory's file system can be written: it may be mounted read-only in a container.
fn is_writable(directory: &Path) -> bool {
    nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// One container's cgroup, by its directories and the open files of a warm call.
#[derive(Debug)]
pub struct Cgroup(Inner);

#[derive(Debug)]
enum Inner {
    V1(v1::Cgroup),
    V2(v2::Cgroup),
}

/// Calls the same method on either version.
macro_rules! either {
    ($self:ident, $cgroup:ident => $call:expr) => {
        match &$self.0 {
            Inner::V1($cgroup) => $call,
            Inner::V2($cgroup) => $call,
        }
    };
}

impl Cgroup {
    /// Tells every task to stop. They do within a fraction of a millisecond as a rule; [`Cgroup::is_frozen`] tells when
    /// all of them stand still. Version 1 gives up on a task that could not be stopped until it is told again.
    ///
    /// # Errors
    /// If the freezer can't be written.
    pub fn request_freeze(&self) -> Result<(), CgroupError> {
        either!(self, cgroup => cgroup.request_freeze())
    }

    /// Whether every task stands still.
    ///
    /// # Errors
    /// If the freezer can't be read.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        either!(self, cgroup => cgroup.is_frozen())
    }

    /// Lets every task go on.
    ///
    /// # Errors
    /// If the freezer can't be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        either!(self, cgroup => cgroup.thaw())
    }

    /// Kills every process, frozen or not, and waits until they are dead.
    ///
    /// # Errors
    /// If some don't die.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let mut left = 0;
        for round in 0..KILL_ROUNDS {
            left = either!(self, cgroup => cgroup.kill_round()?);
            if left == 0 {
                return Ok(());
            }
            if round > 2 {
                // Dying takes the kernel a moment, longer for much memory. This is the end of a sandbox, on no call's way.
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        Err(CgroupError::Unkillable(left))
    }

    /// Whether a process was killed while it was frozen and dies only after a thaw: version 1 alone does that.
    ///
    /// # Errors
    /// If the processes can't be listed.
    pub fn pending_kill(&self) -> Result<bool, CgroupError> {
        match &self.0 {
            Inner::V1(cgroup) => cgroup.pending_kill(),
            Inner::V2(_) => Ok(false),
        }
    }

    /// Its processes, as this side of the container numbers them.
    ///
    /// # Errors
    /// If they can't be listed.
    pub fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        either!(self, cgroup => cgroup.processes())
    }

    /// Bytes of memory in use.
    ///
    /// # Errors
    /// If the count can't be read.
    pub fn memory_used(&self) -> Result<u64, CgroupError> {
        either!(self, cgroup => cgroup.memory_used())
    }

    /// The most bytes of memory that were in use so far.
    ///
    /// # Errors
    /// If the count can't be read.
    pub fn memory_peak(&self) -> Result<u64, CgroupError> {
        either!(self, cgroup => cgroup.memory_peak())
    }

    /// Processes that were killed because memory ran out.
    ///
    /// # Errors
    /// If the count can't be read.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        either!(self, cgroup => cgroup.oom_kills())
    }

    /// Sets how many bytes of memory may be in use; memory and swap together are limited to the same.
    ///
    /// # Errors
    /// If the limit can't be written, or more is in use than can be freed.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), CgroupError> {
        either!(self, cgroup => cgroup.set_memory_limit(bytes))
    }

    /// Sets how many bytes may be in swap. On version 1 nothing is to be done: there memory and swap together have one limit,
    /// and nothing moves to swap without being told to as long as the limit is not reached.
    ///
    /// # Errors
    /// If the limit can't be written.
    pub fn allow_swap(&self, bytes: u64) -> Result<(), CgroupError> {
        match &self.0 {
            Inner::V1(_) => Ok(()),
            Inner::V2(cgroup) => cgroup.allow_swap(bytes),
        }
    }

    /// Forgets what [`Cgroup::memory_peak`] was so far. Where the kernel can't (version 2 before Linux 6.12), the peak stays
    /// that of the whole life.
    ///
    /// # Errors
    /// If the count can't be written.
    pub fn reset_memory_peak(&self) -> Result<(), CgroupError> {
        either!(self, cgroup => cgroup.reset_memory_peak())
    }

    /// Sets the CPU time of each [`CPU_PERIOD_US`], in microseconds.
    ///
    /// # Errors
    /// If the quota can't be written.
    pub fn set_cpu_quota(&self, quota_us: i64) -> Result<(), CgroupError> {
        either!(self, cgroup => cgroup.set_cpu_quota(quota_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_follows_memory_as_on_lambda() {
        assert_eq!(cpu_quota(1769), CPU_PERIOD_US);
        assert_eq!(cpu_quota(3538), 2 * CPU_PERIOD_US);
        assert_eq!(cpu_quota(128), 1447);
        assert!(cpu_quota(1) >= LEAST_QUOTA_US);
    }

    #[test]
    fn version_1_is_found_beside_an_empty_version_2_tree() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
                      32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let host = CgroupHost::from_mounts(mounts).unwrap();
        assert_eq!(host.version(), CgroupVersion::V1);
        let CgroupHost::V1(trees) = host else { panic!("not version 1") };
        assert_eq!(trees.cpu, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(
            trees.all.iter().any(|path| path.ends_with("unified")),
            "Docker makes cgroups there too, so they have to be removed from there: {:?}",
            trees.all
        );
    }

    #[test]
    fn version_2_is_found_alone() {
        let host = CgroupHost::from_mounts(
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
        )
        .unwrap();
        assert_eq!(host.version(), CgroupVersion::V2);
    }

    #[test]
    fn a_machine_without_cgroups_is_told_so() {
        assert!(CgroupHost::from_mounts("30 24 0:26 / / rw - ext4 /dev/vda rw\n").is_err());
    }
}
