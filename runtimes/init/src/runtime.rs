//! The runtime's process: what it is started from, and how it ended.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, NulError},
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::signal::{SigSet, Signal, kill, killpg},
    unistd::Pid,
};
use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::error::InitError;

/// Where programs are looked for if the environment does not say. Source: execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// How long a runtime that was started ahead may take to read its assignment, where the socket does not hold all of it.
const HANDOVER_LIMIT: Duration = Duration::from_secs(10);

/// Where a command that is started ahead finds its end of the channel.
const CHANNEL: RawFd = 3;

/// A program and what it is started with.
#[derive(Debug, Deserialize)]
pub(crate) struct Program {
    #[serde(flatten)]
    entry: Entry,
    /// The whole environment.
    environment: BTreeMap<String, String>,
    /// Where it starts.
    working_directory: PathBuf,
}

/// Where the program is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// Program and arguments. The program is looked up in the environment's PATH.
    Command(Vec<String>),
    /// A runtime that comes with the function: the first of these files that is there, without arguments.
    Bootstrap(Vec<PathBuf>),
}

/// What the sandbox becomes.
#[derive(Debug, Deserialize)]
pub(crate) struct Assignment {
    /// What is started if nothing was started ahead, or if that does not suit.
    #[serde(flatten)]
    program: Program,
    /// What is handed to the command that was started ahead; if there is none, it does not suit.
    arguments: Option<Vec<String>>,
}

/// What a command that was started ahead reads from its channel.
#[derive(Serialize)]
struct Handover<'a> {
    arguments: &'a [String],
    environment: &'a BTreeMap<String, String>,
    working_directory: &'a Path,
}

impl Program {
    /// Starts the command with nothing of init's but its standard descriptors and its directory, and `channel` if there is
    /// one. The standard library's way hands init's signal mask on, and a runtime that can't be told to end is a poor one.
    fn spawn(&self, file: &Path, arguments: &[String], channel: Option<&UnixStream>) -> io::Result<Pid> {
        let arguments = strings(arguments.iter().cloned())?;
        let environment = strings(self.environment.iter().map(|(name, value)| format!("{name}={value}")))?;
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
        let mut actions = PosixSpawnFileActions::init()?;
        if let Some(channel) = channel {
            // Init's own descriptors close on exec; a copy does not.
            actions.add_dup2(channel.as_raw_fd(), CHANNEL)?;
        }
        Ok(posix_spawn(file, &actions, &attributes, &arguments, &environment)?)
    }

    fn start(&self, channel: Option<&UnixStream>) -> Result<Runtime, InitError> {
        let directory = &self.working_directory;
        env::set_current_dir(directory)
            .map_err(|source| InitError::WorkingDirectory { path: directory.clone(), source })?;
        let pid = match &self.entry {
            Entry::Command(command) => self.command(command, channel),
            Entry::Bootstrap(paths) => self.bootstrap(paths, channel),
        }?;
        Ok(Runtime { pid, _channel: None })
    }

    fn command(&self, command: &[String], channel: Option<&UnixStream>) -> Result<Pid, InitError> {
        let program = command.first().ok_or(InitError::NoCommand)?;
        let path = self.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        find(program, path)
            .and_then(|file| self.spawn(&file, command, channel))
            .map_err(|source| InitError::Program { program: program.clone(), source })
    }

    /// As on Lambda, one that is there and can't be executed is an error: the next is not tried.
    fn bootstrap(&self, paths: &[PathBuf], channel: Option<&UnixStream>) -> Result<Pid, InitError> {
        let is_there = |path: &&PathBuf| fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir());
        let path = paths
            .iter()
            .find(is_there)
            .ok_or_else(|| InitError::NoBootstrap { looked_at: paths.to_vec() })?;
        let arguments = [path.to_string_lossy().into_owned()];
        self.spawn(path, &arguments, channel)
            .map_err(|source| InitError::Bootstrap { path: path.clone(), source })
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
#[derive(Debug)]
pub(crate) struct Runtime {
    pid: Pid,
    /// If it was started ahead: it may say that it is up after it was told what to be, and must not fail at that.
    _channel: Option<UnixStream>,
}

impl Runtime {
    /// Starts it, in a process group of its own, so that signals meant for it don't come back to init.
    pub(crate) fn start(assignment: &Assignment) -> Result<Self, InitError> {
        assignment.program.start(None)
    }

    /// Whether it is this process.
    pub(crate) fn is(&self, pid: rustix::process::Pid) -> bool {
        self.pid.as_raw() == pid.as_raw_nonzero().get()
    }

    /// Passes a signal on to it and to what it started.
    pub(crate) fn signal(&self, signal: Signal) {
        if killpg(self.pid, signal) == Err(Errno::ESRCH) {
            // It left its group. It is there still, since it was not reaped; that it may refuse is its own affair.
            let _ = kill(self.pid, signal);
        }
    }
}

/// A runtime that was started before there was a function for it.
///
/// Its command finds a stream socket as file descriptor 3. It writes one line when it is up, reads one line of JSON
/// ([`Handover`]), closes the socket, and is from then on what it would be had it been started with these arguments and
/// this environment in this directory. If the socket is closed before, it is not needed and ends.
#[derive(Debug)]
pub(crate) struct Prestarted {
    runtime: Runtime,
    channel: UnixStream,
}

impl Prestarted {
    /// Starts it.
    pub(crate) fn start(program: &Program) -> Result<Self, InitError> {
        let (ours, theirs) = UnixStream::pair().map_err(InitError::Channel)?;
        let runtime = program.start(Some(&theirs))?;
        ours.set_nonblocking(true).map_err(InitError::Channel)?;
        Ok(Self { runtime, channel: ours })
    }

    /// Whether it is this process.
    pub(crate) fn is(&self, pid: rustix::process::Pid) -> bool {
        self.runtime.is(pid)
    }

    /// Whether it says that it is up.
    pub(crate) fn is_up(&mut self) -> bool {
        matches!(self.channel.read(&mut [0; 1]), Ok(1))
    }

    /// Turns it into what is wanted, or starts that in its place.
    pub(crate) fn assign(self, assignment: &Assignment) -> Result<Runtime, InitError> {
        let Self { runtime, channel } = self;
        let Some(arguments) = &assignment.arguments else {
            // Before the channel closes: it must not act on that.
            runtime.signal(Signal::SIGKILL);
            return Runtime::start(assignment);
        };
        let Program { environment, working_directory, .. } = &assignment.program;
        let mut line = serde_json::to_vec(&Handover { arguments, environment, working_directory })?;
        line.push(b'\n');
        // What is up has read nothing yet, and reads all of it.
        channel
            .set_nonblocking(false)
            .and_then(|()| channel.set_write_timeout(Some(HANDOVER_LIMIT)))
            .and_then(|()| (&channel).write_all(&line))
            .map_err(InitError::Channel)?;
        Ok(Runtime { _channel: Some(channel), ..runtime })
    }
}

impl AsFd for Prestarted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
