//! A daemon that is killed has lost nothing that it acknowledged.
//!
//! Each test starts itself again as a child that opens a store, writes from many tasks, and prints what has been
//! acknowledged. The parent kills it, opens the same directory and looks for all of it: what earlier rounds wrote, too.
//! With the feature `failpoints` the child also dies at each point where a crash matters.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use thaw_daemon::store::{Batch, Record, Sha256Digest, Store, StoreError, StoreOptions};
use tokio::{runtime::Runtime, task::JoinSet};
use uuid::Uuid;

/// Tells the child where to write.
const DIRECTORY_VARIABLE: &str = "THAW_TEST_STORE";

/// Tells the child how to name what it writes.
const LIFE_VARIABLE: &str = "THAW_TEST_LIFE";

/// Writers in a child. More than one, so that syncs are shared.
const TASKS: usize = 16;

/// Tells the child how much each of its tasks writes, before it says that it is idle and waits for its end.
const WRITES_VARIABLE: &str = "THAW_TEST_WRITES";

/// More than a child comes to before it is killed; and the bound of what it writes to the disk.
const ENDLESS: usize = 2000;

/// How long a child may be silent that should be writing. Far more than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item(String);
impl Record for Item {
    const TREE: &'static str = "item";
    const SCHEMA_VERSION: u16 = 1;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Left(usize);
impl Record for Left {
    const TREE: &'static str = "left";
    const SCHEMA_VERSION: u16 = 1;
}

/// Always written in one batch with the [`Left`] of the same key and number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Right(usize);
impl Record for Right {
    const TREE: &'static str = "right";
    const SCHEMA_VERSION: u16 = 1;
}

/// A few bytes mostly, now and then nearly as much as a record may have.
fn item(name: &str, number: usize) -> Item {
    let repeat = if number % 50 == 7 { 4000 } else { 1 };
    Item(name.repeat(repeat))
}

/// The child's whole life: it ends by being killed, or, without a parent on its standard input, by itself.
fn write_until_killed(directory: &str, life: &str, writes: usize) {
    let store = Store::open(&StoreOptions::new(directory)).unwrap();
    acknowledge("open");
    Runtime::new().unwrap().block_on(async {
        let mut writing = JoinSet::new();
        for task in 0..TASKS {
            writing.spawn(write(store.clone(), format!("{life}/{task}"), writes));
        }
        writing.join_all().await;
    });
    acknowledge("idle");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn write(store: Store, task: String, writes: usize) {
    let mut previous = None;
    for number in 1..=writes {
        let name = format!("{task}/{number}");
        match number % 8 {
            0 => {
                store.put(&name, &item(&name, number)).await.unwrap();
                store.delete::<Item>(&name).await.unwrap();
                acknowledge(&format!("gone {name}"));
            }
            1..=2 => {
                let mut batch = Batch::new();
                batch.put(&task, &Left(number)).unwrap();
                batch.put(&task, &Right(number)).unwrap();
                store.batch(batch).await.unwrap();
                acknowledge(&format!("pair {task} {number}"));
            }
            3 => {
                let key = format!("{task}/swapped");
                let swapped = store.compare_and_swap(&key, previous.as_ref(), Left(number)).await.unwrap();
                previous = Some(swapped);
                acknowledge(&format!("swap {key} {number}"));
            }
            4 => {
                let digest = store.blobs().put(name.clone().into()).await.unwrap();
                store.put(&name, &Item(digest.to_string())).await.unwrap();
                acknowledge(&format!("blob {name}"));
            }
            _ => {
                store.put(&name, &item(&name, number)).await.unwrap();
                acknowledge(&format!("item {name}"));
            }
        }
    }
}

/// Tells the parent. One write, so that no line is torn between tasks.
fn acknowledge(what: &str) {
    let mut line = format!("ack {what}\n").into_bytes();
    line.insert(0, b'\n');
    std::io::stdout().lock().write_all(&line).unwrap();
}

/// Starts the test `test` again as a child.
fn child(test: &str, directory: &Path, life: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(DIRECTORY_VARIABLE, directory)
        .env(LIFE_VARIABLE, life.to_string())
        .env(WRITES_VARIABLE, ENDLESS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// What a child has acknowledged.
struct Acknowledged {
    lines: mpsc::Receiver<String>,
}

impl Acknowledged {
    fn of(child: &mut Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.split(b'\n') {
                let line = String::from_utf8(line.unwrap()).unwrap();
                if let Some(line) = line.strip_prefix("ack ")
                    && sender.send(line.to_owned()).is_err()
                {
                    break;
                }
            }
        });
        Self { lines }
    }

    /// Everything up to the line `last`.
    fn until(&self, last: &str) -> Vec<String> {
        let next = || self.lines.recv_timeout(PATIENCE).expect("the child writes or ends");
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line| line != last) {
            seen.push(next());
        }
        seen
    }

    /// Everything there still is. For a child that is dead.
    fn rest(self) -> Vec<String> {
        self.lines.iter().collect()
    }
}

/// Looks for everything that was ever acknowledged.
fn verify(directory: &Path, acknowledged: &[String]) {
    let store = Store::open(&StoreOptions::new(directory)).unwrap();
    let runtime = Runtime::new().unwrap();
    for line in acknowledged {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["item", name] => {
                let number = name.rsplit('/').next().unwrap().parse().unwrap();
                let stored = store.get::<Item>(name).unwrap();
                assert_eq!(stored.as_deref(), Some(&item(name, number)), "{line}");
            }
            ["gone", name] => assert!(store.get::<Item>(name).unwrap().is_none(), "{line}"),
            ["pair", task, number] => {
                let stored = store.get::<Left>(task).unwrap().map_or(0, |left| left.0);
                assert!(stored >= number.parse().unwrap(), "{line}, but found {stored}");
            }
            ["swap", key, number] => {
                let stored = store.get::<Left>(key).unwrap().map_or(0, |left| left.0);
                assert!(stored >= number.parse().unwrap(), "{line}, but found {stored}");
            }
            ["blob", name] => {
                let digest: Sha256Digest = store.get::<Item>(name).unwrap().unwrap().0.parse().unwrap();
                let content = runtime.block_on(store.blobs().read(digest, 1000)).unwrap();
                assert_eq!(content, name.as_bytes(), "{line}");
            }
            ["open" | "idle"] => {}
            _ => panic!("not a line of the child's: {line:?}"),
        }
    }
    // Batches are whole, acknowledged or not.
    for left in store.scan_all::<Left>("") {
        let left = left.unwrap();
        if !left.key().ends_with("swapped") {
            assert_eq!(store.get::<Right>(left.key()).unwrap().unwrap().0, left.0, "half a batch: {left:?}");
        }
    }
    let unfinished = std::fs::read_dir(directory.join("blobs/incoming")).unwrap().count();
    assert_eq!(unfinished, 0);
}

