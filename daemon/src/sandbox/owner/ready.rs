//! The sandbox has no function: it stands still until it gets one, or goes.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{
    End, Sandbox,
    grace::Grace,
    standstill::{Standstill, Step},
};
use crate::sandbox::{
    control::Report,
    freezer::{Freezer, FreezerKind},
    host::Host,
    job::Job,
    launch::{self, Furnished, Prepared},
    limits::Limits,
    pool::{Member, Pool},
};

/// A sandbox without a function.
pub(super) struct Ready<'a> {
    pool: &'a Pool,
    host: &'a Arc<Host>,
    member: &'a Arc<Member>,
    jobs: &'a mut mpsc::Receiver<Job>,
    freezer: Freezer,
    limits: Limits,
    prepared: Prepared,
}

impl<'a> Ready<'a> {
    pub(super) fn new(
        pool: &'a Pool,
        member: &'a Arc<Member>,
        jobs: &'a mut mpsc::Receiver<Job>,
        prepared: Prepared,
    ) -> Self {
        let host = pool.host();
        let (freezer, limits) = match (host.freezer, member.container.get()) {
            (FreezerKind::Engine, Some(container)) => (
                Freezer::Engine { engine: Arc::clone(&host.engine), container: container.clone() },
                Limits::Engine { engine: Arc::clone(&host.engine), container: container.clone() },
            ),
            _ => {
                (Freezer::Cgroup(Arc::clone(&prepared.cgroup)), Limits::Cgroup(Arc::clone(&prepared.cgroup)))
            }
        };
        Self { pool, host, member, jobs, freezer, limits, prepared }
    }

    /// Waits for a function and gives the sandbox to it. From here on it never serves another.
    pub(super) async fn wait(mut self) -> Result<Sandbox<'a>, End> {
        let standstill = self.stand_by().await?;
        let Self { pool, host, member, jobs, freezer, limits, prepared } = self;
        let Some(assignment) = member.assignment() else {
            return Err(End::Died("it was assigned without a function"));
        };
        tracing::Span::current().record("function", &*assignment.spec.function_arn);
        let is_frozen = standstill.is_some_and(|standstill| standstill.has_begun());
        if is_frozen && prepared.cgroup.pending_kill().unwrap_or(true) {
            return Err(End::Died("a process of it was killed while it was frozen"));
        }
        let Furnished { cgroup, control, output, calls } =
            launch::furnish(host, assignment, prepared, &limits).await.map_err(End::Launch)?;
        if is_frozen && let Err(error) = freezer.thaw().await {
            tracing::error!(%error, "a sandbox could not be thawed and is destroyed");
            return Err(End::Died("it could not be thawed"));
        }
        let grace = Grace::new(host.settings.freeze_grace);
        let spec = Arc::clone(&assignment.spec);
        Ok(Sandbox {
            pool,
            host,
            member,
            spec,
            jobs,
            freezer,
            limits,
            grace,
            cgroup,
            control,
            output,
            calls,
            init: None,
        })
    }

    /// Waits for the assignment: running until the runtime is up, frozen from then on.
    async fn stand_by(&mut self) -> Result<Option<Standstill>, End> {
        let mut standstill = None;
        // With nothing to bring up it is up at once; and if a call waited for it, it has its function by now.
        if self.member.base.prestart.is_none() && !self.member.assigned.is_cancelled() {
            standstill = Some(self.is_up()?);
        }
        let limit = Instant::now() + self.host.settings.init_timeout;
        loop {
            let Self { member, prepared, .. } = self;
            tokio::select! {
                biased;
                () = member.kill.cancelled() => return Err(End::Stopped),
                () = member.assigned.cancelled() => return Ok(standstill),
                () = member.stop.cancelled() => return Err(End::Stopped),
                report = prepared.control.report() => match report {
                    Report::Ready => standstill = Some(self.is_up()?),
                    Report::Ended(ended) => {
                        tracing::warn!(?ended, runtime = %member.base.runtime, "the runtime ended before it had a function");
                        return Err(End::Died("its runtime ended before it had a function"));
                    }
                },
                call = prepared.calls.recv() => match call {
                    Some(call) => call.refuse("there is no function yet"),
                    None => return Err(End::Died("its Runtime API ended")),
                },
                discarded = prepared.output.discard() => if let Err(error) = discarded {
                    tracing::error!(%error, "a sandbox's output broke");
                    return Err(End::Died("its output can't be read"));
                },
                () = due(standstill.as_ref()) => if let Some(standstill) = &mut standstill {
                    let step = standstill.step(&self.freezer).await.map_err(super::not_frozen)?;
                    self.stepped(step)?;
                },
                () = tokio::time::sleep_until(limit), if standstill.is_none() => {
                    return Err(End::Died("its runtime did not come up in time"));
                }
            }
        }
    }

    /// It can be given to a function. Until it is, it stands still.
    fn is_up(&self) -> Result<Standstill, End> {
        if self.pool.prepared(self.member) {
            Ok(Standstill::after(Duration::ZERO))
        } else {
            Err(End::Stopped)
        }
    }

    fn stepped(&self, step: Step) -> Result<(), End> {
        match step {
            // One that stands ready never rests: it is there to be quick.
            Step::Pending | Step::Resting => {}
            Step::Settled => {
                let used = self.prepared.cgroup.memory_used().unwrap_or(0);
                self.pool.measured(&self.member.id, used);
            }
            Step::Stuck if self.pool.expire(&self.member.id) => {
                return Err(End::Died("it could not be frozen"));
            }
            // It has a function in this moment, and will be told.
            Step::Stuck => {}
        }
        Ok(())
    }
}

/// Waits until there is something to do for a standstill, if it is to come to one.
async fn due(standstill: Option<&Standstill>) {
    match standstill {
        Some(standstill) => standstill.due().await,
        None => std::future::pending().await,
    }
}
