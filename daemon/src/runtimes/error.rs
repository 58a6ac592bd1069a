//! What can go wrong with runtimes.

use std::{io, time::Duration};

/// Why a runtime's image is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no such runtime.
    #[error(
        "runtime {name} can't be had on this machine; give the function one of those that can: {known} (the image of \
         each is built by: thaw runtime build NAME)"
    )]
    NotKnown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Its image is not on this machine.
    #[error("the image of runtime {name} is not built on this machine; run: thaw runtime build {name}")]
    NotBuilt {
        /// The runtime.
        name: &'static str,
    },
    /// Somebody is building it.
    #[error("runtime {name} is being built already; wait for that build to end")]
    Building {
        /// The runtime.
        name: &'static str,
    },
    /// The engine refused.
    #[error("the Docker Engine could not {what}: {source}")]
    Engine {
        /// What it was asked to do.
        what: &'static str,
        /// What it answered.
        source: bollard::errors::Error,
    },
    /// The engine does not answer.
    #[error("the Docker Engine did not answer within {} s", limit.as_secs())]
    EngineSilent {
        /// How long it was given.
        limit: Duration,
    },
    /// A step of the Dockerfile failed.
    #[error("the image could not be built: {0}")]
    Build(String),
    /// The whole build took too long.
    #[error("the build did not end within {} minutes", limit.as_secs() / 60)]
    TimedOut {
        /// How long it was given.
        limit: Duration,
    },
    /// The program that makes a base is not there.
    #[error(
        "the base image can't be pulled, and mmdebstrap, which could make it, could not be started ({0}); run: apt-get install mmdebstrap"
    )]
    NoMmdebstrap(io::Error),
    /// The base could not be made.
    #[error("mmdebstrap could not make the base image: {0}")]
    Mmdebstrap(String),
    /// A file that the build needs is not there.
    #[error("the build needs {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}
