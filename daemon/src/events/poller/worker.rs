//! Reads one source for one mapping, batch by batch, until it is told to stop.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    call::{self, Called, Request, Told},
    failures::{self, Condition},
    gather::Buffer,
    pieces::{Pieces, Rules, Through, Verdict},
    record::Record,
    report::{self, Report},
    source::{Source, SourceError},
    windows::{self, Windows},
};
use crate::{
    clock::SharedClock,
    events::mapping::{Delivery, Mapping, StreamSettings},
    invoke::{Invoker, NewResult},
    sandbox::Pool,
};

/// How often a daemon that drains is looked at again.
const DRAINING: Duration = Duration::from_millis(200);

/// What workers work with.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) invoker: Invoker,
    pub(super) pool: Pool,
    pub(super) clock: SharedClock,
    /// The daemon ends and waits no more: what would be given back to a queue stays hidden for as long as the queue says.
    pub(super) abandon: CancellationToken,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker<S> {
    pub(super) mapping: Arc<Mapping>,
    pub(super) source: S,
    /// If the mapping has any.
    pub(super) windows: Option<Windows>,
    pub(super) tools: Tools,
    pub(super) stop: CancellationToken,
}

/// It was told to stop. What is not through stays the source's.
pub(super) struct Stopped;

impl<S: Source> Worker<S> {
    pub(super) async fn run(mut self) {
        let mut buffer = Buffer::default();
        self.work(&mut buffer).await;
        self.give_back(&mut buffer).await;
    }

