//! Unpacking an archive into an empty directory.
//!
//! Three passes. The first reads headers only and works out the layout; the second reads the targets of symbolic links;
//! only then is anything written: directories, files, and links last, so that no write can go through one. Sizes are
//! counted while they are written, whatever the headers say.
//!
//! What lands on disk belongs to the daemon's user (root) and can be read by all, since a sandbox runs as somebody else:
//! files keep the archive's permission bits, with reading added for all, running added for all where the owner may run
//! it, writing taken from group and others; set-user-id, set-group-id and sticky bits never survive. Directories are
//! 0755. Whoever calls it removes the directory when it fails.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write as _},
    ops::Range,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use zip::{
    CompressionMethod, ExtraField, ZipArchive, ZipReadOptions,
    read::{ArchiveOffset, Config, ZipFile},
    result::ZipError,
};

use super::{
    directory::{self, CheckError},
    error::PackageError,
    layout::{self, Layout, Node},
    limits::{MAX_TARGET_BYTES, PackageLimits},
};

/// Bytes read and written at a time.
const CHUNK: usize = 64 * 1024;

/// The type bits of a Unix mode, and the types.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_NONE: u32 = 0;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_SYMLINK: u32 = 0o120_000;

/// The mode of every directory, and of a file whose archive has none.
const DIRECTORY_MODE: u32 = 0o755;
const DEFAULT_FILE_MODE: u32 = 0o644;

/// Unpacks `archive`, found at `origin` (for messages), into the empty directory `destination`.
///
/// Returns the bytes of all files together. Blocks on the disk.
pub(super) fn unpack(
    mut archive: File,
    origin: &Path,
    destination: &Path,
    limits: &PackageLimits,
) -> Result<u64, PackageError> {
    let size = archive.metadata().map_err(PackageError::io("read", origin))?.len();
    let limit = limits.largest_archive();
    if size > limit {
        return Err(PackageError::ArchiveTooLarge { size, limit });
    }
    let entries = directory::check(&mut archive, limits).map_err(|error| match error {
        CheckError::Package(error) => error,
        CheckError::Read(source) => PackageError::io("read", origin)(source),
    })?;
    // The directory that was checked is for the offset 0; no other is searched for.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let archive =
        ZipArchive::with_config(config, archive).map_err(|source| PackageError::Unreadable { source })?;
    if archive.len() as u64 != entries {
        // The names as written were all different; extra fields renamed some to the same.
        return Err(PackageError::Malformed {
            reason: "several of its entries are renamed to the same name",
        });
    }
    Unpacking { archive, origin, destination, limits, written: 0 }.run()
}

struct Unpacking<'a> {
    archive: ZipArchive<File>,
    origin: &'a Path,
    destination: &'a Path,
    limits: &'a PackageLimits,
    /// Bytes of files written so far.
    written: u64,
}

