//! LogService.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt};
use thaw_proto::v1::{
    DeleteLogGroupRequest, DeleteLogGroupResponse, FollowLogsRequest, FollowLogsResponse,
    ListLogGroupsRequest, ListLogGroupsResponse, LogEvent, LogGroup, ReadLogsRequest, ReadLogsResponse,
    SetLogRetentionRequest, SetLogRetentionResponse, log_service_server::LogService,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{millis, parse_reference, timestamp_ms},
};
use crate::{
    functions::{FunctionRegistry, Region},
    logs::{self, Filter, GroupChoice, GroupKey, LogStore, Pattern, RetentionDays, Streams},
};

/// Lines of one answer, unless the caller wants fewer or more.
const PAGE: u32 = 1000;

/// The most lines of one answer. With lines of 256 KiB that is still more than a message may hold, so the store bounds
/// a page's bytes too.
const LARGEST_PAGE: u32 = 10_000;

/// Groups of one answer, unless the caller wants fewer or more.
const GROUPS: u32 = 50;

/// The most groups of one answer.
const MOST_GROUPS: u32 = 1000;

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
            streams: some(request.log_stream_name).map_or(Streams::All, |name| Streams::Named(vec![name])),
            request_id: some(request.request_id),
            pattern: pattern(&request.filter_pattern)?,
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
        let filter = Filter {
            start_ms: request.start_time.map(|moment| millis("start_time", moment)).transpose()?,
            pattern: pattern(&request.filter_pattern)?,
            ..Filter::default()
        };
        let items = self.logs.follow(&group, filter);
        let lines = items.map(|item| {
            let item = item.map_err(Refusal::from)?;
            Ok(FollowLogsResponse {
                events: item.events.into_iter().map(event).collect(),
                skipped: item.skipped,
            })
        });
        Ok(Response::new(Box::pin(lines.take_until(self.stop.clone().cancelled_owned()))))
    }

    async fn list_log_groups(
        &self,
        request: Request<ListLogGroupsRequest>,
    ) -> Result<Response<ListLogGroupsResponse>, Status> {
        let request = request.into_inner();
        let limit = match request.page_size {
            0 => GROUPS,
            size if size <= MOST_GROUPS => size,
            _ => return Err(invalid("page_size", format!("must be at most {MOST_GROUPS}"))),
        };
        let choice = GroupChoice { prefix: request.log_group_name_prefix, ..GroupChoice::default() };
        let (account, token) = (self.registry.account().to_string(), some(request.page_token));
        let page =
            self.logs.groups(&account, &choice, limit as usize, token.as_deref()).map_err(Refusal::from)?;
        Ok(Response::new(ListLogGroupsResponse {
            log_groups: page.groups.into_iter().map(log_group).collect(),
            next_page_token: page.next_page_token.unwrap_or_default(),
        }))
    }

    async fn set_log_retention(
        &self,
        request: Request<SetLogRetentionRequest>,
    ) -> Result<Response<SetLogRetentionResponse>, Status> {
        let request = request.into_inner();
        let group = self.group_named(&request.log_group_name)?;
        let retention = match request.retention_days {
            0 => None,
            days => Some(
                RetentionDays::try_from(i64::from(days))
                    .map_err(|error| invalid("retention_days", error.to_string()))?,
            ),
        };
        self.logs.set_retention(&group, retention).await.map_err(Refusal::from)?;
        Ok(Response::new(SetLogRetentionResponse {}))
    }

    async fn delete_log_group(
        &self,
        request: Request<DeleteLogGroupRequest>,
    ) -> Result<Response<DeleteLogGroupResponse>, Status> {
        let group = self.group_named(&request.into_inner().log_group_name)?;
        self.logs.delete_group(&group).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteLogGroupResponse {}))
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

    fn group_named(&self, name: &str) -> Result<GroupKey, Status> {
        GroupKey::new(&self.registry.account().to_string(), name)
            .map_err(|error| invalid("log_group_name", error.to_string()))
    }
}

fn pattern(text: &str) -> Result<Option<Arc<Pattern>>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let pattern = Pattern::parse(text).map_err(|error| invalid("filter_pattern", error.to_string()))?;
    Ok(Some(Arc::new(pattern)))
}

fn log_group(info: logs::GroupInfo) -> LogGroup {
    LogGroup {
        log_group_name: info.key.group().to_owned(),
        created_at: Some(timestamp_ms(info.created_ms)),
        retention_days: info.retention.map_or(0, |retention| u32::from(retention.days())),
        stored_bytes: info.stored_bytes,
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
