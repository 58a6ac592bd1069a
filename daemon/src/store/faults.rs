//! Places where a test can make the store fail or the process die.
//!
//! Each store has faults of its own, so that tests in one process do not meet each other's. A child process of a test
//! takes them from [`FAILPOINTS_VARIABLE`]. Without the feature `failpoints` (and outside unit tests) none of this exists.

use std::io;

/// The points, in the order they are passed.
pub(super) mod point {
    /// A group is in the database's memory, and nothing of it need be on the disk.
    pub(in crate::store) const COMMIT_APPLIED: &str = "commit.applied";
    /// The database has written the group to its file; the file is not synced.
    pub(in crate::store) const COMMIT_FLUSHED: &str = "commit.flushed";
    /// The group is durable, and nobody has been told.
    pub(in crate::store) const COMMIT_SYNCED: &str = "commit.synced";
    /// A blob's content is written under its temporary name, not synced.
    pub(in crate::store) const BLOB_WRITTEN: &str = "blob.written";
    /// A blob's content is durable under its temporary name.
    pub(in crate::store) const BLOB_SYNCED: &str = "blob.synced";
    /// A blob has its name; its directory is not synced.
    pub(in crate::store) const BLOB_RENAMED: &str = "blob.renamed";
}

/// Holds `point=action` pairs with commas between. Actions: `error`, `panic`, `abort`; `abort@5` acts at the fifth time.
#[cfg(any(test, feature = "failpoints"))]
pub const FAILPOINTS_VARIABLE: &str = "THAW_FAILPOINTS";

/// The faults of one store.
#[cfg(not(any(test, feature = "failpoints")))]
#[derive(Clone, Debug, Default)]
pub struct Faults(());

#[cfg(not(any(test, feature = "failpoints")))]
impl Faults {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same as with the feature")]
    #[inline]
    pub(super) fn pass(&self, _point: &'static str) -> io::Result<()> {
        Ok(())
    }
}

/// The faults of one store.
#[cfg(any(test, feature = "failpoints"))]
#[derive(Clone, Debug)]
pub struct Faults(std::sync::Arc<std::sync::Mutex<Vec<Fault>>>);

#[cfg(any(test, feature = "failpoints"))]
#[derive(Clone, Debug)]
struct Fault {
    point: String,
    action: String,
    /// How many times the point is still passed unharmed.
    spared: u32,
}

#[cfg(any(test, feature = "failpoints"))]
impl Default for Faults {
    /// What [`FAILPOINTS_VARIABLE`] says.
    fn default() -> Self {
        let faults = Self(std::sync::Arc::default());
        for pair in std::env::var(FAILPOINTS_VARIABLE).unwrap_or_default().split(',') {
            if let Some((point, action)) = pair.split_once('=') {
                faults.set(point, action);
            }
        }
        faults
    }
}

#[cfg(any(test, feature = "failpoints"))]
impl Faults {
    /// Makes `point` fail as `action` says, from now on.
    pub fn set(&self, point: &str, action: &str) {
        let (action, spared) = match action.split_once('@') {
            Some((action, time)) => (action, time.parse::<u32>().unwrap_or(1).saturating_sub(1)),
            None => (action, 0),
        };
        let fault = Fault { point: point.to_owned(), action: action.to_owned(), spared };
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(fault);
    }

    #[expect(clippy::panic, reason = "asked for by a test")]
    pub(super) fn pass(&self, point: &'static str) -> io::Result<()> {
        let mut faults = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(fault) = faults.iter_mut().find(|fault| fault.point == point) else { return Ok(()) };
        if fault.spared > 0 {
            fault.spared -= 1;
            return Ok(());
        }
        let action = fault.action.clone();
        drop(faults);
        match action.as_str() {
            "abort" => std::process::abort(),
            "panic" => panic!("a fault at {point}"),
            _ => Err(io::Error::other(format!("a fault at {point}"))),
        }
    }
}
