//! The kernel calls that thawd needs and that no safe crate offers as a whole: entering a container's namespaces,
//! mounts that exist nowhere until they are moved into a container, disks on loop devices, and memory given back to swap.
//!
//! This is the only crate of the workspace with unsafe code, and it has four blocks of it: `mount_setattr(2)` and
//! `process_madvise(2)`, for which neither nix nor rustix has a function, and two loop device ioctls. All of it takes plain integers and
//! structures that outlive the call. Whoever calls this crate needs root.
//!
//! Nothing here can leak. A disk's file never has a name, its loop device frees itself with its last user, and a mount
//! that was not moved anywhere ends with its file descriptor: a daemon that is killed at any point leaves nothing.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod disk;
mod loop_device;
pub mod memory;
mod mount;
pub mod namespace;

use std::{io, path::PathBuf};

pub use mount::DetachedMount;

/// Why the kernel did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A system call failed.
    #[error("could not {what} {on}: {source}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// On what.
        on: String,
        /// What the system says.
        source: io::Error,
    },
    /// A program that makes file systems is missing or failed.
    #[error("mkfs.ext4 could not make a disk at {path}: {reason}. Install the package e2fsprogs")]
    Mkfs {
        /// Where the disk was to be.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// A thread that works inside a namespace panicked.
    #[error("a thread inside a container's namespaces panicked")]
    Panicked,
}

impl KernelError {
    /// Adds what was tried, on what.
    pub(crate) fn of<E: Into<io::Error>>(what: &'static str, on: impl ToString) -> impl FnOnce(E) -> Self {
        let on = on.to_string();
        move |source| Self::Call { what, on, source: source.into() }
    }
}
