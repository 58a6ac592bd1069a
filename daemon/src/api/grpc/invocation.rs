//! InvocationService.

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use thaw_proto::v1::{
    InvocationEnded, InvocationStarted, InvocationType, InvokeRequest, InvokeResponse, InvokeStreamResponse,
    LogType, invocation_service_server::InvocationService, invoke_stream_response::Part,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{duration, parse_optional, parse_reference},
};
use crate::{
    functions::Region,
    invoke::{ClientContext, Invocation, Invoked, Invoker, Streamed, StreamingCall},
    runtime_api::RequestId,
    sandbox::Outcome,
};

/// What Lambda answers in `FunctionError` for every error today; `Handled` is what it answered for a while in 2015 for
/// errors that the function itself reported, and clients still look for either.
const UNHANDLED: &str = "Unhandled";

/// The most bytes of one message of a streamed answer: what a function sends comes in pieces of 16 KB, so only an answer that
/// was whole is cut.
const PIECE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Invocations {
    pub(super) invoker: Invoker,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl InvocationService for Invocations {
    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let (invocation_type, invocation) = self.read(request.into_inner())?;
        match invocation_type {
            InvocationType::Unspecified | InvocationType::RequestResponse => {}
            InvocationType::DryRun => {
                let executed_version = self.invoker.dry_run(invocation).await.map_err(Refusal::from)?;
                let answer = InvokeResponse { status_code: 204, executed_version, ..Default::default() };
                return Ok(Response::new(answer));
            }
            InvocationType::Event => {
                let id = self.invoker.enqueue(invocation).await.map_err(Refusal::from)?;
                let request_id = id.to_string();
                let answer = InvokeResponse { status_code: 202, request_id, ..Default::default() };
                return Ok(Response::new(answer));
            }
        }
        let invoked = self.invoker.invoke(invocation).await.map_err(Refusal::from)?;
        let (function_error, payload) = match invoked.outcome.result {
            Ok(payload) => (String::new(), payload),
            Err(error) => (UNHANDLED.to_owned(), error.payload),
        };
        Ok(Response::new(InvokeResponse {
            status_code: 200,
            function_error,
            payload,
            log_result: invoked.outcome.tail.unwrap_or_default(),
            executed_version: invoked.executed_version,
            request_id: invoked.request_id.to_string(),
            init_duration: invoked.outcome.init.map(duration),
        }))
    }

    type InvokeStreamStream = BoxStream<'static, Result<InvokeStreamResponse, Status>>;

    async fn invoke_stream(
        &self,
        request: Request<InvokeRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        let (invocation_type, invocation) = self.read(request.into_inner())?;
        if !matches!(invocation_type, InvocationType::Unspecified | InvocationType::RequestResponse) {
            return Err(invalid("invocation_type", "must be REQUEST_RESPONSE where the answer is streamed"));
        }
        let parts = match self.invoker.invoke_streaming(invocation).await.map_err(Refusal::from)? {
            Streamed::Whole(Invoked { request_id, executed_version, mut outcome }) => {
                let whole = outcome.result.as_mut().map_or_else(|_| Bytes::new(), std::mem::take);
                let mut parts = vec![started(&request_id, executed_version, None)];
                parts.extend(pieces(whole));
                parts.push(ended(outcome));
                stream::iter(parts.into_iter().map(Ok)).boxed()
            }
            Streamed::Begun(call) => {
                let content_type = call.content_type.clone();
                let first = started(&call.request_id, call.executed_version.clone(), content_type);
                stream::once(async { Ok(first) }).chain(rest(call)).boxed()
            }
        };
        Ok(Response::new(parts))
    }
}

impl Invocations {
    fn read(&self, request: InvokeRequest) -> Result<(InvocationType, Invocation), Status> {
        let Ok(invocation_type) = InvocationType::try_from(request.invocation_type) else {
            return Err(invalid("invocation_type", "must be REQUEST_RESPONSE, EVENT or DRY_RUN"));
        };
        let tail = match LogType::try_from(request.log_type) {
            Ok(LogType::Unspecified | LogType::None) => false,
            Ok(LogType::Tail) => true,
            Err(_) => return Err(invalid("log_type", "must be NONE or TAIL")),
        };
        let client_context = match request.client_context.as_str() {
            "" => None,
            text => Some(
                ClientContext::parse(text).map_err(|error| invalid("client_context", error.to_string()))?,
            ),
        };
        let invocation = Invocation {
            function: parse_reference(&request.function_name, &self.region)?,
            qualifier: parse_optional("qualifier", &request.qualifier)?,
            payload: request.payload,
            client_context,
            tail,
            trace: None,
        };
        Ok((invocation_type, invocation))
    }
}

/// What comes after the beginning, up to the end.
fn rest(call: StreamingCall) -> impl Stream<Item = Result<InvokeStreamResponse, Status>> + Send {
    let parts = stream::unfold(Some(call), |call| async {
        let mut call = call?;
        match call.next().await {
            Some(piece) => Some((Ok(pieces(piece)), Some(call))),
            None => {
                let end = call.end().await.map_err(|error| Status::from(Refusal::from(error)));
                Some((end.map(|outcome| vec![ended(outcome)]), None))
            }
        }
    });
    parts.flat_map(|parts| match parts {
        Ok(parts) => stream::iter(parts.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(refused) => stream::iter(vec![Err(refused)]),
    })
}

fn started(
    request_id: &RequestId,
    executed_version: String,
    content_type: Option<String>,
) -> InvokeStreamResponse {
    let started = InvocationStarted {
        executed_version,
        request_id: request_id.to_string(),
        content_type: content_type.unwrap_or_default(),
    };
    InvokeStreamResponse { part: Some(Part::Started(started)) }
}

/// Bytes in messages of a legal size.
fn pieces(mut bytes: Bytes) -> Vec<InvokeStreamResponse> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        pieces.push(InvokeStreamResponse { part: Some(Part::Piece(piece)) });
    }
    pieces
}

fn ended(outcome: Outcome) -> InvokeStreamResponse {
    let (function_error, error) = match outcome.result {
        Ok(_) => (String::new(), Bytes::new()),
        Err(error) => (UNHANDLED.to_owned(), error.payload),
    };
    let ended = InvocationEnded {
        function_error,
        error,
        log_result: outcome.tail.unwrap_or_default(),
        init_duration: outcome.init.map(duration),
    };
    InvokeStreamResponse { part: Some(Part::Ended(ended)) }
}
