//! InvocationService.

use thaw_proto::v1::{
    InvocationType, InvokeRequest, InvokeResponse, LogType, invocation_service_server::InvocationService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{duration, parse_optional, parse_reference},
};
use crate::{
    functions::Region,
    invoke::{ClientContext, Invocation, Invoker},
};

/// What Lambda answers in `FunctionError` for every error today; `Handled` is what it answered for a while in 2015 for
/// errors that the function itself reported, and clients still look for either.
const UNHANDLED: &str = "Unhandled";

#[derive(Debug)]
pub(super) struct Invocations {
    pub(super) invoker: Invoker,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl InvocationService for Invocations {
    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let request = request.into_inner();
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
}
