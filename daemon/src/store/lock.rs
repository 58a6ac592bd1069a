//! One daemon a data directory.
//!
//! The lock is the kernel's (`flock`): it ends with the process, however that ends. The process id in the file is only
//! there to name the holder to a person.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    process,
};

use super::StoreError;

const LOCK_FILE: &str = "lock";

/// More than a process id needs; whatever else is in the file is not read.
const MAX_PID_BYTES: u64 = 32;

/// Holds a data directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Takes the directory, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { directory: directory.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", &path)(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", process::id()))
            .map_err(StoreError::file("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    /// Closing the file is not enough: a process that is being started by another thread holds a copy of it between
    /// `fork` and `exec`. Unlocking reaches all copies.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "cannot unlock the data directory; the end of the process will");
        }
    }
}

/// Who holds the lock, if the holder has come to write it and it can be read.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_come_is_told_who_was_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        let error = DirectoryLock::take(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::InUse { holder: Some(pid), .. } if pid == process::id()));
        let message = error.to_string();
        assert!(message.contains(directory.path().to_str().unwrap()), "{message}");
        assert!(message.contains(&format!("process {}", process::id())), "{message}");

        drop(first);
        DirectoryLock::take(directory.path()).unwrap();
    }

    #[test]
    fn the_lock_of_a_dead_process_is_free_and_its_id_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LOCK_FILE), "4294967295 left by an earlier life\n").unwrap();
        let _lock = DirectoryLock::take(directory.path()).unwrap();
        let written = std::fs::read_to_string(directory.path().join(LOCK_FILE)).unwrap();
        assert_eq!(written, format!("{}\n", process::id()));
    }
}
