//! EventInvokeConfigService.

use thaw_proto::v1::{
    self, DeleteEventInvokeConfigRequest, DeleteEventInvokeConfigResponse, GetEventInvokeConfigRequest,
    GetEventInvokeConfigResponse, ListEventInvokeConfigsRequest, ListEventInvokeConfigsResponse,
    PutEventInvokeConfigRequest, PutEventInvokeConfigResponse, UpdateEventInvokeConfigRequest,
    UpdateEventInvokeConfigResponse, event_invoke_config_service_server::EventInvokeConfigService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{page_size, parse_optional, parse_reference, timestamp},
};
use crate::functions::{
    Destination, EventInvokeConfig, EventInvokeSettings, FunctionArn, FunctionRegistry, InvalidField,
    Qualifier, Region, Unsaid,
};

#[derive(Debug)]
pub(super) struct EventInvokeConfigs {
    pub(super) registry: FunctionRegistry,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl EventInvokeConfigService for EventInvokeConfigs {
    async fn put_event_invoke_config(
        &self,
        request: Request<PutEventInvokeConfigRequest>,
    ) -> Result<Response<PutEventInvokeConfigResponse>, Status> {
        let PutEventInvokeConfigRequest { function_name, settings } = request.into_inner();
        let config = self.set(&function_name, settings.unwrap_or_default(), Unsaid::Reset).await?;
        Ok(Response::new(PutEventInvokeConfigResponse { config: Some(config) }))
    }

    async fn update_event_invoke_config(
        &self,
        request: Request<UpdateEventInvokeConfigRequest>,
    ) -> Result<Response<UpdateEventInvokeConfigResponse>, Status> {
        let UpdateEventInvokeConfigRequest { function_name, settings } = request.into_inner();
        let config = self.set(&function_name, settings.unwrap_or_default(), Unsaid::Kept).await?;
        Ok(Response::new(UpdateEventInvokeConfigResponse { config: Some(config) }))
    }

    async fn get_event_invoke_config(
        &self,
        request: Request<GetEventInvokeConfigRequest>,
    ) -> Result<Response<GetEventInvokeConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let (config, arn) = self.registry.event_invoke_config(&reference, None).map_err(Refusal::from)?;
        Ok(Response::new(GetEventInvokeConfigResponse { config: Some(wire(&config, &arn)) }))
    }

    async fn list_event_invoke_configs(
        &self,
        request: Request<ListEventInvokeConfigsRequest>,
    ) -> Result<Response<ListEventInvokeConfigsResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let after: Option<Qualifier> = parse_optional("page_token", &request.page_token)?;
        let limit = page_size(request.page_size)?;
        let page = self.registry.list_event_invoke_configs(&reference, after.as_ref(), limit);
        let page = page.map_err(Refusal::from)?;
        Ok(Response::new(ListEventInvokeConfigsResponse {
            configs: page.items.iter().map(|(config, arn)| wire(config, arn)).collect(),
            next_page_token: page.next.map(|qualifier| qualifier.to_string()).unwrap_or_default(),
        }))
    }

    async fn delete_event_invoke_config(
        &self,
        request: Request<DeleteEventInvokeConfigRequest>,
    ) -> Result<Response<DeleteEventInvokeConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        self.registry.delete_event_invoke_config(&reference, None).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteEventInvokeConfigResponse {}))
    }
}

impl EventInvokeConfigs {
    async fn set(
        &self,
        function_name: &str,
        settings: v1::EventInvokeSettings,
        unsaid: Unsaid,
    ) -> Result<v1::EventInvokeConfig, Status> {
        let reference = parse_reference(function_name, &self.region)?;
        let settings = EventInvokeSettings {
            maximum_retry_attempts: number(settings.maximum_retry_attempts)?,
            maximum_event_age: number(settings.maximum_event_age)?,
            on_success: destination("on_success", settings.on_success)?,
            on_failure: destination("on_failure", settings.on_failure)?,
        };
        let set = self.registry.set_event_invoke_config(&reference, None, settings, unsaid).await;
        let (config, arn) = set.map_err(Refusal::from)?;
        Ok(wire(&config, &arn))
    }
}

fn number<T: TryFrom<u32, Error = InvalidField>>(number: Option<u32>) -> Result<Option<T>, Status> {
    let number = number.map(T::try_from).transpose();
    number.map_err(|error| invalid(error.field, error.message))
}

fn destination(field: &'static str, text: Option<String>) -> Result<Option<Option<Destination>>, Status> {
    text.map(|text| parse_optional(field, &text)).transpose()
}

fn wire(config: &EventInvokeConfig, arn: &FunctionArn) -> v1::EventInvokeConfig {
    let EventInvokeConfig {
        maximum_retry_attempts,
        maximum_event_age,
        on_success,
        on_failure,
        last_modified,
    } = config;
    let settings = v1::EventInvokeSettings {
        maximum_retry_attempts: maximum_retry_attempts.map(Into::into),
        maximum_event_age: maximum_event_age.map(Into::into),
        on_success: on_success.as_ref().map(ToString::to_string),
        on_failure: on_failure.as_ref().map(ToString::to_string),
    };
    v1::EventInvokeConfig {
        function_arn: arn.to_string(),
        settings: Some(settings),
        last_modified: Some(timestamp(*last_modified)),
    }
}
