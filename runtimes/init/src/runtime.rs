//! The runtime's process: what it is started from, and how it ended.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, NulError},
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::signal::{SigSet, Signal, kill, killpg},
    unistd::Pid,
};
use rustix::fs::{Access, access};
use serde::Deserialize;

use crate::error::InitError;

/// Where programs are looked for if the environment does not say. Source: execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What the daemon wants started.
#[derive(Debug, Deserialize)]
pub(crate) struct Assignment {
    /// Program and arguments. The program is looked up in the environment's PATH.
    command: Vec<String>,
    /// The whole environment.
    environment: BTreeMap<String, String>,
    /// Where it starts.
    working_directory: PathBuf,
}

impl Assignment {
    /// Starts the command with nothing of init's but its standard descriptors and its directory. The standard library's
    /// way hands init's signal mask on, and a runtime that can't be told to end is a poor one.
    fn spawn(&self, program: &str) -> io::Result<Pid> {
        let arguments = strings(self.command.iter().cloned())?;
        let environment = strings(self.environment.iter().map(|(name, value)| format!("{name}={value}")))?;
        let path = self.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
        )?;
        // 0 is a new group, named by the process that leads it.
        attributes.set_pgroup(Pid::from_raw(0))?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&SigSet::all())?;
        let actions = PosixSpawnFileActions::init()?;
        Ok(posix_spawn(&find(program, path)?, &actions, &attributes, &arguments, &environment)?)
    }
}

/// The file of `program`, looked up in `path` as a shell would.
fn find(program: &str, path: &str) -> io::Result<PathBuf> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let is_program = |file: &Path| {
        fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) && access(file, Access::EXEC_OK).is_ok()
    };
    env::split_paths(path)
        .map(|directory| directory.join(program))
        .find(|file| is_program(file))
        .ok_or_else(|| Errno::ENOENT.into())
}

fn strings(strings: impl Iterator<Item = String>) -> Result<Vec<CString>, NulError> {
    strings.map(CString::new).collect()
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By exiting.
    Code(i32),
    /// By a signal, real-time ones included.
    Signal(i32),
}

/// The runtime's process, until it is reaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runtime(Pid);

impl Runtime {
    /// Starts it, in a process group of its own, so that signals meant for it don't come back to init.
    pub(crate) fn start(assignment: &Assignment) -> Result<Self, InitError> {
        let program = assignment.command.first().ok_or(InitError::NoCommand)?;
        let directory = &assignment.working_directory;
        env::set_current_dir(directory)
            .map_err(|source| InitError::WorkingDirectory { path: directory.clone(), source })?;
        assignment
            .spawn(program)
            .map(Self)
            .map_err(|source| InitError::Program { program: program.clone(), source })
    }

    /// Whether it is this process.
    pub(crate) fn is(self, pid: rustix::process::Pid) -> bool {
        self.0.as_raw() == pid.as_raw_nonzero().get()
    }

    /// Passes a signal on to it and to what it started.
    pub(crate) fn signal(self, signal: Signal) {
        if killpg(self.0, signal) == Err(Errno::ESRCH) {
            // It left its group. It is there still, since it was not reaped; that it may refuse is its own affair.
            let _ = kill(self.0, signal);
        }
    }
}
