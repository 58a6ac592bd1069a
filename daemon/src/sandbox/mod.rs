//! Sandboxes: containers that run one function version each, frozen between calls.
//!
//! The life of a sandbox, with one owner task each ([`owner`]); the pool ([`pool`]) knows who is where:
//!
//! ```text
//!     starting -> initialising -> idle (frozen) <-> busy -> finishing -> idle ...
//!         \____________\_____________\________________\_________\____ stopping -> gone
//! ```
//!
//! - starting ([`launch`]): a directory, a container ([`container`], [`engine`]), its cgroup ([`cgroup`]), mounts and the
//!   Runtime API's listener inside it; then the assignment to its first process ([`control`]).
//! - initialising: the runtime imports the function. Ends with its first `/next`.
//! - idle: every task of it stands still ([`freezer`]).
//! - busy: has an event; its output goes to its log stream ([`output`]) between START and REPORT ([`report`]).
//! - stopping: processes killed, container, mounts and directory gone, then the memory is given back.
//!
//! Docker starts and ends sandboxes and is never asked anything between a call's arrival and its answer when a sandbox
//! is warm. This module knows no functions: a [`SandboxSpec`] is all it gets.

pub mod cgroup;
pub mod container;
mod control;
mod engine;
mod freezer;
mod host;
mod job;
mod launch;
mod output;
mod owner;
mod pool;
mod report;
mod spec;
mod sweep;

pub use control::ExitStatus;
pub use engine::{Engine, EngineError, EngineInfo};
pub use freezer::FreezerKind;
pub use host::{Host, HostParts, SandboxSettings};
pub use job::{Failure, FunctionError, Job, JobError, Outcome, TAIL_LIMIT};
pub use launch::LaunchError;
pub use owner::InitFailure;
pub use pool::{AcquireError, Counts, Lease, Member, Phase, Pool, SandboxInfo};
pub use spec::{SandboxId, SandboxSpec, SandboxSpecParts, SpecKey};
pub use sweep::{SweepError, Swept};
