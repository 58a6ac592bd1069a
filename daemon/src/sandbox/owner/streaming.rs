//! The runtime answers in pieces: it has begun, and the call lasts until the last of them.
//!
//! The pieces do not pass through here. Their taker gets them from the runtime's connection, which waits for him; the
//! sandbox's owner hears of the end, and goes on to watch everything that can end the call sooner.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    End,
    busy::{Busy, Ending},
    finishing::Finishing,
};
use crate::{
    runtime_api::{RESPONSE_LIMIT, ResponseStream, RuntimeCall, StreamEnd, Verdict},
    sandbox::{
        control::{Ended, ExitStatus},
        job::Failure,
    },
};

/// How long a response that broke off waits for the runtime's own end, which is the better reason, and a runtime's end for the
/// rest of its response, which may have been whole: a process that dies closes its connections an instant before its end
/// is known, and what they held is read an instant after.
const END_GRACE: Duration = Duration::from_millis(200);

/// The runtime answers in pieces.
pub(super) struct Streaming<'a> {
    busy: Busy<'a>,
    pieces: Pieces,
    ended: oneshot::Receiver<StreamEnd>,
    verdict: oneshot::Sender<Verdict>,
    /// How the runtime exited, if it has already.
    exited: Option<ExitStatus>,
}

/// Where the pieces go.
enum Pieces {
    /// To the caller, or into the void if he has gone.
    PassedOn,
    /// Here, for a caller that wants them whole.
    Gathered { frames: mpsc::Receiver<Bytes>, so_far: BytesMut },
}

/// How the response ended, as far as the runtime lives on.
struct Answered {
    answer: Result<Bytes, Failure>,
    verdict: Verdict,
}

/// What the response came to.
enum Came {
    ToAnEnd(Answered),
    Broken,
}

impl<'a> Streaming<'a> {
    /// The first bytes are on their way: the caller gets the rest as it comes, if he wants it so.
    pub(super) fn begin(
        mut busy: Busy<'a>,
        stream: ResponseStream,
        ended: oneshot::Receiver<StreamEnd>,
        verdict: oneshot::Sender<Verdict>,
        exited: Option<ExitStatus>,
    ) -> Self {
        let pieces = match busy.stream.take() {
            // There is room: a call has one response. A caller that went away drops it, and the runtime sends on.
            Some(caller) => {
                let _ = caller.try_send(stream);
                Pieces::PassedOn
            }
            None => Pieces::Gathered { frames: stream.frames, so_far: BytesMut::new() },
        };
        Self { busy, pieces, ended, verdict, exited }
    }

    /// Waits for the end of the response, or of what can end the call sooner.
    pub(super) async fn run(self) -> Result<Finishing<'a>, End> {
        let Self { mut busy, mut pieces, mut ended, verdict, mut exited } = self;
        // Once the runtime is gone, or the response is: until when the other's end is waited for.
        let mut until: Option<Instant> = exited.map(|_| Instant::now() + END_GRACE);
        let mut is_broken = false;
        let ending = loop {
            let sandbox = &mut busy.sandbox;
            let deadline = until.unwrap_or(busy.deadline).min(busy.deadline);
            tokio::select! {
                biased;
                () = sandbox.member.kill.cancelled() => break Ending::Lost("it was stopped"),
                came = pieces.end(&mut ended), if !is_broken => match came {
                    Came::ToAnEnd(Answered { answer, verdict: of }) => {
                        return Ok(busy.answered(answer, verdict, of).await);
                    }
                    Came::Broken => match exited {
                        Some(status) => break sandbox.ended(Ended::Exited(status), busy.oom_kills),
                        None => (is_broken, until) = (true, Some(Instant::now() + END_GRACE)),
                    },
                },
                gone = sandbox.control.ended(), if exited.is_none() => match gone {
                    Ended::Exited(status) if !is_broken => {
                        (exited, until) = (Some(status), Some(Instant::now() + END_GRACE));
                    }
                    gone => break sandbox.ended(gone, busy.oom_kills),
                },
                call = sandbox.calls.recv() => match call {
                    Some(RuntimeCall::Response { request_id, reply, .. }
                        | RuntimeCall::Stream { request_id, reply, .. }
                        | RuntimeCall::Error { request_id, reply, .. }) if !busy.is_mine(&request_id) => {
                        let _ = reply.send(Verdict::InvalidRequestId);
                    }
                    Some(call) => call.refuse("the response is being sent already"),
                    None => break Ending::Lost("its Runtime API ended"),
                },
                pumped = sandbox.output.pump() => if let Err(error) = pumped {
                    tracing::error!(%error, "a sandbox's output broke");
                    break Ending::Lost("its output can't be read");
                },
                () = tokio::time::sleep_until(deadline) => match (exited, until) {
                    (Some(status), _) => break sandbox.ended(Ended::Exited(status), busy.oom_kills),
                    (None, Some(until)) if until < busy.deadline => {
                        return Ok(busy.answered(Err(Failure::Truncated), verdict, Verdict::Accepted).await);
                    }
                    _ => break Ending::Failed(Failure::TimedOut(sandbox.spec.timeout)),
                }
            }
        };
        Err(busy.ended(ending))
    }
}

impl Pieces {
    /// Waits for the end, and gathers until then what is to be gathered. Loses nothing if it is dropped on the way.
    async fn end(&mut self, ended: &mut oneshot::Receiver<StreamEnd>) -> Came {
        if let Self::Gathered { frames, so_far } = self {
            while let Some(frame) = frames.recv().await {
                if so_far.len() + frame.len() > RESPONSE_LIMIT {
                    // The rest goes into the void.
                    frames.close();
                    return Came::ToAnEnd(Answered {
                        answer: Err(Failure::ResponseTooLarge),
                        verdict: Verdict::TooLarge,
                    });
                }
                so_far.extend_from_slice(&frame);
            }
        }
        // A connection that ends without a word has broken off.
        let answered = match ended.await.unwrap_or(StreamEnd::Broken) {
            StreamEnd::Complete => Answered { answer: Ok(self.take()), verdict: Verdict::Accepted },
            StreamEnd::Failed(error) => {
                Answered { answer: Err(Failure::Reported(error)), verdict: Verdict::Accepted }
            }
            StreamEnd::TooLarge => {
                Answered { answer: Err(Failure::StreamTooLarge), verdict: Verdict::StreamTooLarge }
            }
            StreamEnd::Broken => return Came::Broken,
        };
        Came::ToAnEnd(answered)
    }

    fn take(&mut self) -> Bytes {
        match self {
            Self::PassedOn => Bytes::new(),
            Self::Gathered { so_far, .. } => so_far.split().freeze(),
        }
    }
}
