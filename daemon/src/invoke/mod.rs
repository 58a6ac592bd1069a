//! Invocations: from a name and a payload to the function's answer.
//!
//! Called by the front doors in `api`. Finds the version that a name means, turns it into a recipe for sandboxes
//! ([`recipes`]), gets a sandbox from the pool and runs the call in it ([`synchronous`]); hands its response over in pieces
//! where the caller wants that ([`streaming`]). What is provisioned is kept by [`provisioned`].

mod asynchronous;
mod client_context;
mod destinations;
mod environment;
mod not_json;
mod provisioned;
pub mod queue;
mod recipes;
mod streaming;
mod synchronous;
mod trace;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use client_context::ClientContext;
pub use destinations::{Delivery, Destinations, Origin, Purpose};
pub use not_json::NotJson;
pub use provisioned::{ProvisionedState, ProvisionedStatus};
pub use queue::{EventQueue, NewResult, QueueSettings};
pub use recipes::Recipes;
pub use streaming::{Streamed, StreamingCall};
pub use trace::TraceHeader;

use crate::{
    functions::{self, ErrorKind, FunctionReference, FunctionRegistry, Qualifier, Throttled},
    logs::GroupKeyError,
    runtime_api::RequestId,
    runtimes::RuntimeError,
    sandbox::{AcquireError, JobError, Outcome, Pool},
};

/// The most bytes of a synchronous invocation's payload: 6 MB. Source: Lambda quotas.
pub const PAYLOAD_LIMIT: usize = 6_291_456;

/// The most bytes of an asynchronous invocation's payload: 1 MB. Source: Lambda quotas.
pub const EVENT_LIMIT: usize = 1_048_576;

/// How long changes are gathered before it is looked what is to stand ready: a deployment makes many at once.
const SETTLE: Duration = Duration::from_millis(100);

/// What a caller asks for.
#[derive(Debug)]
pub struct Invocation {
    /// Whom to call.
    pub function: FunctionReference,
    /// Which version, if the reference does not say.
    pub qualifier: Option<Qualifier>,
    /// JSON; empty stands for `{}`.
    pub payload: Bytes,
    /// JSON for `context.client_context`.
    pub client_context: Option<ClientContext>,
    /// Whether the end of the log is wanted.
    pub tail: bool,
    /// The chain of invocations that it belongs to, if its caller says.
    pub trace: Option<TraceHeader>,
}

/// What a caller gets.
#[derive(Debug)]
pub struct Invoked {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The version that ran.
    pub executed_version: String,
    /// What it answered.
    pub outcome: Outcome,
}

/// Why a call was not made. A function that failed is an [`Outcome`], not one of these.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The name means nothing, or nothing that can run.
    #[error(transparent)]
    Function(#[from] functions::FunctionError),
    /// As many calls run as may: of the function, or of its account.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The function was called as often as it may in one chain of invocations. Source of the words: Lambda's model.
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and \
         stopped your function's invocation."
    )]
    Recursive,
    /// The runtime's image is not there.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The payload is over its limit.
    #[error("the payload is {size} bytes long, and a synchronous invocation takes at most {PAYLOAD_LIMIT}")]
    PayloadTooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The payload is over the limit of asynchronous invocations.
    #[error("the payload is {size} bytes long, and an asynchronous invocation takes at most {EVENT_LIMIT}")]
    EventTooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The payload is no JSON.
    #[error("Could not parse request body into json: {0}")]
    PayloadNotJson(#[source] NotJson),
    /// The event can't be accepted.
    #[error(transparent)]
    Queue(#[from] queue::QueueError),
    /// No sandbox was to be had.
    #[error(transparent)]
    Acquire(AcquireError),
    /// The sandbox was lost, perhaps after the function began.
    #[error(transparent)]
    Job(JobError),
    /// The function's log group can't be named.
    #[error(transparent)]
    LogGroup(#[from] GroupKeyError),
    /// A defect.
    #[error("the invocation's task ended without an answer")]
    Broken,
}

impl InvokeError {
    /// Whether the same call may go well later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Function(error) => matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal),
            Self::PayloadTooLarge { .. }
            | Self::EventTooLarge { .. }
            | Self::PayloadNotJson(_)
            | Self::LogGroup(_) => false,
            _ => true,
        }
    }
}

/// Makes calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Invoker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: FunctionRegistry,
    recipes: Recipes,
    pool: Pool,
    calls: TaskTracker,
    queue: EventQueue,
    destinations: Destinations,
    provisioned: provisioned::Kept,
}

impl Invoker {
    /// Calls functions of `registry` in sandboxes of `pool`.
    #[must_use]
    pub fn new(
        registry: FunctionRegistry,
        recipes: Recipes,
        pool: Pool,
        queue: EventQueue,
        destinations: Destinations,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                registry,
                recipes,
                pool,
                calls: TaskTracker::new(),
                queue,
                destinations,
                provisioned: Default::default(),
            }),
        }
    }

    /// Follows what functions and images there are, until `stop`: retires sandboxes of functions that change, and tells the
    /// pool what is to stand ready.
    pub async fn follow_changes(self, stop: CancellationToken) {
        let Inner { registry, recipes, pool, .. } = &*self.inner;
        let mut changes = registry.subscribe();
        let mut stock_at = Some(Instant::now());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => {
                    match change {
                        Ok(change) => recipes.retire(&change, pool),
                        // Too many at once: look at every function that has sandboxes.
                        Err(RecvError::Lagged(_)) => recipes.retire_changed(pool),
                        Err(RecvError::Closed) => return,
                    }
                    stock_at.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = recipes.images_changed() => {
                    stock_at.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = until(stock_at) => {
                    stock_at = None;
                    pool.keep_ready(&recipes.bases_in_use().await);
                }
            }
        }
    }

    /// Waits for the last call. Call after the pool was drained.
    pub async fn close(&self) {
        self.inner.calls.close();
        self.inner.calls.wait().await;
    }
}

/// Waits until a time; for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
