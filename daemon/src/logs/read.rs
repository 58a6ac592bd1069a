//! Reading stored lines, oldest first: what both pages and followers do. Blocking; callers use a blocking thread.

use std::io;

use super::{
    Filter, GroupKey, LogError, Page, StoredEvent, Streams,
    catalog::{Catalog, Found, Group},
    segment::{self, Lines, LinesBackwards, Record},
    summary,
    token::{self, Place},
};

/// Lines on a page, at most.
pub(super) const PAGE_MAX_EVENTS: usize = 10_000;

/// A page's content ends at the line that reaches this: CloudWatch's limit.
const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// What is looked at for one page. A filter that matches little gives a short page, with a token, instead of a long wait.
const PAGE_SCAN_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What an event takes on the wire besides its texts.
const EVENT_OVERHEAD_BYTES: usize = 26;

/// Where a reader is in a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) place: Place,
    /// Lines of the segment that are behind it.
    pub(super) lines: u64,
}

/// When a reader stops, whatever comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) scanned: u64,
}

/// What a reader found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) events: Vec<StoredEvent>,
    /// Where it stopped.
    pub(super) cursor: Cursor,
    /// There is nothing behind `cursor` yet.
    pub(super) at_end: bool,
    /// Lines that were removed before they were read.
    pub(super) skipped: u64,
}

/// What a reader found on its way back.
#[derive(Debug)]
pub(super) struct Backwards {
    pub(super) events: Vec<StoredEvent>,
    /// Where it stopped: lines before this were not looked at.
    pub(super) place: Place,
    /// There is nothing before `place`.
    pub(super) is_start: bool,
}

impl Cursor {
    pub(super) fn at(segment: u64) -> Self {
        Self { place: Place { segment, offset: 0 }, lines: 0 }
    }
}

impl Limits {
    /// For a page of `limit` lines at most.
    pub(super) fn of_page(limit: usize) -> Self {
        Self { events: limit.clamp(1, PAGE_MAX_EVENTS), bytes: PAGE_MAX_BYTES, scanned: PAGE_SCAN_MAX_BYTES }
    }

    fn are_reached(&self, events: &[StoredEvent], bytes: usize, scanned: u64) -> bool {
        events.len() >= self.events || bytes >= self.bytes || scanned >= self.scanned
    }
}

pub(super) fn page(
    catalog: &Catalog,
    key: &GroupKey,
    filter: &Filter,
    limit: usize,
    page_token: Option<&str>,
) -> Result<Page, LogError> {
    let place = page_token.map(|token| token::decode(key, token)).transpose()?;
    let Some(group) = catalog.existing(key) else { return Ok(Page::default()) };
    let cursor = place.map_or(Ok(Cursor::at(0)), |place| resume(&group, place))?;
    let Scanned { events, cursor, at_end, .. } = scan(&group, cursor, filter, Limits::of_page(limit))?;
    let next_page_token = (!at_end).then(|| token::encode(key, cursor.place));
    Ok(Page { events, next_page_token })
}

/// The cursor at a place that a token named. The place must be one where a line begins, or was until it was removed.
pub(super) fn resume(group: &Group, place: Place) -> Result<Cursor, LogError> {
    let Found { segment, .. } = group.find(place.segment);
    let cursor = Cursor { place, lines: 0 };
    if place.segment > group.next_number() {
        return Err(LogError::PageToken);
    }
    if segment.number != place.segment {
        return Ok(cursor);
    }
    if place.offset > segment.bytes {
        return Err(LogError::PageToken);
    }
    let path = group.path(segment.number);
    match segment::is_line_start(&path, place.offset) {
        Ok(true) => Ok(cursor),
        Ok(false) => Err(LogError::PageToken),
        // Removed just now: the scan goes on behind it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(cursor),
        Err(source) => Err(LogError::Disk { action: "read", path, source }),
    }
}

