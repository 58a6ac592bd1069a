//! What functions print: stored by group, read and followed.
//!
//! The sandbox writes lines through a [`LogWriter`] for each of its streams; the API reads and follows groups through
//! the [`LogStore`].
//!
//! ```text
//! LogWriter::write --> queue, bounded in bytes --> one thread --> ACCOUNT/GROUP/NNNNNNNN.ndjson, segments
//!                                                                    ^             ^
//!                                                                  read          follow, woken when they grow
//! ```
//!
//! What it guarantees:
//! - Writing never waits, neither for the disk nor for another function. A line that finds no room is dropped, and a
//!   marker line takes its place. However many functions flood, one that is quiet finds room.
//! - Lines of one stream stay in the order they were written; a group is read in the order its lines were stored.
//! - Memory, open files and the disk of a group are bounded.
//! - A daemon killed at any moment leaves whole lines: a torn last one is cut when the group is opened again. A power
//!   cut may take the newest lines; see `writer`.
//! - A full disk costs lines, which are counted and marked, and nothing else.

mod catalog;
mod change;
mod follow;
mod group;
mod group_file;
mod groups;
mod pattern;
mod put;
mod read;
mod retention;
mod segment;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod token;
mod writer;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_util::Stream;
use tokio::sync::{Semaphore, oneshot};

use self::{
    catalog::{Catalog, Group, lock},
    token::Place,
    writer::{Job, Line, Writer},
};
pub use self::{
    group::{GroupKey, GroupKeyError},
    groups::{
        GroupChoice, GroupInfo, GroupPage, StreamChoice, StreamInfo, StreamOrder, StreamPage, StreamTimes,
    },
    pattern::{Pattern, PatternError},
    put::{PutError, PutEvent, Rejected},
    retention::{InvalidRetention, RetentionDays},
    stream::{StreamEvents, StreamRange},
};
use crate::{clock::SharedClock, config::Config};

/// A message is cut here. Callers split longer lines, as Lambda does.
pub const MESSAGE_MAX_BYTES: usize = 256 * 1024;

/// CloudWatch's limit for the name of a stream.
pub const STREAM_NAME_MAX_BYTES: usize = 512;

/// What waits to be written, at most: enough for a burst that a disk takes in a tenth of a second.
const QUEUE_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Retention counts in days.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Requests with events of others that wait to be written, at most. Each has a megabyte.
const PUTS_MAX: usize = 8;

/// What a line takes of the queue besides its message.
const LINE_OVERHEAD_BYTES: usize = 128;

/// How logs are kept.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Segments whose newest line is older than this are removed.
    pub retention: Duration,
    /// Disk that one group may take; the oldest segments go first.
    pub group_max_bytes: u64,
    /// Size at which a new segment is begun.
    pub segment_bytes: u64,
    /// Memory for lines that wait to be written.
    pub queue_max_bytes: usize,
    /// How often segments are looked for that are too old, besides when a group rotates: a quiet group never does.
    pub sweep_every: Duration,
}

impl From<&Config> for LogSettings {
    fn from(config: &Config) -> Self {
        Self {
            retention: config.log_retention(),
            group_max_bytes: config.log_group_max_bytes(),
            segment_bytes: config.log_segment_bytes(),
            queue_max_bytes: QUEUE_MAX_BYTES,
            sweep_every: SWEEP_EVERY,
        }
    }
}

/// A line to store.
#[derive(Clone, Debug)]
pub struct LogEvent {
    /// When it was read, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The invocation that wrote it; `None` outside of one.
    pub request_id: Option<Arc<str>>,
    /// The line without its end. Cut after [`MESSAGE_MAX_BYTES`].
    pub message: String,
}

/// A line that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it is.
    place: Place,
    /// When it was read, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// When it came, if somebody sent it; a function's line comes when it is read.
    pub ingested_ms: Option<i64>,
    /// The stream it belongs to.
    pub stream: String,
    /// The invocation that wrote it.
    pub request_id: Option<String>,
    /// The line without its end.
    pub message: String,
}

impl StoredEvent {
    /// A text that no other line of its group has.
    #[must_use]
    pub fn id(&self) -> String {
        let Place { segment, offset } = self.place;
        // In CloudWatch's form: 56 digits, which grow with the time.
        format!("{:016}{segment:020}{offset:020}", self.timestamp_ms.max(0))
    }
}

/// Which streams of a group.
#[derive(Clone, Debug, Default)]
pub enum Streams {
    /// Every one.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// Those whose names begin with one of these.
    Prefixed(Vec<String>),
}

impl Streams {
    /// Whether a stream is one of them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
            Self::Prefixed(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
        }
    }
}

/// Which lines to read. What is `None` lets every line through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Lines not older than this.
    pub start_ms: Option<i64>,
    /// Lines older than this.
    pub end_ms: Option<i64>,
    /// Lines of these streams.
    pub streams: Streams,
    /// Lines of this invocation.
    pub request_id: Option<String>,
    /// Lines that this matches.
    pub pattern: Option<Arc<Pattern>>,
}

