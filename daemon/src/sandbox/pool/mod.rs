//! The pool: gives each call a sandbox of its own.
//!
//! A call asks with [`Pool::acquire`] and gets a [`Lease`], the right to run one job in one sandbox: an idle one of its
//! version, else one that is just finishing, else a new one; and where the memory budget leaves no room even after idle
//! ones were evicted, a refusal. Sandboxes give themselves back when they are ready for more. The rules are in
//! [`state`]; this file carries them out.

mod administration;
mod member;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

pub use administration::SandboxInfo;
use member::NewMember;
pub use member::{Lease, Member};
use state::{Action, Offer, PoolState, WaiterId};
pub use state::{Counts, Phase};

use super::{
    host::Host,
    launch::LaunchError,
    owner::{self, InitFailure},
    spec::{SandboxId, SandboxSpec},
};

/// How long a call waits for a sandbox that has answered its last call but not yet asked for the next, before it has
/// one started. A runtime asks within a millisecond; a start costs two hundred.
const FINISHING_GRACE: Duration = Duration::from_millis(25);
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
}

#[derive(Debug)]
struct Books {
    state: PoolState,
    members: HashMap<SandboxId, Arc<Member>>,
    waiters: HashMap<WaiterId, oneshot::Sender<Result<Lease, AcquireError>>>,
    next_waiter: WaiterId,
    draining: bool,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(host: Arc<Host>) -> Self {
        let books = Books {
            state: PoolState::new(host.settings.memory_budget_mb),
            members: HashMap::new(),
            waiters: HashMap::new(),
            next_waiter: 0,
            draining: false,
        };
        Self { inner: Arc::new(Inner { host, books: Mutex::new(books), owners: TaskTracker::new() }) }
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
            if let Some(lease) = books.state.take_idle(&spec.key).and_then(|id| self.lease(&books, &id)) {
                return Ok(lease);
            }
            books.next_waiter += 1;
            let waiter = books.next_waiter;
            let (grant, granted) = oneshot::channel();
            books.waiters.insert(waiter, grant);
            let new = Member::new(spec, self.inner.host.clock.now());
            let actions = books.state.wait(waiter, &spec.key, u64::from(spec.memory_mb), new.0.id.clone());
            self.carry_out(&mut books, actions, Some(new));
            (granted, waiter)
        };
        let _guard = WaitGuard { pool: self, waiter, spec };
        let stopped = |_| AcquireError::Stopped;
        if let Ok(granted) = tokio::time::timeout(FINISHING_GRACE, &mut granted).await {
            return granted.map_err(stopped)?;
        }
        {
            let mut books = self.books();
            let new = Member::new(spec, self.inner.host.clock.now());
            let actions = books.state.insist(waiter, &spec.key, u64::from(spec.memory_mb), new.0.id.clone());
            self.carry_out(&mut books, actions, Some(new));
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
            let offer = books.state.offer(id, !lease.member.spec.is_retired());
            self.settle(books, id, &offer);
        }
    }

    fn settle(&self, books: &mut Books, id: &SandboxId, offer: &Offer) {
        match offer {
            Offer::Granted(waiter) => self.grant(books, *waiter, id),
            Offer::Kept => {}
            Offer::Stop => {
                if let Some(member) = books.members.get(id) {
                    member.stop.cancel();
                }
            }
        }
    }

    /// Carries out what the bookkeeping decided. `new` is the sandbox that it may have taken in.
    fn carry_out(&self, books: &mut Books, actions: Vec<Action>, new: Option<NewMember>) {
        let mut needed_mb = 0;
        if let Some((member, inbox)) = new {
            needed_mb = u64::from(member.spec.memory_mb);
            if books.state.phase(&member.id).is_some() {
                books.members.insert(member.id.clone(), Arc::clone(&member));
                self.inner.owners.spawn(owner::own(self.clone(), member, inbox));
            }
        }
        for action in actions {
            match action {
                Action::Start(id) => {
                    if let Some(member) = books.members.get(&id) {
                        member.may_start.cancel();
                    }
                }
                Action::Stop(id) => {
                    if let Some(member) = books.members.get(&id) {
                        member.touch();
                        member.stop.cancel();
                    }
                }
                Action::Refuse(waiter) => {
                    let refusal = AcquireError::TooManyRequests {
                        needed_mb,
                        reserved_mb: books.state.reserved_mb(),
                        budget_mb: books.state.budget_mb(),
                    };
                    books.refuse(waiter, refusal);
                }
            }
        }
    }

    /// A call dropped its lease without using it.
    fn give_back(&self, id: &SandboxId) {
        let mut books = self.books();
        if let Some(member) = books.members.get(id) {
            let wanted = !member.spec.is_retired() && !books.draining;
            let offer = books.state.offer(id, wanted);
            self.settle(&mut books, id, &offer);
        }
    }

    /// A call gave up waiting.
    fn give_up(&self, waiter: WaiterId, spec: &SandboxSpec) {
        let mut books = self.books();
        if books.waiters.remove(&waiter).is_some() {
            books.state.give_up(waiter, &spec.key);
        }
    }
}

/// What the owner of a sandbox tells the pool.
impl Pool {
    /// It is ready for a call and still warm: true if one was waiting, whose job is on its way.
    pub(super) fn try_hand_over(&self, id: &SandboxId) -> bool {
        let mut books = self.books();
        let Some(waiter) = books.state.try_grant(id) else { return false };
        self.grant(&mut books, waiter, id);
        true
    }

    /// It is frozen and ready for whoever comes. False if it is not wanted and has to stop.
    pub(super) fn offer(&self, id: &SandboxId) -> bool {
        let mut books = self.books();
        let Some(member) = books.members.get(id) else { return false };
        member.touch();
        let wanted = !member.spec.is_retired() && !member.stop.is_cancelled() && !books.draining;
        let offer = books.state.offer(id, wanted);
        if let Offer::Granted(waiter) = offer {
            self.grant(&mut books, waiter, id);
        }
        offer != Offer::Stop
    }

    /// It has answered its call.
    pub(super) fn finishing(&self, id: &SandboxId) {
        self.books().state.finishing(id);
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
        if let Some(waiter) = books.state.stopping(id) {
            books.refuse(waiter, reason);
        }
    }

    /// Nothing is left of it.
    pub(super) fn gone(&self, id: &SandboxId) {
        let mut books = self.books();
        let actions = books.state.gone(id);
        books.members.remove(id);
        self.carry_out(&mut books, actions, None);
    }
}

impl Books {
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
