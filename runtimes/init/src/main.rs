//! `thaw-init`: the first process of every sandbox.
//!
//! The daemon puts it into whatever image a function runs on, so it is static, and every sandbox has one, so it is small:
//! one thread that waits in `poll`. It runs as the function's own user, with no privilege; the function may do to it
//! whatever the kernel allows to a process of the same user, which [`walls`] makes very little.
//!
//! Its directory, `/.thaw` unless the first argument names another, holds `output`, a FIFO that the daemon reads, and
//! `control.sock`, on which the daemon listens. On the socket lines of JSON go each way:
//!
//! ```text
//! daemon: {"prestart": {"command": ["python3", "-m", "thaw_prestart"],
//!                       "environment": {"PATH": "/usr/bin"}, "working_directory": "/"}}
//! init:   {"ready": {}}
//! daemon: {"start": {"command": ["python3", "-m", "awslambdaric", "app.handler"], "arguments": ["app.handler"],
//!                    "environment": {"PATH": "/usr/bin"}, "working_directory": "/var/task"}}
//! init:   {"exited": {"code": 1}} or {"exited": {"signal": 9}} or {"failed": {"error": "..."}}
//! ```
//!
//! For a function that brings its runtime, `"bootstrap": ["/var/task/bootstrap", "/opt/bootstrap"]` takes the place of the
//! command.
//!
//! The first order may be left out. If it was given, the second turns what runs into the function (see
//! [`runtime::Prestarted`]), or replaces it where it has no `arguments`.
//!
//! What it guarantees:
//! - every process of the sandbox is reaped;
//! - after its report the sandbox stays, so that the daemon can still read its cgroup, until the daemon hangs up;
//! - when the daemon hangs up, or dies, every process of the sandbox is killed at once: no sandbox outlives its daemon.
#![forbid(unsafe_code)]

mod control;
mod error;
mod output;
mod runtime;
mod signals;
mod supervisor;
mod walls;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use control::Control;
use error::InitError;
use signals::Signals;
use supervisor::Supervisor;

/// Where the daemon mounts what init needs.
const DIRECTORY: &str = "/.thaw";

fn main() -> ExitCode {
    let directory = env::args_os().nth(1).map_or_else(|| PathBuf::from(DIRECTORY), PathBuf::from);
    match run(&directory.join("control.sock"), &directory.join("output")) {
        Ok(code) => code,
        Err(error) => {
            // There is no daemon to tell: this is for whoever started it by hand.
            eprintln!("thaw-init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(socket: &Path, output: &Path) -> Result<ExitCode, InitError> {
    // Only the end of process 1 is the end of its sandbox, and only to it do orphans come.
    if std::process::id() != 1 {
        return Err(InitError::NotFirst(std::process::id()));
    }
    // The daemon first: from here on it hears of every failure, and its end is this process's end.
    let control = Control::connect(socket)?;
    match prepare(output) {
        Ok(signals) => Supervisor::new(control, signals).run(),
        Err(error) => {
            control.fail(&error)?;
            Err(error)
        }
    }
}

fn prepare(fifo: &Path) -> Result<Signals, InitError> {
    walls::hide()?;
    output::take(fifo)?;
    let signals = Signals::take()?;
    walls::put_up()?;
    Ok(signals)
}
