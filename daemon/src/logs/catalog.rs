//! Which groups there are, and which segments each has.
//!
//! The writer's thread alone changes segments; readers take what is listed here and read the files themselves. A
//! segment's size here is what has been written whole, so a reader never sees half a line.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    GroupKey, LogError,
    group_file::{self, GroupFile},
    segment,
    summary::Summary,
};

/// From this many groups on, those that hold nothing and are used by nobody are forgotten. Names come from requests.
const FORGET_FROM: usize = 1024;

/// Removed segments whose line counts are kept for followers that may still be before them.
const REMOVED_MAX: usize = 1024;

/// Streams of all summaries that one group keeps in memory. Past it they are made anew when they are asked for.
const SUMMARIES_MAX_STREAMS: usize = 65_536;

/// All groups, by name.
#[derive(Debug)]
pub(super) struct Catalog {
    root: PathBuf,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: GroupKey,
    pub(super) directory: PathBuf,
    segments: Mutex<Segments>,
    /// What `group.json` says, if there is one.
    file: Mutex<Option<Arc<GroupFile>>>,
    /// Of the segments that were asked about.
    summaries: Mutex<HashMap<u64, Arc<Summary>>>,
    /// Changes whenever there is more to read; true once there never will be.
    ended: watch::Sender<bool>,
}

/// A segment, and how much of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Segments {
    /// Oldest first; the last is the one that is written.
    list: VecDeque<Segment>,
    /// Of the next segment. Numbers are not used again while the daemon runs, so places stay valid.
    next_number: u64,
    /// Removed while somebody followed, oldest first, with their lines.
    removed: VecDeque<(u64, u64)>,
}

/// What a reader at a segment finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The segment asked for, or the next that exists; of no bytes if there is none yet.
    pub(super) segment: Segment,
    /// Nothing follows it.
    pub(super) is_last: bool,
    /// Lines of removed segments from the one asked for on, before this.
    pub(super) removed_lines: u64,
}

impl Catalog {
    /// Reads the names and sizes of all segments under `root`, and cuts lines that an earlier life did not finish.
    pub(super) fn open(root: PathBuf) -> Result<Self, LogError> {
        let mut groups = HashMap::new();
        for account in entries(&root)? {
            for directory in entries(&account)? {
                let Some(key) = key_of(&account, &directory) else {
                    tracing::warn!(path = %directory.display(), "this is not a log group; left alone");
                    continue;
                };
                let list = segments_of(&directory)?;
                let mut file = GroupFile::load(&directory)?;
                if let (None, Some(first)) = (&file, list.front()) {
                    // Of a version that kept nothing besides lines.
                    let path = segment::path(&directory, first.number);
                    let first_ms = segment::first_ms(&path).map_err(|source| LogError::Disk {
                        action: "read",
                        path,
                        source,
                    })?;
                    let made = GroupFile::new(first_ms);
                    made.save(&directory)?;
                    file = Some(made);
                }
                if let Some(file) = &mut file {
                    file.forget_before(list.front().map(|segment| segment.number));
                }
                let group = Group::new(key.clone(), directory, list);
                group.set_file(file.map(Arc::new));
                groups.insert(key, Arc::new(group));
            }
        }
        Ok(Self { root, groups: Mutex::new(groups) })
    }

    /// The group of this name. One that does not exist yet takes no disk until something is written.
    pub(super) fn group(&self, key: &GroupKey) -> Arc<Group> {
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(key) {
            return group.clone();
        }
        if groups.len() >= FORGET_FROM {
            groups.retain(|_, group| Arc::strong_count(group) > 1 || group.exists());
        }
        let directory = self.root.join(key.account()).join(key.directory());
        let group = Arc::new(Group::new(key.clone(), directory, VecDeque::new()));
        groups.insert(key.clone(), group.clone());
        group
    }

