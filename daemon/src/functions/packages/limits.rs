//! How large a package may be. The three that people may want to set are settings; the rest has one right answer.

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes of an archive that is uploaded. Lambda: 50 MB. One from S3 is bounded by what it unpacks to.
    pub max_zip_bytes: u64,
    /// Bytes of all files together, unpacked. Lambda: 250 MB.
    pub max_unpacked_bytes: u64,
    /// Files, directories and links, directories that are only implied by names counted. Each costs an inode and a
    /// system call or four, whatever its size.
    pub max_entries: u64,
}

impl PackageLimits {
    /// Bytes of the largest archive that may be looked at, wherever it is from: one that compresses nothing.
    #[must_use]
    pub fn largest_archive(&self) -> u64 {
        self.max_zip_bytes
            .max(self.max_unpacked_bytes.saturating_add(self.max_entries.saturating_mul(FRAME_BYTES)))
    }
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self { max_zip_bytes: 52_428_800, max_unpacked_bytes: 262_144_000, max_entries: 20_000 }
    }
}

/// Bytes that an archive has for each entry beside the file's content: its path twice, and what else its two heads may hold.
const FRAME_BYTES: u64 = 2 * MAX_PATH_BYTES as u64 + 256;

/// Bytes of a path within a package. With the /var/task before it, far from the kernel's 4,096.
pub(super) const MAX_PATH_BYTES: usize = 1024;

/// Bytes of one name in a path: the most that file systems take.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// Names in a path. Deep trees cost much to walk, and nobody's code is this deep.
pub(super) const MAX_DEPTH: usize = 64;

/// Bytes of a symbolic link's target.
pub(super) const MAX_TARGET_BYTES: u64 = 1024;

/// Links that one path may lead through: as many as the kernel follows.
pub(super) const MAX_LINKS_FOLLOWED: usize = 40;

/// Steps that following all links of a package may take together: 10 for each of 20,000 entries.
pub(super) const MAX_LINK_STEPS: usize = 200_000;

/// Bytes of extra fields and comments in an archive's directory, together. An ordinary archive has 20 to 40 a file; in
/// memory each byte becomes about 15.
pub(super) const MAX_EXTRA_BYTES: u64 = 4 * 1024 * 1024;
