//! `thaw admin`.

mod keep_alive;

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use thaw_proto::v1::{
    CollectGarbageRequest, DrainRequest, GetAccountSettingsRequest, GetStatusRequest, ListKeepAliveRequest,
    ListSandboxesRequest, ResumeRequest, Sandbox, SandboxState, StopSandboxRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how the daemon and its host are.
    Status,
    /// Show every sandbox.
    Sandboxes {
        /// Only those of this function.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        function: String,
    },
    /// Show how long idle sandboxes stay, and what decided it.
    KeepAlive {
        /// Only that of this function.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        function: String,
    },
    /// Show the account's limits and what it uses of them.
    AccountSettings,
    /// Stop one sandbox.
    Stop {
        /// Its id, or enough of its beginning.
        id: String,
        /// Let a running call finish first.
        #[arg(long)]
        after_call: bool,
    },
    /// Take no new calls, let running ones finish, remove every sandbox.
    Drain {
        /// How long running calls may take: 30s, 5m. The daemon's own setting, if not given.
        #[arg(long, value_parser = humantime::parse_duration, value_name = "SPAN")]
        limit: Option<Duration>,
    },
    /// Take calls again after a drain.
    Resume,
    /// Remove packages that no function uses, and logs past their retention.
    Gc {
        /// Only tell what would be removed.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut admin = client.admin().await?;
    match command {
        Command::Status => {
            let status = admin.get_status(GetStatusRequest {}).await?.into_inner();
            show_status(&status, ui)
        }
        Command::Sandboxes { function } => {
            let request = ListSandboxesRequest { function_name: function };
            show_sandboxes(&admin.list_sandboxes(request).await?.into_inner().sandboxes, ui)
        }
        Command::KeepAlive { function } => {
            let request = ListKeepAliveRequest { function_name: function };
            keep_alive::show(&admin.list_keep_alive(request).await?.into_inner(), ui)
        }
        Command::AccountSettings => account_settings(client, ui).await,
        Command::Stop { id, after_call } => {
            admin.stop_sandbox(StopSandboxRequest { id: id.clone(), after_call }).await?;
            ui.done(&json!({ "Stopped": id }), &format!("stopped {id}"))
        }
        Command::Drain { limit } => {
            let limit = limit
                .map(prost_types::Duration::try_from)
                .transpose()
                .map_err(|_| Failure::Usage("--limit is too long".to_owned()))?;
            let drained = admin.drain(DrainRequest { limit }).await?.into_inner();
            ui.done(&json!({ "Aborted": drained.aborted, "Removed": drained.removed }),
                &format!(
                    "drained: {} sandboxes removed, {} calls cut off. Calls are refused until `thaw admin resume`",
                    drained.removed, drained.aborted
                ),
            )
        }
        Command::Resume => {
            admin.resume(ResumeRequest {}).await?;
            ui.done(&json!({ "Resumed": true }), "calls are taken again")
        }
        Command::Gc { dry_run } => {
            let collected = admin.collect_garbage(CollectGarbageRequest { dry_run }).await?.into_inner();
            let verb = if dry_run { "would remove" } else { "removed" };
            ui.done(&json!({
                    "Packages": collected.packages, "LogSegments": collected.log_segments, "Bytes": collected.bytes,
                    "DryRun": dry_run,
                }),
                &format!(
                    "{verb} {} packages and {} log segments: {}",
                    collected.packages,
                    collected.log_segments,
                    ui::bytes(collected.bytes)
                ),
            )
        }
    }
}

async fn account_settings(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let request = GetAccountSettingsRequest {};
    let settings = client.attributes().await?.get_account_settings(request).await?.into_inner();
    if ui.is_json() {
        return ui.json(&json!({
            "AccountLimit": {
                "ConcurrentExecutions": settings.concurrent_executions,
                "UnreservedConcurrentExecutions": settings.unreserved_concurrent_executions,
                "CodeSizeZipped": settings.code_size_zipped,
                "CodeSizeUnzipped": settings.code_size_unzipped,
            },
            "AccountUsage": {
                "FunctionCount": settings.function_count,
                "TotalCodeSize": settings.total_code_size,
            },
        }));
    }
    let (zipped, unzipped) = (settings.code_size_zipped, settings.code_size_unzipped);
    ui.list(&[
        ("calls at once", settings.concurrent_executions.to_string()),
        ("of these no function's own", settings.unreserved_concurrent_executions.to_string()),
        ("an archive", format!("{}, unpacked {}", ui::bytes(zipped), ui::bytes(unzipped))),
        ("functions", settings.function_count.to_string()),
        ("all archives", ui::bytes(settings.total_code_size)),
    ])
}

fn show_status(status: &thaw_proto::v1::GetStatusResponse, ui: &Ui) -> Result<(), Failure> {
    let engine = if status.engine_problem.is_empty() {
        format!("Docker {}", status.engine_version)
    } else {
        status.engine_problem.clone()
    };
    if ui.is_json() {
        return ui.json(&json!({
            "Version": status.version,
            "Started": ui::stamp(status.started),
            "Draining": status.draining,
            "Functions": status.functions,
            "Sandboxes": {
                "Starting": status.sandboxes_starting, "Ready": status.sandboxes_ready, "Idle": status.sandboxes_idle,
                "Busy": status.sandboxes_busy, "Stopping": status.sandboxes_stopping,
            },
            "MemoryBudget": status.memory_budget,
            "MemoryReserved": status.memory_reserved,
            "EngineVersion": status.engine_version,
            "EngineProblem": status.engine_problem,
            "CgroupVersion": status.cgroup_version,
            "Freezer": status.freezer,
            "DataDir": status.data_dir,
            "AwsAddress": status.aws_address,
            "PackageBytes": status.package_bytes,
            "LogBytes": status.log_bytes,
            "FrozenSandbox": status.frozen_sandbox_cost.map(|cost| json!({
                "Sampled": cost.sampled, "SandboxBytes": cost.sandbox_bytes, "EngineBytes": cost.engine_bytes,
            })),
            "OpenFiles": status.open_files,
            "OpenFilesLimit": status.open_files_limit,
            "Threads": status.threads,
            "LoopDevices": status.loop_devices,
            "Mounts": status.mounts,
        }));
    }
    ui.list(&[
        ("daemon", format!("thawd {}, up since {}", status.version, ui::stamp(status.started))),
        ("calls", if status.draining { "refused: draining (thaw admin resume)" } else { "taken" }.to_owned()),
        ("functions", status.functions.to_string()),
        (
            "sandboxes",
            format!(
                "{} ready, {} idle, {} busy, {} starting, {} stopping",
                status.sandboxes_ready,
                status.sandboxes_idle,
                status.sandboxes_busy,
                status.sandboxes_starting,
                status.sandboxes_stopping
            ),
        ),
        ("memory", format!("{} of {} MB reserved", status.memory_reserved, status.memory_budget)),
        ("each frozen", frozen_cost(status)),
        ("files", format!("{} of {} open", status.open_files, status.open_files_limit)),
        ("threads", status.threads.to_string()),
        ("machine", format!("{} loop devices, {} mounts", status.loop_devices, status.mounts)),
        ("engine", engine),
        ("freezer", format!("{} (cgroup version {})", status.freezer, status.cgroup_version)),
        ("packages", ui::bytes(status.package_bytes)),
        ("logs", ui::bytes(status.log_bytes)),
        ("state", status.data_dir.clone()),
        (
            "AWS API",
            if status.aws_address.is_empty() {
                "off".to_owned()
            } else {
                format!("http://{}", status.aws_address)
            },
        ),
    ])
}

fn frozen_cost(status: &thaw_proto::v1::GetStatusResponse) -> String {
    match &status.frozen_sandbox_cost {
        Some(cost) if cost.sampled > 0 => format!(
            "{} of memory, and {} of the engine's process beside it (mean of {})",
            ui::bytes(cost.sandbox_bytes),
            ui::bytes(cost.engine_bytes),
            cost.sampled
        ),
        _ => "no sandbox is frozen".to_owned(),
    }
}

fn show_sandboxes(sandboxes: &[Sandbox], ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        let list: Vec<_> = sandboxes.iter().map(as_json).collect();
        return ui.json(&json!({ "Sandboxes": list }));
    }
    let rows = sandboxes
        .iter()
        .map(|sandbox| {
            let name = match sandbox.function_arn.as_str() {
                "" => format!("({})", sandbox.runtime),
                arn => name_in(arn).to_owned(),
            };
            let used = sandbox.memory_used >> 20;
            let memory = match sandbox.memory_size {
                0 => format!("{used} MB"),
                size => format!("{used} of {size} MB"),
            };
            vec![
                sandbox.id.chars().take(12).collect(),
                name,
                state(sandbox).to_lowercase(),
                ui::span(sandbox.in_state),
                sandbox.invocations.to_string(),
                memory,
                sandbox.container_id.chars().take(12).collect(),
            ]
        })
        .collect();
    ui.table(&["id", "function", "state", "for", "calls", "memory", "container"], rows)
}

/// A function's name of its ARN.
fn name_in(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or(arn)
}

fn state(sandbox: &Sandbox) -> &'static str {
    match sandbox.state() {
        SandboxState::Unspecified => "Unknown",
        SandboxState::Starting => "Starting",
        SandboxState::Initialising => "Initialising",
        SandboxState::Ready => "Ready",
        SandboxState::Idle => "Idle",
        SandboxState::Busy => "Busy",
        SandboxState::Stopping => "Stopping",
    }
}

fn as_json(sandbox: &Sandbox) -> Value {
    json!({
        "Id": sandbox.id,
        "ContainerId": sandbox.container_id,
        "FunctionArn": sandbox.function_arn,
        "State": state(sandbox),
        "MemorySize": sandbox.memory_size,
        "MemoryUsed": sandbox.memory_used,
        "Created": ui::stamp(sandbox.created),
        "Invocations": sandbox.invocations,
        "Runtime": sandbox.runtime,
        "LogStreamName": sandbox.log_stream_name,
    })
}
