//! Packages: the code of functions, on disk.
//!
//! A package is an uploaded zip archive, kept as a blob of the store, and the same unpacked once at
//! `packages/<SHA-256 of the archive>/`, which sandboxes mount read-only. Functions with the same archive share it.
//!
//! The registry unpacks a package before it records a function that uses it; sandboxes pin it while they have it
//! mounted; garbage collection removes what no function refers to and nobody has pinned. A directory under its digest's
//! name is always whole: it is written under another name, synced and renamed.

mod directory;
mod error;
mod layout;
mod limits;
mod unpack;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

pub use self::{error::PackageError, limits::PackageLimits};
use crate::store::Sha256Digest;

/// What directories are called while they are not, or no longer, packages.
const UNPACKING_PREFIX: &str = ".unpacking-";
const REMOVING_PREFIX: &str = ".removing-";

/// All packages of this machine.
///
/// Cheap to clone; clones are the same store. Its methods block on the disk unless they say otherwise.
#[derive(Clone, Debug)]
pub struct PackageStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    limits: PackageLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many pins each package has; no entry for none.
    pins: HashMap<Sha256Digest, usize>,
    /// Bytes on disk of packages that were measured before.
    sizes: HashMap<Sha256Digest, u64>,
}

impl PackageStore {
    /// Opens the directory of packages, creating it if need be, and removes what an earlier life left half done.
    ///
    /// # Errors
    /// The directory can't be created, read or cleaned.
    pub fn open(directory: impl Into<PathBuf>, limits: PackageLimits) -> Result<Self, PackageError> {
        let directory = directory.into();
        // Only the daemon looks in; sandboxes see single packages, by mounts.
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(PackageError::io("create", directory)(error));
            }
            _ => {}
        }
        let store = Self(Arc::new(Shared { directory, limits, state: Mutex::default() }));
        for name in store.names()? {
            if name.starts_with(UNPACKING_PREFIX) || name.starts_with(REMOVING_PREFIX) {
                let path = store.0.directory.join(name);
                fs::remove_dir_all(&path).map_err(PackageError::io("remove", path))?;
            }
        }
        Ok(store)
    }

    /// The limits that archives are held to.
    #[must_use]
    pub fn limits(&self) -> &PackageLimits {
        &self.0.limits
    }

    /// Where this package is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Sha256Digest) -> PathBuf {
        self.0.directory.join(digest.to_string())
    }

    /// Keeps a package from being collected, whether it is unpacked already or not: for who is about to unpack it.
    #[must_use]
    pub fn reserve(&self, digest: Sha256Digest) -> PackagePin {
        *self.0.state().pins.entry(digest).or_default() += 1;
        PackagePin { store: self.clone(), digest }
    }

    /// Keeps a package from being collected: for who is about to mount it. One look at the disk, no more.
    ///
    /// # Errors
    /// [`PackageError::Missing`] if it is not there (any more): the function was updated or deleted in between.
    pub fn pin(&self, digest: Sha256Digest) -> Result<PackagePin, PackageError> {
        // Collection decides under the lock that `reserve` takes: what is there after it stays.
        let pin = self.reserve(digest);
        if self.contains(&digest) { Ok(pin) } else { Err(PackageError::Missing { digest }) }
    }

    /// Whether this package is unpacked.
    #[must_use]
    pub fn contains(&self, digest: &Sha256Digest) -> bool {
        self.path(digest).is_dir()
    }

    /// Unpacks `archive`, which the caller says has the pinned digest, unless that was done before. When it returns
    /// without an error, the package is durable. Two at once for one package do no harm.
    ///
    /// # Errors
    /// The archive is refused, or the disk fails; then nothing of it is left.
    pub fn unpack(&self, pin: &PackagePin, archive: File) -> Result<(), PackageError> {
        let path = self.path(&pin.digest);
        if path.is_dir() {
            // Perhaps renamed by another a moment ago, and not synced yet.
            return self.sync();
        }
        self.in_temporary_directory(|temporary| {
            unpack::unpack(archive, &path, temporary, &self.0.limits)?;
            fs::set_permissions(temporary, fs::Permissions::from_mode(0o755))
                .map_err(PackageError::io("set the mode of", temporary))?;
            // One sync for all files: one for each would take a second for every thousand.
            File::open(temporary)
                .and_then(|directory| nix::unistd::syncfs(directory).map_err(Into::into))
                .map_err(PackageError::io("sync", temporary))?;
            match fs::rename(temporary, &path) {
                // Another was quicker with the same content.
                Err(_) if path.is_dir() => Ok(()),
                renamed => renamed.map_err(PackageError::io("create", &path)),
            }
        })?;
        self.sync()
    }

    /// Runs `work` on a new empty directory, and removes what is still there of it afterwards.
    fn in_temporary_directory<T>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, PackageError>,
    ) -> Result<T, PackageError> {
        let temporary = tempfile::Builder::new()
            .prefix(UNPACKING_PREFIX)
            .tempdir_in(&self.0.directory)
            .map_err(PackageError::io("create a directory in", &self.0.directory))?;
        let path = temporary.path().to_owned();
        let done = work(&path);
        match temporary.close() {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                // What the caller learns is how the work went; this is removed when the daemon starts the next time.
                tracing::warn!(path = %path.display(), %error, "cannot remove a temporary directory");
            }
            _ => {}
        }
        done
    }

    /// Checks an archive as [`PackageStore::unpack`] does, and keeps nothing of it.
    ///
    /// # Errors
    /// The archive is refused, or the disk fails.
    pub fn check(&self, origin: &Path, archive: File) -> Result<(), PackageError> {
        self.in_temporary_directory(|temporary| {
            unpack::unpack(archive, origin, temporary, &self.0.limits).map(|_bytes| ())
        })
    }

    /// Removes every package that is not in use; with `dry_run`, only looks. Returns them with their bytes on disk.
    ///
    /// `is_referenced` is asked after a package was found unpinned. Who unpins a package only after recording a
    /// function that refers to it, as the registry does, therefore never loses it.
    ///
    /// # Errors
    /// The disk fails. What was removed before that is gone.
    pub fn collect_garbage(
        &self,
        is_referenced: impl Fn(&Sha256Digest) -> bool,
        dry_run: bool,
    ) -> Result<BTreeMap<Sha256Digest, u64>, PackageError> {
        let mut collected = BTreeMap::new();
        for digest in self.list()? {
            if let Some(bytes) = self.collect(&digest, &is_referenced, dry_run)? {
                collected.insert(digest, bytes);
            }
        }
        Ok(collected)
    }

    /// The same for one package: `None` if it is in use, or not there.
    ///
    /// # Errors
    /// The disk fails.
    pub fn collect(
        &self,
        digest: &Sha256Digest,
        is_referenced: impl Fn(&Sha256Digest) -> bool,
        dry_run: bool,
    ) -> Result<Option<u64>, PackageError> {
        let Some(bytes) = self.size_of(digest)? else { return Ok(None) };
        let path = self.path(digest);
        let doomed = self.0.directory.join(format!("{REMOVING_PREFIX}{digest}-{}", Uuid::new_v4()));
        {
            let mut state = self.0.state();
            if state.pins.contains_key(digest) || is_referenced(digest) {
                return Ok(None);
            }
            if dry_run {
                return Ok(Some(bytes));
            }
            // The rename is the decision, so it is under the lock; it takes microseconds.
            match fs::rename(&path, &doomed) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                renamed => renamed.map_err(PackageError::io("remove", &path))?,
            }
            state.sizes.remove(digest);
        }
        fs::remove_dir_all(&doomed).map_err(PackageError::io("remove", doomed))?;
        self.sync()?;
        Ok(Some(bytes))
    }

    /// Whether this package has a pin now.
    #[must_use]
    pub fn is_pinned(&self, digest: &Sha256Digest) -> bool {
        self.0.state().pins.contains_key(digest)
    }

    /// Bytes that all packages take on disk. The first call after a start looks at every file.
    ///
    /// # Errors
    /// The disk fails.
    pub fn bytes_on_disk(&self) -> Result<u64, PackageError> {
        self.list()?.iter().try_fold(0, |sum, digest| Ok(sum + self.size_of(digest)?.unwrap_or_default()))
    }

    /// Bytes of all files of one package, as an archive counts them.
    ///
    /// # Errors
    /// It is not there, or the disk fails.
    pub fn content_bytes(&self, digest: &Sha256Digest) -> Result<u64, PackageError> {
        let path = self.path(digest);
        content_bytes(&path).map_err(PackageError::io("read", path))
    }

    /// All packages that are unpacked.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn list(&self) -> Result<Vec<Sha256Digest>, PackageError> {
        Ok(self.names()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Bytes of one package on disk; `None` if it is not there.
    fn size_of(&self, digest: &Sha256Digest) -> Result<Option<u64>, PackageError> {
        if let Some(bytes) = self.0.state().sizes.get(digest) {
            return Ok(Some(*bytes));
        }
        let path = self.path(digest);
        match tree_bytes(&path) {
            Ok(bytes) => {
                self.0.state().sizes.insert(*digest, bytes);
                Ok(Some(bytes))
            }
            // Removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PackageError::io("read", path)(error)),
        }
    }

    /// The names in the directory that are text; the daemon makes no others.
    fn names(&self) -> Result<Vec<String>, PackageError> {
        let directory = &self.0.directory;
        let read =
            || fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>, _>>();
        let names = read().map_err(PackageError::io("read", directory))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn sync(&self) -> Result<(), PackageError> {
        let directory = &self.0.directory;
        File::open(directory).and_then(|file| file.sync_all()).map_err(PackageError::io("sync", directory))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counters and sizes are right at every moment, also after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one package from being collected, until it is dropped.
#[derive(Debug)]
pub struct PackagePin {
    store: PackageStore,
    digest: Sha256Digest,
}

impl PackagePin {
    /// The package.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.store.path(&self.digest)
    }
}

impl Clone for PackagePin {
    fn clone(&self) -> Self {
        self.store.reserve(self.digest)
    }
}

impl Drop for PackagePin {
    fn drop(&mut self) {
        let mut state = self.store.0.state();
        if let Some(count) = state.pins.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&self.digest);
            }
        }
    }
}

/// Bytes that a directory and all in it take on disk.
fn tree_bytes(directory: &Path) -> std::io::Result<u64> {
    // What stat counts as one block.
    const BLOCK: u64 = 512;
    let mut bytes = fs::symlink_metadata(directory)?.blocks() * BLOCK;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { tree_bytes(&entry.path())? } else { metadata.blocks() * BLOCK };
    }
    Ok(bytes)
}

/// Bytes of all files in a directory.
fn content_bytes(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { content_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
