mod groups;
mod streams;

use std::{fs, path::Path, sync::Arc};

use futures_util::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use time::{OffsetDateTime, ext::NumericalDuration as _};

use super::*;
use crate::clock::{Clock as _, FixedClock};

const ACCOUNT: &str = "000000000000";
const NOW: OffsetDateTime = time::macros::datetime!(2026-01-31 12:00 UTC);

/// Small enough that a few dozen lines rotate.
const SETTINGS: LogSettings = LogSettings {
    retention: Duration::from_secs(14 * 86_400),
    group_max_bytes: 64 * 1024,
    segment_bytes: 4 * 1024,
    queue_max_bytes: QUEUE_MAX_BYTES,
    sweep_every: SWEEP_EVERY,
};

struct World {
    root: tempfile::TempDir,
    clock: Arc<FixedClock>,
    settings: LogSettings,
    store: LogStore,
}

impl World {
    fn new() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: LogSettings) -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let store = LogStore::open(root.path().join("logs"), settings.clone(), clock.clone()).unwrap();
        Self { root, clock, settings, store }
    }

    /// Shuts the store down, lets `meanwhile` happen, and opens it again.
    async fn reopen(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.store.shutdown().await;
        let directory = self.root.path().join("logs");
        meanwhile(&directory);
        self.store = LogStore::open(directory, self.settings.clone(), self.clock.clone()).unwrap();
    }

    fn stream(&self, name: &str) -> LogWriter {
        self.store.stream(&group(), name).unwrap()
    }

    /// The files of the group, oldest first, with their sizes.
    fn segments(&self) -> Vec<(PathBuf, u64)> {
        let directory = self.root.path().join("logs").join(ACCOUNT).join(group().directory());
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "ndjson"))
            .collect();
        files.sort();
        files
    }

    /// Every stored line that the filter lets through, by pages of this size.
    async fn read_by(&self, limit: usize, filter: Filter) -> Vec<StoredEvent> {
        let mut events = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self.store.read(&group(), filter.clone(), limit, token.as_deref()).await.unwrap();
            assert!(page.events.len() <= limit);
            events.extend(page.events);
            token = page.next_page_token;
            if token.is_none() {
                return events;
            }
        }
    }

    fn queued(&self) -> usize {
        self.store.0.state.queued.load(Ordering::Relaxed)
    }

    async fn messages(&self) -> Vec<String> {
        messages(self.read_by(100, Filter::default()).await)
    }
}

fn group() -> GroupKey {
    GroupKey::of_function(ACCOUNT, "f").unwrap()
}

fn at(timestamp_ms: i64, message: impl Into<String>) -> LogEvent {
    LogEvent { timestamp_ms, request_id: None, message: message.into() }
}

/// A line of now.
fn line(message: impl Into<String>) -> LogEvent {
    at((NOW.unix_timestamp_nanos() / 1_000_000) as i64, message)
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number} {}", "x".repeat(50))).collect()
}

fn since(start_ms: i64) -> Filter {
    Filter { start_ms: Some(start_ms), ..Filter::default() }
}

fn of_streams(names: &[&str]) -> Filter {
    let streams = Streams::Named(names.iter().map(|name| (*name).to_owned()).collect());
    Filter { streams, ..Filter::default() }
}

fn messages(events: impl IntoIterator<Item = StoredEvent>) -> Vec<String> {
    events.into_iter().map(|event| event.message).collect()
}

