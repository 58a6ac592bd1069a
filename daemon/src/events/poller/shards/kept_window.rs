//! What the store keeps of the window of a shard that is open.
//!
//! A state may be larger than a record of the store, so it is kept in parts. They are written to one of two slots, in turn,
//! and only what names the slot, which is written with the checkpoint, makes them the state. So a state and the checkpoint that
//! it goes with are both kept, or those before them are.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::super::windows::Window;
use crate::store::{Batch, Record, Store, StoreError};

/// Bytes of a part, at most. As JSON in a record each byte may take two, and a record has 128 KiB.
const PART: usize = 48 * 1024;

/// Parts that are written or removed at once. A batch of the store has 1 MiB.
const AT_ONCE: usize = 8;

/// The window that is open, under `ACCOUNT/UUID/SHARD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptWindow {
    #[serde(with = "time::serde::rfc3339")]
    start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    end: OffsetDateTime,
    slot: u8,
    parts: usize,
}

impl Record for KeptWindow {
    const TREE: &'static str = "shard_windows";
    const SCHEMA_VERSION: u16 = 1;
}

/// A part of a state, under `ACCOUNT/UUID/SHARD/SLOT/NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StatePart(String);

impl Record for StatePart {
    const TREE: &'static str = "shard_window_states";
    const SCHEMA_VERSION: u16 = 1;
}

fn part_key(key: &str, slot: u8, number: usize) -> String {
    format!("{key}/{slot}/{number}")
}

/// The window that was open when a shard was read last.
pub(super) fn read(store: &Store, key: &str) -> Result<Option<Window>, StoreError> {
    let Some(kept) = store.get::<KeptWindow>(key)? else { return Ok(None) };
    let KeptWindow { start, end, slot, parts } = kept.into_value();
    let mut state = String::new();
    for number in 0..parts {
        let key = part_key(key, slot, number);
        let missing = || StoreError::DamagedRecord { tree: StatePart::TREE, key: key.clone(), source: None };
        state.push_str(&store.get::<StatePart>(&key)?.ok_or_else(missing)?.into_value().0);
    }
    Ok(Some(Window { start, end, state: state.into() }))
}

/// Writes what `last`, the batch with the checkpoint, will make the window that is open.
pub(super) async fn write(
    store: &Store,
    key: &str,
    window: &Window,
    last: &mut Batch,
) -> Result<(), StoreError> {
    let slot = store.get::<KeptWindow>(key)?.map_or(0, |kept| 1 - kept.into_value().slot.min(1));
    let parts = parts(&window.state);
    // Those that fit go with the checkpoint: most states are one write.
    let (before, with) = parts.split_at(parts.len().saturating_sub(AT_ONCE));
    for (some, parts) in before.chunks(AT_ONCE).enumerate() {
        let mut batch = Batch::new();
        put(&mut batch, key, slot, some * AT_ONCE, parts)?;
        store.batch(batch).await?;
    }
    put(last, key, slot, before.len(), with)?;
    last.put(key, &KeptWindow { start: window.start, end: window.end, slot, parts: parts.len() })
}

fn put(batch: &mut Batch, key: &str, slot: u8, first: usize, parts: &[&str]) -> Result<(), StoreError> {
    for (number, part) in parts.iter().enumerate() {
        batch.put(&part_key(key, slot, first + number), &StatePart((*part).to_owned()))?;
    }
    Ok(())
}

/// A text in parts.
fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        // The end of a part may not be within a character.
        let end = (1..=PART).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        parts.push(part);
        text = rest;
    }
    parts
}

/// Has `last`, the batch with the checkpoint, close the window.
pub(super) fn close(key: &str, last: &mut Batch) -> Result<(), StoreError> {
    last.delete::<KeptWindow>(key)
}

/// Removes what is left of windows under a key, or under all that begin with it and a slash.
pub(super) async fn remove(store: &Store, key: &str) -> Result<(), StoreError> {
    let prefix = format!("{key}/");
    let mut keys = store.scan_all::<KeptWindow>(&prefix);
    let mut windows = vec![key.to_owned()];
    keys.try_for_each(|kept| kept.map(|kept| windows.push(kept.key().to_owned())))?;
    for some in windows.chunks(AT_ONCE) {
        let mut batch = Batch::new();
        some.iter().try_for_each(|key| batch.delete::<KeptWindow>(key))?;
        store.batch(batch).await?;
    }
    remove_parts(store, key).await
}

/// Removes the parts of states under a key. None of them is one that a window has.
pub(super) async fn remove_parts(store: &Store, key: &str) -> Result<(), StoreError> {
    let found = store.scan_all::<StatePart>(&format!("{key}/"));
    let keys = found.map(|kept| Ok(kept?.key().to_owned())).collect::<Result<Vec<_>, StoreError>>()?;
    for some in keys.chunks(AT_ONCE) {
        let mut batch = Batch::new();
        some.iter().try_for_each(|key| batch.delete::<StatePart>(key))?;
        store.batch(batch).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    const KEY: &str = "000000000000/a-mapping/shardId-000000000000";

    fn window(state: &str) -> Window {
        let start = OffsetDateTime::UNIX_EPOCH;
        Window { start, end: start + time::Duration::seconds(10), state: state.into() }
    }

    async fn keep(store: &Store, window: &Window) {
        let mut last = Batch::new();
        write(store, KEY, window, &mut last).await.unwrap();
        store.batch(last).await.unwrap();
    }

    #[tokio::test]
    async fn a_state_of_any_size_is_kept_whole_and_goes_whole() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        // The worst for JSON in JSON, characters that parts may not cut, and little after much.
        for state in [&"\"\\".repeat(1024 * 1024), &"é–😀".repeat(300_000), "{}", &"{\"a\": 1}".repeat(9_000)]
        {
            keep(&store, &window(state)).await;
            assert!(read(&store, KEY).unwrap() == Some(window(state)), "a state of {} bytes", state.len());
        }
        remove(&store, "000000000000/another").await.unwrap();
        assert!(read(&store, KEY).unwrap().is_some());
        remove(&store, "000000000000/a-mapping").await.unwrap();
        assert_eq!(read(&store, KEY).unwrap(), None);
        assert_eq!(store.scan_all::<StatePart>("").count(), 0);
    }

    #[tokio::test]
    async fn a_state_that_was_not_written_to_its_end_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        keep(&store, &window("\"first\"")).await;
        // What a crash leaves before the batch with the checkpoint.
        write(&store, KEY, &window(&"x".repeat(1024 * 1024)), &mut Batch::new()).await.unwrap();
        assert_eq!(read(&store, KEY).unwrap(), Some(window("\"first\"")));
        keep(&store, &window("\"second\"")).await;
        assert_eq!(read(&store, KEY).unwrap(), Some(window("\"second\"")));
    }
}
