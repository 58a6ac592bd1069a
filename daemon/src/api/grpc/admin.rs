//! AdminService.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use thaw_proto::v1::{
    CollectGarbageRequest, CollectGarbageResponse, DrainRequest, DrainResponse, FrozenSandboxCost,
    GetStatusRequest, GetStatusResponse, KeepAlive, ListKeepAliveRequest, ListKeepAliveResponse,
    ListSandboxesRequest, ListSandboxesResponse, ResumeRequest, ResumeResponse, Sandbox, SandboxState,
    StopSandboxRequest, StopSandboxResponse, admin_service_server::AdminService,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid, not_found},
    wire::{duration, parse_reference, timestamp},
};
use crate::{
    functions::{FunctionRegistry, Region},
    logs::LogStore,
    process::{self, ProcessUse},
    sandbox::{Assignment, Forecast, FrozenCost, Member, Phase, Plan, Pool, SandboxInfo, SandboxSpec},
};

#[derive(Debug)]
pub(super) struct Admin {
    pub(super) pool: Pool,
    pub(super) registry: FunctionRegistry,
    pub(super) logs: LogStore,
    pub(super) region: Region,
    pub(super) data_dir: PathBuf,
    pub(super) started: OffsetDateTime,
    pub(super) drain_limit: Duration,
    pub(super) aws_address: Option<SocketAddr>,
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let host = self.pool.host();
        let (engine_version, engine_problem) = match host.engine.info().await {
            Ok(info) => (info.version, String::new()),
            Err(error) => (String::new(), error.to_string()),
        };
        let counts = self.pool.counts();
        let (memory_reserved, memory_budget) = self.pool.memory();
        let FrozenCost { sampled, sandbox, engine } = FrozenCost::of(&self.pool).await;
        let unreadable = |error: io::Error| Status::internal(format!("/proc or /sys can't be read: {error}"));
        let used = ProcessUse::now().map_err(unreadable)?;
        Ok(Response::new(GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Some(timestamp(self.started)),
            draining: self.pool.is_draining(),
            functions: self.registry.len() as u64,
            sandboxes_starting: counts.starting,
            sandboxes_ready: counts.ready,
            sandboxes_idle: counts.idle,
            sandboxes_busy: counts.busy,
            sandboxes_stopping: counts.stopping,
            memory_budget,
            memory_reserved,
            engine_version,
            engine_problem,
            cgroup_version: host.cgroups.version().number(),
            freezer: host.freezer.to_string(),
            data_dir: self.data_dir.display().to_string(),
            package_bytes: self.registry.package_bytes().await.map_err(Refusal::from)?,
            log_bytes: self.logs.bytes_on_disk(),
            frozen_sandbox_cost: Some(FrozenSandboxCost {
                sampled,
                sandbox_bytes: sandbox,
                engine_bytes: engine,
            }),
            open_files: used.open_files,
            open_files_limit: used.open_files_limit,
            threads: used.threads,
            loop_devices: process::loop_devices().map_err(unreadable)?,
            mounts: process::mounts().map_err(unreadable)?,
            aws_address: self.aws_address.map(|address| address.to_string()).unwrap_or_default(),
        }))
    }

    async fn list_sandboxes(
        &self,
        request: Request<ListSandboxesRequest>,
    ) -> Result<Response<ListSandboxesResponse>, Status> {
        let wanted = self.wanted(&request.into_inner().function_name)?;
        let sandboxes = self
            .pool
            .list()
            .into_iter()
            .filter(|info| wanted.as_ref().is_none_or(|name| is_of(&info.member, name)))
            .map(sandbox)
            .collect();
        Ok(Response::new(ListSandboxesResponse { sandboxes }))
    }

    async fn list_keep_alive(
        &self,
        request: Request<ListKeepAliveRequest>,
    ) -> Result<Response<ListKeepAliveResponse>, Status> {
        let wanted = self.wanted(&request.into_inner().function_name)?;
        let functions = self
            .pool
            .forecasts()
            .into_iter()
            .filter(|forecast| wanted.as_ref().is_none_or(|name| *forecast.spec.function_name == **name))
            .map(keep_alive)
            .collect();
        let policy = self.pool.host().settings.keep_alive.to_string();
        Ok(Response::new(ListKeepAliveResponse { policy, functions }))
    }

    async fn stop_sandbox(
        &self,
        request: Request<StopSandboxRequest>,
    ) -> Result<Response<StopSandboxResponse>, Status> {
        let StopSandboxRequest { id, after_call } = request.into_inner();
        if id.is_empty() {
            return Err(invalid("id", "name a sandbox, as `thaw admin sandboxes` shows them"));
        }
        let mut found = self.pool.list().into_iter().filter(|info| info.member.id.as_str().starts_with(&id));
        match (found.next(), found.next()) {
            (None, _) => {
                Err(not_found(format!("no sandbox's id begins with {id}; see `thaw admin sandboxes`")))
            }
            (Some(_), Some(_)) => Err(invalid("id", format!("more than one sandbox's id begins with {id}"))),
            (Some(info), None) => {
                self.pool.stop(&info.member, after_call).await;
                Ok(Response::new(StopSandboxResponse {}))
            }
        }
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        let limit = match request.into_inner().limit {
            None => self.drain_limit,
            Some(limit) => Duration::try_from(limit)
                .map_err(|_| invalid("limit", "must be a duration of zero or more"))?,
        };
        // A caller that hangs up does not end a drain half-way.
        let pool = self.pool.clone();
        let (aborted, removed) = tokio::spawn(async move { pool.drain(limit).await })
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(DrainResponse { aborted, removed }))
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        self.pool.resume();
        Ok(Response::new(ResumeResponse {}))
    }

    async fn collect_garbage(
        &self,
        request: Request<CollectGarbageRequest>,
    ) -> Result<Response<CollectGarbageResponse>, Status> {
        let dry_run = request.into_inner().dry_run;
        let packages = self.registry.collect_garbage(dry_run).await.map_err(Refusal::from)?;
        let logs = self.logs.collect_garbage(dry_run).await.map_err(Refusal::from)?;
        Ok(Response::new(CollectGarbageResponse {
            packages: count(packages.packages),
            log_segments: count(logs.segments),
            bytes: packages.bytes + logs.bytes,
        }))
    }
}

