//! Signals, as something to wait for like everything else.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use crate::error::InitError;

/// What asks a process to end. The function can send them to init too, and reaches only itself by it.
const PASSED_ON: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// The signals that concern init.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Has them queued from now on.
    pub(crate) fn take() -> Result<Self, InitError> {
        let mut set: SigSet = PASSED_ON.into_iter().collect();
        set.add(Signal::SIGCHLD);
        set.thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
            .map(Self)
            .map_err(InitError::kernel("take signals"))
    }

    /// The next one that came, without waiting.
    pub(crate) fn next(&self) -> Result<Option<Signal>, InitError> {
        let came = self.0.read_signal().map_err(InitError::kernel("read a signal"))?;
        // Only signals of the set come, and those have names.
        Ok(came.and_then(|signal| Signal::try_from(signal.ssi_signo.cast_signed()).ok()))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
