//! Reads a shard, page by page, and gives its records to the lanes.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{backoff::Backoff, call::RECORDS_LIMIT, windows::Horizon},
    keeper::{Note, WindowNote},
    lane::{self, Waiting},
    stream::{Keyed, Page, Place, ReadError, ShardId, ShardedStream},
};
use crate::{clock::SharedClock, events::mapping::Mapping};

/// Between reads of a shard that has more. Source: the limit of Kinesis is five a second.
const PACE: Duration = Duration::from_millis(200);

/// Bytes of records that wait for the workers of a shard: more than an event may have, so that batches get full.
pub(super) const ROOM: usize = 2 * RECORDS_LIMIT;

/// The one that reads a shard.
#[derive(Debug)]
pub(super) struct Reader<S> {
    pub(super) mapping: Arc<Mapping>,
    pub(super) stream: S,
    pub(super) shard: ShardId,
    /// Where to go on.
    pub(super) place: Place,
    /// What came before is passed over.
    pub(super) passed_over: Option<OffsetDateTime>,
    /// Bounded by `room`.
    pub(super) lanes: Vec<mpsc::UnboundedSender<Waiting>>,
    pub(super) room: Arc<Semaphore>,
    pub(super) notes: mpsc::Sender<Note>,
    /// Told what is in the lanes, if there are windows.
    pub(super) horizon: Option<watch::Sender<Horizon>>,
    pub(super) clock: SharedClock,
}

/// Nobody takes records any more.
struct Abandoned;

impl<S: ShardedStream> Reader<S> {
    /// Reads to the end of the shard, or until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new();
        let mut iterator = None;
        while !stop.is_cancelled() {
            let (begun, asked) = (Instant::now(), self.clock.now());
            let Some(read) = stop.run_until_cancelled(self.read(iterator.take())).await else { return };
            let rest = match read {
                Ok(Page { records, next, is_latest }) => {
                    backoff.reset();
                    let rest = if records.is_empty() { S::REST } else { PACE };
                    let next = next.filter(|next| !next.is_empty());
                    // A stream that is never idle tells by its records how far it was read.
                    let last = records.last().and_then(|keyed| keyed.record.arrived);
                    let reaches = if is_latest { Some(asked) } else { last };
                    let handed = stop.run_until_cancelled(self.hand_on(records, next.is_none())).await;
                    if !matches!(handed, Some(Ok(()))) || next.is_none() {
                        return;
                    }
                    if let Some(moment) = reaches {
                        self.tell_horizon(Horizon::Until(moment));
                    }
                    iterator = next;
                    rest
                }
                Err(error) => {
                    self.note(error);
                    backoff.next().max(PACE)
                }
            };
            let pause = tokio::time::sleep_until(begun + rest);
            let _ = stop.run_until_cancelled(pause).await;
        }
    }

    async fn read(&self, iterator: Option<String>) -> Result<Page, ReadError> {
        let iterator = match iterator {
            Some(iterator) => iterator,
            None => self.stream.iterator(&self.shard, &self.place).await?,
        };
        self.stream.page(&self.shard, &iterator).await
    }

    /// After any error a new iterator is asked for, from where reading has come to.
    fn note(&mut self, error: ReadError) {
        let (mapping, source, shard) = (self.mapping.id, &self.mapping.source, &self.shard);
        match error {
            ReadError::Expired => {
                tracing::debug!(%mapping, %source, %shard, "the iterator of a shard has expired");
            }
            ReadError::Throttled(why) => {
                tracing::debug!(%mapping, %source, %shard, %why, "a shard is read too often");
            }
            ReadError::Trimmed(why) => {
                tracing::warn!(%mapping, %source, %shard, place = ?self.place, %why,
                    "records of a shard are not there any more; it is read on from the oldest that are");
                self.mapping.note_result("PROBLEM: records were not kept until they were read");
                self.place = Place::Oldest;
            }
            ReadError::Failed(error) => {
                tracing::warn!(%mapping, %source, %shard, %error, "a shard does not answer");
                self.mapping.note_result(format!("PROBLEM: {error}"));
            }
        }
    }

    /// Gives records to their lanes, as soon as there is room.
    async fn hand_on(&mut self, records: Vec<Keyed>, is_end: bool) -> Result<(), Abandoned> {
        let ids: Vec<String> = records.iter().map(|keyed| keyed.record.id.clone()).collect();
        if let Some(last) = ids.last() {
            self.place = Place::After(last.clone());
            self.tell(Note::Read(ids)).await?;
        }
        let (old, new): (Vec<Keyed>, Vec<Keyed>) =
            records.into_iter().partition(|keyed| match (self.passed_over, keyed.record.arrived) {
                (Some(oldest), Some(arrived)) => arrived < oldest,
                _ => false,
            });
        if !old.is_empty() {
            let ids = old.into_iter().map(|keyed| keyed.record.id).collect();
            self.tell(Note::Ended { ids, window: WindowNote::Same, heard: None }).await?;
        }
        for Keyed { key, record } in new {
            let size = u32::try_from(record.size.min(ROOM)).unwrap_or(u32::MAX);
            let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| Abandoned)?;
            let lane = self.lanes.get(lane::of_key(&key, self.lanes.len())).ok_or(Abandoned)?;
            lane.send(Waiting { record, room }).map_err(|_| Abandoned)?;
        }
        if !is_end {
            return Ok(());
        }
        self.tell_horizon(Horizon::End);
        self.tell(Note::End).await
    }

    fn tell_horizon(&self, horizon: Horizon) {
        if let Some(told) = &self.horizon {
            told.send_replace(horizon);
        }
    }

    async fn tell(&self, note: Note) -> Result<(), Abandoned> {
        self.notes.send(note).await.map_err(|_| Abandoned)
    }
}
