//! What the layers above may rely on.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

use super::{faults::point, *};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Thing(String);
impl Record for Thing {
    const TREE: &'static str = "thing";
    const SCHEMA_VERSION: u16 = 1;
}

/// Its tree sorts right behind that of [`Thing`], and begins with the same letters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Thing2(u64);
impl Record for Thing2 {
    const TREE: &'static str = "thing2";
    const SCHEMA_VERSION: u16 = 1;
}

/// [`Thing`], as a later thawd stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NewerThing(Vec<String>);
impl Record for NewerThing {
    const TREE: &'static str = "thing";
    const SCHEMA_VERSION: u16 = 2;
}

fn thing(text: &str) -> Thing {
    Thing(text.to_owned())
}

/// A store of its own for each test, that can be opened again.
struct World {
    directory: TempDir,
    options: StoreOptions,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(directory.path().join("data"));
        Self { directory, options }
    }

    fn open(&self) -> Store {
        Store::open(&self.options).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("data").join(name)
    }
}

fn keys<R: Record>(page: &Page<R>) -> Vec<&str> {
    page.records.iter().map(Stored::key).collect()
}

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let world = World::new();
    let store = world.open();
    store.put("a", &thing("1")).await.unwrap();
    store.put("b", &thing("2")).await.unwrap();
    store.delete::<Thing>("a").await.unwrap();
    store.delete::<Thing>("never").await.unwrap();
    let instance = store.instance_id();
    drop(store);

    let store = world.open();
    assert!(store.get::<Thing>("a").unwrap().is_none());
    assert_eq!(store.get::<Thing>("b").unwrap().unwrap().into_value(), thing("2"));
    assert_eq!(store.instance_id(), instance);
}

#[tokio::test]
async fn kinds_of_records_do_not_meet() {
    let world = World::new();
    let store = world.open();
    store.put("k", &thing("text")).await.unwrap();
    store.put("k", &Thing2(7)).await.unwrap();
    assert_eq!(*store.get::<Thing>("k").unwrap().unwrap(), thing("text"));
    assert_eq!(*store.get::<Thing2>("k").unwrap().unwrap(), Thing2(7));
    assert_eq!(keys(&store.scan::<Thing>(Scan::all()).unwrap()), ["k"]);
    store.delete::<Thing>("k").await.unwrap();
    assert!(store.get::<Thing2>("k").unwrap().is_some());
}

#[tokio::test]
async fn a_second_daemon_is_refused_while_the_first_lives() {
    let world = World::new();
    let first = world.open();
    let error = Store::open(&world.options).unwrap_err();
    assert!(matches!(error, StoreError::InUse { holder: Some(_), .. }), "{error}");
    drop(first);
    world.open();
}

/// A process that is being started has copies of all locks until its `exec`.
#[tokio::test]
async fn a_store_is_opened_again_at_once_while_other_threads_start_processes() {
    let world = World::new();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let starting = {
        let stop = stop.clone();
        thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::process::Command::new("true").status().unwrap();
            }
        })
    };
    for number in 0..10 {
        world.open().put("n", &Thing2(number)).await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    starting.join().unwrap();
}

