//! What a poller asks of a source. Each kind of source is a file in `events::sources`; of one with
//! shards, each lane of a shard is one (`shards`).

use std::{fmt, future::Future, time::Duration};

use super::{
    record::Record,
    windows::{Horizon, Window},
};

/// A source, read by one task.
///
/// A record that was read stays the source's until it is said to be [done](Source::done): whatever happens in between, also
/// to this process, it is given again. So nothing is lost, and what was under way may come twice.
pub(crate) trait Source: Send + 'static {
    /// The key of what was sent, in what filters see of a record, if that may be text or JSON.
    const PAYLOAD: Option<&'static str>;

    /// The name that it is told by to whoever hears of batches that were given up: `KinesisBatchInfo` and its like.
    const BATCH_INFO: &'static str;

    /// The shard that it is, as it is told to whoever hears of batches that were given up.
    fn shard(&self) -> &str {
        "0"
    }

    /// Reads at most `limit` records, in their order, which were not read since this source was opened. Waits for the first
    /// for `wait` at most. May be dropped: what was read then is read again, or [`finish`](Self::finish) gives it.
    fn read(
        &mut self,
        limit: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Record>, SourceError>> + Send;

    /// Says that records need not come again.
    fn done(&mut self, records: &[Record]) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// Ends the read that was dropped when the source was not to be read any more, and gives what it has brought. The wait that
    /// it was asked for goes on to its end. Only a queue has any such: the others give everything again to whoever reads next.
    fn finish(&mut self) -> impl Future<Output = Result<Vec<Record>, SourceError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Has a queue give records that no function was called with to whoever asks next, rather than hide them for longer. Those
    /// of other sources come again as it is.
    fn give_back(&mut self, records: &[Record]) -> impl Future<Output = Result<(), SourceError>> + Send {
        let _ = records;
        async { Ok(()) }
    }

    /// How far what was read of it reaches. Only where there are windows it is known.
    fn horizon(&self) -> Horizon {
        Horizon::Unknown
    }

    /// Says that records need not come again, and what has become of the window that they were in: both is kept, or neither.
    /// Only where there are windows it is said.
    fn done_in(
        &mut self,
        records: &[Record],
        window: Option<&Window>,
    ) -> impl Future<Output = Result<(), SourceError>> + Send {
        let _ = window;
        self.done(records)
    }
}

/// A source that keeps by itself how far a mapping has read it: a consumer group, a durable consumer.
pub(crate) trait Positioned: Source {
    /// Makes what is the mapping's own there, if it is not there. After that nothing that comes is missed.
    fn begin(&mut self) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// Removes it.
    fn forget(&mut self) -> impl Future<Output = Result<(), SourceError>> + Send;
}

/// A source that does not answer, or not as it should. It may come back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SourceError(String);

impl SourceError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}
