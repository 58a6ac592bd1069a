//! Shards that are read, without workers: the stream is a list of answers.

use std::{
    collections::VecDeque,
    marker::PhantomData,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        record::Record,
        source::{Source, SourceError},
        windows::{Horizon, Window},
    },
    checkpoints::{Beginning, Checkpoint, Checkpoints, Start},
    keeper::{self, NOTES, Note, WindowNote},
    lane::{Lane, Waiting},
    reader::{ROOM, Reader},
    stream::{Keyed, Listing, Page, Place, ReadError, ShardId, ShardedStream},
};
use crate::{
    clock::SystemClock,
    events::mapping::{Mapping, StartingPosition},
    store::{Store, StoreOptions},
};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

/// Answers that come in turn, and where it was asked to read from.
#[derive(Clone, Debug, Default)]
struct Played {
    pages: Arc<Mutex<VecDeque<Result<Page, ReadError>>>>,
    asked: Arc<Mutex<Vec<Place>>>,
}

impl ShardedStream for Played {
    const PAYLOAD: Option<&'static str> = None;
    const BATCH_INFO: &'static str = "PlayedBatchInfo";
    const FINDS_TIMES: bool = false;
    const REST: Duration = Duration::from_secs(1);

    async fn shards(&self) -> Result<Listing, SourceError> {
        Err(SourceError::new("nobody asks"))
    }

    async fn iterator(&self, _: &ShardId, place: &Place) -> Result<String, ReadError> {
        self.asked.lock().unwrap().push(place.clone());
        Ok("from there".to_owned())
    }

    async fn page(&self, _: &ShardId, _: &str) -> Result<Page, ReadError> {
        let next = self.pages.lock().unwrap().pop_front();
        match next {
            Some(page) => page,
            None => std::future::pending().await,
        }
    }
}

fn record(sequence: u32, seconds: i64) -> Keyed {
    let arrived = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let record = Record::new(sequence.to_string(), json!({}), json!({}), Some(arrived));
    Keyed { key: String::new(), record }
}

fn page(sequences: std::ops::Range<u32>, next: Option<&str>) -> Result<Page, ReadError> {
    let records = sequences.map(|sequence| record(sequence, 2_000_000)).collect();
    Ok(Page { records, next: next.map(str::to_owned), is_latest: true })
}

fn id() -> ShardId {
    ShardId::new("shardId-000000000000").unwrap()
}

struct World {
    _directory: tempfile::TempDir,
    checkpoints: Checkpoints,
    store: Store,
    mapping: Arc<Mapping>,
}

impl World {
    fn new(position: StartingPosition) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let mapping = Arc::new(Mapping::example(ARN, position));
        let checkpoints = Checkpoints::of(&store, &mapping);
        Self { _directory: directory, checkpoints, store, mapping }
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoints.all().unwrap().remove(id().as_str())
    }
}

