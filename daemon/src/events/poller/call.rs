//! One call of a mapping's function with a batch.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    record::Record,
    windows::{self, WINDOWED_RECORDS_LIMIT, Window},
};
use crate::{
    events::mapping::{Delivery, Mapping, MappingSettings},
    functions::FunctionError,
    invoke::{Invocation, InvokeError, Invoker, PAYLOAD_LIMIT, TraceHeader},
    runtime_api::RequestId,
    sandbox::AcquireError,
};

/// What is around the records in an event.
const AROUND: usize = 64;

/// The most bytes of a batch's records with the commas between them.
pub(super) const RECORDS_LIMIT: usize = PAYLOAD_LIMIT - AROUND;

/// The most bytes of a batch's records of a mapping with these settings.
pub(super) fn records_limit(settings: &MappingSettings) -> usize {
    match &settings.delivery {
        Delivery::Stream(stream) if stream.tumbling_window > 0 => WINDOWED_RECORDS_LIMIT,
        _ => RECORDS_LIMIT,
    }
}

/// What a function is called with.
#[derive(Clone, Debug)]
pub(super) struct Request {
    payload: Bytes,
    trace: Option<TraceHeader>,
}

impl Request {
    pub(super) fn of(records: &[Record]) -> Self {
        Self { payload: event(records).to_string().into(), trace: trace(records) }
    }

    /// Of records in a window; its last without any.
    pub(super) fn windowed(records: &[Record], window: &Window, mapping: &Mapping, shard: &str) -> Self {
        Self { payload: windows::event(records, window, mapping, shard).into(), trace: trace(records) }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Called {
    /// The function answered.
    Answered { answer: Bytes, told: Told },
    /// It failed, or may have.
    Failed(Told),
    /// It was not called, and may be later.
    NotNow(String),
}

/// How a call is told to others.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) request_id: String,
    pub(super) executed_version: Option<String>,
    /// `Unhandled`, if the function failed.
    pub(super) function_error: Option<&'static str>,
    pub(super) why: String,
}

/// The event that a function gets of records.
pub(super) fn event(records: &[Record]) -> Value {
    let events: Vec<&Value> = records.iter().map(|record| &record.event).collect();
    json!({ "Records": events })
}

/// Calls the function of a mapping.
pub(super) async fn call(invoker: &Invoker, mapping: &Mapping, request: Request) -> Called {
    let invocation = Invocation {
        function: mapping.function.clone().into(),
        qualifier: None,
        payload: request.payload,
        client_context: None,
        tail: false,
        trace: request.trace,
    };
    match invoker.invoke(invocation).await {
        Ok(invoked) => {
            let mut told = Told {
                request_id: invoked.request_id.to_string(),
                executed_version: Some(invoked.executed_version),
                function_error: None,
                why: String::new(),
            };
            match invoked.outcome.result {
                Ok(answer) => Called::Answered { answer, told },
                Err(error) => {
                    told.function_error = Some("Unhandled");
                    told.why = error.error_type;
                    Called::Failed(told)
                }
            }
        }
        Err(error) if is_for_later(&error) => Called::NotNow(error.to_string()),
        Err(error) => Called::Failed(Told {
            request_id: RequestId::random().to_string(),
            executed_version: None,
            function_error: None,
            why: error.to_string(),
        }),
    }
}

/// Whether a record belongs to a chain of invocations that is a loop of the mapping's function.
pub(super) fn is_loop(invoker: &Invoker, mapping: &Mapping, record: &Record) -> bool {
    record.trace().is_some_and(|trace| invoker.is_loop(&trace, &mapping.function))
}

/// The chain of invocations that records belong to, as far as those who sent them say.
fn trace(records: &[Record]) -> Option<TraceHeader> {
    let mut chains = records.iter().filter_map(Record::trace);
    let first = chains.next()?;
    Some(chains.fold(first, |all, chain| all.together(&chain)))
}

/// Whether the function has not run and may run when it is called again later: these tries do not count.
fn is_for_later(error: &InvokeError) -> bool {
    match error {
        InvokeError::Function(FunctionError::InvalidField(_)) => false,
        InvokeError::Function(_)
        | InvokeError::Throttled(_)
        | InvokeError::Runtime(_)
        | InvokeError::EventTooLarge { .. }
        | InvokeError::Queue(_)
        | InvokeError::Acquire(
            AcquireError::Draining
            | AcquireError::TooManyRequests { .. }
            | AcquireError::Launch(_)
            | AcquireError::Stopped,
        ) => true,
        _ => false,
    }
}
