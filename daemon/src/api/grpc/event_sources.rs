//! EventSourceService.

use thaw_proto::v1::{
    self, CreateEventSourceRequest, CreateEventSourceResponse, DeleteEventSourceRequest,
    DeleteEventSourceResponse, EventSourceSettings, GetEventSourceRequest, GetEventSourceResponse,
    ListEventSourcesRequest, ListEventSourcesResponse, UpdateEventSourceRequest, UpdateEventSourceResponse,
    event_source_service_server::EventSourceService,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::{
    attributes::tags,
    error::{Refusal, invalid, not_found},
    wire::{page_size, parse, parse_optional, timestamp},
};
use crate::{
    events::mapping::{
        CreateMapping, Delivery, FilterCriteria, Mapping, MappingChange, MappingId, MappingRegistry,
        SourceArn, StartingPosition,
    },
    functions::{Destination, FunctionReference},
    identity::AccountId,
};

/// Mappings of a page where no size is said.
const PAGE: usize = 50;

#[derive(Debug)]
pub(super) struct EventSources {
    pub(super) mappings: MappingRegistry,
    pub(super) account: AccountId,
}

#[tonic::async_trait]
impl EventSourceService for EventSources {
    async fn create_event_source(
        &self,
        request: Request<CreateEventSourceRequest>,
    ) -> Result<Response<CreateEventSourceResponse>, Status> {
        let request = request.into_inner();
        let source: SourceArn = parse("event_source_arn", &request.event_source_arn)?;
        let moment = request.starting_position_timestamp.map(moment).transpose()?;
        let starting_position = (!request.starting_position.is_empty())
            .then(|| StartingPosition::parse(&request.starting_position, moment))
            .transpose()
            .map_err(|error| invalid(error.field, error.message))?;
        let mut change = change(request.settings.unwrap_or_default())?;
        change.function = Some(parse("function_name", &request.function_name)?);
        let tags = tags(request.tags)?;
        let create = CreateMapping { source, starting_position, tags, change };
        let mapping = self.mappings.create(self.account, create).await.map_err(Refusal::from)?;
        Ok(Response::new(CreateEventSourceResponse { event_source: Some(wire(&mapping)) }))
    }

    async fn update_event_source(
        &self,
        request: Request<UpdateEventSourceRequest>,
    ) -> Result<Response<UpdateEventSourceResponse>, Status> {
        let request = request.into_inner();
        let mut change = change(request.settings.unwrap_or_default())?;
        change.function = parse_optional::<FunctionReference>("function_name", &request.function_name)?;
        let mapping =
            self.mappings.update(self.account, id(&request.uuid)?, change).await.map_err(Refusal::from)?;
        Ok(Response::new(UpdateEventSourceResponse { event_source: Some(wire(&mapping)) }))
    }

    async fn get_event_source(
        &self,
        request: Request<GetEventSourceRequest>,
    ) -> Result<Response<GetEventSourceResponse>, Status> {
        let id = id(&request.into_inner().uuid)?;
        let mapping = self.mappings.get(self.account, id).map_err(Refusal::from)?;
        Ok(Response::new(GetEventSourceResponse { event_source: Some(wire(&mapping)) }))
    }

    async fn list_event_sources(
        &self,
        request: Request<ListEventSourcesRequest>,
    ) -> Result<Response<ListEventSourcesResponse>, Status> {
        let request = request.into_inner();
        let source: Option<SourceArn> = parse_optional("event_source_arn", &request.event_source_arn)?;
        let function: Option<FunctionReference> = parse_optional("function_name", &request.function_name)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| invalid("page_token", "is not of a page before"))?),
        };
        let limit = match page_size(request.page_size)? {
            0 => PAGE,
            limit => limit,
        };
        let page = self.mappings.list(self.account, source.as_ref(), function.as_ref(), after, limit);
        Ok(Response::new(ListEventSourcesResponse {
            event_sources: page.mappings.iter().map(|mapping| wire(mapping)).collect(),
            next_page_token: page.next.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    async fn delete_event_source(
        &self,
        request: Request<DeleteEventSourceRequest>,
    ) -> Result<Response<DeleteEventSourceResponse>, Status> {
        let id = id(&request.into_inner().uuid)?;
        let mapping = self.mappings.delete(self.account, id).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteEventSourceResponse { event_source: Some(wire(&mapping)) }))
    }
}

