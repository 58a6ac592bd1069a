//! Reading records in the order of their keys, a bounded page at a time.

use std::ops::Bound;

use super::{Record, Stored, record::database_prefix};

/// The most records in a page.
pub const MAX_PAGE_RECORDS: usize = 1000;

/// A page ends after the record with which it exceeds this, so that a page of large records is bounded too.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which records to read. Everything of a kind, unless narrowed.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    from: Option<&'a str>,
    before: Option<&'a str>,
    limit: usize,
}

/// Some records, in the order of their keys.
#[derive(Debug)]
pub struct Page<R> {
    /// The records. They were all there at one moment.
    pub records: Vec<Stored<R>>,
    /// Whether there were more; they are [`Scan::after`] the last of these.
    pub more: bool,
}

/// A range of places in the database.
pub(super) type PlaceRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl<'a> Scan<'a> {
    /// Every record.
    #[must_use]
    pub const fn all() -> Self {
        Self::prefix("")
    }

    /// The records whose key begins with `prefix`.
    #[must_use]
    pub const fn prefix(prefix: &'a str) -> Self {
        Self { prefix, after: None, from: None, before: None, limit: MAX_PAGE_RECORDS }
    }

    /// Only those with a key greater than this: the last one of the page before.
    #[must_use]
    pub const fn after(mut self, key: &'a str) -> Self {
        self.after = Some(key);
        self
    }

    /// Only those with this key or a greater one.
    #[must_use]
    pub const fn from(mut self, key: &'a str) -> Self {
        self.from = Some(key);
        self
    }

    /// Only those with a smaller key.
    #[must_use]
    pub const fn before(mut self, key: &'a str) -> Self {
        self.before = Some(key);
        self
    }

    /// At most this many; at least one, and never more than [`MAX_PAGE_RECORDS`].
    #[must_use]
    pub const fn limit(mut self, records: usize) -> Self {
        self.limit = records;
        self
    }

    pub(super) fn page_records(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE_RECORDS)
    }

    /// The range in the database; `None` when it is empty.
    pub(super) fn range<R: Record>(&self) -> Option<PlaceRange> {
        let prefix = database_prefix::<R>(self.prefix);
        let mut end = end_of_prefix(&prefix);
        if let Some(before) = self.before {
            end = end.min(database_prefix::<R>(before));
        }
        // Smallest key first; of one key, the bound that excludes it is the narrower one.
        let mut start = (prefix, false);
        if let Some(from) = self.from {
            start = start.max((database_prefix::<R>(from), false));
        }
        if let Some(after) = self.after {
            start = start.max((database_prefix::<R>(after), true));
        }
        let (start, excluded) = start;
        if start >= end {
            return None;
        }
        let start = if excluded { Bound::Excluded(start) } else { Bound::Included(start) };
        Some((start, Bound::Excluded(end)))
    }
}

/// The smallest key after all that begin with `prefix`, which is not empty and holds no 0xFF: it is UTF-8 and a NUL.
fn end_of_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
