//! The owner task: one for each sandbox, from its first directory to its last.
//!
//! Nobody else changes a sandbox. Calls reach it as jobs, the runtime's requests by the Runtime API, the end of its
//! processes by the control channel, and wishes to stop it as cancellations; it decides what each means in the present
//! state. The states are types, each with what exists only in that state, and each transition consumes the old one:
//!
//! ```text
//!   prepare ─> Ready ──function──> Initialising ──/next──> Waiting <────/next──── Finishing
//!                │ (frozen)             │                    │  ^ (freezes,           ^
//!                │                      │ init/error,        │  │  waits, thaws)      │ /response, /error
//!                │                      │ exit, time-out     └──│────job────> Busy ───┘
//!                v                      v                       │               │ time-out, exit, out of memory, lost
//!               End <───────────────────┴───────────────────────┴───────────────┘
//! ```
//!
//! A response that comes in pieces leads from Busy through [`streaming`] to the same ends.
//!
//! Then, always: [`Ground::clear`], and the pool is told that nothing is left.

mod busy;
mod finishing;
mod grace;
mod initialising;
mod ready;
mod reclaim;
mod standstill;
mod streaming;
mod waiting;

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use grace::Grace;
pub use initialising::InitFailure;
use initialising::Initialising;
use ready::Ready;

use super::{
    cgroup,
    control::{Control, ExitStatus},
    freezer::{FreezeError, Freezer},
    host::Host,
    job::{Failure, Job, JobError},
    launch::{self, Ground, LaunchError},
    limits::Limits,
    output::Output,
    pool::{AcquireError, Member, Pool},
    spec::SandboxSpec,
};
use crate::runtime_api::RuntimeCall;

/// Why a sandbox ended.
#[derive(Debug)]
enum End {
    /// It was told to.
    Stopped,
    /// Nobody called it for long.
    Expired,
    /// It could not be made.
    Launch(LaunchError),
    /// Its function did not come up.
    Init(Box<InitFailure>),
    /// Its function failed in a way that ends the sandbox.
    Function,
    /// Its processes or its freezer failed while it waited.
    Died(&'static str),
}

/// Owns one sandbox until nothing of it is left.
#[tracing::instrument(name = "sandbox", skip_all, fields(sandbox = %member.id, function = tracing::field::Empty))]
pub(super) async fn own(pool: Pool, member: Arc<Member>, mut jobs: mpsc::Receiver<Job>) {
    let mut ground = Ground::default();
    let end = live(&pool, &member, &mut jobs, &mut ground).await;
    if member.assignment().is_none() && matches!(end, End::Launch(_) | End::Died(_)) {
        pool.host().preparation_failed();
    }
    let reason = match end {
        End::Stopped | End::Function | End::Expired => {
            tracing::info!(why = ?end, "sandbox stops");
            AcquireError::Stopped
        }
        End::Died(why) => {
            tracing::warn!(why, "sandbox died");
            AcquireError::Stopped
        }
        End::Init(failure) => {
            tracing::info!(error_type = failure.error_type(), "the function's initialisation failed");
            AcquireError::InitFailed(failure)
        }
        End::Launch(error) => {
            tracing::warn!(%error, "sandbox could not be made");
            AcquireError::Launch(error)
        }
    };
    pool.stopping(&member.id, reason);
    // A job that was sent in the same moment is handed back for another sandbox.
    jobs.close();
    while let Some(job) = jobs.recv().await {
        let _ = job.reply.send(Err(JobError::NotDelivered));
    }
    ground.clear(pool.host()).await;
    pool.gone(&member.id);
}

async fn live(pool: &Pool, member: &Arc<Member>, jobs: &mut mpsc::Receiver<Job>, ground: &mut Ground) -> End {
    if member.kill.is_cancelled() || member.stop.is_cancelled() {
        return End::Stopped;
    }
    // Not cancelled half-way: a container on its way could be lost. Its steps have limits of their own.
    let prepared = match launch::prepare(pool.host(), member, ground).await {
        Ok(prepared) => prepared,
        Err(error) => return End::Launch(error),
    };
    pool.coming_up(member);
    match run(Ready::new(pool, member, jobs, prepared)).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

enum Never {}

async fn run(ready: Ready<'_>) -> Result<Never, End> {
    let mut waiting = Initialising(ready.wait().await?).run().await?;
    loop {
        let (busy, delivery) = waiting.wait().await?;
        waiting = busy.run(delivery).await?.finish().await?;
    }
}

/// What every state has from the moment that there is a function.
struct Sandbox<'a> {
    pool: &'a Pool,
    host: &'a Host,
    member: &'a Arc<Member>,
    spec: Arc<SandboxSpec>,
    jobs: &'a mut mpsc::Receiver<Job>,
    freezer: Freezer,
    limits: Limits,
    grace: Grace,
    cgroup: Arc<cgroup::Cgroup>,
    control: Control,
    output: Output,
    calls: mpsc::Receiver<RuntimeCall>,
    /// For the first REPORT line.
    init: Option<Duration>,
}

impl Sandbox<'_> {
    /// How the runtime failed, told apart by the cgroup's own count of kills.
    fn exit(&self, status: ExitStatus, oom_kills_before: u64) -> Failure {
        if status == ExitStatus::Signal(9) && self.oom_kills() > oom_kills_before {
            Failure::OutOfMemory
        } else {
            Failure::Exited(status)
        }
    }

    fn oom_kills(&self) -> u64 {
        self.cgroup.oom_kills().unwrap_or(0)
    }

    fn memory_peak(&self) -> u64 {
        self.cgroup.memory_peak().unwrap_or(0)
    }
}

fn not_frozen(error: FreezeError) -> End {
    tracing::error!(%error, "a sandbox could not be frozen and is destroyed");
    // One that can't be stopped would run on between its calls.
    End::Died("it could not be frozen")
}

fn kill(cgroup: &cgroup::Cgroup) {
    // It can take the kernel a while, in which other sandboxes' calls must go on.
    if let Err(error) = tokio::task::block_in_place(|| cgroup.kill_all()) {
        // The container's removal, which follows, kills what is left.
        tracing::warn!(%error, "a sandbox's processes could not be killed by its cgroup");
    }
}