/// Some of the lines asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order they were stored. May be fewer than the limit, or none, also when there are more.
    pub events: Vec<StoredEvent>,
    /// For the next page; `None` at the end.
    pub next_page_token: Option<String>,
}

/// What a follower gets at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowItem {
    /// In the order they were stored.
    pub events: Vec<StoredEvent>,
    /// Lines left out before these: retention removed them before the follower came by.
    pub skipped: u64,
}

/// What garbage collection removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Segment files.
    pub segments: u64,
    /// Their size.
    pub bytes: u64,
}

/// Lines that were not stored since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// They came faster than they could be stored.
    pub dropped: u64,
    /// The disk did not take them.
    pub lost: u64,
}

/// Why logs cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the thread that writes logs")]
    Thread(#[source] io::Error),
    /// It isn't a page token of this group, or leads nowhere.
    #[error("this page token is not one of this log group's; begin again without one")]
    PageToken,
    /// The name of the stream is too long or empty.
    #[error("{0:?} is not the name of a log stream; give 1 to {STREAM_NAME_MAX_BYTES} bytes")]
    StreamName(String),
    /// There is no such group.
    #[error("there is no log group {0}")]
    GroupMissing(GroupKey),
    /// There is one of this name.
    #[error("there is a log group {0} already")]
    GroupExists(GroupKey),
    /// There is no such stream.
    #[error("there is no log stream {0} in its group")]
    StreamMissing(String),
    /// There is one of this name.
    #[error("there is a log stream {0} in its group already")]
    StreamExists(String),
    /// There would be more than are kept.
    #[error("there can be {most} {what} at most; delete some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A group would have more tags than are kept.
    #[error("a log group has {most} tags at most; remove some first")]
    TooManyTags {
        /// How many there may be.
        most: usize,
    },
    /// Events that somebody sent are not ones to take.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The disk did not take what somebody sent; the daemon's own log says why.
    #[error("the log events could not be written to the disk")]
    NotStored,
    /// What is kept of a group besides its lines can't be understood.
    #[error(
        "{} was written by a newer version, or is damaged; install that version, or restore the file, or move it away \
         to go on without the group's retention, tags and deleted streams",
        path.display()
    )]
    GroupFile {
        /// The file.
        path: PathBuf,
    },
    /// The store has been shut down.
    #[error("logs are no longer stored: the daemon is stopping")]
    Stopped,
}

/// All logs. A cheap handle; clones are the same store.
#[derive(Clone, Debug)]
pub struct LogStore(Arc<Store>);

#[derive(Debug)]
struct Store {
    jobs: mpsc::Sender<Job>,
    state: Arc<State>,
    /// Turns of those who send events.
    puts: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer's thread shares with everybody.
#[derive(Debug)]
struct State {
    catalog: Catalog,
    settings: LogSettings,
    clock: SharedClock,
    /// Bytes in the queue.
    queued: AtomicUsize,
    dropped: AtomicU64,
    lost: AtomicU64,
}

/// One stream of one group, such as the output of one sandbox. Clones write to the same stream.
#[derive(Clone, Debug)]
pub struct LogWriter {
    stream: Arc<StreamState>,
    state: Arc<State>,
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct StreamState {
    group: Arc<Group>,
    name: Arc<str>,
    /// Bytes of this stream in the queue.
    queued: AtomicUsize,
    /// Lines dropped since the last marker.
    dropped: AtomicU64,
}

impl LogStore {
    /// Opens the logs in `directory`, which is made if it isn't there, and starts the thread that writes them. Blocks.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(directory: PathBuf, settings: LogSettings, clock: SharedClock) -> Result<Self, LogError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|source| LogError::Disk { action: "create", path: directory.clone(), source })?;
        let state = Arc::new(State {
            catalog: Catalog::open(directory)?,
            settings,
            clock,
            queued: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let (jobs, queue) = mpsc::channel();
        let writer = Writer::new(state.clone());
        let thread = thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(LogError::Thread)?;
        let puts = Semaphore::new(PUTS_MAX);
        Ok(Self(Arc::new(Store { jobs, state, puts, thread: Mutex::new(Some(thread)) })))
    }

    /// A writer for the stream `name` of `group`.
    ///
    /// # Errors
    /// The name is empty or longer than [`STREAM_NAME_MAX_BYTES`].
    pub fn stream(&self, group: &GroupKey, name: &str) -> Result<LogWriter, LogError> {
        if !(1..=STREAM_NAME_MAX_BYTES).contains(&name.len()) {
            return Err(LogError::StreamName(name.chars().take(STREAM_NAME_MAX_BYTES).collect()));
        }
        let stream = Arc::new(StreamState {
            group: self.0.state.catalog.group(group),
            name: name.into(),
            queued: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        });
        Ok(LogWriter { stream, state: self.0.state.clone(), jobs: self.0.jobs.clone() })
    }

    /// A page of at most `limit` stored lines, oldest first. A group that does not exist has none.
    ///
    /// # Errors
    /// The token is not one of this group's, or the disk cannot be read.
    pub async fn read(
        &self,
        group: &GroupKey,
        filter: Filter,
        limit: usize,
        page_token: Option<&str>,
    ) -> Result<Page, LogError> {
        self.catch_up().await;
        let (state, group) = (self.0.state.clone(), group.clone());
        let page_token = page_token.map(ToOwned::to_owned);
        run_blocking(move || read::page(&state.catalog, &group, &filter, limit, page_token.as_deref())).await
    }

    /// The lines of a group that pass, and then every one as it is stored. Only new ones if the filter does not say from
    /// when on. Ends when the store is shut down, or after an error.
    pub fn follow(
        &self,
        group: &GroupKey,
        filter: Filter,
    ) -> impl Stream<Item = Result<FollowItem, LogError>> + Send + Unpin + use<> {
        Box::pin(follow::follow(self.0.state.catalog.group(group), filter))
    }

    /// Removes segments that are too old or more than their group may have, or with `dry_run` only counts them.
    ///
    /// # Errors
    /// A segment cannot be read or removed, or the store has been shut down.
    pub async fn collect_garbage(&self, dry_run: bool) -> Result<Garbage, LogError> {
        let (reply, answer) = oneshot::channel();
        self.0.jobs.send(Job::CollectGarbage { dry_run, reply }).map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)?
    }

