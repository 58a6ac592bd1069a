//! What is in a segment, by stream: so that streams can be listed, and segments without a wanted line be passed over.
//!
//! A summary is made by reading its segment once, when it is first asked for, and is kept in memory. The newest segment's
//! grows with it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use super::{
    Filter, LogError,
    catalog::{Group, Segment},
    group_file::GroupFile,
    segment::{Lines, Record},
    token::Place,
};

/// What is in the first bytes of a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// How many bytes these are.
    pub(super) bytes: u64,
    streams: HashMap<String, Span>,
}

/// What is in a segment of one stream.
#[derive(Clone, Copy, Debug)]
struct Span {
    first_ms: i64,
    last_ms: i64,
    ingested_ms: i64,
    /// Where the last line begins.
    last_offset: u64,
}

/// What is known of a stream by its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamLines {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) ingested_ms: i64,
}

impl Summary {
    /// How many streams it has.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether the segment may have a line that passes.
    pub(super) fn may_match(&self, filter: &Filter) -> bool {
        self.streams.iter().any(|(name, span)| {
            filter.streams.contain(name)
                && filter.start_ms.is_none_or(|start| span.last_ms >= start)
                && filter.end_ms.is_none_or(|end| span.first_ms < end)
        })
    }

    fn add(&mut self, record: &Record<'_>, offset: u64) {
        let (ms, ingested_ms) = (record.timestamp_ms, record.ingested_ms.unwrap_or(record.timestamp_ms));
        let span = Span { first_ms: ms, last_ms: ms, ingested_ms, last_offset: offset };
        match self.streams.get_mut(record.stream.as_ref()) {
            None => {
                self.streams.insert(record.stream.to_string(), span);
            }
            Some(known) => {
                known.first_ms = known.first_ms.min(ms);
                known.last_ms = known.last_ms.max(ms);
                known.ingested_ms = known.ingested_ms.max(ingested_ms);
                known.last_offset = offset;
            }
        }
    }
}

/// What is in a segment of the group. One that is gone is empty.
pub(super) fn of(group: &Group, segment: Segment) -> Result<Arc<Summary>, LogError> {
    let known = group.summary(segment.number);
    if let Some(known) = &known
        && known.bytes >= segment.bytes
    {
        return Ok(known.clone());
    }
    let mut summary = known.map_or_else(Summary::default, |known| Summary::clone(&known));
    let path = group.path(segment.number);
    let read: io::Result<()> = (|| {
        let mut lines = Lines::open(&path, summary.bytes, segment.bytes)?;
        let mut offset = lines.offset();
        while let Some(line) = lines.next()? {
            if let Some(record) = Record::parse(line) {
                summary.add(&record, offset);
            }
            offset = lines.offset();
        }
        Ok(())
    })();
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(LogError::Disk { action: "read", path, source }),
    }
    summary.bytes = segment.bytes;
    let summary = Arc::new(summary);
    group.keep_summary(segment.number, summary.clone());
    Ok(summary)
}

/// Every stream of the group that has lines.
pub(super) fn streams(
    group: &Group,
    file: Option<&GroupFile>,
) -> Result<BTreeMap<String, StreamLines>, LogError> {
    let mut streams: BTreeMap<String, StreamLines> = BTreeMap::new();
    for segment in group.list() {
        let summary = of(group, segment)?;
        for (name, span) in &summary.streams {
            let last = Place { segment: segment.number, offset: span.last_offset };
            if file.is_some_and(|file| file.is_deleted(name, last)) {
                continue;
            }
            let Span { first_ms, last_ms, ingested_ms, .. } = *span;
            if let Some(known) = streams.get_mut(name) {
                known.first_ms = known.first_ms.min(first_ms);
                known.last_ms = known.last_ms.max(last_ms);
                known.ingested_ms = known.ingested_ms.max(ingested_ms);
            } else {
                streams.insert(name.clone(), StreamLines { first_ms, last_ms, ingested_ms });
            }
        }
    }
    Ok(streams)
}

/// Whether the group has a line of the stream. The newest segments are looked at first: that is where streams are.
pub(super) fn has_stream(group: &Group, file: Option<&GroupFile>, name: &str) -> Result<bool, LogError> {
    for segment in group.list().into_iter().rev() {
        if let Some(span) = of(group, segment)?.streams.get(name) {
            let last = Place { segment: segment.number, offset: span.last_offset };
            if !file.is_some_and(|file| file.is_deleted(name, last)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
