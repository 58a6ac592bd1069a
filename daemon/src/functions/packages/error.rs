//! Why a package was refused, or could not be kept.

use std::{io, path::PathBuf};

use zip::result::ZipError;

use crate::store::{Sha256Digest, StoreError};

/// What is wrong with a package. Every fault of the archive names the entry that it is in; nothing of a refused archive
/// stays on disk.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The bytes are no zip archive.
    #[error(
        "Could not unzip uploaded file. Please check your file, then try to upload again: it is not a zip archive"
    )]
    NotAnArchive,

    /// The archive ends too early.
    #[error(
        "Could not unzip uploaded file. Please check your file, then try to upload again: its end, which says what it \
         holds, is missing or cut off"
    )]
    Truncated,

    /// The archive's directory is malformed.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The archive's directory cannot be read.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again: {source}")]
    Unreadable {
        /// What the reader met.
        source: ZipError,
    },

    /// The archive has no entries.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,

    /// The archive is larger than an upload may be.
    #[error("the package has {size} bytes; at most {limit} are accepted")]
    ArchiveTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },

    /// The archive unpacks to more than a package may have.
    #[error("Unzipped size must be smaller than {limit} bytes, and {entry:?} goes beyond that")]
    UnpackedTooLarge {
        /// The entry that went over the limit.
        entry: String,
        /// The limit in bytes.
        limit: u64,
    },

    /// The archive has more entries than a package may have, directories that its names imply counted.
    #[error("the package has more than {limit} files and directories; {entry:?} is one too many")]
    TooManyEntries {
        /// The first entry beyond the limit, or what the archive says of itself.
        entry: String,
        /// The limit.
        limit: u64,
    },

    /// An entry's name cannot be that of a file in a package.
    #[error("the entry {entry:?} cannot be unpacked: its name {problem}")]
    Name {
        /// The entry.
        entry: String,
        /// What is wrong with its name.
        problem: &'static str,
    },

    /// An entry is not a file, a directory or a symbolic link.
    #[error(
        "the entry {entry:?} cannot be unpacked: it is {kind}; a package holds files, directories and symbolic links"
    )]
    SpecialFile {
        /// The entry.
        entry: String,
        /// What it is.
        kind: &'static str,
    },

    /// Two entries have the same name.
    #[error("the entry {entry:?} is there twice")]
    Duplicate {
        /// The entry.
        entry: String,
    },

    /// One entry needs a directory where another has put something else, or the other way round.
    #[error("the entry {entry:?} clashes with {other:?}, which is both a directory and not one")]
    Clash {
        /// The later entry.
        entry: String,
        /// The path that they disagree about.
        other: String,
    },

    /// An entry would be written through a symbolic link.
    #[error(
        "the entry {entry:?} lies behind the symbolic link {link:?}; links are not followed while unpacking"
    )]
    ThroughSymlink {
        /// The entry.
        entry: String,
        /// The link.
        link: String,
    },

    /// A symbolic link points out of the package, or nowhere that can be told.
    #[error("the symbolic link {entry:?} cannot be unpacked: its target {target:?} {problem}")]
    Symlink {
        /// The link.
        entry: String,
        /// Where it points, as far as that can be shown.
        target: String,
        /// What is wrong with that.
        problem: &'static str,
    },

    /// An entry is encrypted.
    #[error("the entry {entry:?} is encrypted; make the archive without a password")]
    Encrypted {
        /// The entry.
        entry: String,
    },

    /// An entry is compressed in a way other than deflate.
    #[error("the entry {entry:?} is compressed with {method}; only deflate and stored entries are accepted")]
    UnsupportedCompression {
        /// The entry.
        entry: String,
        /// The method, as the archive names it.
        method: String,
    },

    /// An entry has another size than the archive says.
    #[error("the entry {entry:?} has {actual} bytes, but the archive says {declared}")]
    SizeMismatch {
        /// The entry.
        entry: String,
        /// What the archive says.
        declared: u64,
        /// What was there, counted up to where the difference showed.
        actual: u64,
    },

    /// Two entries share bytes of the archive.
    #[error("the entries {entry:?} and {other:?} overlap in the archive")]
    Overlap {
        /// The later entry.
        entry: String,
        /// The earlier one.
        other: String,
    },

    /// An entry's headers or data are damaged.
    #[error("the entry {entry:?} is damaged: {source}")]
    Damaged {
        /// The entry.
        entry: String,
        /// What the reader met.
        source: ZipError,
    },

    /// The package was asked for and is not on disk.
    #[error("the package {digest} is not on this machine any more; update the function's code")]
    Missing {
        /// The package.
        digest: Sha256Digest,
    },

    /// A file operation of the daemon itself failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The archive itself could not be read from or kept in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PackageError {
    /// Names the file in an I/O error: `.map_err(PackageError::io("create", &path))`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the uploaded archive is at fault, rather than this machine.
    #[must_use]
    pub fn is_fault_of_archive(&self) -> bool {
        !matches!(self, Self::Missing { .. } | Self::Io { .. } | Self::Store(_))
    }
}
