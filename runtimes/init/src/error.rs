//! What can go wrong before the runtime runs.

use std::{io, path::PathBuf};

use nix::errno::Errno;

/// Why there is no runtime. The daemon gets the text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// It was started by hand, or by an engine that shares process namespaces.
    #[error("it is the first process of a sandbox, and this would be process {0}; thawd starts it")]
    NotFirst(u32),
    /// A file of its directory is not as the daemon should have made it.
    #[error("could not {what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// The kernel refused something that every process may do.
    #[error("could not {what}: {source}")]
    Kernel { what: &'static str, source: Errno },
    /// The filter of system calls is not accepted.
    #[error("could not filter system calls: {0}")]
    Filter(#[from] seccompiler::Error),
    /// An order is not what the daemon sends.
    #[error("the order can't be read: {0}")]
    NotAnOrder(#[from] serde_json::Error),
    /// An order has no end.
    #[error("the order is longer than {limit} bytes")]
    OrderTooLong { limit: usize },
    /// Orders come in one order: perhaps a prestart, then one start.
    #[error("this order makes no sense any more: {0}")]
    OutOfTurn(&'static str),
    /// What was started ahead does not take its assignment.
    #[error("what was started ahead did not take its assignment: {0}")]
    Channel(io::Error),
    /// An image without an entry point.
    #[error("there is no command to start: the image has no entry point")]
    NoCommand,
    /// A function that should bring a runtime brings none. The words are Lambda's, which people search for.
    #[error("Couldn't find valid bootstrap(s): [{}]", listed(looked_at))]
    NoBootstrap { looked_at: Vec<PathBuf> },
    /// It brings one that doesn't run here. Lambda's words again.
    #[error("fork/exec {}: {}", path.display(), reason(source))]
    Bootstrap { path: PathBuf, source: io::Error },
    /// The task root is not there.
    #[error("the working directory {path} can't be used: {source}")]
    WorkingDirectory { path: PathBuf, source: io::Error },
    /// The program is not there or doesn't run here.
    #[error("{program} can't be started: {source}")]
    Program { program: String, source: io::Error },
}

impl InitError {
    /// A kernel's refusal, for `map_err`.
    pub(crate) fn kernel<E: Into<Errno>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Kernel { what, source: source.into() }
    }
}

/// As Lambda lists them: with blanks in between.
fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// As Lambda words it: the system's message in lower case, without its number.
fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_lowercase())
}
