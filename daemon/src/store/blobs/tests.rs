//! What has a name is whole, and nothing else stays.

use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};

use super::*;

const CONTENT: &[u8] = b"content";

struct World {
    directory: TempDir,
    faults: Faults,
}

impl World {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), faults: Faults::default() }
    }

    fn open(&self) -> Blobs {
        Blobs::open(self.directory.path().join("blobs"), self.faults.clone()).unwrap()
    }

    /// Every file under the root, unfinished ones too.
    fn files(&self) -> Vec<PathBuf> {
        let directories = list_directory(&self.directory.path().join("blobs")).unwrap();
        directories.iter().flat_map(|directory| list_directory(directory).unwrap()).collect()
    }
}

fn content() -> Bytes {
    Bytes::from_static(CONTENT)
}

#[tokio::test]
async fn content_is_found_by_its_digest() {
    let world = World::new();
    let blobs = world.open();
    let digest = blobs.put(content()).await.unwrap();
    assert_eq!(digest, Sha256Digest::of(CONTENT));
    assert_eq!(blobs.read(digest, 100).await.unwrap(), content());

    let Blob { mut file, len } = blobs.open_blob(digest).await.unwrap();
    assert!(blobs.remove(digest).await.unwrap());
    assert!(!blobs.remove(digest).await.unwrap());
    assert!(matches!(blobs.open_blob(digest).await, Err(StoreError::NoSuchBlob { .. })));
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert_eq!((read.as_slice(), len), (CONTENT, CONTENT.len() as u64), "an open blob outlives its name");
}

#[tokio::test]
async fn pieces_make_the_same_blob_as_the_whole() {
    let world = World::new();
    let blobs = world.open();
    let mut writer = blobs.writer(7).await.unwrap();
    for piece in ["con", "", "tent"] {
        writer.append(Bytes::from_static(piece.as_bytes())).await.unwrap();
    }
    assert_eq!(writer.len(), 7);
    assert_eq!(writer.finish().await.unwrap(), (Sha256Digest::of(CONTENT), 7));
    let listed = blobs.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].digest, listed[0].len), (Sha256Digest::of(CONTENT), 7));
}

#[tokio::test]
async fn content_over_the_limit_leaves_nothing() {
    let world = World::new();
    let blobs = world.open();
    let mut writer = blobs.writer(6).await.unwrap();
    writer.append(Bytes::from_static(b"con")).await.unwrap();
    let error = writer.append(Bytes::from_static(b"tent")).await.unwrap_err();
    assert!(matches!(error, StoreError::BlobTooLarge { limit: 6 }), "{error}");
    assert!(world.files().is_empty());
    // What was refused cannot be finished without its middle.
    assert!(matches!(writer.append(Bytes::new()).await, Err(StoreError::BlobInterrupted)));
    assert!(matches!(writer.finish().await, Err(StoreError::BlobInterrupted)));
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let world = World::new();
    let blobs = world.open();
    let mut writer = blobs.writer(100).await.unwrap();
    writer.append(content()).await.unwrap();
    assert_eq!(world.files().len(), 1);
    drop(writer);
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn a_failure_before_the_name_is_given_leaves_nothing() {
    for point in [point::BLOB_WRITTEN, point::BLOB_SYNCED] {
        let world = World::new();
        let blobs = world.open();
        world.faults.set(point, "error");
        assert!(matches!(blobs.put(content()).await, Err(StoreError::File { .. })));
        assert!(world.files().is_empty(), "after a failure at {point}");
        assert!(blobs.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_failure_to_make_the_name_durable_is_not_acknowledged() {
    let world = World::new();
    world.faults.set(point::BLOB_RENAMED, "error");
    assert!(matches!(world.open().put(content()).await, Err(StoreError::File { .. })));
}

#[tokio::test]
async fn what_a_killed_daemon_was_writing_is_removed_and_what_it_finished_stays() {
    let world = World::new();
    let blobs = world.open();
    let digest = blobs.put(content()).await.unwrap();
    let leftover = world.directory.path().join("blobs/incoming/.tmpX1");
    fs::write(&leftover, b"cont").unwrap();
    let blobs = world.open();
    assert!(!leftover.exists());
    assert_eq!(blobs.read(digest, 100).await.unwrap(), content());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_store_the_same_at_once_make_one_blob() {
    let world = World::new();
    let blobs = world.open();
    let mut storing = JoinSet::new();
    for _ in 0..32 {
        let blobs = blobs.clone();
        storing.spawn(async move {
            let digest = blobs.put(content()).await.unwrap();
            assert_eq!(blobs.read(digest, 100).await.unwrap(), content());
        });
    }
    while let Some(stored) = storing.join_next().await {
        stored.unwrap();
    }
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn a_damaged_blob_is_noticed_when_it_is_read() {
    let world = World::new();
    let blobs = world.open();
    let digest = blobs.put(content()).await.unwrap();
    fs::write(blobs.path(digest), b"c0ntent").unwrap();
    assert!(matches!(blobs.read(digest, 100).await, Err(StoreError::DamagedBlob { .. })));
    assert!(matches!(blobs.check(digest).await, Err(StoreError::DamagedBlob { .. })));
    // Storing it again makes it whole.
    blobs.put(content()).await.unwrap();
    assert_eq!(blobs.read(digest, 100).await.unwrap(), content());
    blobs.check(digest).await.unwrap();
}

#[tokio::test]
async fn a_blob_that_is_larger_than_its_reader_allows_is_not_read() {
    let world = World::new();
    let blobs = world.open();
    let digest = blobs.put(content()).await.unwrap();
    assert!(matches!(blobs.read(digest, 6).await, Err(StoreError::BlobTooLarge { limit: 6 })));
}

#[tokio::test]
async fn a_blob_stored_again_counts_as_young() {
    let world = World::new();
    let blobs = world.open();
    let digest = blobs.put(content()).await.unwrap();
    let first = blobs.list().await.unwrap()[0].stored_at;
    // The kernel stamps files in steps of a few milliseconds.
    tokio::time::sleep(Duration::from_millis(20)).await;
    blobs.put(content()).await.unwrap();
    assert!(blobs.list().await.unwrap()[0].stored_at > first);
    assert!(!blobs.remove_unused(digest, first).await.unwrap());
    let now = blobs.list().await.unwrap()[0].stored_at;
    assert!(blobs.remove_unused(digest, now).await.unwrap());
    assert!(blobs.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn files_that_are_no_blobs_are_not_listed() {
    let world = World::new();
    let blobs = world.open();
    blobs.put(content()).await.unwrap();
    let root = world.directory.path().join("blobs");
    fs::write(root.join("README"), b"not ours").unwrap();
    fs::create_dir(root.join("lost+found")).unwrap();
    fs::write(root.join("lost+found/notes"), b"not ours").unwrap();
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_are_stored_as_what_they_make(pieces: Vec<Vec<u8>>) {
        Runtime::new().unwrap().block_on(async {
            let world = World::new();
            let blobs = world.open();
            let whole = pieces.concat();
            let mut writer = blobs.writer(whole.len() as u64).await.unwrap();
            for piece in pieces {
                writer.append(piece.into()).await.unwrap();
            }
            let (digest, len) = writer.finish().await.unwrap();
            assert_eq!((digest, len), (Sha256Digest::of(&whole), whole.len() as u64));
            assert_eq!(blobs.read(digest, len).await.unwrap(), whole);
        });
    }
}