impl Unpacking<'_> {
    fn run(mut self) -> Result<u64, PackageError> {
        let layout = self.lay_out()?;
        let links = self.read_links(&layout)?;
        layout::check_links(&links)?;

        for (path, node) in layout.iter() {
            match node {
                Node::Directory | Node::ImpliedDirectory => self.create_directory(path)?,
                Node::File(index) => self.write_file(path, *index)?,
                Node::Symlink(_) => {}
            }
        }
        for (path, target) in &links {
            let path = self.destination.join(path);
            symlink(target, &path).map_err(PackageError::io("create the link", path))?;
        }
        Ok(self.written)
    }

    /// Reads all headers.
    fn lay_out(&mut self) -> Result<Layout, PackageError> {
        let mut layout = Layout::new(self.limits.max_entries);
        let mut places: Vec<(Range<u64>, String)> = Vec::new();
        let (limit, mut declared) = (self.limits.max_unpacked_bytes, 0_u64);
        for index in 0..self.archive.len() {
            let file = self.open(index)?;
            let (entry, kind) = (name_of(&file), kind_of(&file)?);
            if let Some(path) = layout::path_of(&entry)? {
                layout.add(&entry, path, kind.node(index))?;
            }
            if kind == Kind::Directory && file.size() != 0 {
                return Err(PackageError::SizeMismatch { entry, declared: 0, actual: file.size() });
            }
            declared = declared.saturating_add(file.size());
            if declared > limit {
                return Err(PackageError::UnpackedTooLarge { entry, limit });
            }
            let data_end = file.data_start().unwrap_or_default().saturating_add(file.compressed_size());
            places.push((file.header_start()..data_end, entry));
        }
        check_places(places, self.archive.central_directory_start())?;
        Ok(layout)
    }

    /// Opens an entry, with the header before its data held against the one in the directory.
    fn open(&mut self, index: usize) -> Result<ZipFile<'_, File>, PackageError> {
        let listed =
            self.archive.by_index_data(index).map_err(|source| PackageError::Unreadable { source })?;
        let entry = || String::from_utf8_lossy(listed.name_raw()).into_owned();
        if listed.encrypted() {
            return Err(PackageError::Encrypted { entry: entry() });
        }
        if !matches!(listed.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            let method = format!("{:?}", listed.compression());
            return Err(PackageError::UnsupportedCompression { entry: entry(), method });
        }
        let entry = entry();
        let options = ZipReadOptions::new().enforce_header_consistency(true);
        let origin = self.origin;
        self.archive.by_index_with_options(index, options).map_err(|source| damaged(entry, origin, source))
    }

    fn read_links(&mut self, layout: &Layout) -> Result<BTreeMap<String, String>, PackageError> {
        let mut links = BTreeMap::new();
        for (path, node) in layout.iter() {
            if let Node::Symlink(index) = node {
                let target = self.read_link(*index)?;
                links.insert(path.to_owned(), target);
            }
        }
        Ok(links)
    }

    fn read_link(&mut self, index: usize) -> Result<String, PackageError> {
        let origin = self.origin;
        let mut file = self.open(index)?;
        let entry = name_of(&file);
        let mut target = Vec::new();
        let read = file.by_ref().take(MAX_TARGET_BYTES + 1).read_to_end(&mut target);
        read.map_err(|source| damaged(entry.clone(), origin, source.into()))?;
        let declared = file.size();
        let refuse = |target: &[u8], problem| {
            let target = String::from_utf8_lossy(target).into_owned();
            Err(PackageError::Symlink { entry: entry.clone(), target, problem })
        };
        if target.len() as u64 > MAX_TARGET_BYTES {
            return refuse(&target[..100], "is too long");
        }
        if target.len() as u64 != declared {
            return Err(PackageError::SizeMismatch { entry, declared, actual: target.len() as u64 });
        }
        match String::from_utf8(target) {
            Ok(target) if target.contains('\0') => refuse(target.as_bytes(), "has a NUL character"),
            Ok(target) => Ok(target),
            Err(error) => refuse(error.as_bytes(), "is not UTF-8"),
        }
    }

    fn create_directory(&self, path: &str) -> Result<(), PackageError> {
        let path = self.destination.join(path);
        DirBuilder::new().mode(0o700).create(&path).map_err(PackageError::io("create", &path))?;
        // Not by `mode`, which the umask narrows.
        fs::set_permissions(&path, Permissions::from_mode(DIRECTORY_MODE))
            .map_err(PackageError::io("set the mode of", path))
    }

    fn write_file(&mut self, path: &str, index: usize) -> Result<(), PackageError> {
        let (origin, limit, before) = (self.origin, self.limits.max_unpacked_bytes, self.written);
        let path = self.destination.join(path);
        let mut file = self.open(index)?;
        let declared = file.size();
        // `create_new` opens nothing that is there already, whatever it is.
        let mut output = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(PackageError::io("create", &path))?;
        let mut chunk = vec![0; CHUNK];
        let mut size: u64 = 0;
        loop {
            let count = match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(damaged(name_of(&file), origin, error.into())),
            };
            size += count as u64;
            if size > declared {
                return Err(PackageError::SizeMismatch { entry: name_of(&file), declared, actual: size });
            }
            if before + size > limit {
                return Err(PackageError::UnpackedTooLarge { entry: name_of(&file), limit });
            }
            output.write_all(&chunk[..count]).map_err(PackageError::io("write", &path))?;
        }
        if size != declared {
            return Err(PackageError::SizeMismatch { entry: name_of(&file), declared, actual: size });
        }
        let (mode, modified) = (mode_of(&file), modified(&file));
        output
            .set_modified(modified)
            .and_then(|()| output.set_permissions(Permissions::from_mode(mode)))
            .map_err(PackageError::io("set the mode of", path))?;
        drop(file);
        self.written = before + size;
        Ok(())
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
}