impl Admin {
    /// The function that a list is asked for, if it is one.
    fn wanted(&self, function: &str) -> Result<Option<String>, Status> {
        if function.is_empty() {
            return Ok(None);
        }
        let reference = parse_reference(function, &self.region)?;
        self.registry.resolve(&reference, None).map_err(Refusal::from)?;
        Ok(Some(reference.name().to_string()))
    }
}

/// A count as the wire has it; there are no four thousand million of anything here.
fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn is_of(member: &Member, function: &str) -> bool {
    member.assignment().is_some_and(|assignment| *assignment.spec.function_name == *function)
}

fn keep_alive(forecast: Forecast) -> KeepAlive {
    let Forecast { spec, plan: Plan { by_gaps, ahead, keep }, gaps, calls, cold_start } = forecast;
    KeepAlive {
        function_arn: arn(&spec),
        by_gaps,
        keep: Some(duration(keep)),
        made_ahead_after: ahead.map(duration),
        gaps,
        calls,
        cold_start: cold_start.map(duration),
    }
}

/// With the version.
fn arn(spec: &SandboxSpec) -> String {
    format!("{}:{}", spec.function_arn, spec.version)
}

fn sandbox(info: SandboxInfo) -> Sandbox {
    let SandboxInfo { member, phase, in_phase, memory_used } = info;
    let state = match phase {
        Phase::Preparing => SandboxState::Starting,
        Phase::Ready => SandboxState::Ready,
        // It has a function, but perhaps no runtime yet.
        Phase::Starting if member.container.get().is_none() => SandboxState::Starting,
        Phase::Starting => SandboxState::Initialising,
        Phase::Idle => SandboxState::Idle,
        Phase::Busy | Phase::Finishing => SandboxState::Busy,
        Phase::Stopping => SandboxState::Stopping,
    };
    let assignment = member.assignment();
    let function_arn = assignment.map(|Assignment { spec, .. }| arn(spec));
    Sandbox {
        id: member.id.to_string(),
        container_id: member.container.get().cloned().unwrap_or_default(),
        function_arn: function_arn.unwrap_or_default(),
        state: state.into(),
        memory_size: assignment.map_or(0, |assignment| assignment.spec.memory_mb),
        created: Some(timestamp(member.created)),
        in_state: Some(duration(in_phase)),
        invocations: member.invocations.load(std::sync::atomic::Ordering::Relaxed),
        log_stream_name: assignment.map(|assignment| assignment.log_stream.to_string()).unwrap_or_default(),
        memory_used,
        runtime: member.base.runtime.to_string(),
    }
}
