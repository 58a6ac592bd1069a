//! Init's one loop.
//!
//! ```text
//!                      assignment            the runtime ends
//!           Waiting ---------------> Running ----------------> Reported
//!              \_________ it can't be started __________________/
//! ```
//!
//! Whatever the stage, processes are reaped, and the daemon's hanging up ends the loop. With process 1 the kernel kills
//! every other process of the namespace; none of them can escape that, so there is nothing to do here.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{WaitOptions, WaitStatus, wait},
};

use crate::{
    control::{Control, HANG_UP_LIMIT, Received},
    error::InitError,
    runtime::{Exit, Runtime},
    signals::Signals,
};

/// How a shell reports a process that a signal ended.
const SIGNALLED: u8 = 128;

#[derive(Debug)]
enum Stage {
    /// No assignment yet.
    Waiting,
    /// The runtime runs.
    Running(Runtime),
    /// The daemon has its report. It hangs up when it has no more use for the sandbox.
    Reported {
        /// When that is not waited for any longer.
        until: Option<Instant>,
        /// What init exits with.
        code: u8,
    },
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Supervisor {
    control: Control,
    signals: Signals,
    stage: Stage,
}

impl Supervisor {
    pub(crate) fn new(control: Control, signals: Signals) -> Self {
        Self { control, signals, stage: Stage::Waiting }
    }

    /// Does init's work until the daemon hangs up. What init exits with.
    pub(crate) fn run(mut self) -> Result<ExitCode, InitError> {
        loop {
            if let Some(code) = self.turn()? {
                return Ok(ExitCode::from(code));
            }
        }
    }

    /// Waits for something to happen and deals with it. An exit code, if that was the end.
    fn turn(&mut self) -> Result<Option<u8>, InitError> {
        let left = match self.stage {
            Stage::Reported { until: Some(until), .. } => {
                Some(until.saturating_duration_since(Instant::now()))
            }
            _ => None,
        };
        self.wait(left)?;
        if let Some(code) = self.hear()? {
            return Ok(Some(code));
        }
        while let Some(signal) = self.signals.next()? {
            match (signal, &self.stage) {
                (Signal::SIGCHLD, _) => self.reap()?,
                (signal, Stage::Running(runtime)) => runtime.signal(signal),
                (signal, Stage::Waiting) => return Ok(Some(killed_by(signal))),
                (_, Stage::Reported { .. }) => {}
            }
        }
        match self.stage {
            Stage::Reported { until: Some(until), code } if until <= Instant::now() => Ok(Some(code)),
            _ => Ok(None),
        }
    }

    fn wait(&self, left: Option<Duration>) -> Result<(), InitError> {
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut sources =
            [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut sources, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(kernel("wait", error)),
        }
    }

    /// Takes what the daemon said.
    fn hear(&mut self) -> Result<Option<u8>, InitError> {
        let started = match self.stage {
            Stage::Waiting => match self.control.receive() {
                Ok(Received::Nothing) => return Ok(None),
                Ok(Received::HungUp) => return Ok(Some(killed_by(Signal::SIGKILL))),
                Ok(Received::Assignment(assignment)) => Runtime::start(&assignment),
                Err(error) => Err(error),
            },
            Stage::Running(_) => {
                return Ok(self.control.has_hung_up().then(|| killed_by(Signal::SIGKILL)));
            }
            Stage::Reported { code, .. } => return Ok(self.control.has_hung_up().then_some(code)),
        };
        self.stage = match started {
            Ok(runtime) => Stage::Running(runtime),
            Err(error) => {
                self.control.report_failure(&error);
                Stage::Reported { until: Some(Instant::now() + HANG_UP_LIMIT), code: 1 }
            }
        };
        Ok(None)
    }

    /// Takes every process that has ended: this is process 1, to which orphans come.
    fn reap(&mut self) -> Result<(), InitError> {
        loop {
            // Not nix's: it takes an end by a real-time signal, which any process can choose, for an error.
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(kernel("wait for processes", error)),
            };
            if let Stage::Running(runtime) = self.stage
                && runtime.is(pid)
                && let Some(exit) = exit(status)
            {
                self.control.report_exit(exit);
                self.stage = Stage::Reported { until: None, code: 0 };
            }
        }
    }
}

fn exit(status: WaitStatus) -> Option<Exit> {
    status.exit_status().map(Exit::Code).or_else(|| status.terminating_signal().map(Exit::Signal))
}

fn kernel(what: &'static str, error: Errno) -> InitError {
    InitError::Kernel { what, source: nix::errno::Errno::from_raw(error.raw_os_error()) }
}

fn killed_by(signal: Signal) -> u8 {
    SIGNALLED + signal as u8
}
