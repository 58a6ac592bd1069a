//! Following a group: its stored lines, then every new one.
//!
//! A follower is a cursor on the group's files that is woken when they grow. So there is neither a gap nor a duplicate
//! where stored lines end and new ones begin, a slow follower costs no memory, and it misses lines only when retention
//! removes them before it came by; then it is told how many.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use tokio::sync::watch;

use super::{
    Filter, FollowItem, LogError,
    catalog::Group,
    read::{self, Cursor, Limits, Scanned},
    run_blocking, segment,
    token::Place,
};

/// What is handed over at once. Small, so that the first lines come soon and a message stays far below gRPC's 4 MiB.
const BATCH: Limits = Limits { events: 1_000, bytes: 512 * 1024, scanned: 16 * 1024 * 1024 };

struct Follower {
    group: Arc<Group>,
    filter: Filter,
    cursor: Cursor,
    /// The lines behind the cursor are not known yet.
    uncounted: bool,
    changes: watch::Receiver<bool>,
    failed: bool,
}

/// Lines that pass: stored and new ones if the filter says from when on, else only new ones.
pub(super) fn follow(
    group: Arc<Group>,
    filter: Filter,
) -> impl Stream<Item = Result<FollowItem, LogError>> + Send + 'static {
    let changes = group.subscribe();
    let cursor = match filter.start_ms {
        Some(_) => Cursor::at(group.find(0).segment.number),
        None => {
            let newest = group.newest();
            Cursor { place: Place { segment: newest.number, offset: newest.bytes }, lines: 0 }
        }
    };
    let uncounted = filter.start_ms.is_none();
    let follower = Follower { group, filter, cursor, uncounted, changes, failed: false };
    stream::unfold(follower, |mut follower| async {
        let item = follower.next().await?;
        follower.failed = item.is_err();
        Some((item, follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Result<FollowItem, LogError>> {
        while !self.failed {
            // Seen before reading: what is written during the reading wakes this again.
            let ended = *self.changes.borrow_and_update();
            let Scanned { events, cursor, at_end, skipped } = match self.read().await {
                Ok(scanned) => scanned,
                Err(error) => return Some(Err(error)),
            };
            self.cursor = cursor;
            if !events.is_empty() || skipped > 0 {
                return Some(Ok(FollowItem { events, skipped }));
            }
            if at_end && (ended || self.changes.changed().await.is_err()) {
                return None;
            }
        }
        None
    }

    async fn read(&mut self) -> Result<Scanned, LogError> {
        let (group, filter, mut cursor) = (self.group.clone(), self.filter.clone(), self.cursor);
        let count = std::mem::take(&mut self.uncounted);
        run_blocking(move || {
            if count {
                cursor.lines = lines_before(&group, cursor.place);
            }
            read::scan(&group, cursor, &filter, BATCH)
        })
        .await
    }
}

/// Only to tell how many lines were missed, should it come to that: so a failure counts as none.
fn lines_before(group: &Group, place: Place) -> u64 {
    segment::count_lines(&group.path(place.segment), place.offset).unwrap_or(0)
}