async fn store_all(writer: &LogWriter, lines: &[String]) {
    lines.iter().for_each(|text| writer.write(line(text)));
    writer.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_finds_every_line_that_was_written_before() {
    let world = World::new();
    let writer = world.stream("s");
    for number in 1..=20 {
        // The first of them makes the group, and each may come while the writer's thread lets lines gather.
        writer.write(line(format!("line {number}")));
        let read = messages(world.read_by(100, Filter::default()).await);
        assert_eq!(read.len(), number, "{read:?}");
    }
}

/// What is followed until `count` lines are read or counted as skipped.
async fn take(
    follower: &mut (impl Stream<Item = Result<FollowItem, LogError>> + Unpin),
    count: usize,
) -> (Vec<String>, u64) {
    let (mut read, mut skipped) = (Vec::new(), 0);
    while read.len() + (skipped as usize) < count {
        let item = follower.next().await.expect("the follower ended early").unwrap();
        skipped += item.skipped;
        read.extend(messages(item.events));
    }
    (read, skipped)
}

#[tokio::test]
async fn what_is_written_is_read_with_all_its_fields() {
    let world = World::new();
    let writer = world.stream("2026/01/31/[$LATEST]1");
    writer.write(LogEvent {
        timestamp_ms: 5,
        request_id: Some("r-1".into()),
        message: "a\nb\0\u{fffd}".into(),
    });
    writer.write(at(-6, ""));
    writer.flush().await.unwrap();
    let read = world.read_by(10, Filter::default()).await;
    let expected = |index: usize, timestamp_ms, request_id: Option<&str>, message: &str| StoredEvent {
        place: read[index].place,
        timestamp_ms,
        ingested_ms: None,
        stream: "2026/01/31/[$LATEST]1".to_owned(),
        request_id: request_id.map(ToOwned::to_owned),
        message: message.to_owned(),
    };
    assert_eq!(read, [expected(0, 5, Some("r-1"), "a\nb\0\u{fffd}"), expected(1, -6, None, "")]);
}

#[tokio::test]
async fn lines_survive_a_restart_and_go_on_in_order() {
    let mut world = World::new();
    let lines = numbered(0..200);
    store_all(&world.stream("s"), &lines[..99]).await;
    world.reopen(|_| {}).await;
    store_all(&world.stream("s"), &lines[99..]).await;
    assert_eq!(world.messages().await, lines);
    assert!(world.segments().len() > 3);
}

#[tokio::test]
async fn a_segment_is_rotated_before_it_is_too_large() {
    let world = World::new();
    store_all(&world.stream("s"), &numbered(0..300)).await;
    let segments = world.segments();
    assert!(segments.len() > 5, "{segments:?}");
    assert!(segments.iter().all(|(_, bytes)| *bytes <= SETTINGS.segment_bytes), "{segments:?}");
    assert!(segments[..segments.len() - 1].iter().all(|(_, bytes)| *bytes > SETTINGS.segment_bytes - 200));
    assert_eq!(world.store.bytes_on_disk(), segments.iter().map(|(_, bytes)| bytes).sum::<u64>());
}

#[tokio::test]
async fn a_group_never_takes_more_disk_than_it_may_and_the_oldest_lines_go() {
    let world = World::new();
    let lines = numbered(0..3_000);
    let writer = world.stream("s");
    for part in lines.chunks(100) {
        store_all(&writer, part).await;
        assert!(world.store.bytes_on_disk() <= SETTINGS.group_max_bytes);
    }
    let kept = world.messages().await;
    assert!(kept.len() > 300 && kept.len() < lines.len());
    assert_eq!(kept, lines[lines.len() - kept.len()..]);
    assert_eq!(world.store.bytes_on_disk(), world.segments().iter().map(|(_, bytes)| bytes).sum::<u64>());
}

#[tokio::test]
async fn segments_that_are_too_old_go_by_garbage_collection_and_the_group_with_its_last() {
    let world = World::new();
    store_all(&world.stream("s"), &numbered(0..100)).await;
    let before = world.segments();
    assert_eq!(world.store.collect_garbage(false).await.unwrap(), Garbage::default());

    world.clock.set(NOW + 13.days());
    let later = world.clock.now_millis();
    let recent = world.stream("s");
    (0..60).for_each(|number| recent.write(at(later, format!("recent {number} {}", "y".repeat(50)))));
    recent.flush().await.unwrap();
    world.clock.set(NOW + 15.days());
    let garbage = world.store.collect_garbage(true).await.unwrap();
    assert!(garbage.segments >= before.len() as u64 - 1 && garbage.bytes > 4_000, "{garbage:?}");
    assert!(world.segments().len() > before.len(), "a dry run must remove nothing");
    assert_eq!(world.store.collect_garbage(false).await.unwrap(), garbage);
    assert_eq!(world.store.collect_garbage(false).await.unwrap(), Garbage::default());
    let kept = world.messages().await;
    assert!(kept.iter().filter(|message| message.starts_with("recent")).count() == 60, "{kept:?}");

    world.clock.set(NOW + 100.days());
    assert!(world.store.collect_garbage(false).await.unwrap().segments > 0);
    assert_eq!(world.store.bytes_on_disk(), 0);
    assert!(!world.root.path().join("logs").join(ACCOUNT).join(group().directory()).exists());
    assert_eq!(world.messages().await, [""; 0]);

    store_all(&recent, &["again".to_owned()]).await;
    assert_eq!(world.messages().await, ["again"]);
}

#[tokio::test]
async fn rotation_removes_segments_that_are_too_old() {
    let world = World::new();
    store_all(&world.stream("s"), &numbered(0..100)).await;
    world.clock.set(NOW + 15.days());
    let now = world.clock.now_millis();
    let writer = world.stream("s");
    (0..100).for_each(|number| writer.write(at(now, format!("new {number} {}", "x".repeat(50)))));
    writer.flush().await.unwrap();
    let kept = world.messages().await;
    assert!(kept.iter().filter(|message| message.starts_with("new")).count() == 100);
    // The old lines that share a segment with new ones stay with them.
    assert!(kept.len() < 150, "{}", kept.len());
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_the_rest_read() {
    let mut world = World::new();
    store_all(&world.stream("s"), &["whole".to_owned()]).await;
    let (path, _) = world.segments().remove(0);
    world
        .reopen(|_| {
            let mut content = fs::read(&path).unwrap();
            content.extend(b"{\"t\":1,\"s\":\"s\",\"m\":\"to");
            fs::write(&path, content).unwrap();
        })
        .await;
    assert_eq!(world.messages().await, ["whole"]);
    store_all(&world.stream("s"), &["next".to_owned()]).await;
    assert_eq!(world.messages().await, ["whole", "next"]);
}

#[tokio::test]
async fn lines_that_are_no_records_and_files_that_are_no_segments_do_no_harm() {
    let mut world = World::new();
    store_all(&world.stream("s"), &["one".to_owned()]).await;
    let (path, _) = world.segments().remove(0);
    world
        .reopen(|directory| {
            let mut content = fs::read(&path).unwrap();
            content.extend(b"\0\0\0\n\xff\xfe\n{}\n[1,\"s\"]\n");
            fs::write(&path, content).unwrap();
            fs::write(path.with_file_name("notes.txt"), "mine").unwrap();
            fs::create_dir_all(directory.join("lost+found")).unwrap();
            fs::create_dir_all(directory.join(ACCOUNT).join("a.b")).unwrap();
        })
        .await;
    store_all(&world.stream("s"), &["two".to_owned()]).await;
    assert_eq!(world.messages().await, ["one", "two"]);
}

#[tokio::test]
async fn pages_of_any_size_give_every_line_once_and_in_order() {
    let world = World::new();
    let lines = numbered(0..250);
    store_all(&world.stream("s"), &lines).await;
    for limit in [1, 7, 100, 249, 250, 251, usize::MAX] {
        assert_eq!(messages(world.read_by(limit, Filter::default()).await), lines, "by {limit}");
    }
}

#[tokio::test]
async fn a_page_goes_on_over_lines_that_came_meanwhile_and_segments_that_went() {
    let world = World::new();
    let lines = numbered(0..3_000);
    let writer = world.stream("s");
    store_all(&writer, &lines[..100]).await;
    let first = world.store.read(&group(), Filter::default(), 50, None).await.unwrap();
    assert_eq!(messages(first.events), lines[..50]);
    store_all(&writer, &lines[100..150]).await;
    let token = first.next_page_token.unwrap();
    let second = world.store.read(&group(), Filter::default(), 100, Some(&token)).await.unwrap();
    assert_eq!(messages(second.events), lines[50..150]);

    store_all(&writer, &lines[150..]).await;
    let rest = world.store.read(&group(), Filter::default(), 10_000, Some(&token)).await.unwrap();
    assert_eq!(messages(rest.events), world.messages().await);
}

#[tokio::test]
async fn large_lines_make_short_pages() {
    let settings = LogSettings { segment_bytes: 8 << 20, group_max_bytes: 64 << 20, ..SETTINGS };
    let world = World::with(settings);
    let writer = world.stream("s");
    (0..20).for_each(|_| writer.write(line("é".repeat(200 * 1024))));
    writer.flush().await.unwrap();
    let page = world.store.read(&group(), Filter::default(), 100, None).await.unwrap();
    let bytes: usize = page.events.iter().map(|event| event.message.len()).sum();
    assert!(bytes < 4 << 20 && page.next_page_token.is_some(), "{bytes}");
    let all = world.read_by(100, Filter::default()).await;
    assert_eq!(all.len(), 20);
    assert!(all.iter().all(|event| event.message.len() == MESSAGE_MAX_BYTES), "cut at the bound");
}

#[tokio::test]
async fn filters_choose_by_time_stream_and_request() {
    let world = World::new();
    let (one, two) = (world.stream("one"), world.stream("two"));
    for number in 0..10 {
        let request_id = Some(Arc::from(format!("r-{}", number % 3)));
        let writer = if number % 2 == 0 { &one } else { &two };
        writer.write(LogEvent { timestamp_ms: number, request_id, message: number.to_string() });
        writer.flush().await.unwrap();
    }
    let read = async |filter| messages(world.read_by(2, filter).await).join("");
    assert_eq!(read(Filter { start_ms: Some(3), end_ms: Some(6), ..Filter::default() }).await, "345");
    assert_eq!(read(of_streams(&["two"])).await, "13579");
    assert_eq!(read(Filter { request_id: Some("r-1".to_owned()), ..Filter::default() }).await, "147");
    assert_eq!(read(Filter { start_ms: Some(100), ..Filter::default() }).await, "");
}

#[tokio::test]
async fn a_token_that_leads_nowhere_is_refused() {
    let world = World::new();
    store_all(&world.stream("s"), &numbered(0..10)).await;
    let token = |segment, offset| token::encode(&group(), Place { segment, offset });
    for bad in
        [String::new(), "x".to_owned(), token(1, 3), token(1, u64::MAX), token(9, 0), token(u64::MAX, 1)]
    {
        let error = world.store.read(&group(), Filter::default(), 10, Some(&bad)).await.unwrap_err();
        assert!(matches!(error, LogError::PageToken), "{bad}: {error}");
    }
    let other = GroupKey::of_function(ACCOUNT, "other").unwrap();
    assert!(matches!(
        world.store.read(&other, Filter::default(), 1, Some("x")).await,
        Err(LogError::PageToken)
    ));
    assert_eq!(world.store.read(&other, Filter::default(), 1, None).await.unwrap(), Page::default());
}

#[tokio::test]
async fn a_flood_is_bounded_counted_and_marked_where_it_was_cut() {
    let world = World::with(LogSettings { queue_max_bytes: 64 * 1024, group_max_bytes: 1 << 20, ..SETTINGS });
    let writer = world.stream("s");
    let lines = numbered(0..10_000);
    {
        let group = world.store.0.state.catalog.group(&group());
        let _stalled = group.hold();
        lines.iter().for_each(|text| writer.write(line(text)));
        assert!(world.queued() <= 64 * 1024);
    }
    writer.flush().await.unwrap();
    writer.write(line("after"));
    writer.flush().await.unwrap();

    let stored = world.messages().await;
    let dropped = world.store.counters().dropped;
    assert!(dropped > 9_000, "{dropped}");
    let kept = stored.len() - 2;
    assert_eq!(stored[..kept], lines[..kept]);
    assert_eq!(kept as u64 + dropped, 10_000);
    assert_eq!(
        stored[kept..],
        [
            format!("[thaw: {dropped} lines dropped: they came faster than they could be stored]"),
            "after".to_owned()
        ]
    );
    assert_eq!(world.queued(), 0);
}

#[tokio::test]
async fn while_others_flood_a_quiet_stream_finds_room() {
    let world = World::with(LogSettings { queue_max_bytes: 64 * 1024, ..SETTINGS });
    let quiet = world.stream("quiet");
    {
        let group = world.store.0.state.catalog.group(&group());
        let _stalled = group.hold();
        for name in ["a", "b", "c"] {
            let flood = world.stream(name);
            (0..1_000).for_each(|_| flood.write(line("flood")));
        }
        quiet.write(line("heard"));
    }
    quiet.flush().await.unwrap();
    let read = world.read_by(100, of_streams(&["quiet"])).await;
    assert_eq!(messages(read), ["heard"]);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_counted_and_marked_when_it_takes_again() {
    let world = World::new();
    let writer = world.stream("s");
    // Root may write anywhere, so the obstacle is a file where the account's directory would be.
    let account = world.root.path().join("logs").join(ACCOUNT);
    fs::write(&account, "in the way").unwrap();
    store_all(&writer, &numbered(0..5)).await;
    assert_eq!(world.store.counters(), LogCounters { dropped: 0, lost: 5 });
    assert_eq!(world.messages().await, [""; 0]);

    fs::remove_file(&account).unwrap();
    store_all(&writer, &["after".to_owned()]).await;
    assert_eq!(
        world.messages().await,
        ["after", "[thaw: 5 lines lost: they could not be written to the disk]"]
    );
    assert_eq!(world.store.counters().lost, 5);
}

#[tokio::test]
async fn a_write_that_failed_half_way_leaves_nothing() {
    let world = World::new();
    let writer = world.stream("s");
    store_all(&writer, &["one".to_owned()]).await;
    // As if a write had got this far, and the daemon noticed and opened the file again.
    let (path, size) = world.segments().remove(0);
    for number in 0..100 {
        // More groups than files may be open, so that the first is closed.
        let key = GroupKey::of_function(ACCOUNT, &format!("other-{number}")).unwrap();
        store_all(&world.store.stream(&key, "s").unwrap(), &["x".to_owned()]).await;
    }
    let mut content = fs::read(&path).unwrap();
    assert_eq!(content.len() as u64, size);
    content.extend(b"{\"t\":1,\"s\":\"s\",\"m\":\"half");
    fs::write(&path, content).unwrap();
    store_all(&writer, &["two".to_owned()]).await;
    assert_eq!(world.messages().await, ["one", "two"]);
}

#[tokio::test]
async fn many_groups_share_few_open_files() {
    let world = World::new();
    let keys: Vec<_> =
        (0..200).map(|number| GroupKey::of_function(ACCOUNT, &format!("f-{number}")).unwrap()).collect();
    let writers: Vec<_> = keys.iter().map(|key| world.store.stream(key, "s").unwrap()).collect();
    for round in 0..3 {
        writers.iter().for_each(|writer| writer.write(line(round.to_string())));
    }
    world.store.flush().await.unwrap();
    let logs = world.root.path().join("logs");
    let is_log = |path: PathBuf| path.starts_with(&logs);
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| is_log(path.clone()))
        .count();
    assert!((1..=64).contains(&open), "{open}");
    for key in &keys {
        let page = world.store.read(key, Filter::default(), 10, None).await.unwrap();
        assert_eq!(messages(page.events), ["0", "1", "2"]);
    }
}

#[tokio::test]
async fn a_follower_gets_only_new_lines_unless_it_asks_for_stored_ones() {
    let world = World::new();
    let writer = world.stream("s");
    writer.write(at(1, "old"));
    writer.write(at(2, "stored"));
    writer.flush().await.unwrap();
    let mut new = world.store.follow(&group(), Filter::default());
    let mut since = world.store.follow(&group(), since(2));
    assert!(new.next().now_or_never().is_none(), "there is nothing new yet");
    writer.write(at(3, "new"));
    assert_eq!(take(&mut new, 1).await, (vec!["new".to_owned()], 0));
    assert_eq!(take(&mut since, 2).await, (vec!["stored".to_owned(), "new".to_owned()], 0));
}

#[tokio::test]
async fn a_group_can_be_followed_before_its_first_line() {
    let world = World::new();
    let mut followers =
        [world.store.follow(&group(), Filter::default()), world.store.follow(&group(), Filter::default())]
            .map(Box::pin);
    store_all(&world.stream("s"), &["first".to_owned()]).await;
    for follower in &mut followers {
        assert_eq!(take(follower, 1).await, (vec!["first".to_owned()], 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn followers_see_every_line_once_while_others_write() {
    const WRITERS: usize = 4;
    const LINES: usize = 500;
    let world = World::with(LogSettings { group_max_bytes: 16 << 20, ..SETTINGS });
    store_all(&world.stream("before"), &["stored".to_owned()]).await;
    let writing: Vec<_> = (0..WRITERS)
        .map(|number| {
            let writer = world.stream(&format!("s-{number}"));
            tokio::spawn(async move {
                for line_number in 0..LINES {
                    writer.write(line(format!("{number} {line_number:05}")));
                    if line_number % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    let following: Vec<_> = (0..3)
        .map(|_| {
            let mut follower = world.store.follow(&group(), since(0));
            tokio::spawn(async move { take(&mut follower, WRITERS * LINES + 1).await })
        })
        .collect();
    for task in writing {
        task.await.unwrap();
    }
    for task in following {
        let (read, skipped) = task.await.unwrap();
        assert_eq!(skipped, 0);
        assert_eq!(read, world.messages().await, "as stored, in the same order");
        for number in 0..WRITERS {
            let expected: Vec<_> =
                (0..LINES).map(|line_number| format!("{number} {line_number:05}")).collect();
            let prefix = format!("{number} ");
            let own: Vec<_> = read.iter().filter(|message| message.starts_with(&prefix)).cloned().collect();
            assert_eq!(own, expected);
        }
    }
}

#[tokio::test]
async fn a_slow_follower_skips_what_was_removed_and_is_told_how_much() {
    let mut world = World::new();
    store_all(&world.stream("s"), &numbered(0..15)).await;
    world.reopen(|_| {}).await;
    let writer = world.stream("s");
    let lines = numbered(0..3_000);
    for start_ms in [None, Some(0)] {
        let stored = if start_ms.is_some() { world.messages().await.len() } else { 0 };
        let mut follower = world.store.follow(&group(), Filter { start_ms, ..Filter::default() });
        if start_ms.is_none() {
            store_all(&writer, &["in time".to_owned()]).await;
            assert_eq!(take(&mut follower, 1).await, (vec!["in time".to_owned()], 0));
        }
        for part in lines.chunks(200) {
            store_all(&writer, part).await;
        }
        let kept = world.messages().await;
        let (read, skipped) = take(&mut follower, lines.len() + stored).await;
        assert!(skipped > 1_000, "{skipped}");
        assert_eq!(read, kept);
        assert_eq!(read.len() + skipped as usize, lines.len() + stored);
    }
}

#[tokio::test]
async fn a_follower_that_is_dropped_leaves_nothing() {
    let world = World::new();
    let mut follower = world.store.follow(&group(), Filter::default());
    assert!(follower.next().now_or_never().is_none());
    let group = world.store.0.state.catalog.group(&group());
    assert_eq!(group.followers(), 1);
    drop(follower);
    assert_eq!(group.followers(), 0);
}

#[tokio::test]
async fn shutdown_stores_what_was_written_ends_followers_and_drops_the_rest() {
    let mut world = World::new();
    let writer = world.stream("s");
    let mut follower = world.store.follow(&group(), Filter::default());
    let lines = numbered(0..50);
    lines.iter().for_each(|text| writer.write(line(text)));
    world.store.shutdown().await;
    world.store.shutdown().await;
    assert_eq!(take(&mut follower, 50).await, (lines.clone(), 0));
    assert!(follower.next().await.is_none());

    writer.write(line("too late"));
    assert_eq!(world.store.counters().dropped, 1);
    assert!(matches!(writer.flush().await, Err(LogError::Stopped)));
    assert!(matches!(world.store.collect_garbage(true).await, Err(LogError::Stopped)));
    world.reopen(|_| {}).await;
    assert_eq!(world.messages().await, lines);
}

#[tokio::test]
async fn groups_that_hold_nothing_are_forgotten() {
    let world = World::new();
    store_all(&world.stream("s"), &["kept".to_owned()]).await;
    for number in 0..5_000 {
        drop(
            world
                .store
                .follow(&GroupKey::of_function(ACCOUNT, &format!("no-{number}")).unwrap(), Filter::default()),
        );
    }
    assert!(world.store.0.state.catalog.all().len() <= 1_025);
    assert_eq!(world.messages().await, ["kept"]);
}

#[tokio::test]
async fn a_stream_without_a_name_or_with_an_endless_one_is_refused() {
    let world = World::new();
    for name in ["", &"x".repeat(513)] {
        assert!(matches!(world.store.stream(&group(), name), Err(LogError::StreamName(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_lines_come_back_in_pages_of_any_size(
        lines in prop::collection::vec((0_i64.., any::<String>()), 0..100),
        limit in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read: Vec<_> = runtime.block_on(async {
            // However old a line says it is.
            let world = World::with(LogSettings { retention: Duration::MAX, ..SETTINGS });
            let writer = world.stream("s");
            lines.iter().for_each(|(timestamp_ms, message)| writer.write(at(*timestamp_ms, message)));
            writer.flush().await.unwrap();
            world.read_by(limit, Filter::default()).await
        }).into_iter().map(|event| (event.timestamp_ms, event.message)).collect();
        prop_assert_eq!(read, lines);
    }

    #[test]
    fn any_token_gives_lines_or_a_refusal(segment in 0_u64..6, offset in 0_u64..5_000) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let lines = numbered(0..150);
            store_all(&world.stream("s"), &lines).await;
            let token = token::encode(&group(), Place { segment, offset });
            match world.store.read(&group(), Filter::default(), 10_000, Some(&token)).await {
                Ok(page) => assert_eq!(messages(page.events.clone()), lines[lines.len() - page.events.len()..]),
                Err(error) => assert!(matches!(error, LogError::PageToken)),
            }
        });
    }
}
