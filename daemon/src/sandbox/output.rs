//! What a sandbox prints: from its pipe, cut into lines, to its log stream.
//!
//! Stdout and stderr are one FIFO, so their order is kept. A write to it happens before the runtime posts the response,
//! and a pipe holds at most [`PIPE_CAPACITY`] bytes: reading that many when the response arrives gives every line to
//! the invocation that wrote it, and makes the tail exact. A function that floods the pipe is cut off after a set number
//! of bytes an invocation, with a marker; nothing here grows with what it writes.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use tokio::net::unix::pipe;

use super::job::TAIL_LIMIT;
use crate::{
    clock::SharedClock,
    logs::{LogEvent, LogWriter},
    runtime_api::RequestId,
};

/// What a pipe holds at most. Source: pipe(7), the default of a new pipe.
const PIPE_CAPACITY: usize = 64 * 1024;

/// How much is read at a time.
const CHUNK: usize = 8 * 1024;

/// The most lines that are held back.
const HELD: usize = 64;

/// The longest line that is stored as one: as long as one event of CloudWatch Logs. A longer one continues in the next.
const LINE_LIMIT: usize = 256 * 1024;

/// A sandbox's output and the log stream that it goes to.
#[derive(Debug)]
pub(super) struct Output {
    fifo: pipe::Receiver,
    sink: Sink,
}

/// Everything behind the pipe. Apart, so that a chunk can be read and taken without fighting over one `&mut`.
#[derive(Debug)]
struct Sink {
    log: LogWriter,
    clock: SharedClock,
    partial: Vec<u8>,
    /// Lines that are to be handed to the log together: handing over wakes another thread, which a short call is better
    /// without.
    held: Vec<LogEvent>,
    request_id: Option<Arc<str>>,
    tail: Option<Tail>,
    /// Bytes that this invocation may still write.
    left: usize,
    limit: usize,
}

/// A sandbox's pipe before it has a function, and with it a log.
#[derive(Debug)]
pub(super) struct OutputPipe(pipe::Receiver);

