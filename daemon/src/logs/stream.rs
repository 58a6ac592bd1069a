//! Pages of one stream, forwards and backwards, with tokens for both ways.

use super::{
    Filter, GroupKey, LogError, LogStore, StoredEvent, Streams,
    catalog::Group,
    groups::has_stream,
    read::{self, Cursor, Limits, Scanned},
    run_blocking,
    token::{self, Place},
};

/// What a token begins with, for the way that it leads.
const FORWARDS: &str = "f/";
const BACKWARDS: &str = "b/";

/// Some lines of a stream. At an end of the stream the token that leads further is the one that led here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvents {
    /// Oldest first.
    pub events: Vec<StoredEvent>,
    /// For the lines after these.
    pub forward_token: String,
    /// For the lines before these.
    pub backward_token: String,
}

/// Which lines of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamRange {
    /// Lines not older than this.
    pub start_ms: Option<i64>,
    /// Lines older than this.
    pub end_ms: Option<i64>,
    /// Begin with the first line instead of the last, if there is no token.
    pub from_start: bool,
}

enum Way {
    Forwards(Place),
    Backwards(Place),
}

impl LogStore {
    /// A page of at most `limit` lines of a stream that exists: without a token the last ones, or the first.
    ///
    /// # Errors
    /// Group or stream does not exist, the token is not one of the group's, or the disk cannot be read.
    pub async fn stream_events(
        &self,
        key: &GroupKey,
        stream: &str,
        range: StreamRange,
        limit: usize,
        token: Option<&str>,
    ) -> Result<StreamEvents, LogError> {
        self.catch_up().await;
        let (group, key) = (self.group(key)?, key.clone());
        let (stream, token) = (stream.to_owned(), token.map(ToOwned::to_owned));
        run_blocking(move || {
            if !has_stream(&group, &stream)? {
                return Err(LogError::StreamMissing(stream));
            }
            let way = way(&group, &key, token.as_deref(), range.from_start)?;
            let StreamRange { start_ms, end_ms, .. } = range;
            let filter =
                Filter { start_ms, end_ms, streams: Streams::Named(vec![stream]), ..Filter::default() };
            let (events, before, after) = page(&group, way, &filter, Limits::of_page(limit))?;
            Ok(StreamEvents {
                events,
                forward_token: format!("{FORWARDS}{}", token::encode(&key, after)),
                backward_token: format!("{BACKWARDS}{}", token::encode(&key, before)),
            })
        })
        .await
    }
}

fn way(group: &Group, key: &GroupKey, token: Option<&str>, from_start: bool) -> Result<Way, LogError> {
    let Some(token) = token else {
        let newest = group.newest();
        return Ok(match from_start {
            true => Way::Forwards(Cursor::at(group.find(0).segment.number).place),
            false => Way::Backwards(Place { segment: newest.number, offset: newest.bytes }),
        });
    };
    let place = |token| {
        token::decode(key, token).and_then(|place| read::resume(group, place)).map(|cursor| cursor.place)
    };
    match (token.strip_prefix(FORWARDS), token.strip_prefix(BACKWARDS)) {
        (Some(token), _) => place(token).map(Way::Forwards),
        (_, Some(token)) => place(token).map(Way::Backwards),
        _ => Err(LogError::PageToken),
    }
}

/// The lines, and the places before and after them.
fn page(
    group: &Group,
    way: Way,
    filter: &Filter,
    limits: Limits,
) -> Result<(Vec<StoredEvent>, Place, Place), LogError> {
    match way {
        Way::Forwards(from) => {
            let Scanned { events, cursor, at_end, .. } =
                read::scan(group, Cursor { place: from, lines: 0 }, filter, limits)?;
            // At the end the token must not move on with lines of other streams, or nobody would see that it is the end.
            let after = if at_end && events.is_empty() { from } else { cursor.place };
            Ok((events, from, after))
        }
        Way::Backwards(from) => {
            let found = read::scan_back(group, from, filter, limits)?;
            let is_start = found.events.is_empty() && found.is_start;
            Ok((found.events, if is_start { from } else { found.place }, from))
        }
    }
}
