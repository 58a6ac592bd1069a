//! File operations that have happened when they return: also after a power cut.
//!
//! A file is durable when it was synced and so was the directory that names it. All of this blocks on the disk.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::StoreError;

/// Only the daemon reads its state: it holds the environment variables of functions, which are secrets.
const DIRECTORY_MODE: u32 = 0o700;

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(StoreError::file("sync", directory))
}

/// Creates a directory, and those above it, where they are missing.
pub(super) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !directory.is_dir() => {
            return Err(StoreError::file("create", directory)(error));
        }
        _ => {}
    }
    sync_directory(parent_of(directory))
}

/// Writes a whole file. At no moment does `path` name a part of it.
pub(super) fn write_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let directory = parent_of(path);
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(StoreError::file("write", path))?;
    sync_directory(directory)
}

/// Reads a small file of the store's own; `None` when there is none.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("read", path)(error)),
    }
}

/// Removes a file; `false` when there was none. Durable only after the directory is synced.
pub(super) fn remove_file(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::file("remove", path)(error)),
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn directories_are_created_with_their_parents_for_the_daemon_alone() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        create_directory(&deep).unwrap();
        create_directory(&deep).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, DIRECTORY_MODE);
    }

    #[test]
    fn a_file_in_the_way_of_a_directory_is_named_in_the_error() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        write_file(&path, b"a file").unwrap();
        let error = create_directory(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn writing_a_file_replaces_it_whole_and_leaves_no_temporary() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        assert_eq!(read_file(&path).unwrap(), None);
        write_file(&path, b"a longer first content").unwrap();
        write_file(&path, b"second").unwrap();
        assert_eq!(read_file(&path).unwrap().as_deref(), Some(b"second".as_slice()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert!(remove_file(&path).unwrap());
        assert!(!remove_file(&path).unwrap());
    }
}
