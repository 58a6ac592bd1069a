//! The cgroups above the sandboxes: one for the daemon, in it one for each tenant, so that the kernel can hold a tenant
//! to a total. Beside the tenants, on version 1, one that is always frozen and always empty.

use std::{fs, io, path::PathBuf};

use super::{CgroupError, CgroupHost, file};

/// Who makes Docker's cgroups. It decides how a parent is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// Docker itself, as directories.
    Cgroupfs,
    /// systemd, as slices.
    Systemd,
}

/// What to give Docker as the parent of a tenant's containers.
#[must_use]
pub fn tenant_parent(driver: CgroupDriver, instance: &str, account: &str) -> String {
    match driver {
        CgroupDriver::Cgroupfs => format!("/{}/{account}", parent(instance)),
        // In a slice's name each dash means a level, so the instance must not hold one.
        CgroupDriver::Systemd => format!("thaw-{}-{account}.slice", instance.replace('-', "")),
    }
}

fn parent(instance: &str) -> String {
    format!("thaw-{instance}")
}

/// The name of the cgroup that is always frozen. No tenant's, which are twelve digits.
const ALWAYS_FROZEN: &str = "always-frozen";

/// Makes freezing and thawing a hundred times cheaper on version 1, by an empty cgroup that stays frozen.
///
/// While no cgroup of the machine is frozen, the kernel skips the freezer's checks by code that it patches (the static key
/// `freezer_active`). So the first freeze and the last thaw each stop every processor to patch it, a tenth of a
/// millisecond, where others only count. With one that is always frozen none is the first or the last. Source: the kernel's
/// kernel/cgroup/legacy_freezer.c. Version 2 has no such switch.
///
/// # Errors
/// If it can't be made: freezing works all the same.
pub fn keep_freezer_switched_on(host: &CgroupHost, instance: &str) -> Result<(), CgroupError> {
    let CgroupHost::V1(trees) = host else { return Ok(()) };
    let directory = trees.freezer.join(parent(instance)).join(ALWAYS_FROZEN);
    fs::create_dir_all(&directory).map_err(file::failed(&directory))?;
    file::write(directory.join("freezer.state"), "FROZEN")
}

/// Removes the parents of this daemon in every tree. They must be empty; systemd removes its slices by itself.
///
/// # Errors
/// If one still holds something.
pub fn remove_parents(host: &CgroupHost, driver: CgroupDriver, instance: &str) -> Result<(), CgroupError> {
    let roots: Vec<PathBuf> = match (host, driver) {
        // Only what the daemon made itself.
        (CgroupHost::V1(trees), CgroupDriver::Systemd) => vec![trees.freezer.clone()],
        (CgroupHost::V2(_), CgroupDriver::Systemd) => return Ok(()),
        (CgroupHost::V1(trees), CgroupDriver::Cgroupfs) => trees.all.clone(),
        (CgroupHost::V2(tree), CgroupDriver::Cgroupfs) => vec![tree.root.clone()],
    };
    for root in roots {
        let parent = root.join(parent(instance));
        let tenants = match fs::read_dir(&parent) {
            Ok(tenants) => tenants,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(file::failed(&parent)(error)),
        };
        for tenant in tenants.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            remove(tenant.path())?;
        }
        remove(parent)?;
    }
    Ok(())
}

fn remove(directory: PathBuf) -> Result<(), CgroupError> {
    match fs::remove_dir(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file::failed(&directory)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_a_level_for_each_dash() {
        let parent = tenant_parent(CgroupDriver::Systemd, "1b4e28ba-2fa1", "000000000000");
        assert_eq!(parent, "thaw-1b4e28ba2fa1-000000000000.slice");
    }

    #[test]
    fn a_directory_names_daemon_and_tenant() {
        assert_eq!(tenant_parent(CgroupDriver::Cgroupfs, "1b4e", "000000000000"), "/thaw-1b4e/000000000000");
    }
}