/// Up to `limit` milliseconds, never the same.
fn random_delay(limit: u64) -> Duration {
    Duration::from_millis(Uuid::new_v4().as_u64_pair().1 % limit)
}

/// Whether this process is the child; then its work is done.
fn was_child() -> bool {
    let Ok(directory) = std::env::var(DIRECTORY_VARIABLE) else { return false };
    let writes = std::env::var(WRITES_VARIABLE).unwrap().parse().unwrap();
    write_until_killed(&directory, &std::env::var(LIFE_VARIABLE).unwrap(), writes);
    true
}

#[test]
fn nothing_acknowledged_is_missing_after_kills_at_random_moments() {
    if was_child() {
        return;
    }
    let name = "nothing_acknowledged_is_missing_after_kills_at_random_moments";
    let directory = tempfile::tempdir().unwrap();
    let mut ever = Vec::new();
    for life in 0..8 {
        let mut child = child(name, directory.path(), life).spawn().unwrap();
        let acknowledged = Acknowledged::of(&mut child);
        // Every second one early: while it opens what the one before left.
        if life % 2 == 1 {
            wait(random_delay(80));
        } else {
            ever.extend(acknowledged.until("open"));
            wait(Duration::from_millis(100) + random_delay(500));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        ever.extend(acknowledged.rest());
        if life == 4 {
            // What a kill in the moment of writing a snapshot leaves, made certain to be met.
            let unfinished = directory.path().join("state/snap.7FFFFFFFFFFFFFFF.generating");
            std::fs::write(unfinished, b"half a snapsh").unwrap();
        }
        verify(directory.path(), &ever);
    }
    let writes = ever.iter().filter(|line| *line != "open").count();
    println!("{writes} acknowledged writes, none missing");
    assert!(writes >= TASKS, "the children hardly wrote: {writes}");
}

/// sled writes what it still has in memory when the next write comes, or twice a second: so a missing flush shows only
/// in a kill right after the last acknowledgement.
#[test]
fn the_last_write_before_a_silence_is_not_missing() {
    if was_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut ever = Vec::new();
    for life in 0..8 {
        let mut child = child("the_last_write_before_a_silence_is_not_missing", directory.path(), life)
            .env(WRITES_VARIABLE, (10 + life).to_string())
            .spawn()
            .unwrap();
        let acknowledged = Acknowledged::of(&mut child);
        ever.extend(acknowledged.until("idle"));
        child.kill().unwrap();
        child.wait().unwrap();
        verify(directory.path(), &ever);
    }
}

#[test]
fn a_second_process_is_refused_and_told_who_is_the_first() {
    if was_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let name = "a_second_process_is_refused_and_told_who_is_the_first";
    let mut child = child(name, directory.path(), 0).spawn().unwrap();
    let acknowledged = Acknowledged::of(&mut child);
    acknowledged.until("open");
    let refused = Store::open(&StoreOptions::new(directory.path()));
    child.kill().unwrap();
    child.wait().unwrap();
    match refused {
        Err(StoreError::InUse { holder, .. }) => assert_eq!(holder, Some(child.id())),
        other => panic!("{other:?}"),
    }
    Store::open(&StoreOptions::new(directory.path())).unwrap();
}

#[cfg(feature = "failpoints")]
#[test]
fn nothing_acknowledged_is_missing_after_a_death_at_each_point() {
    if was_child() {
        return;
    }
    let name = "nothing_acknowledged_is_missing_after_a_death_at_each_point";
    let directory = tempfile::tempdir().unwrap();
    let mut ever = Vec::new();
    let points =
        ["commit.applied", "commit.flushed", "commit.synced", "blob.written", "blob.synced", "blob.renamed"];
    for (life, point) in points.into_iter().enumerate() {
        let mut child = child(name, directory.path(), life)
            .env(thaw_daemon::store::FAILPOINTS_VARIABLE, format!("{point}=abort@40"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let acknowledged = Acknowledged::of(&mut child);
        assert!(!child.wait().unwrap().success(), "the child did not die at {point}");
        ever.extend(acknowledged.rest());
        verify(directory.path(), &ever);
    }
    assert!(ever.len() > 100, "the children hardly wrote: {}", ever.len());
}

#[expect(clippy::disallowed_methods, reason = "the child's time is real, and there is no runtime to wait in")]
fn wait(duration: Duration) {
    thread::sleep(duration);
}
