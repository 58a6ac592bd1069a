//! What the tests of packages share: a store in a temporary directory, and ways to make archives, honest and not.

mod hostile;
mod keeping;
mod unpacking;

use std::{
    fs::{self, File},
    io::{Cursor, Write as _},
    path::PathBuf,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// A package store in a directory of its own.
pub(super) struct World {
    pub(super) packages: PackageStore,
    uploads: tempfile::TempDir,
    directory: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(PackageLimits::default())
    }

    pub(super) fn with(limits: PackageLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let packages = PackageStore::open(directory.path().join("packages"), limits).unwrap();
        Self { packages, uploads: tempfile::tempdir().unwrap(), directory }
    }

    pub(super) fn reopen(&mut self) {
        self.packages =
            PackageStore::open(self.directory.path().join("packages"), *self.packages.limits()).unwrap();
    }

    /// The archive as a file.
    pub(super) fn upload(&self, archive: &[u8]) -> File {
        let path = self.uploads.path().join(Uuid::new_v4().to_string());
        fs::write(&path, archive).unwrap();
        File::open(path).unwrap()
    }

    pub(super) fn unpack(&self, archive: &[u8]) -> Result<(PathBuf, PackagePin), PackageError> {
        let pin = self.packages.reserve(Sha256Digest::of(archive));
        self.packages.unpack(&pin, self.upload(archive))?;
        Ok((pin.path(), pin))
    }

    /// Unpacks what must be refused, and looks whether anything of it stayed.
    pub(super) fn refusal(&self, archive: &[u8]) -> PackageError {
        let error = self.unpack(archive).map(|(path, _)| path).unwrap_err();
        assert!(error.is_fault_of_archive(), "{error:?}");
        assert_eq!(self.files(), Vec::<String>::new(), "left behind by {error}");
        error
    }

    /// Everything in the directory of packages.
    pub(super) fn files(&self) -> Vec<String> {
        self.packages.names().unwrap()
    }
}

pub(super) type Writer = ZipWriter<Cursor<Vec<u8>>>;

pub(super) fn zip(make: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    make(&mut writer);
    writer.finish().unwrap().into_inner()
}

pub(super) fn file(writer: &mut Writer, name: &str, content: &[u8]) {
    file_with(writer, name, content, SimpleFileOptions::default());
}

pub(super) fn file_with(writer: &mut Writer, name: &str, content: &[u8], options: SimpleFileOptions) {
    writer.start_file(name, options).unwrap();
    writer.write_all(content).unwrap();
}

pub(super) fn link(writer: &mut Writer, name: &str, target: &str) {
    writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
}

/// An archive of one small file of this name. The writer would not take some names, so it is given another of the same
/// length, which is then replaced.
pub(super) fn zip_named(name: &[u8]) -> Vec<u8> {
    let placeholder = "N".repeat(name.len());
    let mut archive = zip(|writer| file(writer, &placeholder, b"content"));
    rename(&mut archive, placeholder.as_bytes(), name);
    archive
}

/// Replaces a name by another of the same length, wherever it is.
pub(super) fn rename(archive: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = archive
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        archive[at..at + from.len()].copy_from_slice(to);
    }
}

/// Where the header of this name in the archive's directory begins.
pub(super) fn listed(archive: &[u8], name: &str) -> usize {
    header(archive, b"PK\x01\x02", 46, name)
}

/// Where the header before the data of this name begins.
pub(super) fn local(archive: &[u8], name: &str) -> usize {
    header(archive, b"PK\x03\x04", 30, name)
}

fn header(archive: &[u8], signature: &[u8], len: usize, name: &str) -> usize {
    (0..archive.len())
        .find(|at| archive[*at..].starts_with(signature) && archive[at + len..].starts_with(name.as_bytes()))
        .unwrap()
}

/// Overwrites a little-endian number.
pub(super) fn set_u32(archive: &mut [u8], at: usize, number: u32) {
    archive[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

pub(super) fn set_u16(archive: &mut [u8], at: usize, number: u16) {
    archive[at..at + 2].copy_from_slice(&number.to_le_bytes());
}
