//! The thread that writes all segments.
//!
//! It takes lines from the queue in order, gathers them by group, and writes a group's lines with one call when the
//! queue is empty or enough has been gathered. It alone creates, grows, rotates and removes segments.
//!
//! Lines are not synced one by one: a sync takes milliseconds, and a log line is no acknowledged state. What was written
//! survives the daemon's death at any moment; a power cut may take what was written since the last rotation, at most
//! one segment a group. Segments are synced when they are rotated and when the daemon stops.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::{
    Garbage, GroupKey, LogError, State, StreamState,
    catalog::{Group, Segment},
    segment::{self, Record},
};

/// Files that are held open at most. More groups than this at once cost an open each time.
const OPEN_FILES_MAX: usize = 64;

/// How long lines are waited for when a first one has come. While this thread sleeps nobody has to wake it, which would
/// cost a short call a twentieth of its time.
const LINGER: Duration = Duration::from_millis(10);

/// What is gathered in all groups before it is written, at most.
const GATHERED_MAX_BYTES: usize = 1024 * 1024;

/// Streams for which a marker about lost lines waits for the disk, at most. Past it the lines are only counted.
const LOST_STREAMS_MAX: usize = 1024;

/// How soon after a failure the disk is tried again if nothing else is written.
const DISK_RETRY: Duration = Duration::from_secs(5);

/// How often the same trouble with the disk is reported, at most.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// What the thread is asked to do, in order.
#[derive(Debug)]
pub(super) enum Job {
    /// Store a line.
    Line { stream: Arc<StreamState>, line: Line },
    /// Say that lines of this stream were dropped. Sent once, until it is done.
    Dropped(Arc<StreamState>),
    /// Answer when all lines before this can be read.
    Flush(oneshot::Sender<()>),
    /// Remove what is too old or too much, or only say how much that would be.
    CollectGarbage { dry_run: bool, reply: oneshot::Sender<Result<Garbage, LogError>> },
    /// Write and sync everything, and end.
    Stop,
}

/// A line, and what it takes of the queue.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) timestamp_ms: i64,
    pub(super) request_id: Option<Arc<str>>,
    pub(super) message: String,
    pub(super) cost: usize,
}

pub(super) struct Writer {
    state: Arc<State>,
    /// Groups that have lines gathered, or their file open.
    appenders: HashMap<GroupKey, Appender>,
    /// Segments that were closed without a sync.
    unsynced: BTreeSet<PathBuf>,
    /// Streams with lines that the disk did not take, and how many.
    lost: Vec<(Arc<StreamState>, u64)>,
    gathered: usize,
    /// Counts uses, to know which file was used least recently.
    uses: u64,
    reported: Option<Instant>,
    record: Vec<u8>,
}

/// The end of one group.
struct Appender {
    group: Arc<Group>,
    segment: Segment,
    file: Option<File>,
    gathered: Vec<u8>,
    /// Whose lines were gathered, in runs.
    owners: Vec<Owned>,
    used: u64,
}

/// Lines of one stream that wait to be written.
struct Owned {
    stream: Arc<StreamState>,
    lines: u64,
    /// Lines that a marker among these stands for.
    marked: u64,
}

