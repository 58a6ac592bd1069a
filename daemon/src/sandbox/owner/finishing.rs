//! The runtime has answered and not yet asked for more: it may still print, clean up, or exit.

use tokio::time::Instant;

use super::{End, Sandbox, kill, waiting::Waiting};
use crate::runtime_api::RuntimeCall;

/// The runtime has answered and not yet asked for more.
pub(super) struct Finishing<'a> {
    pub(super) sandbox: Sandbox<'a>,
    pub(super) deadline: Instant,
}

impl<'a> Finishing<'a> {
    /// Waits until the runtime asks for more. It has until the deadline of the call that it answered.
    pub(super) async fn finish(self) -> Result<Waiting<'a>, End> {
        let Self { mut sandbox, deadline } = self;
        loop {
            tokio::select! {
                biased;
                () = sandbox.member.kill.cancelled() => return Err(End::Stopped),
                call = sandbox.calls.recv() => match call {
                    Some(RuntimeCall::Next { reply }) => return Ok(Waiting { sandbox, next: reply }),
                    Some(call) => call.refuse("the invocation was answered already"),
                    None => return Err(End::Died("its Runtime API ended")),
                },
                ended = sandbox.control.ended() => {
                    tracing::info!(?ended, "the runtime ended after it had answered");
                    return Err(End::Function);
                }
                pumped = sandbox.output.pump() => if let Err(error) = pumped {
                    tracing::error!(%error, "a sandbox's output broke");
                    return Err(End::Died("its output can't be read"));
                },
                () = tokio::time::sleep_until(deadline) => {
                    kill(&sandbox.cgroup);
                    return Err(End::Died("its runtime did not ask for the next invocation in time"));
                }
            }
        }
    }
}