/// Reads from `cursor` on, up to what is written now or to the limits.
pub(super) fn scan(
    group: &Group,
    mut cursor: Cursor,
    filter: &Filter,
    limits: Limits,
) -> Result<Scanned, LogError> {
    let (mut events, mut bytes, mut scanned, mut skipped) = (Vec::new(), 0, 0, 0);
    let file = group.file();
    loop {
        let Found { segment, is_last, removed_lines } = group.find(cursor.place.segment);
        if segment.number != cursor.place.segment {
            skipped += removed_lines.saturating_sub(cursor.lines);
            cursor = Cursor::at(segment.number);
        }
        if cursor.place.offset >= segment.bytes {
            if is_last {
                return Ok(Scanned { events, cursor, at_end: true, skipped });
            }
            cursor = Cursor::at(segment.number.saturating_add(1));
            continue;
        }
        if !is_last && filter.is_narrow() {
            // A new summary costs as much as reading the segment.
            let is_new = group.summary(segment.number).is_none();
            scanned += if is_new { segment.bytes } else { 0 };
            if !summary::of(group, segment)?.may_match(filter) {
                cursor = Cursor::at(segment.number.saturating_add(1));
                if limits.are_reached(&events, bytes, scanned) {
                    return Ok(Scanned { events, cursor, at_end: false, skipped });
                }
                continue;
            }
        }
        let path = group.path(segment.number);
        let mut lines = match Lines::open(&path, cursor.place.offset, segment.bytes) {
            Ok(lines) => lines,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if group.has(segment.number) {
                    tracing::warn!(path = %path.display(), "a log segment is missing; its lines are passed over");
                    cursor = Cursor::at(segment.number.saturating_add(1));
                }
                continue;
            }
            Err(source) => return Err(LogError::Disk { action: "read", path, source }),
        };
        let mut malformed = 0_u64;
        while !limits.are_reached(&events, bytes, scanned) {
            let line = lines.next().map_err(|source| LogError::Disk {
                action: "read",
                path: path.clone(),
                source,
            })?;
            let Some(line) = line else { break };
            match Record::parse(line) {
                Some(record)
                    if filter.matches(&record)
                        && !file
                            .as_ref()
                            .is_some_and(|file| file.is_deleted(&record.stream, cursor.place)) =>
                {
                    let event = record.into_event(cursor.place);
                    bytes += wire_size(&event);
                    events.push(event);
                }
                Some(_) => {}
                None => malformed += 1,
            }
            scanned += lines.offset() - cursor.place.offset;
            cursor.place.offset = lines.offset();
            cursor.lines += 1;
        }
        if malformed > 0 {
            tracing::warn!(path = %path.display(), lines = malformed, "lines of a log segment cannot be read; passed over");
        }
        if limits.are_reached(&events, bytes, scanned) {
            let at_end = is_last && cursor.place.offset >= segment.bytes;
            return Ok(Scanned { events, cursor, at_end, skipped });
        }
        if cursor.place.offset < segment.bytes {
            // The file is shorter than what was written: somebody else cut it.
            cursor.place.offset = segment.bytes;
        }
    }
}

/// Reads from `place` backwards, down to the oldest line or to the limits. The lines are in the order they were stored.
pub(super) fn scan_back(
    group: &Group,
    mut place: Place,
    filter: &Filter,
    limits: Limits,
) -> Result<Backwards, LogError> {
    let (mut events, mut bytes, mut scanned) = (Vec::new(), 0, 0);
    let file = group.file();
    let mut is_start = true;
    'segments: for segment in group.list().into_iter().rev() {
        if segment.number > place.segment {
            continue;
        }
        let end =
            if segment.number == place.segment { place.offset.min(segment.bytes) } else { segment.bytes };
        let is_closed = segment.number < group.newest().number;
        if is_closed && filter.is_narrow() {
            let is_new = group.summary(segment.number).is_none();
            scanned += if is_new { segment.bytes } else { 0 };
            if !summary::of(group, segment)?.may_match(filter) {
                place = Place { segment: segment.number, offset: 0 };
                continue;
            }
        }
        let path = group.path(segment.number);
        let disk = |source| LogError::Disk { action: "read", path: path.clone(), source };
        let mut lines = match LinesBackwards::open(&path, end) {
            Ok(lines) => lines,
            // Removed just now, as everything before it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(source) => return Err(disk(source)),
        };
        place = Place { segment: segment.number, offset: end };
        loop {
            if limits.are_reached(&events, bytes, scanned) {
                is_start = false;
                break 'segments;
            }
            let Some((offset, line)) = lines.next().map_err(disk)? else { break };
            scanned += place.offset - offset;
            place.offset = offset;
            if let Some(record) = Record::parse(&line)
                && filter.matches(&record)
                && !file.as_ref().is_some_and(|file| file.is_deleted(&record.stream, place))
            {
                let event = record.into_event(place);
                bytes += wire_size(&event);
                events.push(event);
            }
        }
    }
    events.reverse();
    Ok(Backwards { events, place, is_start })
}

impl Filter {
    /// Whether it asks for a part of a group that a summary can tell to be elsewhere.
    fn is_narrow(&self) -> bool {
        self.start_ms.is_some() || self.end_ms.is_some() || !matches!(self.streams, Streams::All)
    }

    fn matches(&self, record: &Record<'_>) -> bool {
        self.start_ms.is_none_or(|start| record.timestamp_ms >= start)
            && self.end_ms.is_none_or(|end| record.timestamp_ms < end)
            && self.streams.contain(&record.stream)
            && self.request_id.as_deref().is_none_or(|id| record.request_id.as_deref() == Some(id))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&record.message))
    }
}

fn wire_size(event: &StoredEvent) -> usize {
    EVENT_OVERHEAD_BYTES
        + event.message.len()
        + event.stream.len()
        + event.request_id.as_ref().map_or(0, String::len)
}
