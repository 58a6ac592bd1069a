//! The runtime has asked for an event: the sandbox stands still until there is one, frozen but for a moment of grace.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::{
    End, Sandbox,
    busy::{Busy, Delivery},
    reclaim::Reclaim,
    standstill::{SETTLE, Standstill, Step},
};
use crate::{
    runtime_api::{Event, NextReply, RuntimeCall},
    sandbox::{
        job::{Job, JobError},
        report,
    },
};

/// How long a sandbox that was given away warm waits for its job before it is frozen all the same. The job is sent
/// right after; this is for a caller that went away in between.
const HAND_OVER_LIMIT: Duration = Duration::from_millis(50);

/// The runtime has asked for an event and there is none.
pub(super) struct Waiting<'a> {
    pub(super) sandbox: Sandbox<'a>,
    pub(super) next: oneshot::Sender<NextReply>,
}

impl<'a> Waiting<'a> {
    /// Waits for a job: frozen, unless one is on its way already.
    pub(super) async fn wait(self) -> Result<(Busy<'a>, Delivery), End> {
        let Self { mut sandbox, mut next } = self;
        sandbox.output.end();
        sandbox.output.release();
        let id = &sandbox.member.id;
        let is_handed_over = !sandbox.member.stop.is_cancelled() && sandbox.pool.try_hand_over(id);
        if !is_handed_over {
            // Whoever calls from now on has not waited for it.
            sandbox.init = None;
        } else if let Ok(Some(job)) = tokio::time::timeout(HAND_OVER_LIMIT, sandbox.jobs.recv()).await {
            sandbox.grace.note(Duration::ZERO);
            let (busy, event) = sandbox.begin(job);
            return Ok((busy, Delivery { event, next, thaw: false }));
        }
        if !sandbox.pool.offer(id) {
            return Err(End::Stopped);
        }
        if sandbox.pool.is_provisioned(id) {
            // It came up for nobody.
            sandbox.init = None;
        }
        let offered = Instant::now();
        let mut standstill =
            Standstill::after(sandbox.grace.length()).resting_after(sandbox.host.settings.reclaim_after);
        // Dropped, and thereby stopped, as soon as there is a job.
        let mut reclaim = None;
        let mut expires = offered + sandbox.pool.stay(&sandbox.spec);
        let job = loop {
            tokio::select! {
                biased;
                () = sandbox.member.kill.cancelled() => return Err(End::Stopped),
                ended = sandbox.control.ended() => {
                    tracing::info!(?ended, "the runtime ended while the sandbox was idle");
                    return Err(End::Died("its runtime ended while it was idle"));
                }
                job = sandbox.jobs.recv() => match job {
                    Some(job) => break job,
                    None => return Err(End::Stopped),
                },
                () = sandbox.member.stop.cancelled() => return Err(End::Stopped),
                // A frozen runtime asks nothing; what comes was on its way when the freeze began.
                call = sandbox.calls.recv() => match call {
                    Some(RuntimeCall::Next { reply }) if next.is_closed() => next = reply,
                    Some(call) => call.refuse("an invocation is being waited for already"),
                    None => return Err(End::Died("its Runtime API ended")),
                },
                // Whoever calls meanwhile gets it as it is; nobody waits for this.
                () = standstill.due() => {
                    let step = standstill.step(&sandbox.freezer).await.map_err(super::not_frozen)?;
                    sandbox.stepped(step)?;
                    // One that is to be there is to be quick.
                    if step == Step::Resting && !sandbox.pool.is_provisioned(id) {
                        reclaim = Some(Reclaim::begin(sandbox.host, &sandbox.cgroup, sandbox.spec.memory_mb));
                    }
                }
                () = done(reclaim.as_mut()) => {
                    reclaim = None;
                    sandbox.measure();
                }
                () = tokio::time::sleep_until(expires) => {
                    if sandbox.pool.is_provisioned(id) {
                        expires = Instant::now() + sandbox.pool.stay(&sandbox.spec).max(HAND_OVER_LIMIT);
                        continue;
                    }
                    if sandbox.pool.expire(id) {
                        return Err(End::Expired);
                    }
                    // Given away in this moment: its job is on its way.
                    expires = Instant::now() + HAND_OVER_LIMIT;
                }
            }
        };
        sandbox.grace.note(offered.elapsed());
        // Below, calls come one on the other's heels, and the look would cost each a tenth of its time.
        let is_looked_at = standstill.is_settled() || standstill.has_begun() && offered.elapsed() > SETTLE;
        if is_looked_at && sandbox.cgroup.pending_kill().unwrap_or(true) {
            let _ = job.reply.send(Err(JobError::NotDelivered));
            return Err(End::Died("a process of it was killed while it was frozen"));
        }
        let (busy, event) = sandbox.begin(job);
        Ok((busy, Delivery { event, next, thaw: standstill.has_begun() }))
    }
}

impl<'a> Sandbox<'a> {
    fn stepped(&self, step: Step) -> Result<(), End> {
        match step {
            Step::Pending | Step::Resting => Ok(()),
            Step::Settled => {
                self.measure();
                Ok(())
            }
            Step::Stuck if self.pool.expire(&self.member.id) => {
                tracing::error!("a sandbox does not freeze and is destroyed");
                Err(End::Died("it could not be frozen"))
            }
            // Given to a call in this moment, which takes it as it is.
            Step::Stuck => Ok(()),
        }
    }

    /// Tells the pool how much memory it really has.
    fn measure(&self) {
        let used = self.cgroup.memory_used().unwrap_or(u64::from(self.spec.memory_mb) << 20);
        self.pool.measured(&self.member.id, used);
    }

    /// Everything that has to stand before the function's time runs.
    fn begin(mut self, job: Job) -> (Busy<'a>, Box<Event>) {
        let Job { request_id, function_arn, payload, client_context, trace_id, tail, stream, reply } = job;
        let spec = &self.spec;
        self.member.count_invocation();
        self.output.begin(&request_id, tail);
        self.output.platform(report::start(&request_id, &spec.version));
        let started = Instant::now();
        let timeout_ms = i64::try_from(spec.timeout.as_millis()).unwrap_or(i64::MAX);
        let event = Box::new(Event {
            request_id: request_id.clone(),
            deadline_ms: self.host.clock.now_millis().saturating_add(timeout_ms),
            function_arn,
            trace_id,
            client_context,
            payload,
        });
        let (deadline, oom_kills) = (started + spec.timeout, self.oom_kills());
        (Busy { sandbox: self, request_id, started, deadline, stream, reply, oom_kills }, event)
    }
}

/// Waits until memory has been given back; for ever if none is.
async fn done(reclaim: Option<&mut Reclaim>) {
    match reclaim {
        Some(reclaim) => reclaim.done().await,
        None => std::future::pending().await,
    }
}
