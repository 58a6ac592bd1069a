//! Packages: honest ones by the `zip` crate, and hostile ones written byte by byte, since no honest writer makes them.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use bytes::Bytes;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// An honest package in the making.
#[derive(Debug)]
pub struct Package {
    writer: ZipWriter<Cursor<Vec<u8>>>,
}

impl Default for Package {
    fn default() -> Self {
        Self::new()
    }
}

impl Package {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { writer: ZipWriter::new(Cursor::new(Vec::new())) }
    }

    /// With the file `tests/handlers/NAME.py` at its root.
    #[must_use]
    pub fn handler(self, name: &str) -> Self {
        let file = format!("{name}.py");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers").join(&file);
        let source = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.file(&file, &source)
    }

    /// With a file of mode 0644.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.file_with_mode(name, content, 0o644)
    }

    /// With a file of that mode.
    #[must_use]
    pub fn file_with_mode(mut self, name: &str, content: &[u8], mode: u32) -> Self {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode);
        self.writer.start_file(name, options).expect("a zip entry");
        self.writer.write_all(content).expect("a zip entry's content");
        self
    }

    /// The archive.
    #[must_use]
    pub fn zip(self) -> Bytes {
        self.writer.finish().expect("a zip archive").into_inner().into()
    }
}

/// An entry of a [`hostile`] archive: stored, not compressed.
#[derive(Clone, Debug)]
pub struct Entry {
    name: String,
    content: Vec<u8>,
    mode: u32,
    flags: u16,
    claimed_size: Option<u32>,
}

const FILE: u32 = 0o100_644;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_666;
const ENCRYPTED: u16 = 1;

impl Entry {
    /// A file.
    #[must_use]
    pub fn file(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), content: content.to_vec(), mode: FILE, flags: 0, claimed_size: None }
    }

    /// A symlink.
    #[must_use]
    pub fn symlink(name: &str, target: &str) -> Self {
        Self { mode: SYMLINK, ..Self::file(name, target.as_bytes()) }
    }

    /// A device.
    #[must_use]
    pub fn device(name: &str) -> Self {
        Self { mode: CHARACTER_DEVICE, ..Self::file(name, b"") }
    }

    /// A file that says it is encrypted.
    #[must_use]
    pub fn encrypted(name: &str) -> Self {
        Self { flags: ENCRYPTED, ..Self::file(name, b"not readable without the password") }
    }

    /// A file that says it has another size than it has.
    #[must_use]
    pub fn lying(name: &str, content: &[u8], claimed_size: u32) -> Self {
        Self { claimed_size: Some(claimed_size), ..Self::file(name, content) }
    }
}

/// An archive of exactly these entries, whatever they are.
#[must_use]
pub fn hostile(entries: &[Entry]) -> Bytes {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = u32::try_from(archive.len()).expect("a small archive");
        let size = u32::try_from(entry.content.len()).expect("a small entry");
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes()); // version needed
        common.extend(entry.flags.to_le_bytes());
        common.extend(0_u16.to_le_bytes()); // stored
        common.extend([0; 4]); // time and date
        common.extend(crc32(&entry.content).to_le_bytes());
        common.extend(size.to_le_bytes()); // compressed
        common.extend(entry.claimed_size.unwrap_or(size).to_le_bytes());
        common.extend(u16::try_from(entry.name.len()).expect("a short name").to_le_bytes());
        common.extend(0_u16.to_le_bytes()); // extra field

        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(entry.name.as_bytes());
        archive.extend(&entry.content);

        directory.extend(b"PK\x01\x02");
        directory.extend((3_u16 << 8 | 20).to_le_bytes()); // made on Unix
        directory.extend(&common);
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let count = u16::try_from(entries.len()).expect("few entries").to_le_bytes();
    let start = u32::try_from(archive.len()).expect("a small archive");
    let size = u32::try_from(directory.len()).expect("a small directory");
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count);
    archive.extend(count);
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    archive.into()
}

/// The checksum of zip. Source: APPNOTE.TXT 4.4.7.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}
