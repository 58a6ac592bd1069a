//! Sandboxes: containers that run one function version each, frozen between calls.
//!
//! The life of a sandbox, with one owner task each ([`owner`]); the pool ([`pool`]) knows who is where:
//!
//! ```text
//!     preparing -> ready (frozen) -> starting -> idle (frozen) <-> busy -> finishing -> idle ...
//!         \____________\_______________\____________\________________\_________\____ stopping -> gone
//! ```
//!
//! - preparing ([`launch`]): a directory, a container ([`container`], [`engine`]), its cgroup ([`cgroup`]), /tmp and the
//!   Runtime API's listener inside it; its first process ([`control`]) brings the runtime up.
//! - ready: the runtime is up, has no function yet, and every task stands still ([`freezer`]). A number of these stands by
//!   for each image that functions use, so that a cold start need not wait for Docker.
//! - starting: limits, code and environment of one function version; its runtime imports it. Ends with its first `/next`.
//! - idle: stands still, for the next call of its function, and of no other.
//! - busy: has an event; its output goes to its log stream ([`output`]) between START and REPORT ([`report`]).
//! - stopping: processes killed, container, mounts and directory gone, then the memory is given back.
//!
//! Docker starts and ends sandboxes and is never asked anything between a call's arrival and its answer when a sandbox
//! is warm. This module knows no functions: a [`SandboxSpec`] is all it gets.

pub mod cgroup;
pub mod container;
mod control;
mod engine;
mod footprint;
mod freezer;
mod host;
mod job;
mod launch;
mod limits;
mod output;
mod owner;
mod pool;
mod report;
mod spec;
mod sweep;

pub use control::ExitStatus;
pub use engine::{Engine, EngineError, EngineInfo};
pub use footprint::FrozenCost;
pub use freezer::FreezerKind;
pub use host::{Host, HostParts, SandboxSettings};
pub use job::{Failure, FunctionError, Job, JobError, Outcome, TAIL_LIMIT};
pub use launch::LaunchError;
pub use owner::InitFailure;
pub use pool::{
    AcquireError, Assignment, Counts, FloorState, Forecast, Lease, Member, Phase, Plan, Pool, ReadyLimits,
    SandboxInfo, Shortfall,
};
pub use spec::{Base, BaseKey, EntryPoint, SandboxId, SandboxSpec, SandboxSpecParts, SpecKey, UsageKey};
pub use sweep::{SweepError, Swept};
