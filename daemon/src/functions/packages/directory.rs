//! A strict look at an archive's directory, before anything is allocated by what it says.
//!
//! The `zip` crate reads archives forgivingly: it searches for a directory that makes sense, takes as many entries as
//! the directory claims, keeps all their extra fields in memory, and lets a later entry of the same name replace an
//! earlier one. For archives of strangers that is too forgiving: 50 MB of directory would become a gigabyte of memory.
//! So this module first walks the one directory that the archive's last bytes point to, with constant memory apart from
//! the names, and refuses what is out of bounds. An archive that passes leaves the crate no choice of directory.
//!
//! Layout: entries, directory, [ZIP64 record, ZIP64 locator,] end record, comment, end of file, with nothing between
//! from the directory on.

use std::{
    collections::HashSet,
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
};

use super::{
    error::PackageError,
    limits::{MAX_EXTRA_BYTES, MAX_PATH_BYTES, PackageLimits},
};

const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const LOCATOR64_SIGNATURE: &[u8] = b"PK\x06\x07";

const ENTRY_LEN: usize = 46;
const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR64_LEN: usize = 20;
const MAX_COMMENT_LEN: usize = 0xFFFF;

/// Where an archive's directory is, and how many entries it has.
#[derive(Debug, PartialEq, Eq)]
struct Directory {
    start: u64,
    end: u64,
    entries: u64,
}

/// Checks the directory against the limits: number of entries, names that come twice, bytes that it makes memory of.
///
/// Returns how many entries there are: at least one.
pub(super) fn check(archive: &mut (impl Read + Seek), limits: &PackageLimits) -> Result<u64, CheckError> {
    let directory = find(archive)?;
    if directory.entries == 0 {
        return Err(PackageError::Empty.into());
    }
    if directory.entries > limits.max_entries {
        return Err(PackageError::TooManyEntries {
            entry: format!("entry {} of {}", limits.max_entries + 1, directory.entries),
            limit: limits.max_entries,
        }
        .into());
    }
    walk(archive, &directory)?;
    Ok(directory.entries)
}

/// A fault of the archive, or of reading it.
#[derive(Debug)]
pub(super) enum CheckError {
    Package(PackageError),
    Read(io::Error),
}

impl From<PackageError> for CheckError {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

/// The file ends before what its directory promises: that is the archive's fault.
impl From<io::Error> for CheckError {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Package(PackageError::Truncated)
        } else {
            Self::Read(error)
        }
    }
}

fn malformed(reason: &'static str) -> CheckError {
    PackageError::Malformed { reason }.into()
}

fn find(archive: &mut (impl Read + Seek)) -> Result<Directory, CheckError> {
    let len = archive.seek(SeekFrom::End(0))?;
    let tail_start = len.saturating_sub((END_LEN + MAX_COMMENT_LEN) as u64);
    archive.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    archive.take(len - tail_start).read_to_end(&mut tail)?;

    let Some(end_at) = tail.windows(END_SIGNATURE.len()).rposition(|window| window == END_SIGNATURE) else {
        let begins_well = begins_with(archive, LOCAL_SIGNATURE)?;
        return Err(if begins_well { PackageError::Truncated } else { PackageError::NotAnArchive }.into());
    };
    let record = &tail[end_at..];
    if record.len() < END_LEN {
        return Err(PackageError::Truncated.into());
    }
    if record.len() != END_LEN + usize::from(u16_at(record, 20)) {
        return Err(malformed("its end is followed by other data, or is cut off"));
    }
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || u16_at(record, 8) != u16_at(record, 10) {
        return Err(malformed("it is one part of several"));
    }
    let (entries, size, start) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16));
    let end = tail_start + end_at as u64;
    let directory = if entries == u16::MAX || size == u32::MAX || start == u32::MAX {
        find_64(archive, end)?
    } else {
        None
    };
    let directory = match directory {
        Some(directory) => directory,
        None => bounded(u64::from(start), u64::from(size), end, u64::from(entries))?,
    };
    Ok(directory)
}

