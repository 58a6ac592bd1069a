//! Synchronous invocation: the caller waits.
//!
//! Once begun, a call runs to its end even if its caller goes away, as on Lambda; so it runs in a task of its own.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use super::{
    ClientContext, Inner, Invocation, InvokeError, Invoked, Invoker, PAYLOAD_LIMIT, TraceHeader,
    not_json::NotJson, trace::Entered,
};
use crate::{
    functions::{
        self, Found, FunctionArn, FunctionReference, FunctionVersion, Qualifier, RecursiveLoop, Slot, State,
    },
    runtime_api::{RequestId, ResponseStream},
    sandbox::{AcquireError, EngineError, Job, JobError, LaunchError, Outcome},
};

/// How many sandboxes are tried for one call, where each died before it took the event or was stopped under it. The
/// function has not run until then, so trying again is safe; that it happens twice is bad luck, more is a defect.
const SANDBOXES_TRIED: u32 = 3;

impl Invoker {
    /// Calls a function and waits for its answer.
    ///
    /// # Errors
    /// See [`InvokeError`]. A function that fails is no error of the call.
    pub async fn invoke(&self, invocation: Invocation) -> Result<Invoked, InvokeError> {
        self.invoke_as(RequestId::random(), invocation).await
    }

    /// As [`Invoker::invoke`], with an id that is known already.
    ///
    /// # Errors
    /// As there.
    pub async fn invoke_as(
        &self,
        request_id: RequestId,
        invocation: Invocation,
    ) -> Result<Invoked, InvokeError> {
        let Begun { running, .. } = self.begin(request_id, invocation, None).await?;
        ended(running.await)
    }

    /// Starts a call that runs to its end whether or not anybody waits for it. `stream` takes a response in pieces.
    pub(super) async fn begin(
        &self,
        request_id: RequestId,
        invocation: Invocation,
        stream: Option<mpsc::Sender<ResponseStream>>,
    ) -> Result<Begun, InvokeError> {
        let Invocation { function, qualifier, payload, client_context, tail, trace } = invocation;
        let payload = check_payload(payload)?;
        let Found { version, arn } = self.find(&function, qualifier.as_ref()).await?;
        let trace = self.enter(&trace.unwrap_or_default(), &version)?;
        let slot =
            self.inner.registry.concurrency().take(version.account(), version.name(), version.version)?;
        let inner = Arc::clone(&self.inner);
        let function_arn = arn.to_string().into();
        let call = Call {
            version: Arc::clone(&version),
            function_arn,
            payload,
            client_context,
            trace,
            tail,
            request_id,
            stream,
            slot,
        };
        Ok(Begun { executed: version, running: self.inner.calls.spawn(async move { inner.run(call).await }) })
    }

    /// Checks everything that [`Invoker::invoke`] would, and runs nothing. Returns the version that would run.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn dry_run(&self, invocation: Invocation) -> Result<String, InvokeError> {
        let (_, Found { version, .. }) = self.check(&invocation).await?;
        self.inner.recipes.get(&version, &self.inner.pool).await?;
        Ok(version.version.to_string())
    }

    /// Checks that there is something to call, with something that it can take: the payload that it gets.
    pub(super) async fn check(&self, invocation: &Invocation) -> Result<(Bytes, Found), InvokeError> {
        let payload = check_payload(invocation.payload.clone())?;
        Ok((payload, self.find(&invocation.function, invocation.qualifier.as_ref()).await?))
    }

    /// Whether a call of this function in this chain of invocations would be refused, as one of a loop.
    #[must_use]
    pub fn is_loop(&self, trace: &TraceHeader, function: &FunctionArn) -> bool {
        trace.enter(function.account, &function.name).is_loop && self.cuts_loops(function)
    }

    /// The chain of invocations with a call of this version in it, unless that makes it a loop which is to be cut.
    fn enter(&self, trace: &TraceHeader, version: &FunctionVersion) -> Result<TraceHeader, InvokeError> {
        let Entered { header, is_loop } = trace.enter(version.account(), version.name());
        if is_loop && self.cuts_loops(&version.arn) {
            tracing::warn!(function = %version.arn, trace = %header, "a function calls itself in a loop; its call is stopped");
            return Err(InvokeError::Recursive);
        }
        Ok(header)
    }

    fn cuts_loops(&self, function: &FunctionArn) -> bool {
        let registry = self.inner.registry.of(function.account);
        let function = FunctionArn { qualifier: None, ..function.clone() };
        // Of a function that is gone nothing is cut, and nothing called.
        registry.recursive_loop(&function.into()).is_ok_and(|set| set == RecursiveLoop::Terminate)
    }

    /// The version that a call takes, and the ARN that it was called by. A function that is being created is waited for:
    /// that takes no longer than one write to the store.
    async fn find(
        &self,
        function: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Found, functions::FunctionError> {
        let registry = &self.inner.registry;
        let found = registry.find_for_call(function, qualifier)?;
        if found.version.state != State::Pending {
            return Ok(found);
        }
        let version = registry.settled(&found.version.qualified_arn().into(), None).await?;
        Ok(Found { version, arn: found.arn })
    }
}

