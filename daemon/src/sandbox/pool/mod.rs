//! The pool: gives each call a sandbox of its own.
//!
//! A call asks with [`Pool::acquire`] and gets a [`Lease`], the right to run one job in one sandbox: an idle one of its
//! version, else one that is just finishing, else a new one; and where the memory budget leaves no room even after idle
//! ones were evicted, a refusal. Sandboxes give themselves back when they are ready for more. The rules are in
//! [`state`]; this file carries them out.

mod administration;
mod ahead;
mod floors;
mod member;
mod state;
mod stock;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;

pub use administration::SandboxInfo;
pub use member::{Assignment, Lease, Member};
use state::{Action, Policy, PoolState, Taken, WaiterId};
pub use state::{Counts, FloorState, Forecast, Phase, Plan, ReadyLimits, Shortfall};

use super::{
    host::Host,
    launch::LaunchError,
    owner::{self, InitFailure},
    spec::{SandboxId, SandboxSpec},
};

/// How long a call waits for a sandbox that has answered its last call but not yet asked for the next, before it has
/// one started. A runtime asks within a millisecond, but a small function has its CPU for a fourteenth of the time only, and
/// its runtime may have to wait some periods until it gets to ask.
const FINISHING_GRACE: Duration = Duration::from_millis(100);

/// Why a call got no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The daemon takes no new calls.
    #[error("the daemon is draining and takes no new calls")]
    Draining,
    /// The memory budget is used up by running calls.
    #[error(
        "no memory for another sandbox of {needed_mb} MB: {reserved_mb} of {budget_mb} MB are taken, and no sandbox is idle. \
         Try again later, or raise memory_budget_mb"
    )]
    TooManyRequests {
        /// What the sandbox would need.
        needed_mb: u64,
        /// What others have.
        reserved_mb: u64,
        /// What there is (setting `memory_budget_mb`).
        budget_mb: u64,
    },
    /// The function's own initialisation failed: a function error, to be concluded with the call's request id.
    #[error("the function's initialisation failed")]
    InitFailed(Box<InitFailure>),
    /// The sandbox could not be made.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The sandbox was stopped while it started.
    #[error("the sandbox was stopped while it started")]
    Stopped,
}

/// The pool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    host: Arc<Host>,
    books: Mutex<Books>,
    owners: TaskTracker,
    /// Fewer sandboxes stand ready than did.
    restock: Notify,
    /// Another call than before is the next that is expected.
    expected: Notify,
}

#[derive(Debug)]
struct Books {
    state: PoolState,
    members: HashMap<SandboxId, Arc<Member>>,
    waiters: HashMap<WaiterId, oneshot::Sender<Result<Lease, AcquireError>>>,
    next_waiter: WaiterId,
    /// When a call came last.
    last_call: Option<Instant>,
    /// The time that is waited for to make a sandbox ahead.
    looks_at: Option<Instant>,
    draining: bool,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(host: Arc<Host>) -> Self {
        let policy = Policy { mode: host.settings.keep_alive, fixed: host.settings.idle_timeout };
        let books = Books {
            state: PoolState::new(host.settings.memory_budget_mb, host.settings.ready, policy),
            members: HashMap::new(),
            waiters: HashMap::new(),
            next_waiter: 0,
            last_call: None,
            looks_at: None,
            draining: false,
        };
        let owners = TaskTracker::new();
        let (restock, expected) = (Notify::new(), Notify::new());
        Self { inner: Arc::new(Inner { host, books: Mutex::new(books), owners, restock, expected }) }
    }

