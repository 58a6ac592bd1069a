//! What the pool and the lists know of a sandbox, and the right to use one.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Inner, Pool};
use crate::sandbox::{
    cgroup::Cgroup,
    job::{Job, JobError, Outcome},
    spec::{Base, SandboxId, SandboxSpec},
};

/// What the pool and the lists know of a sandbox. Its owner task has everything else.
pub struct Member {
    /// The sandbox's id.
    pub id: SandboxId,
    /// What it is before it has a function.
    pub base: Arc<Base>,
    /// What it was given, once and for all.
    assignment: OnceLock<Assignment>,
    /// When it was made.
    pub created: OffsetDateTime,
    /// Docker's id of its container, once there is one.
    pub container: OnceLock<String>,
    /// Its cgroup, once there is one.
    pub(in crate::sandbox) cgroup: OnceLock<Arc<Cgroup>>,
    /// Invocations that began in it.
    pub invocations: AtomicU64,
    since: Mutex<Instant>,
    jobs: mpsc::Sender<Job>,
    /// It has its function.
    pub(in crate::sandbox) assigned: CancellationToken,
    /// Stop when nothing runs.
    pub(in crate::sandbox) stop: CancellationToken,
    /// Stop now.
    pub(in crate::sandbox) kill: CancellationToken,
}

/// What a sandbox becomes.
pub struct Assignment {
    /// Its function.
    pub spec: Arc<SandboxSpec>,
    /// Its log stream.
    pub log_stream: Arc<str>,
    /// Whether it was made ahead of calls for provisioned concurrency.
    pub provisioned: bool,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let function = self.assignment().map(|assignment| &assignment.spec.function_arn);
        f.debug_struct("Member").field("id", &self.id).field("function", &function).finish_non_exhaustive()
    }
}

impl Member {
    /// A sandbox-to-be and the inbox of its owner.
    pub(super) fn new(id: SandboxId, base: Arc<Base>, created: OffsetDateTime) -> NewMember {
        let (jobs, inbox) = mpsc::channel(1);
        let member = Member {
            id,
            base,
            assignment: OnceLock::new(),
            created,
            container: OnceLock::new(),
            cgroup: OnceLock::new(),
            invocations: AtomicU64::new(0),
            since: Mutex::new(Instant::now()),
            jobs,
            assigned: CancellationToken::new(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        (Arc::new(member), inbox)
    }

    /// Its function, from the moment that it has one.
    #[must_use]
    pub fn assignment(&self) -> Option<&Assignment> {
        self.assignment.get()
    }

    /// It gets its function. The bookkeeping does that once for each.
    pub(super) fn assign(&self, spec: Arc<SandboxSpec>, provisioned: bool, now: OffsetDateTime) {
        let log_stream = format!(
            "{:04}/{:02}/{:02}/[{}]{}",
            now.year(),
            u8::from(now.month()),
            now.day(),
            spec.version,
            self.id
        );
        if self.assignment.set(Assignment { spec, log_stream: log_stream.into(), provisioned }).is_err() {
            tracing::error!(sandbox = %self.id, "a sandbox was given a second function; it keeps its first");
        }
        self.touch();
        self.assigned.cancel();
    }

    /// Whether a newer version took its function's place.
    pub(super) fn is_retired(&self) -> bool {
        self.assignment().is_some_and(|assignment| assignment.spec.is_retired())
    }

    /// Its phase changed just now.
    pub(super) fn touch(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long it has been in its phase.
    pub(super) fn in_phase(&self) -> Duration {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Counts an invocation.
    pub(in crate::sandbox) fn count_invocation(&self) {
        self.invocations.fetch_add(1, Ordering::Relaxed);
    }
}

/// A sandbox and the inbox of its owner.
pub(super) type NewMember = (Arc<Member>, mpsc::Receiver<Job>);
/// The right to run one job in one sandbox. Dropped unused, it gives the sandbox back.
#[derive(Debug)]
pub struct Lease {
    pub(super) member: Arc<Member>,
    /// None once it was used.
    pub(super) pool: Option<Weak<Inner>>,
}

impl Lease {
    /// Runs one job and waits for its outcome.
    ///
    /// # Errors
    /// [`JobError::NotDelivered`]: another sandbox can take it. [`JobError::SandboxLost`]: it may have run.
    pub async fn run(
        mut self,
        job: impl FnOnce(oneshot::Sender<Result<Outcome, JobError>>) -> Job,
    ) -> Result<Outcome, JobError> {
        let (reply, outcome) = oneshot::channel();
        // A lease is exclusive and the channel holds one job, so it is full for nobody but a sandbox that is gone.
        if self.member.jobs.try_send(job(reply)).is_err() {
            return Err(JobError::NotDelivered);
        }
        self.pool = None;
        outcome.await.unwrap_or(Err(JobError::SandboxLost("its owner ended without a word")))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(inner) = self.pool.take().and_then(|pool| pool.upgrade()) {
            Pool { inner }.give_back(&self.member.id);
        }
    }
}