    /// Reads and calls until it is told to stop. What nobody was given is in the buffer then.
    async fn work(&mut self, buffer: &mut Buffer) {
        let mut backoff = Backoff::new();
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            if self.tools.pool.is_draining() {
                if !buffer.is_empty() {
                    self.give_back(buffer).await;
                }
                let pause = tokio::time::sleep(DRAINING);
                let _ = stop.run_until_cancelled(pause).await;
                continue;
            }
            let pool = self.tools.pool.clone();
            let is_draining = || pool.is_draining();
            match buffer.gather(&mut self.source, &self.mapping.settings, is_draining, &stop).await {
                Ok(None) => return,
                Ok(Some(batch)) => {
                    backoff.reset();
                    if self.process(batch, buffer).await.is_err()
                        || self.end_what_is_over(buffer).await.is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    self.note_source_failure(&error);
                    if !backoff.pause(&stop).await {
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn note_source_failure(&self, error: &SourceError) {
        tracing::warn!(mapping = %self.mapping.id, source = %self.mapping.source, %error, "an event source does not answer");
        self.mapping.note_result(format!("PROBLEM: {error}"));
    }

    async fn process(&mut self, batch: Vec<Record>, buffer: &mut Buffer) -> Result<(), Stopped> {
        let mapping = Arc::clone(&self.mapping);
        match &mapping.settings.delivery {
            Delivery::Queue { .. } => self.process_messages(batch, buffer).await,
            Delivery::Stream(settings) if self.windows.is_some() => {
                self.process_windows(batch, settings).await
            }
            Delivery::Stream(settings) => self.process_stream(batch, settings).await,
        }
    }

    /// What comes first is through first.
    pub(super) async fn process_stream(
        &mut self,
        batch: Vec<Record>,
        settings: &StreamSettings,
    ) -> Result<(), Stopped> {
        let rules = Rules {
            retries: settings.maximum_retry_attempts,
            bisect: settings.bisect_batch_on_function_error,
        };
        let mut pieces = Pieces::of(batch.len(), rules);
        let mut backoff = Backoff::new();
        let mut last = None;
        if batch.iter().any(|record| record.size > call::records_limit(&self.mapping.settings)) {
            // It is alone in its batch, and can't be sent, however often it is tried.
            self.mapping.note_result("PROBLEM: a record is larger than an event may be");
            let given_up = Through::GivenUp { records: 0..batch.len(), tries: 0 };
            return self.through(&batch, given_up, Condition::RetryAttemptsExhausted, settings, None).await;
        }
        loop {
            let Some(piece) = pieces.next() else { return Ok(()) };
            let records = &batch[piece.records.clone()];
            let too_old = self.too_old(records, settings.maximum_record_age);
            if too_old > 0 {
                if let Some(through) = pieces.expire(too_old) {
                    self.through(&batch, through, Condition::RecordAgeExceeded, settings, last.as_ref())
                        .await?;
                }
                continue;
            }
            let request = self.request(records);
            let mut state = None;
            let verdict = match self.call(&request, None).await? {
                Called::Answered { answer, told } => {
                    let (report, new) = self.read(&answer, records);
                    state = new;
                    let verdict = match report {
                        Report::AllDone => Verdict::Done,
                        Report::Failed(failed) => Verdict::FailedFrom(failed.first().copied().unwrap_or(0)),
                        Report::Unclear => Verdict::FailedFrom(0),
                    };
                    match verdict {
                        Verdict::Done => self.mapping.note_result("OK"),
                        Verdict::FailedFrom(_) => self.note_failure(&told, "records failed"),
                    }
                    last = Some(told);
                    verdict
                }
                Called::Failed(told) => {
                    self.note_failure(&told, &told.why);
                    last = Some(told);
                    Verdict::FailedFrom(0)
                }
                Called::NotNow(_) => continue,
            };
            // A state goes with the records that are in it.
            if let (Some(windows), Some(state)) = (&mut self.windows, state)
                && verdict != Verdict::FailedFrom(0)
            {
                windows.take(state);
            }
            for through in pieces.tried(verdict) {
                self.through(&batch, through, Condition::RetryAttemptsExhausted, settings, last.as_ref())
                    .await?;
            }
            if self.windows.as_ref().is_some_and(Windows::is_too_large) {
                self.end_window().await?;
            }
            match verdict {
                Verdict::Done => backoff.reset(),
                Verdict::FailedFrom(_) if pieces.next().is_none() => {}
                Verdict::FailedFrom(_) => {
                    if !backoff.pause(&self.stop).await {
                        return Err(Stopped);
                    }
                }
            }
        }
    }

    /// Calls the function; waits as long as it can't be called, or for `patience` at most and not while the daemon drains.
    pub(super) async fn call(
        &self,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<Called, Stopped> {
        let mut backoff = Backoff::new();
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            match call::call(&self.tools.invoker, &self.mapping, request.clone()).await {
                Called::NotNow(why) => {
                    self.mapping.note_result(format!("PROBLEM: Function call failed: {why}"));
                    tracing::debug!(mapping = %self.mapping.id, why, "a batch waits for its function");
                    let is_over = |deadline| Instant::now() >= deadline || self.tools.pool.is_draining();
                    if deadline.is_some_and(is_over) {
                        return Ok(Called::NotNow(why));
                    }
                    if !backoff.pause(&self.stop).await {
                        return Err(Stopped);
                    }
                }
                called => return Ok(called),
            }
        }
    }

    /// What a stream's records are sent in. Opens their window, if there are any and none is open.
    fn request(&mut self, records: &[Record]) -> Request {
        if let (Some(windows), Some(first)) = (&mut self.windows, records.first()) {
            windows.open_for(first, self.tools.clock.now());
        }
        match self.windows.as_ref().and_then(Windows::open) {
            Some(window) => Request::windowed(records, window, &self.mapping, self.source.shard()),
            None => Request::of(records),
        }
    }

    /// What a function says of records, and the state that it has come to if there are windows.
    pub(super) fn read(&self, answer: &[u8], records: &[Record]) -> (Report, Option<Arc<str>>) {
        if self.windows.is_none() {
            return (self.report(answer, records), None);
        }
        match windows::answer(answer) {
            Some(answer) => (self.report(&answer.rest, records), Some(answer.state)),
            None => (Report::Unclear, None),
        }
    }

    pub(super) fn report(&self, answer: &[u8], records: &[Record]) -> Report {
        if !self.mapping.settings.report_batch_item_failures {
            return Report::AllDone;
        }
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        report::read(answer, &ids)
    }

    pub(super) fn note_failure(&self, told: &Told, why: &str) {
        tracing::info!(mapping = %self.mapping.id, function = %self.mapping.function, request_id = told.request_id,
            why, "a batch failed");
        self.mapping.note_result("PROBLEM: Function call failed");
    }

    /// How many of the first records are older than they may be.
    fn too_old(&self, records: &[Record], most: Option<u32>) -> usize {
        let Some(most) = most else { return 0 };
        let oldest: OffsetDateTime = self.tools.clock.now() - Duration::from_secs(most.into());
        records.iter().take_while(|record| record.arrived.is_some_and(|arrived| arrived < oldest)).count()
    }

    /// Ends what is through: a destination is told of what was given up, and only then the source.
    async fn through(
        &mut self,
        batch: &[Record],
        through: Through,
        condition: Condition,
        settings: &StreamSettings,
        last: Option<&Told>,
    ) -> Result<(), Stopped> {
        let range = match through {
            Through::Done(range) => range,
            Through::GivenUp { records, tries } => {
                let given_up = &batch[records.clone()];
                tracing::warn!(mapping = %self.mapping.id, source = %self.mapping.source, records = given_up.len(),
                    tries, condition = condition.as_str(), "records were given up");
                if let Some(destination) = &settings.on_failure {
                    let now = self.tools.clock.now();
                    let mut told =
                        failures::told(&self.mapping, S::BATCH_INFO, given_up, condition, tries, last, now);
                    told[S::BATCH_INFO]["shardId"] = self.source.shard().into();
                    self.tell(failures::result(&self.mapping, S::BATCH_INFO, destination, told, given_up))
                        .await?;
                }
                records
            }
        };
        self.done(&batch[range]).await
    }

    /// Has a destination told. When this returns the queue of results has it, durably; it waits for the destination.
    async fn tell(&self, result: NewResult) -> Result<(), Stopped> {
        let mut backoff = Backoff::new();
        while let Err(error) = self.tools.invoker.queue().tell(result.clone()).await {
            tracing::warn!(mapping = %self.mapping.id, destination = %result.target, %error,
                "records that were given up wait until a destination can be told of them");
            self.mapping.note_result(format!("PROBLEM: the destination can't be told: {error}"));
            if !backoff.pause(&self.stop).await {
                return Err(Stopped);
            }
        }
        Ok(())
    }

    /// Tells the source of records that are through, until it has heard.
    pub(super) async fn done(&mut self, records: &[Record]) -> Result<(), Stopped> {
        let mut backoff = Backoff::new();
        loop {
            let heard = match &self.windows {
                None => self.source.done(records).await,
                Some(windows) => self.source.done_in(records, windows.open()).await,
            };
            let Err(error) = heard else { return Ok(()) };
            self.note_source_failure(&error);
            if !backoff.pause(&self.stop).await {
                return Err(Stopped);
            }
        }
    }
}