    /// Returns when every line that was written before can be read.
    ///
    /// # Errors
    /// The store has been shut down.
    pub async fn flush(&self) -> Result<(), LogError> {
        flush(&self.0.jobs).await
    }

    /// Before a read: whoever has an answer finds its lines, though the writer's thread lets some gather.
    async fn catch_up(&self) {
        // A store that was shut down has written everything.
        let _ = self.flush().await;
    }

    /// What all segments take.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.0.state.catalog.bytes()
    }

    /// Lines that were not stored since the start.
    #[must_use]
    pub fn counters(&self) -> LogCounters {
        LogCounters {
            dropped: self.0.state.dropped.load(Ordering::Relaxed),
            lost: self.0.state.lost.load(Ordering::Relaxed),
        }
    }

    /// Writes and syncs what was written so far, ends the thread and waits for it. Followers come to their end; later
    /// lines are dropped.
    pub async fn shutdown(&self) {
        // An error says that the thread has ended already.
        self.0.jobs.send(Job::Stop).ok();
        let Some(thread) = lock(&self.0.thread).take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread that writes logs ended by a panic; its last lines may be missing");
        }
    }
}

impl LogWriter {
    /// Stores a line, soon. Never waits: without room in the queue the line is dropped and counted.
    pub fn write(&self, event: LogEvent) {
        let LogEvent { timestamp_ms, request_id, mut message } = event;
        if message.len() > MESSAGE_MAX_BYTES {
            // A character has at most four bytes, so one of these is a boundary.
            let end = (0..=MESSAGE_MAX_BYTES).rev().find(|&end| message.is_char_boundary(end));
            message.truncate(end.unwrap_or(0));
        }
        if message.capacity() > 2 * message.len() {
            message.shrink_to_fit();
        }
        let cost = message.capacity() + LINE_OVERHEAD_BYTES;
        if !self.reserve(cost) {
            self.drop_line();
            return;
        }
        let line = Line { timestamp_ms, request_id, message, cost };
        if self.jobs.send(Job::Line { stream: self.stream.clone(), line }).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when every line that was written before can be read.
    ///
    /// # Errors
    /// The store has been shut down.
    pub async fn flush(&self) -> Result<(), LogError> {
        flush(&self.jobs).await
    }

    /// Takes `cost` bytes of the queue, if there are as many left as this stream would have then. So one stream gets
    /// half of the queue, two a third each, and whoever was quiet always finds some.
    fn reserve(&self, cost: usize) -> bool {
        let before = self.state.queued.fetch_add(cost, Ordering::Relaxed);
        let own_before = self.stream.queued.fetch_add(cost, Ordering::Relaxed);
        let left = self.state.settings.queue_max_bytes.saturating_sub(before);
        let has_room = own_before + cost <= left;
        if !has_room {
            self.stream.queued.fetch_sub(cost, Ordering::Relaxed);
            self.state.queued.fetch_sub(cost, Ordering::Relaxed);
        }
        has_room
    }

    fn drop_line(&self) {
        self.state.dropped.fetch_add(1, Ordering::Relaxed);
        let is_first = self.stream.dropped.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first {
            // In the queue behind the lines that had room; so the marker comes in its place. After the end there is
            // nobody to store one.
            self.jobs.send(Job::Dropped(self.stream.clone())).ok();
        }
    }
}

async fn flush(jobs: &mpsc::Sender<Job>) -> Result<(), LogError> {
    let (reply, answer) = oneshot::channel();
    jobs.send(Job::Flush(reply)).map_err(|_| LogError::Stopped)?;
    answer.await.map_err(|_| LogError::Stopped)
}

/// Runs what waits for the disk where waiting harms nobody.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(LogError::Stopped),
    }
}