/// Reads the answers to their end. What the lane was given, where was asked to read from, and whether all was read.
async fn read(
    pages: Vec<Result<Page, ReadError>>,
    passed_over: Option<OffsetDateTime>,
) -> (Vec<String>, Vec<Place>, bool) {
    let world = World::new(StartingPosition::TrimHorizon);
    let stream = Played { pages: Arc::new(Mutex::new(pages.into())), asked: Arc::default() };
    let (lane, mut given) = mpsc::unbounded_channel();
    let (notes, noted) = mpsc::channel(NOTES);
    let reader = Reader {
        mapping: world.mapping.clone(),
        stream: stream.clone(),
        shard: id(),
        place: Place::Oldest,
        passed_over,
        lanes: vec![lane],
        room: Arc::new(Semaphore::new(ROOM)),
        notes: notes.clone(),
        horizon: None,
        clock: Arc::new(SystemClock),
    };
    let keeping = tokio::spawn(keeper::keep(world.checkpoints.clone(), id(), false, noted));
    reader.run(CancellationToken::new()).await;
    let mut records = Vec::new();
    while let Some(Waiting { record, .. }) = given.recv().await {
        let (heard, kept) = oneshot::channel();
        let ids = vec![record.id.clone()];
        notes.send(Note::Ended { ids, window: WindowNote::Same, heard: Some(heard) }).await.unwrap();
        kept.await.unwrap().unwrap();
        records.push(record.id);
    }
    drop(notes);
    let is_through = keeping.await.unwrap();
    assert_eq!(world.checkpoint() == Some(Checkpoint::Through), is_through);
    let asked = stream.asked.lock().unwrap().clone();
    (records, asked, is_through)
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_is_read_to_its_end() {
    let pages = vec![page(0..2, Some("on")), page(2..2, Some("on")), page(2..3, None)];
    let (records, asked, is_through) = read(pages, None).await;
    assert_eq!(records, ["0", "1", "2"]);
    assert_eq!(asked, [Place::Oldest]);
    assert!(is_through);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_a_shard_is_read_on_from_what_was_read_last() {
    let unavailable = || SourceError::new("unavailable");
    let pages = vec![
        page(0..2, Some("on")),
        Err(ReadError::Expired),
        Err(ReadError::Throttled(unavailable())),
        Err(ReadError::Failed(unavailable())),
        page(2..3, None),
    ];
    let (records, asked, is_through) = read(pages, None).await;
    assert_eq!(records, ["0", "1", "2"]);
    let after = || Place::After("1".to_owned());
    assert_eq!(asked, [Place::Oldest, after(), after(), after()]);
    assert!(is_through);
}

#[tokio::test(start_paused = true)]
async fn where_records_were_not_kept_a_shard_is_read_on_from_the_oldest() {
    let pages =
        vec![page(0..1, Some("on")), Err(ReadError::Trimmed(SourceError::new("trimmed"))), page(5..6, None)];
    let (records, asked, _) = read(pages, None).await;
    assert_eq!(records, ["0", "5"]);
    assert_eq!(asked, [Place::Oldest, Place::Oldest]);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_beginning_is_passed_over_and_through() {
    let old =
        Page { records: vec![record(0, 10), record(1, 11), record(2, 12)], next: None, is_latest: true };
    let (records, _, is_through) = read(vec![Ok(old)], OffsetDateTime::from_unix_timestamp(11).ok()).await;
    assert_eq!(records, ["1", "2"]);
    assert!(is_through);
}

#[tokio::test]
async fn a_checkpoint_is_durable_before_a_worker_goes_on_and_never_passes_what_is_not_through() {
    let world = World::new(StartingPosition::TrimHorizon);
    let (notes, noted) = mpsc::channel(NOTES);
    let keeping = tokio::spawn(keeper::keep(world.checkpoints.clone(), id(), false, noted));
    let ended = async |id: &str| {
        let (heard, kept) = oneshot::channel();
        let ids = vec![id.to_owned()];
        notes.send(Note::Ended { ids, window: WindowNote::Same, heard: Some(heard) }).await.unwrap();
        kept.await.unwrap().unwrap();
    };
    notes.send(Note::Read(vec!["1".to_owned(), "2".to_owned(), "3".to_owned()])).await.unwrap();
    ended("2").await;
    assert_eq!(world.checkpoint(), None);
    ended("1").await;
    assert_eq!(world.checkpoint(), Some(Checkpoint::After("2".to_owned())));
    notes.send(Note::End).await.unwrap();
    ended("3").await;
    assert_eq!(world.checkpoint(), Some(Checkpoint::Through));
    assert!(keeping.await.unwrap());
}

#[tokio::test]
async fn where_a_stream_began_is_decided_once_and_goes_with_its_mapping() {
    let world = World::new(StartingPosition::Latest);
    let from = Start::Since(world.mapping.last_modified);
    let begun = async |mapping: &Mapping| {
        world.checkpoints.beginning(mapping, StartingPosition::Latest).await.unwrap()
    };
    assert_eq!(begun(&world.mapping).await, Beginning { from, stream: None });
    let mut later = Mapping::clone(&world.mapping);
    later.last_modified += Duration::from_secs(60);
    assert_eq!(begun(&later).await.from, from);
    for shard in ["a", "b"] {
        let shard = ShardId::new(shard).unwrap();
        let reached = Checkpoint::After("1".to_owned());
        world.checkpoints.note(&shard, Some(&reached), &WindowNote::Open(window("1"))).await.unwrap();
    }
    super::forget(&world.store, &world.mapping).await.unwrap();
    assert!(world.checkpoints.all().unwrap().is_empty());
    assert_eq!(world.checkpoints.window(&ShardId::new("a").unwrap()).unwrap(), None);
    assert_eq!(begun(&later).await.from, Start::Since(later.last_modified));
}

fn window(state: &str) -> Window {
    let start = OffsetDateTime::UNIX_EPOCH;
    Window { start, end: start + Duration::from_secs(10), state: state.into() }
}

#[tokio::test]
async fn a_windows_state_is_kept_with_the_checkpoint_and_a_shard_is_not_through_before_its_window_is() {
    let world = World::new(StartingPosition::TrimHorizon);
    let (notes, noted) = mpsc::channel(NOTES);
    let keeping = tokio::spawn(keeper::keep(world.checkpoints.clone(), id(), false, noted));
    let (sender, records) = mpsc::unbounded_channel();
    let (horizon, seen) = watch::channel(Horizon::Unknown);
    let room = Arc::new(Semaphore::new(ROOM));
    let mut lane = Lane::<Played> {
        shard: id(),
        records,
        notes: notes.clone(),
        horizon: Some(seen),
        stream: PhantomData,
    };
    notes.send(Note::Read(vec!["1".to_owned(), "2".to_owned()])).await.unwrap();
    for sequence in 1..=2 {
        let room = Arc::clone(&room).acquire_many_owned(1).await.unwrap();
        sender.send(Waiting { record: record(sequence, 5).record, room }).unwrap();
    }
    let moment = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60);
    horizon.send_replace(Horizon::Until(moment));
    assert_eq!(lane.horizon(), Horizon::Unknown, "there are records that were not taken");
    let long = Duration::from_secs(3600);
    let records = lane.read(10, long).await.unwrap();
    assert_eq!((records.len(), lane.horizon()), (2, Horizon::Until(moment)));
    assert!(lane.read(10, long).await.unwrap().is_empty(), "the horizon has moved");
    for (record, state) in records.chunks(1).zip(["\"a\"", "\"b\""]) {
        lane.done_in(record, Some(&window(state))).await.unwrap();
        assert_eq!(world.checkpoint(), Some(Checkpoint::After(record[0].id.clone())));
        assert_eq!(world.checkpoints.window(&id()).unwrap(), Some(window(state)));
    }
    horizon.send_replace(Horizon::End);
    notes.send(Note::End).await.unwrap();
    drop((horizon, sender));
    assert!(lane.read(10, long).await.unwrap().is_empty(), "the shard has ended");
    assert_eq!((lane.horizon(), world.checkpoint()), (Horizon::End, Some(Checkpoint::After("2".to_owned()))));
    lane.done_in(&[], None).await.unwrap();
    assert_eq!(world.checkpoint(), Some(Checkpoint::Through));
    assert_eq!(world.checkpoints.window(&id()).unwrap(), None);
    assert!(keeping.await.unwrap());
}

#[test]
fn what_is_no_id_of_a_shard_is_refused() {
    for id in ["", "a\nb", &"x".repeat(129)] {
        assert!(ShardId::new(id).is_err(), "{id:?}");
    }
}