/// The directory by the ZIP64 record before the end record at `end`, if there is one.
fn find_64(archive: &mut (impl Read + Seek), end: u64) -> Result<Option<Directory>, CheckError> {
    let Some(locator_at) = end.checked_sub(LOCATOR64_LEN as u64) else { return Ok(None) };
    let locator: [u8; LOCATOR64_LEN] = read_at(archive, locator_at)?;
    if !locator.starts_with(LOCATOR64_SIGNATURE) {
        return Ok(None);
    }
    let record_at = u64_at(&locator, 8);
    let misplaced = || malformed("its ZIP64 end record is not where it says");
    if record_at.checked_add(END64_LEN as u64).is_none_or(|record_end| record_end > locator_at) {
        return Err(misplaced());
    }
    let record: [u8; END64_LEN] = read_at(archive, record_at)?;
    // The record's length does not count its signature and the length itself.
    let record_end = u64_at(&record, 4).checked_add(12).and_then(|size| record_at.checked_add(size));
    if !record.starts_with(END64_SIGNATURE) || record_end != Some(locator_at) {
        return Err(misplaced());
    }
    if u32_at(&record, 16) != 0 || u32_at(&record, 20) != 0 || u64_at(&record, 24) != u64_at(&record, 32) {
        return Err(malformed("it is one part of several"));
    }
    let (entries, size, start) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
    bounded(start, size, record_at, entries).map(Some)
}

/// A directory that ends where the record that describes it begins.
fn bounded(start: u64, size: u64, end: u64, entries: u64) -> Result<Directory, CheckError> {
    if start.checked_add(size) != Some(end) {
        return Err(malformed("its directory is not where it says"));
    }
    if entries.checked_mul(ENTRY_LEN as u64).is_none_or(|least| least > size) {
        return Err(malformed("its directory is too small for its number of entries"));
    }
    Ok(Directory { start, end, entries })
}

/// Goes over the directory's entries once.
fn walk(archive: &mut (impl Read + Seek), directory: &Directory) -> Result<(), CheckError> {
    archive.seek(SeekFrom::Start(directory.start))?;
    let mut reader = BufReader::new(archive.take(directory.end - directory.start));
    let mut names = HashSet::new();
    let mut extra_bytes = 0;
    for _ in 0..directory.entries {
        let mut header = [0; ENTRY_LEN];
        reader.read_exact(&mut header)?;
        if !header.starts_with(ENTRY_SIGNATURE) {
            return Err(malformed("its directory is damaged"));
        }
        let mut name = vec![0; usize::from(u16_at(&header, 28))];
        reader.read_exact(&mut name)?;
        let entry = String::from_utf8_lossy(&name);
        if name.len() > MAX_PATH_BYTES {
            return Err(name_too_long(&entry).into());
        }
        if u16_at(&header, 34) != 0 {
            return Err(malformed("it is one part of several"));
        }
        let extra = u64::from(u16_at(&header, 30)) + u64::from(u16_at(&header, 32));
        extra_bytes += extra;
        if extra_bytes > MAX_EXTRA_BYTES {
            return Err(malformed("its entries carry too many extra fields and comments"));
        }
        if io::copy(&mut reader.by_ref().take(extra), &mut io::sink())? != extra {
            return Err(PackageError::Truncated.into());
        }
        if names.contains(&name) {
            return Err(PackageError::Duplicate { entry: entry.into_owned() }.into());
        }
        names.insert(name);
    }
    Ok(())
}

/// A name that is so long that it is shown only in part.
pub(super) fn name_too_long(entry: &str) -> PackageError {
    PackageError::Name { entry: entry.chars().take(100).chain(['…']).collect(), problem: "is too long" }
}

fn begins_with(archive: &mut (impl Read + Seek), signature: &[u8]) -> io::Result<bool> {
    archive.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    archive.take(signature.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning == signature)
}

fn read_at<const LEN: usize>(archive: &mut (impl Read + Seek), at: u64) -> io::Result<[u8; LEN]> {
    archive.seek(SeekFrom::Start(at))?;
    let mut bytes = [0; LEN];
    archive.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The little-endian numbers of a record whose length was checked.
fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([record[at], record[at + 1]])
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from(u16_at(record, at)) | u32::from(u16_at(record, at + 2)) << 16
}

fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from(u32_at(record, at)) | u64::from(u32_at(record, at + 4)) << 32
}
