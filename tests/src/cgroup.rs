//! A sandbox's cgroup, read on the host: version 1 and 2.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The limits that the kernel holds for a sandbox.
#[derive(Debug)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of swap beyond memory; `None` where the kernel has no swap accounting.
    pub swap: Option<u64>,
    /// CPU time in every period, in microseconds.
    pub cpu_quota: u64,
    /// The period.
    pub cpu_period: u64,
    /// Processes and threads.
    pub pids: u64,
    /// The path of the cgroup that holds the memory limit, from the root of its tree.
    pub path: String,
}

/// Reads the limits of the cgroup that the process `pid` is in.
#[must_use]
pub fn limits(pid: i32) -> Limits {
    if let Some(memory) = v1(pid, "memory") {
        let (cpu, pids) = (v1(pid, "cpu").expect("cpu"), v1(pid, "pids").expect("pids"));
        let limit = number(&memory.directory, "memory.limit_in_bytes");
        let both = fs::read_to_string(memory.directory.join("memory.memsw.limit_in_bytes")).ok();
        return Limits {
            memory: limit,
            swap: both.map(|both| parse(&both) - limit),
            cpu_quota: number(&cpu.directory, "cpu.cfs_quota_us"),
            cpu_period: number(&cpu.directory, "cpu.cfs_period_us"),
            pids: number(&pids.directory, "pids.max"),
            path: memory.path,
        };
    }
    let Cgroup { directory, path } = v2(pid);
    let cpu = fs::read_to_string(directory.join("cpu.max")).expect("cpu.max");
    let (quota, period) = cpu.trim().split_once(' ').expect("quota and period");
    Limits {
        memory: number(&directory, "memory.max"),
        swap: fs::read_to_string(directory.join("memory.swap.max")).ok().map(|swap| parse(&swap)),
        cpu_quota: parse(quota),
        cpu_period: parse(period),
        pids: number(&directory, "pids.max"),
        path,
    }
}

/// Whether the processes in the cgroup that the process `pid` is in stand still.
#[must_use]
pub fn is_frozen(pid: i32) -> bool {
    match v1(pid, "freezer") {
        Some(cgroup) => {
            let state = fs::read_to_string(cgroup.directory.join("freezer.state")).expect("freezer.state");
            state.trim() == "FROZEN"
        }
        None => {
            let events = fs::read_to_string(v2(pid).directory.join("cgroup.events")).expect("cgroup.events");
            events.lines().any(|line| line == "frozen 1")
        }
    }
}

/// The processes in the cgroup that the process `pid` is in.
#[must_use]
pub fn processes(pid: i32) -> Vec<i32> {
    let cgroup = v1(pid, "pids").unwrap_or_else(|| v2(pid));
    let processes = fs::read_to_string(cgroup.directory.join("cgroup.procs")).expect("cgroup.procs");
    processes.lines().map(|line| line.parse().expect("a pid")).collect()
}

/// Directories in any cgroup tree whose name contains `part`.
#[must_use]
pub fn directories_naming(part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = open.pop() {
        // What can't be read is gone: cgroups come and go while this looks.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(part) {
                    found.push(entry.path());
                }
                open.push(entry.path());
            }
        }
    }
    found
}

struct Cgroup {
    directory: PathBuf,
    path: String,
}

fn v1(pid: i32, controller: &str) -> Option<Cgroup> {
    let path = path_where(pid, |controllers| controllers.split(',').any(|name| name == controller))?;
    let mount =
        mount_where(|kind, options| kind == "cgroup" && options.split(',').any(|name| name == controller))?;
    Some(Cgroup { directory: mount.join(path.trim_start_matches('/')), path })
}

fn v2(pid: i32) -> Cgroup {
    let path = path_where(pid, str::is_empty).expect("a process is in a cgroup");
    let mount = mount_where(|kind, _| kind == "cgroup2").expect("cgroup2 is mounted");
    Cgroup { directory: mount.join(path.trim_start_matches('/')), path }
}

/// A line of /proc/PID/cgroup is `number:controllers:path`.
fn path_where(pid: i32, matches: impl Fn(&str) -> bool) -> Option<String> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("the process runs");
    cgroups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        matches(controllers).then(|| path.to_owned())
    })
}

/// A line of /proc/mounts is `device path type options …`.
fn mount_where(matches: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    mounts.lines().find_map(|line| {
        let mut parts = line.split(' ').skip(1);
        let (path, kind, options) = (parts.next()?, parts.next()?, parts.next()?);
        matches(kind, options).then(|| PathBuf::from(path))
    })
}

fn number(directory: &Path, file: &str) -> u64 {
    let path = directory.join(file);
    parse(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A number; `max` and -1 stand for no limit.
fn parse(text: &str) -> u64 {
    text.trim().parse().unwrap_or(u64::MAX)
}
