//! `thaw logs groups`.

use clap::{Args, Subcommand};
use serde_json::json;
use thaw_proto::v1::{
    DeleteLogGroupRequest, ListLogGroupsRequest, ListLogGroupsResponse, LogGroup, SetLogRetentionRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

/// Groups asked for at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Only groups whose names begin with this, such as /aws/lambda/.
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set how long a group's lines are kept.
    #[command(group = clap::ArgGroup::new("retention").required(true).args(["days", "default"]))]
    Keep {
        /// The group's name, such as /aws/lambda/NAME.
        group: String,
        /// A number of days that CloudWatch allows: 1, 3, 5, 7, 14, 30, 60, 90, …
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        /// As long as the daemon's settings say.
        #[arg(long)]
        default: bool,
    },
    /// Remove a group with all its lines. A function that logs to it begins a new one.
    Delete {
        /// The group's name, such as /aws/lambda/NAME.
        group: String,
    },
}

pub(crate) async fn run(arguments: Arguments, client: &Client, ui: &Ui) -> Result<(), Failure> {
    match arguments.command {
        None => list(arguments.prefix, client, ui).await,
        Some(Command::Keep { group, days, .. }) => {
            let retention_days = days.unwrap_or(0);
            let request = SetLogRetentionRequest { log_group_name: group.clone(), retention_days };
            client.logs().await?.set_log_retention(request).await?;
            if ui.is_json() {
                return ui.json(&json!({ "LogGroupName": group, "RetentionDays": days }));
            }
            ui.line(&format!("{}: lines are kept {}", ui::plain(&group), kept(retention_days)))
        }
        Some(Command::Delete { group }) => {
            let request = DeleteLogGroupRequest { log_group_name: group.clone() };
            client.logs().await?.delete_log_group(request).await?;
            if ui.is_json() {
                return ui.json(&json!({ "Deleted": group }));
            }
            ui.line(&format!("deleted {}", ui::plain(&group)))
        }
    }
}

async fn list(prefix: String, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut client = client.logs().await?;
    let (mut groups, mut page_token): (Vec<LogGroup>, String) = (Vec::new(), String::new());
    loop {
        let request =
            ListLogGroupsRequest { log_group_name_prefix: prefix.clone(), page_size: PAGE, page_token };
        let ListLogGroupsResponse { log_groups, next_page_token } =
            client.list_log_groups(request).await?.into_inner();
        groups.extend(log_groups);
        page_token = next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if ui.is_json() {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| {
                json!({
                    "LogGroupName": group.log_group_name,
                    "CreatedAt": ui::stamp(group.created_at),
                    "RetentionDays": (group.retention_days > 0).then_some(group.retention_days),
                    "StoredBytes": group.stored_bytes,
                })
            })
            .collect();
        return ui.json(&json!({ "LogGroups": groups }));
    }
    let rows = groups
        .iter()
        .map(|group| {
            vec![
                ui::plain(&group.log_group_name),
                ui::stamp(group.created_at),
                kept(group.retention_days),
                ui::bytes(group.stored_bytes),
            ]
        })
        .collect();
    ui.table(&["group", "created", "kept", "size"], rows)
}

fn kept(days: u32) -> String {
    match days {
        0 => "as the daemon says".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
