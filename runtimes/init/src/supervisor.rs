//! Init's one loop.
//!
//! ```text
//!              prestart                   start            the runtime ends
//!     Waiting ----------> Prestarted ----------------> Running ----------> Reported
//!         \____________________ start _________________/ /                    /
//!          \____________________ it can't be started, or ends _______________/
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
    control::{Control, HANG_UP_LIMIT, Order, Received},
    error::InitError,
    runtime::{Exit, Prestarted, Runtime},
    signals::Signals,
};

/// How a shell reports a process that a signal ended.
const SIGNALLED: u8 = 128;

#[derive(Debug)]
enum Stage {
    /// No order yet.
    Waiting,
    /// A runtime without a function is up, or coming up.
    Prestarted(Prestarted),
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
    /// Whether what was started ahead has said that it is up.
    is_up: bool,
}

impl Supervisor {
    pub(crate) fn new(control: Control, signals: Signals) -> Self {
        Self { control, signals, stage: Stage::Waiting, is_up: false }
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
        if let Stage::Prestarted(prestarted) = &mut self.stage
            && !self.is_up
            && prestarted.is_up()
        {
            self.is_up = true;
            self.control.report_ready();
        }
        while let Some(signal) = self.signals.next()? {
            match (signal, &self.stage) {
                (Signal::SIGCHLD, _) => self.reap()?,
                (signal, Stage::Running(runtime)) => runtime.signal(signal),
                (signal, Stage::Waiting | Stage::Prestarted(_)) => return Ok(Some(killed_by(signal))),
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
            vec![PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        if let Stage::Prestarted(prestarted) = &self.stage
            && !self.is_up
        {
            sources.push(PollFd::new(prestarted, PollFlags::IN));
        }
        match poll(&mut sources, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(kernel("wait", error)),
        }
    }

    /// Takes what the daemon said.
    fn hear(&mut self) -> Result<Option<u8>, InitError> {
        loop {
            match self.stage {
                Stage::Waiting | Stage::Prestarted(_) => {}
                Stage::Running(_) => {
                    return Ok(self.control.has_hung_up().then(|| killed_by(Signal::SIGKILL)));
                }
                Stage::Reported { code, .. } => return Ok(self.control.has_hung_up().then_some(code)),
            }
            let obeyed = match self.control.receive() {
                Ok(Received::Nothing) => return Ok(None),
                Ok(Received::HungUp) => return Ok(Some(killed_by(Signal::SIGKILL))),
                Ok(Received::Order(order)) => self.obey(order),
                Err(error) => Err(error),
            };
            self.stage = obeyed.unwrap_or_else(|error| {
                self.control.report_failure(&error);
                Stage::Reported { until: Some(Instant::now() + HANG_UP_LIMIT), code: 1 }
            });
        }
    }

    fn obey(&mut self, order: Order) -> Result<Stage, InitError> {
        match (std::mem::replace(&mut self.stage, Stage::Waiting), order) {
            (Stage::Waiting, Order::Prestart(program)) => Ok(Stage::Prestarted(Prestarted::start(&program)?)),
            (Stage::Waiting, Order::Start(assignment)) => Ok(Stage::Running(Runtime::start(&assignment)?)),
            (Stage::Prestarted(prestarted), Order::Start(assignment)) => {
                Ok(Stage::Running(prestarted.assign(&assignment)?))
            }
            (_, Order::Prestart(_)) => Err(InitError::OutOfTurn("a prestart")),
            (_, Order::Start(_)) => Err(InitError::OutOfTurn("a start")),
        }
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
            let is_it = match &self.stage {
                Stage::Running(runtime) => runtime.is(pid),
                Stage::Prestarted(prestarted) => prestarted.is(pid),
                Stage::Waiting | Stage::Reported { .. } => false,
            };
            if is_it && let Some(exit) = exit(status) {
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