    /// What the pool's sandboxes share.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.inner.host
    }

    /// A poisoned lock means a bug in the bookkeeping; refusing every call from then on would make it worse.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.inner.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a sandbox for one call of `spec`'s version.
    ///
    /// # Errors
    /// See [`AcquireError`].
    pub async fn acquire(&self, spec: &Arc<SandboxSpec>) -> Result<Lease, AcquireError> {
        let (mut granted, waiter) = {
            let mut books = self.books();
            if books.draining {
                return Err(AcquireError::Draining);
            }
            let now = Instant::now();
            books.last_call = Some(now);
            books.state.called(spec, now);
            match books.state.take_idle(spec) {
                Taken::Sandbox(id) => {
                    let lease = self.lease(&books, &id);
                    self.carry_out(&mut books);
                    return lease.ok_or(AcquireError::Stopped);
                }
                Taken::NoMemory(needed_mb) => return Err(books.no_memory(needed_mb)),
                Taken::None => {}
            }
            books.next_waiter += 1;
            let waiter = books.next_waiter;
            let (grant, granted) = oneshot::channel();
            books.waiters.insert(waiter, grant);
            books.state.wait(waiter, spec, now);
            self.carry_out(&mut books);
            (granted, waiter)
        };
        let _guard = WaitGuard { pool: self, waiter, spec };
        let stopped = |_| AcquireError::Stopped;
        if let Ok(granted) = tokio::time::timeout(FINISHING_GRACE, &mut granted).await {
            return granted.map_err(stopped)?;
        }
        {
            let mut books = self.books();
            books.state.insist(waiter, spec, Instant::now());
            self.carry_out(&mut books);
        }
        granted.await.map_err(stopped)?
    }

    fn lease(&self, books: &Books, id: &SandboxId) -> Option<Lease> {
        let member = Arc::clone(books.members.get(id)?);
        member.touch();
        Some(Lease { member, pool: Some(Arc::downgrade(&self.inner)) })
    }

    fn grant(&self, books: &mut Books, waiter: WaiterId, id: &SandboxId) {
        let (Some(grant), Some(lease)) = (books.waiters.remove(&waiter), self.lease(books, id)) else {
            return;
        };
        // A waiter that is gone drops the lease, which would give the sandbox back under the lock that is held here.
        if let Err(Ok(mut lease)) = grant.send(Ok(lease)) {
            lease.pool = None;
            books.state.offer(id, !lease.member.is_retired());
        }
    }

    /// Carries out what the bookkeeping decided, and what it decides on the way.
    fn carry_out(&self, books: &mut Books) {
        loop {
            let actions = books.state.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.carry_out_one(books, action);
            }
        }
    }

    fn carry_out_one(&self, books: &mut Books, action: Action) {
        match action {
            Action::Prepare(id, base) => {
                let (member, inbox) = Member::new(id.clone(), base, self.inner.host.clock.now());
                books.members.insert(id, Arc::clone(&member));
                self.inner.owners.spawn(owner::own(self.clone(), member, inbox));
            }
            Action::Assign(id, spec, of_floor) => {
                if let Some(member) = books.members.get(&id) {
                    member.assign(spec, of_floor, self.inner.host.clock.now());
                }
                self.inner.restock.notify_one();
            }
            Action::Grant(waiter, id) => self.grant(books, waiter, &id),
            Action::Stop(id) => {
                if let Some(member) = books.members.get(&id) {
                    member.touch();
                    member.stop.cancel();
                }
                self.inner.restock.notify_one();
            }
            Action::Refuse(waiter, needed_mb) => {
                let refusal = books.no_memory(needed_mb);
                books.refuse(waiter, refusal);
            }
        }
    }

    /// A call dropped its lease without using it.
    fn give_back(&self, id: &SandboxId) {
        let mut books = self.books();
        if let Some(member) = books.members.get(id) {
            let wanted = !member.is_retired() && !books.draining;
            books.state.offer(id, wanted);
            self.carry_out(&mut books);
        }
    }

    /// A call gave up waiting.
    fn give_up(&self, waiter: WaiterId, spec: &SandboxSpec) {
        let mut books = self.books();
        if books.waiters.remove(&waiter).is_some() {
            books.state.give_up(waiter, &spec.key);
            self.carry_out(&mut books);
        }
    }
}

/// What the owner of a sandbox tells the pool.
impl Pool {
    /// Its runtime comes up: it gets a function if one is wanted.
    pub(super) fn coming_up(&self, member: &Member) {
        let mut books = self.books();
        member.touch();
        books.state.coming_up(&member.id);
        self.carry_out(&mut books);
    }

