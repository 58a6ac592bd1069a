//! What can be stored, and how it lies in the database.
//!
//! One sled tree holds every record, under `tree NUL key`: so a batch over several kinds of records is one sled batch,
//! the best tried of sled's ways to change several things at once.
//!
//! A value is a header of three bytes and JSON: the encoding, then the record's schema version in two bytes, most
//! significant first.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::IVec;

use super::StoreError;

/// The longest key, in bytes: an account id, a function's name and a qualifier fit twice. Index pages of the database
/// hold up to 256 keys and must stay well under the size that would leave its log (see [`MAX_ITEM_BYTES`]).
pub const MAX_KEY_BYTES: usize = 512;

/// The largest record, encoded, with its key.
///
/// Above a quarter of a segment sled moves a *page* to a file that it never syncs. A page is a leaf of 16 items and a
/// few more while it splits or merges, so the segment must hold 4 * 32 of the largest items: that is what
/// `SEGMENT_BYTES` is set for, and a test watches that no such file ever appears. (With sled's own segments of 512 KiB
/// the safe limit would be 4 KiB an item, not 128.)
pub const MAX_ITEM_BYTES: usize = 128 * 1024;

/// JSON: what a person can read in a pinch, and serde can upgrade.
const ENCODING_JSON: u8 = 1;

const HEADER_BYTES: usize = 3;

const SEPARATOR: u8 = 0;

/// A kind of thing that is stored.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where these records live: 1 to 32 lower-case letters, digits, `_`. One kind of record a tree; never renamed.
    const TREE: &'static str;

    /// Raised with every change of the encoding that an older program would misread.
    const SCHEMA_VERSION: u16;

    /// Turns the JSON of an older schema into that of [`Self::SCHEMA_VERSION`]; `None` when that schema is no longer
    /// read. Needed only by kinds that have had one.
    #[must_use]
    fn upgrade(found: u16, old: serde_json::Value) -> Option<serde_json::Value> {
        let _ = (found, old);
        None
    }
}

/// A record as it was read: the value, and the exact state that a compare-and-swap compares.
pub struct Stored<R> {
    key: String,
    value: R,
    encoded: IVec,
}

impl<R: Record> Stored<R> {
    pub(super) fn decode(key: String, encoded: IVec) -> Result<Self, StoreError> {
        let value = decode(&key, &encoded)?;
        Ok(Self { key, value, encoded })
    }

    pub(super) fn new(key: String, value: R, encoded: IVec) -> Self {
        Self { key, value, encoded }
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The record.
    #[must_use]
    pub fn value(&self) -> &R {
        &self.value
    }

    /// The record, out of its wrapping.
    #[must_use]
    pub fn into_value(self) -> R {
        self.value
    }

    pub(super) fn encoded(&self) -> &IVec {
        &self.encoded
    }
}

impl<R> Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.value
    }
}

impl<R: Clone> Clone for Stored<R> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone(), encoded: self.encoded.clone() }
    }
}

impl<R: fmt::Debug> fmt::Debug for Stored<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("key", &self.key).field("value", &self.value).finish_non_exhaustive()
    }
}

/// The store's own note on each kind of record: the newest schema that was ever written of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Schema {
    pub(super) version: u16,
    pub(super) written_by: String,
}

impl Record for Schema {
    const TREE: &'static str = "schema";
    const SCHEMA_VERSION: u16 = 1;
}

const fn is_tree_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_') {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes.len() <= 32
}

/// The place of a record in the database.
pub(super) fn database_key<R: Record>(key: &str) -> Result<Vec<u8>, StoreError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(StoreError::InvalidKey { tree: R::TREE, length: key.len(), limit: MAX_KEY_BYTES });
    }
    Ok(database_prefix::<R>(key))
}

/// What the places of all records begin with whose key begins with `prefix`.
pub(super) fn database_prefix<R: Record>(prefix: &str) -> Vec<u8> {
    const { assert!(is_tree_name(R::TREE), "a tree has a name of 1 to 32 lower-case letters, digits and _") };
    let mut bytes = Vec::with_capacity(R::TREE.len() + 1 + prefix.len());
    bytes.extend_from_slice(R::TREE.as_bytes());
    bytes.push(SEPARATOR);
    bytes.extend_from_slice(prefix.as_bytes());
    bytes
}

/// The record's own key in a place of the database.
pub(super) fn record_key<R: Record>(place: &[u8]) -> Result<String, StoreError> {
    let key = place.get(R::TREE.len() + 1..).unwrap_or_default();
    String::from_utf8(key.to_vec()).map_err(|error| StoreError::DamagedRecord {
        tree: R::TREE,
        key: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        source: None,
    })
}

