//! What administrators and the control plane ask the pool for.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Counts, Forecast, Member, Phase, Pool};
use crate::sandbox::spec::SandboxSpec;

/// How often a drain looks whether it is done. A drain takes seconds; nobody waits for these milliseconds.
const EMPTIED_POLL: Duration = Duration::from_millis(10);
/// A sandbox as lists show it.
#[derive(Debug)]
pub struct SandboxInfo {
    /// The sandbox.
    pub member: Arc<Member>,
    /// What it does.
    pub phase: Phase,
    /// For how long.
    pub in_phase: Duration,
    /// Bytes of memory in use, by its cgroup; 0 while it has none.
    pub memory_used: u64,
}

impl Pool {
    /// A version's place was taken: its idle sandboxes stop now, its busy ones after their call.
    pub fn retire(&self, spec: &SandboxSpec) {
        spec.retire();
        let mut books = self.books();
        books.state.retire(&spec.key);
        self.carry_out(&mut books);
    }

    /// How many sandboxes are in each phase.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.books().state.counts()
    }

    /// MB given out to sandboxes, and MB there are for them.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let books = self.books();
        (books.state.reserved_mb(), books.state.budget_mb())
    }

    /// Whether new calls are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.books().draining
    }

    /// Every sandbox, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SandboxInfo> {
        let mut members: Vec<_> = {
            let books = self.books();
            let phase = |member: &Arc<Member>| books.state.phase(&member.id).unwrap_or(Phase::Stopping);
            books.members.values().map(|member| (Arc::clone(member), phase(member))).collect()
        };
        members.sort_by(|(one, _), (other, _)| (one.created, &one.id).cmp(&(other.created, &other.id)));
        members
            .into_iter()
            .map(|(member, phase)| {
                let in_phase = member.in_phase();
                let memory_used =
                    member.cgroup.get().and_then(|cgroup| cgroup.memory_used().ok()).unwrap_or(0);
                SandboxInfo { member, phase, in_phase, memory_used }
            })
            .collect()
    }

    /// What was decided for each function that was called lately, the most called one first.
    #[must_use]
    pub fn forecasts(&self) -> Vec<Forecast> {
        let mut forecasts = self.books().state.forecasts();
        forecasts.sort_by(|one, other| other.calls.total_cmp(&one.calls));
        forecasts
    }

    /// Stops one sandbox and waits until it is gone; after the call that it runs, or under it.
    pub async fn stop(&self, member: &Member, after_call: bool) {
        {
            let mut books = self.books();
            books.state.expire(&member.id);
            member.stop.cancel();
        }
        if !after_call {
            member.kill.cancel();
        }
        while self.books().members.contains_key(&member.id) {
            tokio::time::sleep(EMPTIED_POLL).await;
        }
    }

    /// Takes no new calls, waits until `limit` for running ones, then stops every sandbox. Returns how many calls were
    /// cut off and how many sandboxes were removed.
    pub async fn drain(&self, limit: Duration) -> (u32, u32) {
        let (actions_done, removed) = {
            let mut books = self.books();
            books.draining = true;
            books.state.retire_all();
            self.carry_out(&mut books);
            for member in books.members.values() {
                member.stop.cancel();
            }
            (Instant::now() + limit, books.members.len())
        };
        let mut aborted = 0;
        if tokio::time::timeout_at(actions_done, self.emptied()).await.is_err() {
            let left: Vec<_> = {
                let books = self.books();
                aborted = books.state.counts().busy;
                books.members.values().cloned().collect()
            };
            for member in left {
                member.kill.cancel();
            }
            self.emptied().await;
        }
        // Both counts are bounded by the memory budget in units of 128 MB.
        (aborted, u32::try_from(removed).unwrap_or(u32::MAX))
    }

    /// Takes calls again.
    pub fn resume(&self) {
        self.books().draining = false;
    }

    /// Waits until no sandbox is left.
    async fn emptied(&self) {
        loop {
            if self.books().members.is_empty() {
                return;
            }
            tokio::time::sleep(EMPTIED_POLL).await;
        }
    }

    /// Ends the pool: after a drain, waits for the last owner task.
    pub async fn close(&self) {
        self.inner.owners.close();
        self.inner.owners.wait().await;
    }
}
