//! The runtime has an event and answers it, or doesn't.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{End, Sandbox, finishing::Finishing, kill, streaming::Streaming};
use crate::{
    runtime_api::{Body, Event, NextReply, RequestId, ResponseStream, RuntimeCall, Verdict},
    sandbox::{
        control::{Ended, ExitStatus},
        job::{Failure, FunctionError, JobError, Outcome},
        report::{self, Report},
    },
};

/// How long a runtime that has exited is listened to. What it said with its last breath may lie unread in a connection when
/// its end is known already.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The runtime has an event.
pub(super) struct Busy<'a> {
    pub(super) sandbox: Sandbox<'a>,
    pub(super) request_id: RequestId,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) stream: Option<mpsc::Sender<ResponseStream>>,
    pub(super) reply: oneshot::Sender<Result<Outcome, JobError>>,
    pub(super) oom_kills: u64,
}

/// An event and the request that it answers.
pub(super) struct Delivery {
    pub(super) event: Box<Event>,
    pub(super) next: oneshot::Sender<NextReply>,
    /// Whether the sandbox stands still, and has to be thawed for it.
    pub(super) thaw: bool,
}

/// How a call ends that its runtime did not answer.
pub(super) enum Ending {
    Failed(Failure),
    NotDelivered,
    Lost(&'static str),
}

impl<'a> Busy<'a> {
    /// Hands the event over and waits for the answer.
    pub(super) async fn run(mut self, delivery: Delivery) -> Result<Finishing<'a>, End> {
        let Delivery { event, next, thaw } = delivery;
        let mut undelivered = hand_over(next, event);
        if thaw {
            // The event lies in the runtime's socket when it wakes, so that it wakes once: the connection's task writes it now.
            tokio::task::yield_now().await;
            if let Err(error) = self.sandbox.freezer.thaw().await {
                tracing::error!(%error, "a sandbox could not be thawed and is destroyed");
                return Err(self.ended(Ending::NotDelivered));
            }
        }
        // Once the runtime has exited: how, and until when its last words are waited for.
        let mut exited: Option<(ExitStatus, Instant)> = None;
        let ending = loop {
            let sandbox = &mut self.sandbox;
            tokio::select! {
                biased;
                () = sandbox.member.kill.cancelled() => break Ending::Lost("it was stopped"),
                ended = sandbox.control.ended(), if exited.is_none() => match ended {
                    _ if undelivered.is_some() => break Ending::NotDelivered,
                    Ended::Exited(status) => exited = Some((status, Instant::now() + LAST_WORDS)),
                    ended => break sandbox.ended(ended, self.oom_kills),
                },
                call = sandbox.calls.recv() => match call {
                    Some(RuntimeCall::Response { request_id, body, reply }) => match (self.is_mine(&request_id), body) {
                        (false, _) => { let _ = reply.send(Verdict::InvalidRequestId); }
                        (true, Body::Whole(payload)) => return Ok(self.answered(Ok(payload), reply, Verdict::Accepted).await),
                        (true, Body::TooLarge) => {
                            return Ok(self.answered(Err(Failure::ResponseTooLarge), reply, Verdict::TooLarge).await);
                        }
                    },
                    Some(RuntimeCall::Stream { request_id, stream, ended, reply }) => {
                        if self.is_mine(&request_id) {
                            let exited = exited.map(|(status, _)| status);
                            return Streaming::begin(self, stream, ended, reply, exited).run().await;
                        }
                        let _ = reply.send(Verdict::InvalidRequestId);
                    }
                    Some(RuntimeCall::Error { request_id, error, reply }) => {
                        if self.is_mine(&request_id) {
                            return Ok(self.answered(Err(Failure::Reported(error)), reply, Verdict::Accepted).await);
                        }
                        let _ = reply.send(Verdict::InvalidRequestId);
                    }
                    Some(RuntimeCall::Next { reply }) => match undelivered.take() {
                        Some(event) => undelivered = hand_over(reply, event),
                        None => RuntimeCall::Next { reply }.refuse("an invocation is running already"),
                    },
                    Some(call @ RuntimeCall::InitError { .. }) => call.refuse("the initialisation is over"),
                    None => break Ending::Lost("its Runtime API ended"),
                },
                pumped = sandbox.output.pump() => if let Err(error) = pumped {
                    tracing::error!(%error, "a sandbox's output broke");
                    break Ending::Lost("its output can't be read");
                },
                () = tokio::time::sleep_until(exited.map_or(self.deadline, |(_, until)| until)) => {
                    break match exited {
                        Some((status, _)) => sandbox.ended(Ended::Exited(status), self.oom_kills),
                        None => Ending::Failed(Failure::TimedOut(sandbox.spec.timeout)),
                    };
                }
            }
        };
        Err(self.ended(ending))
    }

