//! One file of a cgroup: read and written at its beginning, as the kernel wants it.
//!
//! A file is kept open only if every warm call uses it. Opening costs some microseconds where reading costs less than
//! one, but an open file costs the kernel memory and the daemon one of its descriptors, in each of a thousand sandboxes.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::CgroupError;

/// The longest text of a file that is read here.
const TEXT: usize = 4096;

#[derive(Debug)]
pub(super) struct CgroupFile {
    path: PathBuf,
    file: File,
    is_writable: bool,
}

impl CgroupFile {
    pub(super) fn open(path: PathBuf, write: bool) -> Result<Self, CgroupError> {
        let file = OpenOptions::new().read(true).write(write).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file, is_writable: write })
    }

    pub(super) fn write_only(path: PathBuf) -> Result<Self, CgroupError> {
        let file = OpenOptions::new().write(true).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file, is_writable: true })
    }

    /// Whether it was opened for writing.
    pub(super) fn is_writable(&self) -> bool {
        self.is_writable
    }

    pub(super) fn write(&self, text: &str) -> Result<(), CgroupError> {
        self.file.write_all_at(text.as_bytes(), 0).map_err(failed(&self.path))
    }

    /// Reads the file and looks at its text.
    pub(super) fn read<T>(&self, look: impl FnOnce(&str) -> Option<T>) -> Result<T, CgroupError> {
        let mut buffer = [0; TEXT];
        let count = self.file.read_at(&mut buffer, 0).map_err(failed(&self.path))?;
        let text = std::str::from_utf8(&buffer[..count]).unwrap_or_default();
        look(text).ok_or_else(|| CgroupError::Format { path: self.path.clone(), text: text.to_owned() })
    }

    /// Reads a file that holds one number.
    pub(super) fn number(&self) -> Result<u64, CgroupError> {
        self.read(|text| text.trim().parse().ok())
    }

    /// Reads the number behind a word at the beginning of a line.
    pub(super) fn entry(&self, name: &str) -> Result<u64, CgroupError> {
        self.read(|text| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
        })
    }
}

/// Reads a file that holds one number, without keeping it open.
pub(super) fn number(path: PathBuf) -> Result<u64, CgroupError> {
    CgroupFile::open(path, false)?.number()
}

/// Writes a file without keeping it open.
pub(super) fn write(path: PathBuf, text: &str) -> Result<(), CgroupError> {
    CgroupFile::write_only(path)?.write(text)
}

/// Names a file in an error.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> CgroupError + use<> {
    let path = path.to_owned();
    move |source| CgroupError::File { path: path.clone(), source }
}

/// The process ids in a `cgroup.procs`. It can be long, so it is read whole; a cgroup that is gone has none.
pub(super) fn processes(directory: &Path) -> Result<Vec<i32>, CgroupError> {
    let path = directory.join("cgroup.procs");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()),
        // ENODEV: removed while its file was open.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ENODEV) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(&path)(error)),
    }
}

/// The mount points of a kind of file system, with their super block options, out of a mountinfo text.
pub(super) fn mounts<'a>(mountinfo: &'a str, kind: &'a str) -> impl Iterator<Item = (PathBuf, &'a str)> {
    mountinfo.lines().filter_map(move |line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut source = source.split(' ');
        if source.next()? != kind {
            return None;
        }
        Some((PathBuf::from(mount.split(' ').nth(4)?), source.nth(1)?))
    })
}

/// How many files below a directory this process has open.
#[cfg(test)]
pub(super) fn open_below(directory: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // One that is closed meanwhile has no link any more.
    descriptors
        .filter_map(|entry| entry.unwrap().path().read_link().ok())
        .filter(|path| path.starts_with(directory))
        .count()
}