impl Writer {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self {
            state,
            appenders: HashMap::new(),
            unsynced: BTreeSet::new(),
            lost: Vec::new(),
            gathered: 0,
            uses: 0,
            reported: None,
            record: Vec::new(),
        }
    }

    /// Works until it is told to stop or nobody is left to tell.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Some(job) = self.next_job(jobs) {
            match job {
                Job::Line { stream, line } => {
                    self.append_line(&stream, &line);
                    stream.queued.fetch_sub(line.cost, Ordering::Relaxed);
                    self.state.queued.fetch_sub(line.cost, Ordering::Relaxed);
                }
                Job::Dropped(stream) => self.mark_dropped(&stream),
                Job::Flush(reply) => {
                    self.settle();
                    // Whoever asked may have gone; the lines are written all the same.
                    reply.send(()).ok();
                }
                Job::CollectGarbage { dry_run, reply } => {
                    self.settle();
                    reply.send(self.collect_garbage(dry_run)).ok();
                }
                Job::Stop => break,
            }
            if self.gathered >= GATHERED_MAX_BYTES {
                self.write_all();
            }
        }
        self.settle();
        self.sync_all();
        let too_late = jobs.try_iter().filter(|job| matches!(job, Job::Line { .. })).count();
        self.state.dropped.fetch_add(too_late as u64, Ordering::Relaxed);
        for group in self.state.catalog.all() {
            group.end();
        }
    }

    /// The next job; before waiting for one, everything gathered is written.
    fn next_job(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        match jobs.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => self.settle(),
        }
        loop {
            if self.lost.is_empty() {
                let job = jobs.recv().ok();
                if matches!(job, Some(Job::Line { .. })) {
                    // Nobody unparks it: this is a thread of its own, not a task.
                    std::thread::park_timeout(LINGER);
                }
                return job;
            }
            match jobs.recv_timeout(DISK_RETRY) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.settle(),
            }
        }
    }

    fn append_line(&mut self, stream: &Arc<StreamState>, line: &Line) {
        let record = Record {
            timestamp_ms: line.timestamp_ms,
            stream: Cow::Borrowed(&stream.name),
            request_id: line.request_id.as_deref().map(Cow::Borrowed),
            message: Cow::Borrowed(&line.message),
        };
        self.append(stream, &record, 0);
    }

    fn mark_dropped(&mut self, stream: &Arc<StreamState>) {
        let dropped = stream.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let message =
                format!("[thaw: {dropped} lines dropped: they came faster than they could be stored]");
            self.append_marker(stream, message, dropped);
        }
    }

    fn append_marker(&mut self, stream: &Arc<StreamState>, message: String, marked: u64) {
        let record = Record {
            timestamp_ms: self.state.clock.now_millis(),
            stream: Cow::Borrowed(&stream.name),
            request_id: None,
            message: Cow::Owned(message),
        };
        self.append(stream, &record, marked);
    }

    /// Gathers a record; one that is a marker stands for `marked` lines.
    fn append(&mut self, stream: &Arc<StreamState>, record: &Record<'_>, marked: u64) {
        let mut bytes = std::mem::take(&mut self.record);
        bytes.clear();
        let lines = u64::from(marked == 0);
        match record.append_to(&mut bytes) {
            Ok(()) => {
                let segment_bytes = self.state.settings.segment_bytes;
                if self.appender(stream).is_full_for(bytes.len(), segment_bytes) {
                    self.rotate(&stream.group.key);
                }
                self.appender(stream).gather(stream, &bytes, lines, marked);
                self.gathered += bytes.len();
            }
            // A record of numbers and strings is always JSON; if not, the line must still not vanish silently.
            Err(error) => self.lose(
                vec![Owned { stream: stream.clone(), lines, marked }],
                &LogError::Disk {
                    action: "encode a line for",
                    path: stream.group.directory.clone(),
                    source: error.into(),
                },
            ),
        }
        self.record = bytes;
    }

    fn appender(&mut self, stream: &StreamState) -> &mut Appender {
        self.uses += 1;
        let appender = self
            .appenders
            .entry(stream.group.key.clone())
            .or_insert_with(|| Appender::at_the_end_of(stream.group.clone()));
        appender.used = self.uses;
        appender
    }

    /// Writes everything, and then markers for lines that the disk did not take before.
    fn settle(&mut self) {
        self.write_all();
        if self.lost.is_empty() {
            return;
        }
        for (stream, lost) in std::mem::take(&mut self.lost) {
            let message = format!("[thaw: {lost} lines lost: they could not be written to the disk]");
            self.append_marker(&stream, message, lost);
        }
        self.write_all();
    }

    fn write_all(&mut self) {
        self.gathered = 0;
        let waiting: Vec<GroupKey> = self
            .appenders
            .iter()
            .filter(|(_, appender)| !appender.gathered.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            self.write(&key);
        }
        self.close_unused();
    }

    fn write(&mut self, key: &GroupKey) {
        let Some(appender) = self.appenders.get_mut(key) else { return };
        if let Err(error) = appender.write() {
            let owners = appender.discard();
            self.lose(owners, &error);
        }
    }

    fn lose(&mut self, owners: Vec<Owned>, error: &LogError) {
        for Owned { stream, lines, marked } in owners {
            self.state.lost.fetch_add(lines, Ordering::Relaxed);
            let lost = lines + marked;
            if let Some((_, before)) = self.lost.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &stream)) {
                *before += lost;
            } else if self.lost.len() < LOST_STREAMS_MAX {
                self.lost.push((stream, lost));
            }
        }
        self.report(error);
    }

    fn report(&mut self, error: &LogError) {
        if self.reported.is_some_and(|reported| reported.elapsed() < REPORT_EVERY) {
            return;
        }
        self.reported = Some(Instant::now());
        tracing::error!(
            error = %error,
            source = std::error::Error::source(error).map(tracing::field::display),
            lines_lost = self.state.lost.load(Ordering::Relaxed),
            "log lines of functions cannot be stored; functions go on; look at the disk of data_dir"
        );
    }

    /// Ends the segment that a group is at, and removes what the new one makes too much.
    fn rotate(&mut self, key: &GroupKey) {
        self.write(key);
        let Some(appender) = self.appenders.get_mut(key) else { return };
        let (group, full) = (appender.group.clone(), appender.segment);
        if full.bytes == 0 {
            return;
        }
        let path = group.path(full.number);
        let synced =
            appender.file.take().map_or_else(|| File::open(&path), Ok).and_then(|file| sync(&file, &path));
        appender.segment = Segment { number: group.next_number(), bytes: 0 };
        self.unsynced.remove(&path);
        if let Err(source) = synced {
            self.report(&LogError::Disk { action: "sync", path, source });
        }
        let room = self.state.settings.segment_bytes;
        if let Err(error) = self.surplus(&group, room).and_then(|surplus| self.remove(&group, &surplus)) {
            self.report(&error);
        }
    }

    /// The oldest segments of a group: too old, or too much if `room` is to be free.
    fn surplus(&self, group: &Group, room: u64) -> Result<Vec<Segment>, LogError> {
        let settings = &self.state.settings;
        let retention_ms = i64::try_from(settings.retention.as_millis()).unwrap_or(i64::MAX);
        let oldest_kept_ms = self.state.clock.now_millis().saturating_sub(retention_ms);
        let mut total = group.bytes() + room;
        let mut surplus = Vec::new();
        for segment in group.list() {
            let path = group.path(segment.number);
            let is_too_old = || segment::newest_ms(&path).map(|newest_ms| newest_ms < oldest_kept_ms);
            let is_surplus = total > settings.group_max_bytes
                || is_too_old()
                    // A file that somebody else has removed is to be forgotten.
                    .or_else(
                        |error| if error.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(error) },
                    )
                    .map_err(|source| LogError::Disk { action: "read", path: path.clone(), source })?;
            if !is_surplus {
                break;
            }
            total -= segment.bytes;
            surplus.push(segment);
        }
        Ok(surplus)
    }

    fn remove(&mut self, group: &Group, surplus: &[Segment]) -> Result<(), LogError> {
        for segment in surplus {
            let path = group.path(segment.number);
            group.remove(*segment).map_err(|source| LogError::Disk {
                action: "remove",
                path: path.clone(),
                source,
            })?;
            self.unsynced.remove(&path);
        }
        Ok(())
    }

    fn collect_garbage(&mut self, dry_run: bool) -> Result<Garbage, LogError> {
        let mut garbage = Garbage::default();
        for group in self.state.catalog.all() {
            let surplus = self.surplus(&group, 0)?;
            garbage.segments += surplus.len() as u64;
            garbage.bytes += surplus.iter().map(|segment| segment.bytes).sum::<u64>();
            if dry_run {
                continue;
            }
            if !surplus.is_empty() {
                // Everything is written by now, so this forgets a file and nothing else.
                self.close(&group.key);
                self.remove(&group, &surplus)?;
            }
            if group.is_empty() {
                remove_directory(&group.directory)?;
            }
        }
        Ok(garbage)
    }

    fn close_unused(&mut self) {
        while self.appenders.len() > OPEN_FILES_MAX {
            let least = self.appenders.iter().min_by_key(|(_, appender)| appender.used);
            let Some(key) = least.map(|(key, _)| key.clone()) else { return };
            self.close(&key);
        }
    }

    fn close(&mut self, key: &GroupKey) {
        if let Some(Appender { group, segment, file: Some(_), .. }) = self.appenders.remove(key) {
            self.unsynced.insert(group.path(segment.number));
        }
    }

    fn sync_all(&mut self) {
        for key in self.appenders.keys().cloned().collect::<Vec<_>>() {
            self.close(&key);
        }
        for path in std::mem::take(&mut self.unsynced) {
            if let Err(source) = File::open(&path).and_then(|file| sync(&file, &path)) {
                self.report(&LogError::Disk { action: "sync", path, source });
            }
        }
    }
}