    pub(super) fn is_mine(&self, request_id: &str) -> bool {
        self.request_id.as_str() == request_id
    }

    /// The runtime answered in time: the call ends, the sandbox lives.
    pub(super) async fn answered(
        self,
        answer: Result<Bytes, Failure>,
        verdict_to: oneshot::Sender<Verdict>,
        verdict: Verdict,
    ) -> Finishing<'a> {
        let Self { mut sandbox, request_id, started, deadline, reply, .. } = self;
        // Before the caller knows: its next call shall find this sandbox on the way back, not start another.
        sandbox.pool.finishing(&sandbox.member.id);
        let duration = started.elapsed();
        let outcome = sandbox.conclude(&request_id, duration, answer);
        // A caller that went away, or a runtime that hung up, needs no answer.
        let _ = reply.send(Ok(outcome));
        // Before the caller can have its answer: whoever reads the log next finds this call's lines.
        sandbox.output.release();
        // The caller's answer is on its way before anything is done for the next call.
        tokio::task::yield_now().await;
        let _ = verdict_to.send(verdict);
        Finishing { sandbox, deadline }
    }

    /// The call ends and the sandbox with it.
    pub(super) fn ended(self, ending: Ending) -> End {
        let Self { mut sandbox, request_id, started, reply, .. } = self;
        let duration = started.elapsed();
        // A function that is out of its time must not run on while its caller is told so.
        kill(&sandbox.cgroup);
        let (answer, end) = match ending {
            Ending::Failed(failure) => {
                (Ok(sandbox.conclude(&request_id, duration, Err(failure))), End::Function)
            }
            Ending::NotDelivered => {
                (Err(JobError::NotDelivered), End::Died("it died before it took its call"))
            }
            Ending::Lost(why) => {
                sandbox.output.end();
                sandbox
                    .output
                    .platform(format!("RequestId: {request_id} Error: the sandbox was lost: {why}"));
                (Err(JobError::SandboxLost(why)), End::Died(why))
            }
        };
        if !matches!(answer, Err(JobError::NotDelivered)) {
            sandbox.pool.call_ended(&sandbox.member.id);
        }
        let _ = reply.send(answer);
        sandbox.output.release();
        end
    }
}

impl Sandbox<'_> {
    /// How a call ends with its runtime.
    pub(super) fn ended(&self, ended: Ended, oom_kills_before: u64) -> Ending {
        match ended {
            Ended::Exited(status) => Ending::Failed(self.exit(status, oom_kills_before)),
            Ended::Failed(why) => Ending::Failed(Failure::InvalidEntrypoint(why)),
            Ended::Gone if self.oom_kills() > oom_kills_before => Ending::Failed(Failure::OutOfMemory),
            Ended::Gone => Ending::Lost("its processes were ended from outside"),
        }
    }

    /// The last lines of an invocation, and its outcome.
    fn conclude(
        &mut self,
        request_id: &RequestId,
        duration: Duration,
        answer: Result<Bytes, Failure>,
    ) -> Outcome {
        self.output.end();
        let failure = answer.as_ref().err();
        if let Some(line) = failure.and_then(|failure| failure.log_line(request_id)) {
            self.output.platform(line);
        }
        self.output.platform(report::end(request_id));
        let init = self.init.take();
        let report = Report {
            request_id,
            duration,
            memory_mb: self.spec.memory_mb,
            memory_peak: self.memory_peak(),
            init,
            failure,
            in_init: false,
        };
        self.output.platform(report.line());
        let result = answer.map_err(|failure| FunctionError::of(&failure, request_id));
        Outcome { result, tail: self.output.take_tail(), init }
    }
}

/// Answers `/next`. Gives the event back if the runtime has hung up; it asks again.
fn hand_over(next: oneshot::Sender<NextReply>, event: Box<Event>) -> Option<Box<Event>> {
    match next.send(NextReply::Event(event)) {
        Err(NextReply::Event(event)) => Some(event),
        Err(NextReply::Refused(_)) | Ok(()) => None,
    }
}