impl OutputPipe {
    /// Opens the FIFO at `path`. Holding a writing end too means that it never reports an end of file, whatever the
    /// function closes.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        pipe::OpenOptions::new().read_write(true).open_receiver(path).map(Self)
    }

    /// Waits for output and throws it away: a runtime that has no function has nothing to say to a user. Cancel safe.
    pub(super) async fn discard(&mut self) -> io::Result<()> {
        self.0.readable().await?;
        let mut chunk = [0; CHUNK];
        match self.0.try_read(&mut chunk) {
            Ok(count) => {
                let text = String::from_utf8_lossy(&chunk[..count]);
                tracing::debug!(text = text.trim_end(), "a runtime without a function wrote");
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The output of a function, for its initialisation: its tail is kept in case that it fails.
    pub(super) fn into_output(self, log: LogWriter, clock: SharedClock, limit: usize) -> Output {
        let sink = Sink {
            log,
            clock,
            partial: Vec::new(),
            held: Vec::new(),
            request_id: None,
            tail: Some(Tail::default()),
            left: limit,
            limit,
        };
        Output { fifo: self.0, sink }
    }
}

impl Output {
    /// Waits for output and takes what is there. Cancel safe.
    pub(super) async fn pump(&mut self) -> io::Result<()> {
        self.fifo.readable().await?;
        self.drain();
        // The function runs on, perhaps for long: whoever follows its log sees this now.
        self.release();
        Ok(())
    }

    /// Takes everything that was written until now.
    pub(super) fn drain(&mut self) {
        let mut chunk = [0; CHUNK];
        let mut taken = 0;
        while taken < PIPE_CAPACITY {
            match self.fifo.try_read(&mut chunk) {
                Ok(0) => return,
                Ok(count) => {
                    taken += count;
                    self.sink.take(&chunk[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "a sandbox's output can't be read");
                    return;
                }
            }
        }
    }

    /// From here on output belongs to `request_id`.
    pub(super) fn begin(&mut self, request_id: &RequestId, tail: bool) {
        // What a thread of the function printed since its last invocation ended is not this invocation's.
        self.drain();
        self.sink.flush();
        self.sink.request_id = Some(request_id.shared());
        self.sink.tail = tail.then(Tail::default);
        self.sink.left = self.sink.limit;
    }

    /// What follows carries `request_id`, and what was read so far stays its own. For an initialisation that failed,
    /// once it is known which call it failed.
    pub(super) fn attribute(&mut self, request_id: &RequestId) {
        self.sink.request_id = Some(request_id.shared());
    }

    /// Takes what is there, ends an unfinished line, and gives the invocation's tail. Output that comes later still
    /// carries its id, until the next invocation begins.
    pub(super) fn end(&mut self) {
        self.drain();
        self.sink.flush();
    }

    /// The last bytes of what was written since `begin`, if they were asked for.
    pub(super) fn take_tail(&mut self) -> Option<Bytes> {
        self.sink.tail.take().map(Tail::finish)
    }

    /// Hands over to the log what was held back until the caller had its answer.
    pub(super) fn release(&mut self) {
        self.sink.release();
    }

    /// A line of the daemon's own: START, END, REPORT. Not counted against the function.
    pub(super) fn platform(&mut self, line: String) {
        self.sink.store(line);
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.sink.release();
    }
}

impl Sink {
    fn take(&mut self, mut bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let over = bytes.len() >= self.left;
        if over {
            bytes = &bytes[..self.left];
        }
        self.left -= bytes.len();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(line);
            if line.ends_with(b"\n") || self.partial.len() >= LINE_LIMIT {
                self.flush();
            }
        }
        if over {
            self.flush();
            self.store(format!(
                "[thaw: output cut: more than {} bytes in one invocation (log_invocation_max_kb)]",
                self.limit
            ));
        }
    }

    fn flush(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.partial);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        self.partial.clear();
        self.partial.shrink_to(CHUNK);
        self.store(line);
    }

    fn store(&mut self, message: String) {
        if let Some(tail) = &mut self.tail {
            tail.push(&message);
        }
        // CloudWatch keeps no event without a text, so that lines with nothing on them are in no log.
        if message.is_empty() {
            return;
        }
        self.held.push(LogEvent {
            timestamp_ms: self.clock.now_millis(),
            request_id: self.request_id.clone(),
            message,
        });
        if self.held.len() >= HELD {
            self.release();
        }
    }

    fn release(&mut self) {
        for line in self.held.drain(..) {
            self.log.write(line);
        }
    }
}

/// The last [`TAIL_LIMIT`] bytes of a text that comes line by line.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, line: &str) {
        self.0.extend_from_slice(line.as_bytes());
        self.0.push(b'\n');
        // Cut now and then, not at every line.
        if self.0.len() > 4 * TAIL_LIMIT {
            self.0.drain(..self.0.len() - TAIL_LIMIT);
        }
    }

    fn finish(self) -> Bytes {
        let mut start = self.0.len().saturating_sub(TAIL_LIMIT);
        // Never begin inside a character: continuation bytes are 0b10xx_xxxx.
        while self.0.get(start).is_some_and(|byte| byte & 0xC0 == 0x80) {
            start += 1;
        }
        Bytes::from(self.0).slice(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_last_4096_bytes() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(&format!("line {number}"));
        }
        let text = tail.finish();
        assert_eq!(text.len(), TAIL_LIMIT);
        assert!(text.ends_with(b"line 9998\nline 9999\n"));
    }

    #[test]
    fn a_tail_begins_with_a_whole_character() {
        let mut tail = Tail::default();
        tail.push(&"ä".repeat(TAIL_LIMIT));
        let text = tail.finish();
        assert!(std::str::from_utf8(&text).is_ok());
        assert_eq!(text.len(), TAIL_LIMIT - 1);
    }
}
