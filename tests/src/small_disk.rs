//! A disk that a test can fill: a file with a file system of its own, mounted.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use tempfile::TempDir;

/// A disk of its own. Unmounted and gone with this.
#[derive(Debug)]
pub struct SmallDisk {
    home: TempDir,
}

impl SmallDisk {
    /// Makes one of so many MB.
    #[must_use]
    pub fn of_mb(megabytes: u64) -> Self {
        let home = tempfile::Builder::new().prefix("small-disk-").tempdir().expect("a directory");
        let disk = Self { home };
        let image = disk.home.path().join("image");
        File::create(&image).and_then(|file| file.set_len(megabytes << 20)).expect("an image");
        fs::create_dir(disk.path()).expect("a mount point");
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk.path()));
        disk
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.home.path().join("disk")
    }

    /// Takes all its room but so many bytes.
    pub fn fill_but(&self, bytes: u64) {
        let file = File::create(self.filler()).expect("a file on the small disk");
        let found = nix::sys::statvfs::statvfs(&self.path()).expect("how full the small disk is");
        let free = found.blocks_available() * found.fragment_size();
        // A file needs some blocks for itself: what is left is filled by less and less.
        let (mut filled, mut piece) = (0, free.saturating_sub(bytes));
        while piece >= found.fragment_size() && filled + bytes < free {
            let (at, length) = (i64::try_from(filled), i64::try_from(piece));
            match fallocate(
                &file,
                FallocateFlags::empty(),
                at.expect("a small disk"),
                length.expect("a small disk"),
            ) {
                Ok(()) => filled += piece,
                Err(Errno::ENOSPC) => piece /= 2,
                Err(error) => panic!("fill the small disk: {error}"),
            }
        }
    }

    /// Gives it back.
    pub fn clear(&self) {
        fs::remove_file(self.filler()).expect("remove what filled the small disk");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.path().display());
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Puts what `link` stands for on another disk.
///
/// # Panics
/// If it is there already.
pub fn put_on(disk: &Path, link: &Path) {
    let at = disk.join("data");
    fs::create_dir(&at).expect("a directory on the small disk");
    std::os::unix::fs::symlink(at, link).expect("a link to the small disk");
}
