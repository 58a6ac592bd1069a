//! The runtime starts and imports the function: ends with its first `/next`, or with the reason why there is none.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{End, Sandbox, kill, waiting::Waiting};
use crate::{
    runtime_api::{RequestId, RuntimeCall, Verdict},
    sandbox::{
        control::Ended,
        engine::EngineError,
        job::{Failure, FunctionError, Outcome},
        output::Output,
        report::{self, Report},
    },
};

/// How long a runtime that reported a failed initialisation may take to exit by itself, so that its last words are read.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The runtime starts and imports the function.
pub(super) struct Initialising<'a>(pub(super) Sandbox<'a>);

impl<'a> Initialising<'a> {
    pub(super) async fn run(self) -> Result<Waiting<'a>, End> {
        let Self(mut sandbox) = self;
        let started = Instant::now();
        let limit = sandbox.host.settings.init_timeout.max(sandbox.spec.timeout);
        let failure = loop {
            tokio::select! {
                biased;
                () = sandbox.member.kill.cancelled() => return Err(End::Stopped),
                ended = sandbox.control.ended() => break match ended {
                    Ended::Exited(status) => sandbox.exit(status, 0),
                    Ended::Failed(why) => Failure::InvalidEntrypoint(why),
                    Ended::Gone if sandbox.oom_kills() > 0 => Failure::OutOfMemory,
                    Ended::Gone => return Err(End::Launch(EngineError::EndedAtOnce(
                        sandbox.member.container.get().cloned().unwrap_or_default()).into())),
                },
                call = sandbox.calls.recv() => match call {
                    Some(RuntimeCall::Next { reply }) => {
                        sandbox.init = Some(started.elapsed());
                        sandbox.output.end();
                        let _ = sandbox.output.take_tail();
                        if let Err(error) = sandbox.limits.of_calls(sandbox.spec.memory_mb).await {
                            tracing::error!(%error, "a sandbox's CPU share could not be set");
                            return Err(End::Died("its CPU share could not be set"));
                        }
                        return Ok(Waiting { sandbox, next: reply });
                    }
                    Some(RuntimeCall::InitError { error, reply }) => {
                        let _ = reply.send(Verdict::Accepted);
                        sandbox.last_words().await;
                        break Failure::Reported(error);
                    }
                    Some(RuntimeCall::Response { reply, .. }
                        | RuntimeCall::Stream { reply, .. }
                        | RuntimeCall::Error { reply, .. }) => {
                        let _ = reply.send(Verdict::InvalidRequestId);
                    }
                    None => return Err(End::Died("its Runtime API ended")),
                },
                pumped = sandbox.output.pump() => if let Err(error) = pumped {
                    tracing::error!(%error, "a sandbox's output broke");
                    return Err(End::Died("its output can't be read"));
                },
                () = tokio::time::sleep_until(started + limit) => break Failure::TimedOut(limit),
            }
        };
        // Nothing may run on while the caller is told.
        let memory_peak = sandbox.memory_peak();
        kill(&sandbox.cgroup);
        let init = started.elapsed();
        let mut output = sandbox.output;
        output.end();
        output.platform(report::init_failed(init, &failure));
        let spec = &sandbox.spec;
        let (memory_mb, version) = (spec.memory_mb, Arc::clone(&spec.version));
        Err(End::Init(Box::new(InitFailure { failure, init, memory_mb, memory_peak, version, output })))
    }
}

impl Sandbox<'_> {
    /// Reads on for a moment, until the runtime has exited.
    async fn last_words(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            tokio::select! {
                biased;
                _ = self.control.ended() => return,
                pumped = self.output.pump() => if pumped.is_err() { return },
                () = tokio::time::sleep_until(deadline) => return,
            }
        }
    }
}

/// A failed initialisation: kept until it is known which invocation it fails.
pub struct InitFailure {
    failure: Failure,
    init: Duration,
    memory_mb: u32,
    memory_peak: u64,
    version: Arc<str>,
    output: Output,
}

impl std::fmt::Debug for InitFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InitFailure").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl InitFailure {
    /// Lambda's name of the error.
    pub(super) fn error_type(&self) -> &str {
        self.failure.error_type()
    }

    /// Ends an invocation with this failure: its lines go to the failed sandbox's log, its error to the caller.
    #[must_use]
    pub fn conclude(mut self: Box<Self>, request_id: &RequestId) -> Outcome {
        let output = &mut self.output;
        output.attribute(request_id);
        output.platform(report::start(request_id, &self.version));
        if let Some(line) = self.failure.log_line(request_id) {
            output.platform(line);
        }
        output.platform(report::end(request_id));
        output.platform(
            Report {
                request_id,
                duration: self.init,
                memory_mb: self.memory_mb,
                memory_peak: self.memory_peak,
                init: None,
                failure: Some(&self.failure),
                in_init: true,
            }
            .line(),
        );
        let error = FunctionError::of(&self.failure, request_id);
        Outcome { result: Err(error), tail: output.take_tail(), init: Some(self.init) }
    }
}