#[tokio::test]
async fn a_directory_of_a_newer_format_is_refused_and_left_alone() {
    let world = World::new();
    drop(world.open());
    std::fs::write(world.path("format"), r#"{"format":9,"written_by":"3.0.0"}"#).unwrap();
    let error = Store::open(&world.options).unwrap_err().to_string();
    assert!(error.contains("run version 3.0.0 or later"), "{error}");
}

#[tokio::test]
async fn records_of_a_newer_schema_can_be_neither_read_nor_overwritten() {
    let world = World::new();
    let store = world.open();
    store.put("new", &NewerThing(vec![])).await.unwrap();
    store.delete::<NewerThing>("new").await.unwrap();
    drop(store);

    // Not even where no such record is left: what else the newer program assumes is not known.
    let store = world.open();
    let newer = |error: StoreError| {
        assert!(matches!(error, StoreError::NewerRecords { found: 2, supported: 1, .. }), "{error}");
        assert!(error.to_string().contains(&format!("run version {} or later", env!("CARGO_PKG_VERSION"))));
    };
    newer(store.check_schema::<Thing>().unwrap_err());
    newer(store.get::<Thing>("new").unwrap_err());
    newer(store.scan::<Thing>(Scan::all()).unwrap_err());
    newer(store.put("new", &thing("old")).await.unwrap_err());
    newer(store.delete::<Thing>("new").await.unwrap_err());
    store.check_schema::<NewerThing>().unwrap();
    store.put("other", &Thing2(1)).await.unwrap();
}

#[tokio::test]
async fn of_two_who_swap_one_wins_and_the_other_is_told() {
    let world = World::new();
    let store = world.open();
    let first = store.compare_and_swap("k", None, thing("1")).await.unwrap();
    let error = store.compare_and_swap("k", None, thing("other")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { tree: "thing", ref key } if key == "k"), "{error}");

    let second = store.compare_and_swap("k", Some(&first), thing("2")).await.unwrap();
    assert!(store.compare_and_swap("k", Some(&first), thing("3")).await.is_err());
    assert!(store.compare_and_delete(&first).await.is_err());
    assert_eq!(*store.get::<Thing>("k").unwrap().unwrap(), thing("2"));
    store.compare_and_delete(&second).await.unwrap();
    assert!(store.compare_and_swap("k", Some(&second), thing("4")).await.is_err());
    assert!(store.get::<Thing>("k").unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_counter_that_many_swap_misses_nobody() {
    let world = World::new();
    let store = world.open();
    let (tasks, rounds) = (16, 20);
    let mut counting = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let store = store.clone();
        counting.spawn(async move {
            for _ in 0..rounds {
                loop {
                    let seen = store.get::<Thing2>("n").unwrap();
                    let next = Thing2(seen.as_ref().map_or(0, |seen| seen.0) + 1);
                    match store.compare_and_swap("n", seen.as_ref(), next).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    while let Some(done) = counting.join_next().await {
        done.unwrap();
    }
    assert_eq!(store.get::<Thing2>("n").unwrap().unwrap().0, tasks * rounds);
}

#[tokio::test]
async fn a_batch_happens_whole_or_not_at_all() {
    let world = World::new();
    let store = world.open();
    let stored = store.compare_and_swap("a", None, thing("1")).await.unwrap();

    let mut batch = Batch::new();
    batch.put("b", &thing("2")).unwrap();
    batch.put("n", &Thing2(1)).unwrap();
    batch.compare_and_swap("a", None, &thing("9")).unwrap();
    assert!(matches!(store.batch(batch).await, Err(StoreError::Conflict { .. })));
    assert!(store.get::<Thing>("b").unwrap().is_none() && store.get::<Thing2>("n").unwrap().is_none());

    let mut batch = Batch::new();
    batch.put("b", &thing("2")).unwrap();
    batch.put("n", &Thing2(1)).unwrap();
    batch.compare_and_delete(&stored).unwrap();
    store.batch(batch).await.unwrap();
    assert!(store.get::<Thing>("a").unwrap().is_none());
    assert!(store.get::<Thing>("b").unwrap().is_some() && store.get::<Thing2>("n").unwrap().is_some());
}

#[tokio::test]
async fn a_scan_gives_pages_in_the_order_of_keys() {
    let world = World::new();
    let store = world.open();
    for key in ["a/1", "a/2", "a/3", "b/1", "a", "é", "\u{10ffff}"] {
        store.put(key, &thing(key)).await.unwrap();
    }
    let scan = |scan| {
        let page = store.scan::<Thing>(scan).unwrap();
        (keys(&page).join(" "), page.more)
    };
    assert_eq!(scan(Scan::all()), ("a a/1 a/2 a/3 b/1 é \u{10ffff}".to_owned(), false));
    assert_eq!(scan(Scan::prefix("a/").limit(2)), ("a/1 a/2".to_owned(), true));
    assert_eq!(scan(Scan::prefix("a/").after("a/2").limit(2)), ("a/3".to_owned(), false));
    assert_eq!(scan(Scan::prefix("a/").from("a/2").before("a/3")), ("a/2".to_owned(), false));
    assert_eq!(scan(Scan::prefix("a/").after("b")), (String::new(), false));
    assert_eq!(scan(Scan::prefix("\u{10ffff}")), ("\u{10ffff}".to_owned(), false));
    let all: Vec<_> = store.scan_all::<Thing>("a/").map(|stored| stored.unwrap().into_value().0).collect();
    assert_eq!(all, ["a/1", "a/2", "a/3"]);
}

#[tokio::test]
async fn a_scan_of_everything_goes_over_its_pages() {
    let world = World::new();
    let store = world.open();
    let count = MAX_PAGE_RECORDS * 2 + 1;
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let mut batch = Batch::new();
        for number in chunk {
            batch.put(&format!("{number:05}"), &Thing2(*number as u64)).unwrap();
        }
        store.batch(batch).await.unwrap();
    }
    assert!(store.scan::<Thing2>(Scan::all().limit(usize::MAX)).unwrap().more);
    let numbers: Vec<u64> = store.scan_all::<Thing2>("").map(|stored| stored.unwrap().0).collect();
    assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_of_large_records_ends_early() {
    let world = World::new();
    let store = world.open();
    let large = thing(&"x".repeat(MAX_ITEM_BYTES - 100));
    let count = MAX_PAGE_BYTES / MAX_ITEM_BYTES + 10;
    for number in 0..count {
        store.put(&format!("{number:05}"), &large).await.unwrap();
    }
    let page = store.scan::<Thing>(Scan::all()).unwrap();
    assert!(page.more && page.records.len() < count);
    assert_eq!(store.scan_all::<Thing>("").count(), count);
}

/// sled moves large pages to files that it does not sync. The sizes of items and segments are chosen so that no page
/// becomes that large, however the largest items meet in one.
#[tokio::test]
async fn the_largest_records_never_leave_the_synced_file() {
    let world = World::new();
    let store = world.open();
    let largest = thing(&"x".repeat(MAX_ITEM_BYTES - 32));
    for round in 0..3 {
        for number in 0..60 {
            // Forwards, backwards and mixed, so that pages split and merge in several ways.
            let number = [number, 59 - number, number * 7 % 60][round];
            let mut batch = Batch::new();
            for twin in ["a", "b", "c"] {
                batch.put(&format!("{number:03}{twin}"), &largest).unwrap();
            }
            store.batch(batch).await.unwrap();
            let left_the_log = std::fs::read_dir(world.path("state/blobs")).unwrap().count();
            assert_eq!(left_the_log, 0, "after {number} in round {round}");
        }
    }
    for number in 0..60 {
        store.delete::<Thing>(&format!("{number:03}b")).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(world.path("state/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_batch_over_the_limit_is_refused() {
    let world = World::new();
    let store = world.open();
    let mut batch = Batch::new();
    for number in 0..=MAX_BATCH_BYTES / MAX_ITEM_BYTES {
        batch.put(&number.to_string(), &thing(&"x".repeat(MAX_ITEM_BYTES - 100))).unwrap();
    }
    assert!(matches!(store.batch(batch).await, Err(StoreError::BatchTooLarge { .. })));
    assert!(store.scan::<Thing>(Scan::all()).unwrap().records.is_empty());
}

#[tokio::test]
async fn a_watcher_sees_the_changes_under_its_prefix_in_order() {
    let world = World::new();
    let store = world.open();
    store.put("a/0", &thing("before")).await.unwrap();
    let mut watch = store.watch::<Thing>("a/");
    store.put("a/1", &thing("1")).await.unwrap();
    store.put("b/1", &thing("elsewhere")).await.unwrap();
    store.put("a/1", &Thing2(1)).await.unwrap();
    store.delete::<Thing>("a/1").await.unwrap();

    let WatchEvent::Put(stored) = watch.next().await.unwrap() else { panic!("a deletion") };
    assert_eq!((stored.key(), stored.value()), ("a/1", &thing("1")));
    assert!(matches!(watch.next().await.unwrap(), WatchEvent::Deleted(key) if key == "a/1"));
    store.close().await;
    assert!(matches!(watch.next().await, Err(StoreError::Closed)));
    assert!(matches!(store.watch::<Thing>("").next().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_watcher_that_sleeps_is_told_that_it_missed_something() {
    let world = World::new();
    let store = world.open();
    let mut watch = store.watch::<Thing2>("");
    let mut batch = Batch::new();
    for number in 0..1025 {
        batch.put(&format!("{number:05}"), &Thing2(number)).unwrap();
    }
    store.batch(batch).await.unwrap();
    for _ in 0..1024 {
        watch.next().await.unwrap();
    }
    assert!(matches!(watch.next().await, Err(StoreError::WatchLagged { tree: "thing2" })));
}

/// Runs a store into a failure at `point`; gives back what must hold afterwards to be looked at.
async fn fail_at(point: &str, action: &str) -> (World, Store) {
    let world = World::new();
    let store = world.open();
    store.put("kept", &thing("1")).await.unwrap();
    let mut watch = store.watch::<Thing>("");
    world.options.faults.set(point, action);

    let mut writing = tokio::task::JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        writing.spawn(async move { store.put(&format!("lost {number}"), &thing("2")).await });
    }
    while let Some(written) = writing.join_next().await {
        let error = written.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Failed(_)), "{error}");
    }
    let failure = timeout(Duration::from_secs(5), store.failed()).await.unwrap();
    assert!(failure.to_string().contains("state: nothing more can be stored"), "{failure}");
    assert!(matches!(watch.next().await, Err(StoreError::Failed(_))), "a watcher saw what is not durable");
    (world, store)
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_or_read_any_more() {
    for (point, action) in [
        (point::COMMIT_APPLIED, "error"),
        (point::COMMIT_FLUSHED, "error"),
        (point::COMMIT_SYNCED, "error"),
        (point::COMMIT_APPLIED, "panic"),
    ] {
        let (world, store) = fail_at(point, action).await;
        // The disk may be well again: it makes no difference.
        assert!(matches!(store.put("later", &thing("3")).await, Err(StoreError::Failed(_))));
        assert!(matches!(store.delete::<Thing>("kept").await, Err(StoreError::Failed(_))));
        assert!(matches!(store.get::<Thing>("kept"), Err(StoreError::Failed(_))));
        assert!(matches!(store.scan::<Thing>(Scan::all()), Err(StoreError::Failed(_))));
        store.close().await;
        drop(store);
        let store = Store::open(&StoreOptions::new(world.path(""))).unwrap();
        assert_eq!(*store.get::<Thing>("kept").unwrap().unwrap(), thing("1"));
        assert!(store.get::<Thing>("later").unwrap().is_none());
    }
}

#[tokio::test]
async fn a_store_that_works_does_not_fail() {
    let world = World::new();
    let store = world.open();
    store.put("a", &thing("1")).await.unwrap();
    assert!(timeout(Duration::from_millis(20), store.failed()).await.is_err());
    store.close().await;
    assert!(timeout(Duration::from_millis(20), store.failed()).await.is_err());
}

#[tokio::test]
async fn closing_finishes_what_waits_and_takes_no_more() {
    let world = World::new();
    let store = world.open();
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        writing.spawn(async move { store.put(&number.to_string(), &Thing2(number)).await.map(|()| number) });
    }
    tokio::task::yield_now().await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.put("late", &thing("1")).await, Err(StoreError::Closed)));
    assert!(matches!(store.batch(Batch::new()).await, Err(StoreError::Closed)));
    for written in writing.join_all().await {
        match written {
            Ok(number) => assert!(store.get::<Thing2>(&number.to_string()).unwrap().is_some()),
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error}"),
        }
    }
}

#[tokio::test]
async fn what_a_kill_while_opening_leaves_does_not_stop_the_next_open() {
    let world = World::new();
    let store = world.open();
    store.put("a", &thing("1")).await.unwrap();
    drop(store);
    // Sorts behind every true snapshot, as the newest would.
    let unfinished = world.path("state/snap.7FFFFFFFFFFFFFFF.generating");
    std::fs::write(&unfinished, b"half a snapsh").unwrap();
    let store = world.open();
    assert!(!unfinished.exists());
    assert_eq!(*store.get::<Thing>("a").unwrap().unwrap(), thing("1"));
}

#[tokio::test]
async fn a_kill_while_the_database_was_first_made_does_not_stop_the_next_open() {
    let world = World::new();
    drop(world.open());
    let settings = std::fs::read(world.path("state/conf")).unwrap();
    std::fs::remove_file(world.path("state/db")).unwrap();
    for written in [0, 5, settings.len() - 4] {
        let _ = std::fs::remove_file(world.path("state/db"));
        std::fs::write(world.path("state/conf"), &settings[..written]).unwrap();
        let store = world.open();
        store.put("a", &thing("1")).await.unwrap();
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Put(u8, u16),
    Delete(u8),
    Swap { key: u8, right: bool, new: u16 },
    Batch(Vec<(u8, Option<u16>)>),
    Scan { prefix: Option<u8>, after: Option<u8>, limit: usize },
    Reopen,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let key = 0..40_u8;
    let change = (key.clone(), proptest::option::of(any::<u16>()));
    let operation = prop_oneof![
        6 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Operation::Put(key, value)),
        3 => key.clone().prop_map(Operation::Delete),
        4 => (key.clone(), any::<bool>(), any::<u16>())
            .prop_map(|(key, right, new)| Operation::Swap { key, right, new }),
        3 => proptest::collection::vec(change, 0..30).prop_map(Operation::Batch),
        3 => (proptest::option::of(0..4_u8), proptest::option::of(key), 1..50_usize)
            .prop_map(|(prefix, after, limit)| Operation::Scan { prefix, after, limit }),
        1 => Just(Operation::Reopen),
    ];
    proptest::collection::vec(operation, 1..60)
}

/// Values of a few bytes and of some thousand, so that pages of the database split.
fn value_of(number: u16) -> Thing {
    Thing(number.to_string().repeat(usize::from(number % 7) * 300 + 1))
}

async fn follow_model(operations: Vec<Operation>) {
    let world = World::new();
    let mut store = world.open();
    let mut model = BTreeMap::<String, Thing>::new();
    let name = |key: u8| format!("{key:02}");
    for operation in operations {
        match operation {
            Operation::Put(key, value) => {
                store.put(&name(key), &value_of(value)).await.unwrap();
                model.insert(name(key), value_of(value));
            }
            Operation::Delete(key) => {
                store.delete::<Thing>(&name(key)).await.unwrap();
                model.remove(&name(key));
            }
            Operation::Swap { key, right, new } => {
                let seen = store.get::<Thing>(&name(key)).unwrap();
                assert_eq!(seen.as_deref(), model.get(&name(key)));
                if !right {
                    let meanwhile = Thing(format!("meanwhile {}", model.len()));
                    store.put(&name(key), &meanwhile).await.unwrap();
                    model.insert(name(key), meanwhile);
                }
                let swapped = store.compare_and_swap(&name(key), seen.as_ref(), value_of(new)).await;
                let unchanged = seen.as_deref() == model.get(&name(key));
                assert_eq!(swapped.is_ok(), unchanged);
                if unchanged {
                    model.insert(name(key), value_of(new));
                }
            }
            Operation::Batch(changes) => {
                let mut batch = Batch::new();
                for (key, value) in changes {
                    match value.map(value_of) {
                        Some(value) => {
                            batch.put(&name(key), &value).unwrap();
                            model.insert(name(key), value);
                        }
                        None => {
                            batch.delete::<Thing>(&name(key)).unwrap();
                            model.remove(&name(key));
                        }
                    }
                }
                store.batch(batch).await.unwrap();
            }
            Operation::Scan { prefix, after, limit } => {
                let prefix = prefix.map(|digit| digit.to_string()).unwrap_or_default();
                let after = after.map(name);
                let scan = Scan::prefix(&prefix).limit(limit);
                let scan = after.as_deref().map_or(scan, |after| scan.after(after));
                let page = store.scan::<Thing>(scan).unwrap();
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(key, _)| key.starts_with(&prefix))
                    .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                    .collect();
                assert_eq!(page.more, expected.len() > limit);
                let found: Vec<_> =
                    page.records.iter().map(|stored| (stored.key(), stored.value().clone())).collect();
                let expected: Vec<_> = expected
                    .into_iter()
                    .take(limit)
                    .map(|(key, value)| (key.as_str(), value.clone()))
                    .collect();
                assert_eq!(found, expected);
            }
            Operation::Reopen => {
                drop(store);
                store = world.open();
            }
        }
    }
    let all: BTreeMap<_, _> = store
        .scan_all::<Thing>("")
        .map(|stored| stored.map(|stored| (stored.key().to_owned(), stored.into_value())).unwrap())
        .collect();
    assert_eq!(all, model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_an_ordered_map_does(operations in operations()) {
        Runtime::new().unwrap().block_on(follow_model(operations));
    }
}