/// A call that runs.
pub(super) struct Begun {
    /// The version that it runs.
    pub(super) executed: Arc<FunctionVersion>,
    pub(super) running: Running,
}

/// The task of a call.
pub(super) type Running = JoinHandle<Result<Invoked, InvokeError>>;

/// How a call's task ended. A panic in there is a defect; the caller is told so.
pub(super) fn ended(
    running: Result<Result<Invoked, InvokeError>, JoinError>,
) -> Result<Invoked, InvokeError> {
    running.unwrap_or(Err(InvokeError::Broken))
}

struct Call {
    version: Arc<FunctionVersion>,
    /// As it was called.
    function_arn: Arc<str>,
    payload: Bytes,
    client_context: Option<ClientContext>,
    trace: TraceHeader,
    tail: bool,
    request_id: RequestId,
    stream: Option<mpsc::Sender<ResponseStream>>,
    /// Counts it as running.
    slot: Slot,
}

impl Inner {
    #[tracing::instrument(name = "invoke", level = "debug", skip_all,
        fields(request_id = %call.request_id, function = %call.version.arn))]
    async fn run(&self, call: Call) -> Result<Invoked, InvokeError> {
        // Until the answer is there, whatever way it comes.
        let _slot = &call.slot;
        let executed_version = call.version.version.to_string();
        let request_id = call.request_id.clone();
        let mut tried = 1;
        loop {
            let spec = self.recipes.get(&call.version, &self.pool).await?;
            let again = tried < SANDBOXES_TRIED;
            tried += 1;
            let lease = match self.pool.acquire(&spec).await {
                Ok(lease) => lease,
                Err(AcquireError::InitFailed(failure)) => {
                    let outcome = failure.conclude(&request_id);
                    let outcome = Outcome { tail: outcome.tail.filter(|_| call.tail), ..outcome };
                    return Ok(Invoked { request_id, executed_version, outcome });
                }
                Err(AcquireError::Stopped) if again => continue,
                Err(AcquireError::Launch(LaunchError::Engine(EngineError::NoSuchImage(_)))) if again => {
                    // Rebuilt or removed since the recipe was made: look again, which also tells what to do.
                    self.recipes.forget(&call.version, &self.pool);
                    continue;
                }
                Err(error) => return Err(InvokeError::Acquire(error)),
            };
            let ran = lease
                .run(|reply| Job {
                    request_id: request_id.clone(),
                    function_arn: Arc::clone(&call.function_arn),
                    payload: call.payload.clone(),
                    client_context: call.client_context.clone().map(ClientContext::into_header),
                    trace_id: call.trace.to_string(),
                    tail: call.tail,
                    stream: call.stream.clone(),
                    reply,
                })
                .await;
            match ran {
                Ok(outcome) => return Ok(Invoked { request_id, executed_version, outcome }),
                Err(JobError::NotDelivered) if again => {}
                Err(error) => return Err(InvokeError::Job(error)),
            }
        }
    }
}

fn check_payload(payload: Bytes) -> Result<Bytes, InvokeError> {
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if payload.len() > PAYLOAD_LIMIT {
        return Err(InvokeError::PayloadTooLarge { size: payload.len() });
    }
    // Apart, since serde_json does not look into the strings of a value that it throws away.
    let text = std::str::from_utf8(&payload)
        .map_err(|error| InvokeError::PayloadNotJson(NotJson::new(&payload, &error)))?;
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| InvokeError::PayloadNotJson(NotJson::new(&payload, &error)))?;
    Ok(payload)
}