fn id(text: &str) -> Result<MappingId, Status> {
    text.parse().map_err(|_| not_found(format!("there is no event source mapping with the UUID {text:?}")))
}

fn moment(moment: prost_types::Timestamp) -> Result<OffsetDateTime, Status> {
    const FIELD: &str = "starting_position_timestamp";
    let nanos = i128::from(super::wire::millis(FIELD, moment)?) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| invalid(FIELD, "is out of range"))
}

fn change(settings: EventSourceSettings) -> Result<MappingChange, Status> {
    if !settings.set_filters && !settings.filters.is_empty() {
        return Err(invalid("settings.set_filters", "must be set for filters to be taken"));
    }
    let filters = settings.set_filters.then_some(settings.filters).map(FilterCriteria::try_from).transpose();
    let on_failure = settings.on_failure.map(|text| match text.as_str() {
        "" => Ok(None),
        text => text.parse::<Destination>().map(Some),
    });
    Ok(MappingChange {
        function: None,
        enabled: settings.enabled,
        batch_size: settings.batch_size,
        batching_window: settings.maximum_batching_window,
        filters: filters.map_err(|error| invalid("settings.filters", error.message))?,
        report_batch_item_failures: settings.report_batch_item_failures,
        maximum_concurrency: settings.maximum_concurrency.map(|most| (most != 0).then_some(most)),
        parallelization_factor: settings.parallelization_factor,
        maximum_record_age: settings.maximum_record_age,
        maximum_retry_attempts: settings.maximum_retry_attempts,
        bisect_batch_on_function_error: settings.bisect_batch_on_function_error,
        tumbling_window: settings.tumbling_window,
        on_failure: on_failure.transpose().map_err(|error| invalid("settings.on_failure", error.message))?,
        kms_key: None,
        metrics: None,
    })
}

fn wire(mapping: &Mapping) -> v1::EventSource {
    let settings = &mapping.settings;
    let mut shown = EventSourceSettings {
        enabled: Some(mapping.enabled),
        batch_size: Some(settings.batch_size.into()),
        maximum_batching_window: Some(settings.batching_window.into()),
        filters: settings.filters.patterns().map(str::to_owned).collect(),
        set_filters: true,
        report_batch_item_failures: Some(settings.report_batch_item_failures),
        ..EventSourceSettings::default()
    };
    let mut position = None;
    match &settings.delivery {
        Delivery::Queue { maximum_concurrency } => {
            shown.maximum_concurrency = Some(maximum_concurrency.unwrap_or_default().into());
        }
        Delivery::Stream(stream) => {
            shown.parallelization_factor = Some(stream.parallelization_factor.into());
            shown.maximum_record_age = Some(stream.maximum_record_age.map_or(-1, i64::from));
            shown.maximum_retry_attempts = Some(stream.maximum_retry_attempts.map_or(-1, i64::from));
            shown.bisect_batch_on_function_error = Some(stream.bisect_batch_on_function_error);
            shown.tumbling_window = Some(stream.tumbling_window.into());
            shown.on_failure = Some(stream.on_failure.as_ref().map(ToString::to_string).unwrap_or_default());
            position = Some(stream.starting_position);
        }
    }
    v1::EventSource {
        uuid: mapping.id.to_string(),
        arn: mapping.arn(),
        event_source_arn: mapping.source.to_string(),
        function_arn: mapping.function.to_string(),
        settings: Some(shown),
        starting_position: position.map(|position| position.as_str().to_owned()).unwrap_or_default(),
        starting_position_timestamp: match position {
            Some(StartingPosition::AtTimestamp(moment)) => Some(timestamp(moment)),
            _ => None,
        },
        state: mapping.state.to_string(),
        last_processing_result: mapping.last_processing_result(),
        last_modified: Some(timestamp(mapping.last_modified)),
    }
}