    /// The group of this name, if it is known.
    pub(super) fn existing(&self, key: &GroupKey) -> Option<Arc<Group>> {
        lock(&self.groups).get(key).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Group>> {
        lock(&self.groups).values().cloned().collect()
    }

    /// How many groups there are.
    pub(super) fn existing_groups(&self) -> usize {
        lock(&self.groups).values().filter(|group| group.exists()).count()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.all().iter().map(|group| group.bytes()).sum()
    }
}

impl Group {
    fn new(key: GroupKey, directory: PathBuf, list: VecDeque<Segment>) -> Self {
        let next_number = list.back().map_or(1, |last| last.number.saturating_add(1));
        let segments = Mutex::new(Segments { list, next_number, removed: VecDeque::new() });
        Self {
            key,
            directory,
            segments,
            file: Mutex::default(),
            summaries: Mutex::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Whether it has lines, or was made without.
    pub(super) fn exists(&self) -> bool {
        self.file().is_some() || !self.is_empty()
    }

    pub(super) fn file(&self) -> Option<Arc<GroupFile>> {
        lock(&self.file).clone()
    }

    pub(super) fn set_file(&self, file: Option<Arc<GroupFile>>) {
        *lock(&self.file) = file;
    }

    pub(super) fn summary(&self, number: u64) -> Option<Arc<Summary>> {
        lock(&self.summaries).get(&number).cloned()
    }

    pub(super) fn keep_summary(&self, number: u64, summary: Arc<Summary>) {
        let mut summaries = lock(&self.summaries);
        summaries.insert(number, summary);
        if summaries.values().map(|summary| summary.len()).sum::<usize>() > SUMMARIES_MAX_STREAMS {
            summaries.clear();
        }
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        segment::path(&self.directory, number)
    }

    pub(super) fn list(&self) -> Vec<Segment> {
        lock(&self.segments).list.iter().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.segments).list.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        lock(&self.segments).list.iter().map(|segment| segment.bytes).sum()
    }

    /// The segment that is written, or the first that will be.
    pub(super) fn newest(&self) -> Segment {
        let segments = lock(&self.segments);
        segments.list.back().copied().unwrap_or(Segment { number: segments.next_number, bytes: 0 })
    }

    /// The number that the next segment will have.
    pub(super) fn next_number(&self) -> u64 {
        lock(&self.segments).next_number
    }

    /// The segment `number`, or what comes after it.
    pub(super) fn find(&self, number: u64) -> Found {
        let segments = lock(&self.segments);
        let (segment, is_last) = match segments.list.iter().position(|segment| segment.number >= number) {
            Some(index) => (segments.list[index], index + 1 == segments.list.len()),
            None => (Segment { number: segments.next_number.max(number), bytes: 0 }, true),
        };
        let removed_lines = segments
            .removed
            .iter()
            .filter(|(of, _)| (number..segment.number).contains(of))
            .map(|(_, n)| n)
            .sum();
        Found { segment, is_last, removed_lines }
    }

    /// Whether the segment `number` is listed.
    pub(super) fn has(&self, number: u64) -> bool {
        lock(&self.segments).list.iter().any(|segment| segment.number == number)
    }

    /// Lists a new segment, without content yet.
    pub(super) fn add(&self, number: u64) {
        let mut segments = lock(&self.segments);
        segments.list.push_back(Segment { number, bytes: 0 });
        segments.next_number = number.saturating_add(1);
    }

    /// Lets readers see the newest segment up to `bytes`.
    pub(super) fn grow(&self, bytes: u64) {
        if let Some(newest) = lock(&self.segments).list.back_mut() {
            newest.bytes = bytes;
        }
        self.ended.send_modify(|_| {});
    }

    /// Deletes a segment. Readers that have it open read on.
    pub(super) fn remove(&self, segment: Segment) -> io::Result<()> {
        let path = self.path(segment.number);
        // Only somebody who follows wants to know how much was missed.
        let lines = match self.ended.receiver_count() {
            0 => None,
            _ => Some(segment::count_lines(&path, segment.bytes).or_else(absent_is_empty)?),
        };
        let mut segments = lock(&self.segments);
        fs::remove_file(&path).or_else(absent_is_empty)?;
        segments.list.retain(|listed| listed.number != segment.number);
        lock(&self.summaries).remove(&segment.number);
        match lines {
            Some(lines) => segments.removed.push_back((segment.number, lines)),
            None => segments.removed.clear(),
        }
        if segments.removed.len() > REMOVED_MAX {
            segments.removed.pop_front();
        }
        drop(segments);
        self.ended.send_modify(|_| {});
        Ok(())
    }

    /// Sees every change from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Nothing will be written any more.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }
}

#[cfg(test)]
impl Group {
    /// Stalls the writer's thread while it is held: before it writes it looks at its group.
    pub(super) fn hold(&self) -> impl Drop + '_ {
        lock(&self.segments)
    }

    pub(super) fn followers(&self) -> usize {
        self.ended.receiver_count()
    }
}

/// No lock of this module is held while anything can panic, so what a poisoned one guards is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn absent_is_empty<T: Default>(error: io::Error) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(T::default()) } else { Err(error) }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, LogError> {
    fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|source| LogError::Disk { action: "read", path: directory.to_owned(), source })
}

fn key_of(account: &Path, directory: &Path) -> Option<GroupKey> {
    let is_directory = directory.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let key = GroupKey::of_directory(account.file_name()?.to_str()?, directory.file_name()?.to_str()?);
    key.filter(|_| is_directory)
}

fn segments_of(directory: &Path) -> Result<VecDeque<Segment>, LogError> {
    let mut numbers: Vec<u64> = entries(directory)?
        .iter()
        .filter(|path| !path.ends_with(group_file::NAME) && !path.ends_with(group_file::NEW_NAME))
        .filter_map(|path| {
            let number = segment::number_of(path.file_name()?);
            if number.is_none() {
                tracing::warn!(path = %path.display(), "this is not a log segment; left alone");
            }
            number
        })
        .collect();
    numbers.sort_unstable();
    let newest = numbers.last().copied();
    let size = |number: u64| {
        let path = segment::path(directory, number);
        let size = if Some(number) == newest {
            segment::cut_torn_tail(&path)
        } else {
            fs::metadata(&path).map(|metadata| metadata.len())
        };
        size.map_err(|source| LogError::Disk { action: "read", path, source })
    };
    numbers.into_iter().map(|number| Ok(Segment { number, bytes: size(number)? })).collect()
}
