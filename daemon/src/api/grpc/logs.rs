//! LogService.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use thaw_proto::v1::{
    FollowLogsRequest, FollowLogsResponse, LogEvent, ReadLogsRequest, ReadLogsResponse,
    log_service_server::LogService,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{millis, parse_reference, timestamp_ms},
};
use crate::{
    functions::{FunctionRegistry, Region},
    logs::{self, Filter, GroupKey, LogStore},
};

/// Lines of one answer, unless the caller wants fewer or more.
const PAGE: u32 = 1000;

/// The most lines of one answer. With lines of 256 KiB that is still more than a message may hold, so the store bounds
/// a page's bytes too.
const LARGEST_PAGE: u32 = 10_000;

#[derive(Debug)]
pub(super) struct Logs {
    pub(super) logs: LogStore,
    pub(super) registry: FunctionRegistry,
    pub(super) region: Region,
    /// Ends the streams when the daemon ends.
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl LogService for Logs {
    async fn read_logs(
        &self,
        request: Request<ReadLogsRequest>,
    ) -> Result<Response<ReadLogsResponse>, Status> {
        let request = request.into_inner();
        let group = self.group(&request.function_name)?;
        let limit = match request.page_size {
            0 => PAGE,
            size if size <= LARGEST_PAGE => size,
            _ => return Err(invalid("page_size", format!("must be at most {LARGEST_PAGE}"))),
        };
        let filter = Filter {
            start_ms: request.start_time.map(|moment| millis("start_time", moment)).transpose()?,
            end_ms: request.end_time.map(|moment| millis("end_time", moment)).transpose()?,
            stream: some(request.log_stream_name),
            request_id: some(request.request_id),
        };
        let page = self
            .logs
            .read(&group, filter, limit as usize, some(request.page_token).as_deref())
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(ReadLogsResponse {
            events: page.events.into_iter().map(event).collect(),
            next_page_token: page.next_page_token.unwrap_or_default(),
        }))
    }

    type FollowLogsStream = Pin<Box<dyn Stream<Item = Result<FollowLogsResponse, Status>> + Send>>;

    async fn follow_logs(
        &self,
        request: Request<FollowLogsRequest>,
    ) -> Result<Response<Self::FollowLogsStream>, Status> {
        let request = request.into_inner();
        let group = self.group(&request.function_name)?;
        let start = request.start_time.map(|moment| millis("start_time", moment)).transpose()?;
        let items = self.logs.follow(&group, start);
        let lines = items.map(|item| {
            let item = item.map_err(Refusal::from)?;
            Ok(FollowLogsResponse {
                events: item.events.into_iter().map(event).collect(),
                skipped: item.skipped,
            })
        });
        Ok(Response::new(Box::pin(lines.take_until(self.stop.clone().cancelled_owned()))))
    }
}

impl Logs {
    /// The group that the function logs to. Logs outlive their function: without one, its own group is meant.
    fn group(&self, function_name: &str) -> Result<GroupKey, Status> {
        let reference = parse_reference(function_name, &self.region)?;
        let account = reference.account_or(self.registry.account()).to_string();
        let group = match self.registry.resolve(&reference, None) {
            Ok(version) => GroupKey::new(&account, &version.logging.group_of(version.name())),
            Err(_) => GroupKey::of_function(&account, reference.name().as_str()),
        };
        group.map_err(|error| invalid("function_name", error.to_string()))
    }
}

fn event(stored: logs::StoredEvent) -> LogEvent {
    LogEvent {
        timestamp: Some(timestamp_ms(stored.timestamp_ms)),
        log_stream_name: stored.stream,
        request_id: stored.request_id.unwrap_or_default(),
        message: stored.message,
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
