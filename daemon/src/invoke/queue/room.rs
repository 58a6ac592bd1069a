//! How much of the disk events may take, and whether the disk has it.
//!
//! A queue that fills the disk takes the whole daemon with it: the store can't go on when a write fails. So an event is
//! refused before it is accepted, while there still is room for the ends of those that wait.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const MB: u64 = 1024 * 1024;

/// What is left free on the disk: the end of an event is written too, and functions log.
const LEFT_FREE: u64 = 64 * MB;

/// How long it is believed what the disk had free.
const BELIEVED: Duration = Duration::from_millis(250);

/// Why an event is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// Events take as much as they may.
    #[error(
        "the events that wait take {limit_mb} MB already; send this one again later, see `thaw events list` for what waits, \
         or raise event_queue_max_mb"
    )]
    Queue {
        /// What they may take (setting `event_queue_max_mb`).
        limit_mb: u64,
    },
    /// The disk is nearly full.
    #[error("the disk with the data directory has only {free_mb} MB left; make room on it")]
    Disk {
        /// What is left.
        free_mb: u64,
    },
    /// The disk does not say how full it is.
    #[error("it can't be told how full the disk with the data directory is")]
    Unknown,
}

/// The room of all events. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    used: AtomicU64,
    limit: u64,
    directory: PathBuf,
    free: Mutex<Option<(Instant, u64)>>,
}

/// Some of the room. Given back when dropped, unless it was [kept](Taken::keep).
#[derive(Debug)]
pub(super) struct Taken {
    room: Room,
    bytes: u64,
}

impl Taken {
    /// What takes it is in the store.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.give(self.bytes);
    }
}

impl Room {
    /// At most `limit` bytes, on the disk of this directory.
    pub(super) fn new(limit: u64, directory: PathBuf) -> Self {
        Self(Arc::new(Shared { used: AtomicU64::new(0), limit, directory, free: Mutex::new(None) }))
    }

    /// Takes room for an event that is offered.
    pub(super) fn take(&self, bytes: u64) -> Result<Taken, QueueFull> {
        let free = self.free()?;
        if free < LEFT_FREE.saturating_add(bytes) {
            return Err(QueueFull::Disk { free_mb: free / MB });
        }
        let limit = self.0.limit;
        self.0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= limit)
            })
            .map_err(|_| QueueFull::Queue { limit_mb: limit / MB })?;
        Ok(Taken { room: self.clone(), bytes })
    }

    /// Takes room for what must be kept, however little there is.
    pub(super) fn take_anyway(&self, bytes: u64) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives room back.
    pub(super) fn give(&self, bytes: u64) {
        // Never more than was taken; an error in counting must not make the queue look full for ever.
        let _ = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(bytes)));
    }

    /// Whether so little is taken that there is room for what nobody waits for.
    pub(super) fn is_ample(&self) -> bool {
        self.used() < self.0.limit / 4 * 3
    }

    /// Bytes that are taken.
    pub(super) fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be.
    pub(super) fn limit(&self) -> u64 {
        self.0.limit
    }

    fn free(&self) -> Result<u64, QueueFull> {
        let mut looked = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, free)) = *looked
            && at.elapsed() < BELIEVED
        {
            return Ok(free);
        }
        let found = nix::sys::statvfs::statvfs(&self.0.directory).map_err(|error| {
            tracing::error!(%error, directory = %self.0.directory.display(), "can't ask how full the disk is");
            QueueFull::Unknown
        })?;
        let free = found.blocks_available().saturating_mul(found.fragment_size());
        *looked = Some((Instant::now(), free));
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_refused_when_there_is_no_room_and_taken_when_there_is_again() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::new(1_000, directory.path().to_owned());
        room.take(600).unwrap().keep();
        assert_eq!(room.take(401).unwrap_err(), QueueFull::Queue { limit_mb: 0 });
        let given_up = room.take(400).unwrap();
        drop(given_up);
        assert_eq!(room.used(), 600);
        room.give(600);
        assert_eq!(room.used(), 0);
        room.take(1_000).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_reason_to_accept() {
        let room = Room::new(1_000, "/nonexistent/of/thaw".into());
        assert_eq!(room.take(1).unwrap_err(), QueueFull::Unknown);
    }
}
