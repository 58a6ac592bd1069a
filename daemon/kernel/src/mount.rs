//! Mounts that are nowhere yet.
//!
//! They are made complete, read-only where they have to be, before any container can see them: a mount that is made
//! read-only after it appeared was writable for a moment, and its copies in other namespaces stay so.

use std::{
    ffi::c_void,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, open},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
    },
};

use crate::KernelError;

/// A mount that is attached nowhere. Dropped, it is gone.
#[derive(Debug)]
pub struct DetachedMount(OwnedFd);

/// `struct mount_attr`. Source: mount_setattr(2), Linux 5.12.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

impl DetachedMount {
    /// The directory `path`, for reading: no write through it succeeds, no device file on it works and no setuid bit
    /// counts, whatever the file system beneath allows elsewhere.
    ///
    /// # Errors
    /// If the directory isn't there, or the kernel is older than Linux 5.12.
    pub fn read_only(path: &Path) -> Result<Self, KernelError> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(rustix::fs::CWD, path, flags)
            .map_err(KernelError::of("clone the mount of", path.display()))?;
        set_attributes(
            tree.as_fd(),
            &MountAttr {
                attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
                attr_clr: 0,
                // What is mounted or unmounted on the host later must not show up in a container, nor the reverse.
                propagation: libc::MS_PRIVATE,
                userns_fd: 0,
            },
        )
        .map_err(KernelError::of("make a read-only mount of", path.display()))?;
        Ok(Self(tree))
    }

    /// Several directories as one, for reading, as [`DetachedMount::read_only`] is: a later one hides what earlier ones
    /// have under the same name.
    ///
    /// # Errors
    /// If one of the directories isn't there, or the kernel has no overlay file system.
    pub fn layered<P: AsRef<Path>>(paths: &[P]) -> Result<Self, KernelError> {
        if let [path] = paths {
            return Self::read_only(path.as_ref());
        }
        let shown =
            || paths.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(", ");
        // The kernel takes 256 bytes for all of them together, so they are named by descriptors. It wants the top first.
        let mut directories = Vec::new();
        for path in paths.iter().rev() {
            let path = path.as_ref();
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = open(path, flags, Mode::empty()).map_err(KernelError::of("open", path.display()))?;
            directories.push(opened);
        }
        let names: Vec<String> =
            directories.iter().map(|directory| format!("/proc/self/fd/{}", directory.as_raw_fd())).collect();
        let mount = || -> rustix::io::Result<OwnedFd> {
            let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_string(overlay.as_fd(), "lowerdir", names.join(":"))?;
            fsconfig_create(overlay.as_fd())?;
            let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
                | MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV;
            fsmount(overlay.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        mount().map(Self).map_err(KernelError::of("lay over each other", shown()))
    }

    pub(crate) fn from_fd(mount: OwnedFd) -> Self {
        Self(mount)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Moves it to a place in the calling thread's mount namespace.
    pub(crate) fn move_to(self, target: &Path) -> Result<(), KernelError> {
        move_mount(&self.0, "", rustix::fs::CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(KernelError::of("mount inside a sandbox on", target.display()))
    }
}

fn set_attributes(mount: BorrowedFd<'_>, attributes: &MountAttr) -> std::io::Result<()> {
    // SAFETY: the descriptor is open for the call, the path is an empty C string, and the structure is passed with its
    // true size and is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            std::ptr::from_ref(attributes).cast::<c_void>(),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