    /// It is up and has no function: it gets one, or is to stand ready. False if it is not wanted and has to stop.
    pub(super) fn prepared(&self, member: &Member) -> bool {
        let mut books = self.books();
        member.touch();
        let welcome = !member.stop.is_cancelled() && !books.draining;
        let stays = books.state.prepared(&member.id, welcome);
        self.carry_out(&mut books);
        self.inner.restock.notify_one();
        stays
    }

    /// It stands frozen, and this many bytes of memory are its.
    pub(super) fn measured(&self, id: &SandboxId, memory: u64) {
        let mut books = self.books();
        books.state.measured(id, memory.div_ceil(1 << 20));
        self.carry_out(&mut books);
    }

    /// It is ready for a call and still warm: true if one was waiting, whose job is on its way.
    pub(super) fn try_hand_over(&self, id: &SandboxId) -> bool {
        let mut books = self.books();
        if books.state.phase(id) == Some(Phase::Starting)
            && let Some(took) = books.members.get(id).map(|member| member.in_phase())
        {
            books.state.started(id, took);
        }
        let was_starting = books.state.phase(id) == Some(Phase::Starting);
        let granted = books.state.try_grant(id);
        if was_starting && !books.draining {
            books.state.came_up(id, Instant::now());
        }
        self.carry_out(&mut books);
        granted
    }

    /// It is ready for whoever comes. False if it is not wanted and has to stop.
    pub(super) fn offer(&self, id: &SandboxId) -> bool {
        let mut books = self.books();
        let Some(member) = books.members.get(id) else { return false };
        member.touch();
        let wanted = !member.is_retired() && !member.stop.is_cancelled() && !books.draining;
        let stays = books.state.offer(id, wanted);
        self.carry_out(&mut books);
        stays
    }

    /// It has answered its call.
    pub(super) fn finishing(&self, id: &SandboxId) {
        let mut books = self.books();
        books.state.finishing(id, Instant::now());
        self.look_again(&books);
    }

    /// Its call has ended, and it is going with it.
    pub(super) fn call_ended(&self, id: &SandboxId) {
        let mut books = self.books();
        books.state.call_ended(id, Instant::now());
        self.look_again(&books);
    }

    /// It is idle from now on: how long it may stay so.
    pub(super) fn stay(&self, spec: &SandboxSpec) -> Duration {
        self.books().state.stay(spec, Instant::now())
    }

    /// It has been idle for long: true if it is to stop, false if it was given to a call meanwhile.
    pub(super) fn expire(&self, id: &SandboxId) -> bool {
        self.books().state.expire(id)
    }

    /// It is ending. If it had not come up yet, the call that counted on it gets the reason.
    pub(super) fn stopping(&self, id: &SandboxId, reason: AcquireError) {
        let mut books = self.books();
        if let Some(member) = books.members.get(id) {
            member.touch();
        }
        let waiter = books.state.stopping(id, floors::why(&reason), Instant::now());
        self.carry_out(&mut books);
        if let Some(waiter) = waiter {
            books.refuse(waiter, reason);
        }
    }

    /// Nothing is left of it.
    pub(super) fn gone(&self, id: &SandboxId) {
        let mut books = self.books();
        books.state.gone(id);
        books.members.remove(id);
        if !books.draining {
            books.state.fill(Instant::now());
        }
        self.carry_out(&mut books);
        self.inner.restock.notify_one();
    }
}

impl Books {
    fn no_memory(&self, needed_mb: u64) -> AcquireError {
        let (reserved_mb, budget_mb) = (self.state.reserved_mb(), self.state.budget_mb());
        AcquireError::TooManyRequests { needed_mb, reserved_mb, budget_mb }
    }

    fn refuse(&mut self, waiter: WaiterId, reason: AcquireError) {
        if let Some(grant) = self.waiters.remove(&waiter) {
            // A call that went away needs no reason.
            drop(grant.send(Err(reason)));
        }
    }
}

/// Takes a waiter off the books when its call ends or goes away.
struct WaitGuard<'a> {
    pool: &'a Pool,
    waiter: WaiterId,
    spec: &'a SandboxSpec,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.pool.give_up(self.waiter, self.spec);
    }
}
