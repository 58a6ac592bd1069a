//! What a worker does beyond others if its mapping has [windows](super::windows).

use super::{
    backoff::Backoff,
    call::{Called, Request},
    gather::Buffer,
    record::Record,
    report::Report,
    source::Source,
    windows,
    worker::{Stopped, Worker},
};
use crate::events::mapping::StreamSettings;

impl<S: Source> Worker<S> {
    /// Takes a batch apart into records of one window each, and ends each window before the next begins.
    pub(super) async fn process_windows(
        &mut self,
        mut batch: Vec<Record>,
        settings: &StreamSettings,
    ) -> Result<(), Stopped> {
        while let Some(first) = batch.first() {
            let now = self.tools.clock.now();
            let Some(windows) = &mut self.windows else { return self.process_stream(batch, settings).await };
            let was_open = windows.open().is_some();
            windows.open_for(first, now);
            let own = windows.belonging(&batch);
            if own == 0 && was_open || windows.is_too_large() {
                self.end_window().await?;
                continue;
            }
            let rest = batch.split_off(own.max(1));
            self.process_stream(batch, settings).await?;
            batch = rest;
        }
        Ok(())
    }

    /// Ends the window that is open if no record of it can come any more. One may have become too large, and this process ended,
    /// before its last call.
    pub(super) async fn end_what_is_over(&mut self, buffer: &Buffer) -> Result<(), Stopped> {
        let is_over = |windows: &windows::Windows| {
            windows.is_too_large() || buffer.is_empty() && windows.is_over(self.source.horizon())
        };
        if self.windows.as_ref().is_some_and(is_over) {
            self.end_window().await?;
        }
        Ok(())
    }

    /// Makes the last call of the window that is open, until it succeeds: nothing goes on before, as on Lambda.
    pub(super) async fn end_window(&mut self) -> Result<(), Stopped> {
        let Some(window) = self.windows.as_ref().and_then(windows::Windows::open) else { return Ok(()) };
        tracing::debug!(mapping = %self.mapping.id, shard = self.source.shard(), start = %window.start,
            end = %window.end, state_bytes = window.state.len(), "a window ends");
        let request = Request::windowed(&[], window, &self.mapping, self.source.shard());
        let mut backoff = Backoff::new();
        loop {
            match self.call(&request, None).await? {
                Called::Answered { answer, told } => match self.read(&answer, &[]) {
                    (Report::AllDone, _) => break,
                    _ => self.note_failure(&told, "the answer to the last call of a window has no state"),
                },
                Called::Failed(told) => self.note_failure(&told, &told.why),
                Called::NotNow(_) => {}
            }
            if !backoff.pause(&self.stop).await {
                return Err(Stopped);
            }
        }
        self.mapping.note_result("OK");
        if let Some(windows) = &mut self.windows {
            windows.close();
        }
        self.done(&[]).await
    }
}
