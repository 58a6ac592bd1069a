//! Invocation with a response in pieces: the caller gets them as the function sends them.
//!
//! The function waits for a caller that reads slowly, as long as its time lasts. It does not wait for one that went away:
//! what it sends from then on is dropped, and the call runs to its end, as any other.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Invocation, InvokeError, Invoked, Invoker,
    synchronous::{Begun, Running, ended},
};
use crate::{
    runtime_api::{RequestId, ResponseStream},
    sandbox::Outcome,
};

/// What a function answers to a caller who takes pieces.
#[derive(Debug)]
pub enum Streamed {
    /// It answered at once, or failed before it had sent anything.
    Whole(Invoked),
    /// It has begun to answer.
    Begun(StreamingCall),
}

/// A call whose response has begun.
#[derive(Debug)]
pub struct StreamingCall {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The version that runs.
    pub executed_version: String,
    /// What the function says that it sends.
    pub content_type: Option<String>,
    frames: mpsc::Receiver<Bytes>,
    running: Running,
    ended: Option<Result<Invoked, InvokeError>>,
}

impl Invoker {
    /// Calls a function and waits for the beginning of its answer.
    ///
    /// # Errors
    /// See [`InvokeError`]. A function that fails is no error of the call.
    pub async fn invoke_streaming(&self, invocation: Invocation) -> Result<Streamed, InvokeError> {
        self.invoke_streaming_as(RequestId::random(), invocation).await
    }

    /// As [`Invoker::invoke_streaming`], with an id that is known already.
    ///
    /// # Errors
    /// As there.
    pub async fn invoke_streaming_as(
        &self,
        request_id: RequestId,
        invocation: Invocation,
    ) -> Result<Streamed, InvokeError> {
        // One response, and so one place.
        let (sender, mut begins) = mpsc::channel(1);
        let Begun { executed, mut running } =
            self.begin(request_id.clone(), invocation, Some(sender)).await?;
        tokio::select! {
            // First: a short response may have begun and ended by now.
            biased;
            Some(stream) = begins.recv() => {
                let ResponseStream { content_type, frames } = stream;
                let executed_version = executed.version.to_string();
                Ok(Streamed::Begun(StreamingCall { request_id, executed_version, content_type, frames, running, ended: None }))
            }
            whole = &mut running => ended(whole).map(Streamed::Whole),
        }
    }
}

impl StreamingCall {
    /// The next piece; none after the last. A call that ends before its response does gives what was sent until then.
    pub async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            frame = self.frames.recv() => return frame,
            call = &mut self.running, if self.ended.is_none() => self.ended = Some(ended(call)),
        }
        // Nothing comes after the end of a call, whatever its runtime's connection still holds.
        self.frames.close();
        self.frames.recv().await
    }

    /// How the call ended. The outcome's payload is that of an error; the response has gone by in pieces.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn end(self) -> Result<Outcome, InvokeError> {
        let Self { frames, running, ended: known, .. } = self;
        // Pieces that nobody wants any more are not waited for.
        drop(frames);
        let invoked = match known {
            Some(known) => known?,
            None => ended(running.await)?,
        };
        Ok(invoked.outcome)
    }
}
