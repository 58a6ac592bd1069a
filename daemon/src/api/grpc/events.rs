//! EventService.

use prost_types::Timestamp;
use thaw_proto::v1::{
    self, EventState, GetEventRequest, GetEventResponse, ListEventsRequest, ListEventsResponse,
    PurgeEventsRequest, PurgeEventsResponse, RetryEventsRequest, RetryEventsResponse,
    event_service_server::EventService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::parse_reference,
};
use crate::{
    functions::{FunctionName, Region},
    identity::AccountId,
    invoke::{
        EventQueue,
        queue::{self, Condition, Event, EventFilter, LastError, Listed},
    },
};

/// Events in a page where nothing is said.
const PAGE: u32 = 50;

/// The most events in a page.
const LONGEST_PAGE: u32 = 1_000;

#[derive(Debug)]
pub(super) struct Events {
    pub(super) queue: EventQueue,
    pub(super) account: AccountId,
    pub(super) region: Region,
}

impl Events {
    fn function(&self, text: &str) -> Result<Option<FunctionName>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(parse_reference(text, &self.region)?.name().clone()))
    }

    fn filter(&self, function: &str, state: Option<queue::EventState>) -> Result<EventFilter, Status> {
        Ok(EventFilter { account: self.account, function: self.function(function)?, state })
    }

    /// What a change is of: nothing said is dead events, since those that wait look after themselves.
    fn meant(&self, function: &str, wanted: i32) -> Result<EventFilter, Status> {
        self.filter(function, Some(state(wanted)?.unwrap_or(queue::EventState::Dead)))
    }
}

#[tonic::async_trait]
impl EventService for Events {
    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let request = request.into_inner();
        let filter = self.filter(&request.function_name, state(request.state)?)?;
        let limit = match request.page_size {
            0 => PAGE,
            size if size <= LONGEST_PAGE => size,
            _ => return Err(invalid("page_size", format!("must be {LONGEST_PAGE} at most"))),
        };
        let after = (!request.page_token.is_empty()).then_some(request.page_token);
        let page = self.queue.list(filter, after, limit as usize).await.map_err(Refusal::from)?;
        let (used_bytes, max_bytes) = self.queue.bytes();
        Ok(Response::new(ListEventsResponse {
            events: page.events.iter().map(event).collect(),
            next_page_token: page.next.unwrap_or_default(),
            used_bytes,
            max_bytes,
        }))
    }

    async fn get_event(
        &self,
        request: Request<GetEventRequest>,
    ) -> Result<Response<GetEventResponse>, Status> {
        let id = request.into_inner().id;
        let (found, payload) = self.queue.show(self.account, &id).await.map_err(Refusal::from)?;
        Ok(Response::new(GetEventResponse { event: Some(event(&found)), payload }))
    }

    async fn retry_events(
        &self,
        request: Request<RetryEventsRequest>,
    ) -> Result<Response<RetryEventsResponse>, Status> {
        let request = request.into_inner();
        let retried = if request.id.is_empty() {
            let filter = self.meant(&request.function_name, request.state)?;
            self.queue.retry_all(filter).await.map_err(Refusal::from)?
        } else {
            self.queue.retry(self.account, &request.id).await.map_err(Refusal::from)?;
            1
        };
        Ok(Response::new(RetryEventsResponse { retried }))
    }

    async fn purge_events(
        &self,
        request: Request<PurgeEventsRequest>,
    ) -> Result<Response<PurgeEventsResponse>, Status> {
        let request = request.into_inner();
        let purged = if request.id.is_empty() {
            let filter = self.meant(&request.function_name, request.state)?;
            self.queue.purge_all(filter).await.map_err(Refusal::from)?
        } else {
            self.queue.purge(self.account, &request.id).await.map_err(Refusal::from)?;
            1
        };
        Ok(Response::new(PurgeEventsResponse { purged }))
    }
}

fn state(wanted: i32) -> Result<Option<queue::EventState>, Status> {
    match EventState::try_from(wanted) {
        Ok(EventState::Unspecified) => Ok(None),
        Ok(EventState::Waiting) => Ok(Some(queue::EventState::Waiting)),
        Ok(EventState::Delivering) => Ok(Some(queue::EventState::Delivering)),
        Ok(EventState::Dead) => Ok(Some(queue::EventState::Dead)),
        Err(_) => Err(invalid("state", "must be WAITING, DELIVERING or DEAD")),
    }
}

fn event(listed: &Listed) -> v1::Event {
    let base = |error: Option<&LastError>| v1::Event {
        id: listed.event.id().to_owned(),
        due: Some(timestamp(listed.due)),
        running: listed.running,
        error_type: error.map(|error| error.error_type.clone()).unwrap_or_default(),
        error_message: error.map(|error| error.message.clone()).unwrap_or_default(),
        payload_bytes: listed.event.payload_bytes(),
        ..v1::Event::default()
    };
    match &listed.event {
        Event::Waiting(event) => v1::Event {
            state: EventState::Waiting.into(),
            function_arn: event.function.to_string(),
            accepted_at: Some(timestamp(event.accepted_at)),
            failures: event.failures,
            ..base(event.last_error.as_ref())
        },
        Event::Delivering(delivery) => v1::Event {
            state: EventState::Delivering.into(),
            function_arn: delivery.function.to_string(),
            accepted_at: Some(timestamp(delivery.made_at)),
            failures: delivery.failures,
            destination: delivery.target.to_string(),
            ..base(delivery.last_error.as_ref())
        },
        Event::Dead(dead) => v1::Event {
            state: EventState::Dead.into(),
            function_arn: dead.event.function.to_string(),
            accepted_at: Some(timestamp(dead.event.accepted_at)),
            failures: dead.event.failures,
            condition: dead.condition.as_str().to_owned(),
            ..base(dead.event.last_error.as_ref())
        },
        Event::DeadResult(dead) => v1::Event {
            state: EventState::Dead.into(),
            function_arn: dead.delivery.function.to_string(),
            accepted_at: Some(timestamp(dead.delivery.made_at)),
            failures: dead.delivery.failures,
            // A result is given up for no other reason.
            condition: Condition::EventAgeExceeded.as_str().to_owned(),
            destination: dead.delivery.target.to_string(),
            ..base(dead.delivery.last_error.as_ref())
        },
    }
}

/// A time of the queue's clock.
fn timestamp(millis: i64) -> Timestamp {
    // Below a thousand million.
    let nanos = i32::try_from(millis.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: millis.div_euclid(1_000), nanos }
}
