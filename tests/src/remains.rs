//! What a daemon has on its host besides its own process: everything that could leak.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{cgroup, daemon::Daemon, engine::Engine};

/// Outside resources of one daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Containers with its label.
    pub containers: BTreeSet<String>,
    /// Mounts of or under its directories.
    pub mounts: BTreeSet<String>,
    /// Files of its directories behind loop devices.
    pub loop_devices: BTreeSet<String>,
    /// Directories of sandboxes and what is in them.
    pub directories: BTreeSet<PathBuf>,
    /// Cgroups that carry its instance id.
    pub cgroups: BTreeSet<PathBuf>,
}

impl Remains {
    /// Looks for what there is of `daemon`.
    pub async fn of(daemon: &Daemon) -> Self {
        Self::in_home(daemon.home(), &daemon.instance()).await
    }

    /// Looks for what there is of a daemon with this directory and this instance id.
    pub async fn in_home(home: &Path, instance: &str) -> Self {
        let part = home.to_string_lossy();
        Self {
            containers: Engine::connect().await.containers_of(instance).await.into_iter().collect(),
            mounts: mounts_naming(&part),
            loop_devices: loop_devices_naming(&part),
            directories: below(&home.join("run/sandboxes")),
            cgroups: cgroup::directories_naming(instance).into_iter().collect(),
        }
    }

    /// What of `earlier` is still there.
    #[must_use]
    pub fn still_from(&self, earlier: &Self) -> Self {
        fn both<T: Ord + Clone>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> BTreeSet<T> {
            one.intersection(other).cloned().collect()
        }
        Self {
            containers: both(&self.containers, &earlier.containers),
            mounts: both(&self.mounts, &earlier.mounts),
            loop_devices: both(&self.loop_devices, &earlier.loop_devices),
            directories: both(&self.directories, &earlier.directories),
            cgroups: both(&self.cgroups, &earlier.cgroups)
                .into_iter()
                .filter(|directory| has_one_of(directory, &earlier.containers))
                .collect(),
        }
    }
}

/// Whether a cgroup has one of these containers' below it. It itself is of every life of its daemon, which may have sandboxes
/// of its own in it by now.
fn has_one_of(directory: &Path, containers: &BTreeSet<String>) -> bool {
    below(directory)
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .any(|name| containers.iter().any(|container| name.contains(container.as_str())))
}

fn mounts_naming(part: &str) -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    mounts.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

fn loop_devices_naming(part: &str) -> BTreeSet<String> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices
        .filter_map(|device| {
            // Only a device in use has this file.
            let backing = fs::read_to_string(device.path().join("loop/backing_file")).ok()?;
            backing.contains(part).then(|| format!("{} {}", device.path().display(), backing.trim()))
        })
        .collect()
}

/// Every path below `directory`.
#[must_use]
pub fn below(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}