impl Kind {
    fn node(self, index: usize) -> Node {
        match self {
            Self::File => Node::File(index),
            Self::Directory => Node::Directory,
            Self::Symlink => Node::Symlink(index),
        }
    }
}

fn kind_of(file: &ZipFile<'_, File>) -> Result<Kind, PackageError> {
    let special = |kind| Err(PackageError::SpecialFile { entry: name_of(file), kind });
    // Archives made on other systems have no type there, and then the name alone decides.
    match (unix_type(file), file.is_dir()) {
        (TYPE_NONE | TYPE_FILE, false) => Ok(Kind::File),
        (TYPE_NONE | TYPE_FILE | TYPE_DIRECTORY, true) => Ok(Kind::Directory),
        (TYPE_SYMLINK, false) => Ok(Kind::Symlink),
        (TYPE_SYMLINK, true) => special("a symbolic link with the name of a directory"),
        (TYPE_DIRECTORY, false) => special("a directory with the name of a file"),
        (0o020_000 | 0o060_000, _) => special("a device"),
        (0o010_000, _) => special("a pipe"),
        (0o140_000, _) => special("a socket"),
        _ => special("of an unknown type"),
    }
}

fn unix_type(file: &ZipFile<'_, File>) -> u32 {
    (file.external_attributes() >> 16) & TYPE_MASK
}

fn mode_of(file: &ZipFile<'_, File>) -> u32 {
    let permissions = match (file.external_attributes() >> 16) & 0o777 {
        0 => file.unix_mode().map_or(DEFAULT_FILE_MODE, |mode| mode & 0o777),
        permissions => permissions,
    };
    let run = if permissions & 0o100 == 0 { 0 } else { 0o111 };
    (permissions | 0o444 | run) & 0o755
}

/// When the file was last changed, as the archive says. Kept because interpreters tell by it whether a compiled file
/// belongs to its source.
fn modified(file: &ZipFile<'_, File>) -> SystemTime {
    let exact = file.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(stamp) => stamp.mod_time(),
        _ => None,
    });
    let seconds =
        exact.map(u64::from).or_else(|| file.last_modified().and_then(dos_seconds)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The seconds of a DOS time since the Unix epoch. It has no time zone; UTC is as good as any.
fn dos_seconds(stamp: zip::DateTime) -> Option<u64> {
    let month = time::Month::try_from(stamp.month()).ok()?;
    let date = time::Date::from_calendar_date(i32::from(stamp.year()), month, stamp.day()).ok()?;
    let time = time::Time::from_hms(stamp.hour(), stamp.minute(), stamp.second()).ok()?;
    u64::try_from(date.with_time(time).assume_utc().unix_timestamp()).ok()
}

/// An entry's name, as messages show it and paths are made of it.
fn name_of(file: &ZipFile<'_, File>) -> String {
    match file.name() {
        Ok(name) => name.into_owned(),
        Err(_) => String::from_utf8_lossy(file.name_raw()).into_owned(),
    }
}

/// Checks that no two entries share bytes, and none shares any with the directory: each pays for itself.
fn check_places(mut places: Vec<(Range<u64>, String)>, directory_start: u64) -> Result<(), PackageError> {
    places.sort_by_key(|(place, _)| (place.start, place.end));
    for pair in places.windows(2) {
        if let [(earlier, other), (later, entry)] = pair
            && earlier.end > later.start
        {
            return Err(PackageError::Overlap { entry: entry.clone(), other: other.clone() });
        }
    }
    match places.pop() {
        Some((place, entry)) if place.end > directory_start => {
            Err(PackageError::Overlap { entry, other: "the archive's directory".to_owned() })
        }
        _ => Ok(()),
    }
}

/// An entry that cannot be read: by the archive's fault, unless the operating system says otherwise.
fn damaged(entry: String, origin: &Path, source: ZipError) -> PackageError {
    match source {
        ZipError::Io(source) if source.raw_os_error().is_some() => PackageError::io("read", origin)(source),
        source => PackageError::Damaged { entry, source },
    }
}