impl Appender {
    fn at_the_end_of(group: Arc<Group>) -> Self {
        let segment = group.newest();
        Self { group, segment, file: None, gathered: Vec::new(), owners: Vec::new(), used: 0 }
    }

    /// Whether `more` bytes would make the segment larger than it may be. A single record may.
    fn is_full_for(&self, more: usize, segment_bytes: u64) -> bool {
        let size = self.segment.bytes + self.gathered.len() as u64;
        size > 0 && size + more as u64 > segment_bytes
    }

    fn gather(&mut self, stream: &Arc<StreamState>, bytes: &[u8], lines: u64, marked: u64) {
        self.gathered.extend_from_slice(bytes);
        match self.owners.last_mut() {
            Some(owned) if Arc::ptr_eq(&owned.stream, stream) => {
                owned.lines += lines;
                owned.marked += marked;
            }
            _ => self.owners.push(Owned { stream: stream.clone(), lines, marked }),
        }
    }

    /// Writes what was gathered, whole or not at all.
    fn write(&mut self) -> Result<(), LogError> {
        let path = self.group.path(self.segment.number);
        let gathered = std::mem::take(&mut self.gathered);
        let written = self.open(&path).and_then(|mut file| file.write_all(&gathered));
        self.gathered = gathered;
        if let Err(source) = written {
            // What was written of it is cut now or, if even that fails, when the file is opened again.
            if let Some(file) = self.file.take() {
                file.set_len(self.segment.bytes).ok();
            }
            return Err(LogError::Disk { action: "write", path, source });
        }
        self.segment.bytes += self.gathered.len() as u64;
        self.discard();
        self.group.grow(self.segment.bytes);
        Ok(())
    }

    fn discard(&mut self) -> Vec<Owned> {
        self.gathered.clear();
        std::mem::take(&mut self.owners)
    }

    fn open(&mut self, path: &Path) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.group.directory)?;
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
                file.set_len(self.segment.bytes)?;
                file
            }
        };
        if !self.group.has(self.segment.number) {
            self.group.add(self.segment.number);
        }
        Ok(self.file.insert(file))
    }
}

/// Makes a segment and its name durable.
fn sync(file: &File, path: &Path) -> io::Result<()> {
    file.sync_data()?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Removes a group's directory, unless something that isn't Thaw's is in it.
fn remove_directory(directory: &Path) -> Result<(), LogError> {
    match fs::remove_dir(directory) {
        Err(source)
            if !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) =>
        {
            Err(LogError::Disk { action: "remove", path: directory.to_owned(), source })
        }
        _ => Ok(()),
    }
}
