//! The cgroups above the sandboxes: one for the daemon, in it one for each tenant, so that the kernel can hold a tenant
//! to a total.

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

/// Removes the parents of this daemon in every tree. They must be empty; systemd removes its slices by itself.
///
/// # Errors
/// If one still holds something.
pub fn remove_parents(host: &CgroupHost, driver: CgroupDriver, instance: &str) -> Result<(), CgroupError> {
    if driver == CgroupDriver::Systemd {
        return Ok(());
    }
    let roots: Vec<PathBuf> = match host {
        CgroupHost::V1(trees) => trees.all.clone(),
        CgroupHost::V2(tree) => vec![tree.root.clone()],
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
