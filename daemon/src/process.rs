//! What this process and its machine have of things that the kernel bounds: descriptors, threads, loop devices, mounts. A
//! thousand sandboxes take thousands of them.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a process uses of what the kernel bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessUse {
    /// Open file descriptors.
    pub open_files: u64,
    /// How many it may have (`RLIMIT_NOFILE`).
    pub open_files_limit: u64,
    /// Its threads.
    pub threads: u64,
}

/// Lets this process open as many files as the machine lets it. What it starts takes over its limits, but it starts no
/// programs of users: Docker does.
///
/// Source: getrlimit(2). The soft limit is 1,024 by tradition, for programs that use select(2).
///
/// # Errors
/// If the limit can't be read or set.
pub fn raise_open_files_limit() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

impl ProcessUse {
    /// Of this process, now.
    ///
    /// # Errors
    /// If /proc can't be read.
    pub fn now() -> io::Result<Self> {
        let (open_files_limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Self { open_files: count("/proc/self/fd")?, open_files_limit, threads: count("/proc/self/task")? })
    }
}

/// Loop devices of this machine that have a file behind them. Each sandbox has one, for its /tmp.
///
/// # Errors
/// If /sys can't be read.
pub fn loop_devices() -> io::Result<u64> {
    let devices = fs::read_dir("/sys/block")?.filter_map(Result::ok);
    // The directory is there while a file is. Source: the kernel's drivers/block/loop.c.
    let used = devices.filter(|device| {
        device.file_name().to_string_lossy().starts_with("loop") && device.path().join("loop").is_dir()
    });
    Ok(used.count() as u64)
}

/// Mounts that this process sees. A sandbox's own are in its namespace alone.
///
/// # Errors
/// If /proc can't be read.
pub fn mounts() -> io::Result<u64> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().count() as u64)
}

fn count(directory: &str) -> io::Result<u64> {
    Ok(fs::read_dir(directory)?.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_counted_and_the_limit_is_the_machines() {
        let most = raise_open_files_limit().unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let used = ProcessUse::now().unwrap();
        assert!(used.open_files >= files.len() as u64, "{used:?}");
        assert!(used.threads >= 1, "{used:?}");
        assert_eq!(used.open_files_limit, most);
    }
}
