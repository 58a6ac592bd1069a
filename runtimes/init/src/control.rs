//! The connection to the daemon.
//!
//! The daemon takes the first connection and no other, so the function gains nothing from the socket, which it sees too.
//! The descriptor is closed on exec, and `/proc/1` is shut to the function (see [`crate::walls::hide`]).

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;

use crate::{
    error::InitError,
    runtime::{Assignment, Exit, Program},
};

/// The longest order. A user's environment is at most 4 KB, an image's is not much more.
const ORDER_LIMIT: usize = 1024 * 1024;

/// How long a daemon may take to hang up after it was told that there will be no runtime.
pub(crate) const HANG_UP_LIMIT: Duration = Duration::from_secs(5);

/// The connection.
#[derive(Debug)]
pub(crate) struct Control {
    stream: UnixStream,
    /// What has come of the next order.
    line: Vec<u8>,
}

/// What the daemon says, a line each.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Bring this up, before there is a function.
    Prestart(Program),
    /// Become this function.
    Start(Assignment),
}

/// What the daemon said.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing that is complete yet.
    Nothing,
    /// What to do.
    Order(Order),
    /// It hung up, or died.
    HungUp,
}

impl Control {
    /// Connects.
    pub(crate) fn connect(path: &Path) -> Result<Self, InitError> {
        let connected = UnixStream::connect(path).and_then(|stream| {
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let stream = connected.map_err(|source| InitError::File {
            what: "connect to the daemon at",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { stream, line: Vec::new() })
    }

    /// Takes what has arrived, without waiting: call until there is nothing.
    pub(crate) fn receive(&mut self) -> Result<Received, InitError> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                // Secrets need not lie about: the line ends here.
                let line = std::mem::replace(&mut self.line, rest);
                return Ok(Received::Order(serde_json::from_slice(&line)?));
            }
            if self.line.len() > ORDER_LIMIT {
                self.line = Vec::new();
                return Err(InitError::OrderTooLong { limit: ORDER_LIMIT });
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Received::HungUp),
                Ok(count) => self.line.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                // A connection reset is an end as well.
                Err(_) => return Ok(Received::HungUp),
            }
        }
    }

    /// Whether the daemon hung up. What else it sends has no meaning any more.
    pub(crate) fn has_hung_up(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Reports that what was started ahead is up.
    pub(crate) fn report_ready(&mut self) {
        self.send(&json!({ "ready": {} }));
    }

    /// Reports how the runtime ended.
    pub(crate) fn report_exit(&mut self, exit: Exit) {
        self.send(&match exit {
            Exit::Code(code) => json!({ "exited": { "code": code } }),
            Exit::Signal(signal) => json!({ "exited": { "signal": signal } }),
        });
    }

    /// Reports that there is no runtime.
    pub(crate) fn report_failure(&mut self, error: &InitError) {
        self.send(&json!({ "failed": { "error": error.to_string() } }));
    }

    /// Reports that there will be no runtime, and waits for the daemon to hang up: for a failure so early that there is
    /// nothing else to watch.
    pub(crate) fn fail(mut self, error: &InitError) -> Result<(), InitError> {
        self.report_failure(error);
        self.stream
            .set_nonblocking(false)
            .and_then(|()| self.stream.set_read_timeout(Some(HANG_UP_LIMIT)))
            .map_err(|source| InitError::File { what: "wait on", path: "control.sock".into(), source })?;
        // Whichever comes first: the end or the time.
        self.has_hung_up();
        Ok(())
    }

    fn send(&mut self, report: &serde_json::Value) {
        // It fits into the socket's empty buffer. If the daemon is gone, its silence says so to the supervisor.
        let _ = self.stream.write_all(format!("{report}\n").as_bytes());
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
