//! Where the sandbox's output goes.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::error::InitError;

/// Makes the FIFO standard output and standard error alike, so that their order is kept, and gives standard input nothing.
pub(crate) fn take(fifo: &Path) -> Result<(), InitError> {
    let output = OpenOptions::new()
        .write(true)
        // The daemon reads it already. Did it not, opening would wait for it, deaf to the daemon's end.
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(fifo)
        .map_err(|source| InitError::File { what: "write to", path: fifo.to_owned(), source })?;
    // A function's `print` waits while the pipe is full, as it would anywhere.
    fcntl_getfl(&output)
        .and_then(|flags| fcntl_setfl(&output, flags - OFlags::NONBLOCK))
        .map_err(|source| InitError::File { what: "set up", path: fifo.to_owned(), source: source.into() })?;
    let nothing = OpenOptions::new().read(true).open("/dev/null").map_err(|source| InitError::File {
        what: "open",
        path: "/dev/null".into(),
        source,
    })?;
    dup2_stdin(nothing)
        .and_then(|()| dup2_stdout(&output))
        .and_then(|()| dup2_stderr(&output))
        .map_err(InitError::kernel("take the output"))
}