pub(super) fn encode<R: Record>(key: &str, record: &R) -> Result<IVec, StoreError> {
    let mut bytes = vec![ENCODING_JSON];
    bytes.extend_from_slice(&R::SCHEMA_VERSION.to_be_bytes());
    serde_json::to_writer(&mut bytes, record).map_err(|source| StoreError::Encode {
        tree: R::TREE,
        key: key.to_owned(),
        source,
    })?;
    let size = bytes.len() + R::TREE.len() + 1 + key.len();
    if size > MAX_ITEM_BYTES {
        let limit = MAX_ITEM_BYTES;
        return Err(StoreError::RecordTooLarge { tree: R::TREE, key: key.to_owned(), size, limit });
    }
    Ok(bytes.into())
}

fn decode<R: Record>(key: &str, bytes: &[u8]) -> Result<R, StoreError> {
    let damaged = |source| StoreError::DamagedRecord { tree: R::TREE, key: key.to_owned(), source };
    let Some(([ENCODING_JSON, schema @ ..], json)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(damaged(None));
    };
    let found = u16::from_be_bytes(*schema);
    if found == R::SCHEMA_VERSION {
        return serde_json::from_slice(json).map_err(|error| damaged(Some(error)));
    }
    if found > R::SCHEMA_VERSION {
        // The store notes a schema with its first record and refuses the kind before it comes to a record. This is
        // for a directory that was put together by hand.
        let (supported, written_by) = (R::SCHEMA_VERSION, "that wrote it".to_owned());
        return Err(StoreError::NewerRecords { tree: R::TREE, found, supported, written_by });
    }
    let old = serde_json::from_slice(json).map_err(|error| damaged(Some(error)))?;
    let new = R::upgrade(found, old).ok_or_else(|| StoreError::OlderRecord {
        tree: R::TREE,
        key: key.to_owned(),
        found,
    })?;
    serde_json::from_value(new).map_err(|error| damaged(Some(error)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct First {
        name: String,
    }
    impl Record for First {
        const TREE: &'static str = "thing";
        const SCHEMA_VERSION: u16 = 1;
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Second {
        names: Vec<String>,
    }
    impl Record for Second {
        const TREE: &'static str = "thing";
        const SCHEMA_VERSION: u16 = 2;

        fn upgrade(found: u16, old: serde_json::Value) -> Option<serde_json::Value> {
            (found == 1).then(|| serde_json::json!({ "names": [old["name"]] }))
        }
    }

    fn first(name: &str) -> First {
        First { name: name.to_owned() }
    }

    #[test]
    fn a_record_of_an_older_schema_is_upgraded_when_read() {
        let encoded = encode("k", &first("a")).unwrap();
        let read = Stored::<Second>::decode("k".to_owned(), encoded).unwrap();
        assert_eq!(read.value(), &Second { names: vec!["a".to_owned()] });
    }

    #[test]
    fn a_record_of_a_newer_schema_is_refused() {
        let encoded = encode("k", &Second { names: Vec::new() }).unwrap();
        let error = decode::<First>("k", &encoded).unwrap_err();
        assert!(matches!(error, StoreError::NewerRecords { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn a_schema_that_cannot_be_upgraded_is_refused() {
        let mut encoded = encode("k", &first("a")).unwrap().to_vec();
        encoded[2] = 0;
        let error = decode::<First>("k", &encoded).unwrap_err();
        assert!(matches!(error, StoreError::OlderRecord { found: 0, .. }), "{error}");
    }

    #[test]
    fn a_record_over_the_limit_is_refused_with_the_limit_named() {
        let error = encode("k", &first(&"x".repeat(MAX_ITEM_BYTES))).unwrap_err().to_string();
        assert!(error.contains("thing/k") && error.contains("131072"), "{error}");
    }

    #[test]
    fn an_empty_or_endless_key_is_refused() {
        for key in ["", &"k".repeat(MAX_KEY_BYTES + 1)] {
            assert!(matches!(database_key::<First>(key), Err(StoreError::InvalidKey { .. })));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = decode::<First>("k", &bytes);
        }

        #[test]
        fn records_survive_being_written_and_read(key in ".{1,100}", name in ".*") {
            let place = database_key::<First>(&key).unwrap();
            prop_assert_eq!(record_key::<First>(&place).unwrap(), key.clone());
            let encoded = encode(&key, &first(&name)).unwrap();
            prop_assert_eq!(decode::<First>(&key, &encoded).unwrap(), first(&name));
        }
    }
}
