//! `thaw logs`.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde_json::json;
use thaw_proto::v1::{FollowLogsRequest, LogEvent, ReadLogsRequest};

use super::log_groups;
use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

/// Prints stored lines, oldest first; with --follow also every new one, until Ctrl-C.
///
/// Of a function that is called `groups`, give the ARN.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    /// The function's name or ARN. Logs outlive their function.
    #[arg(required = true)]
    name: Option<String>,
    /// Go on with new lines as they come.
    #[arg(long, short)]
    follow: bool,
    /// Only lines that are not older than this: 90s, 10m, 2h, 1d.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "SPAN")]
    since: Option<Duration>,
    /// Only lines that match this pattern of CloudWatch's language: 'ERROR -healthcheck', '{ $.level = "error" }', …
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "PATTERN",
        allow_hyphen_values = true
    )]
    filter: String,
    /// Only lines of this invocation.
    #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "follow")]
    request_id: String,
    /// Only lines of this stream, that is, of one sandbox.
    #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "follow")]
    stream: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List log groups, set how long they are kept, delete them.
    Groups(log_groups::Arguments),
}

pub(crate) async fn run(arguments: Arguments, client: &Client, ui: &Ui) -> Result<(), Failure> {
    if let Some(Command::Groups(arguments)) = arguments.command {
        return log_groups::run(arguments, client, ui).await;
    }
    // clap asks for it where there is no command.
    let name = arguments.name.unwrap_or_default();
    let start_time = arguments.since.map(since).transpose()?;
    if arguments.follow {
        let request = FollowLogsRequest { function_name: name, start_time, filter_pattern: arguments.filter };
        return tokio::select! {
            followed = follow(request, client, ui) => followed,
            // The way to end it.
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
    }
    let mut client = client.logs().await?;
    let mut page_token = String::new();
    loop {
        let request = ReadLogsRequest {
            function_name: name.clone(),
            start_time,
            end_time: None,
            log_stream_name: arguments.stream.clone(),
            request_id: arguments.request_id.clone(),
            page_size: 0,
            filter_pattern: arguments.filter.clone(),
            page_token,
        };
        let page = client.read_logs(request).await?.into_inner();
        for event in &page.events {
            print(event, ui)?;
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        page_token = page.next_page_token;
    }
}

async fn follow(request: FollowLogsRequest, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut lines = client.logs().await?.follow_logs(request).await?.into_inner();
    while let Some(batch) = lines.message().await? {
        if batch.skipped > 0 {
            ui.note(&format!(
                "{} lines were left out: they came faster than they could be read",
                batch.skipped
            ));
        }
        for event in &batch.events {
            print(event, ui)?;
        }
    }
    Err(Failure::Unreachable("the daemon ended".to_owned()))
}

fn print(event: &LogEvent, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        // A line each, so that a program can read it as it comes.
        return ui.line(
            &json!({
                "Timestamp": ui::stamp(event.timestamp),
                "LogStreamName": event.log_stream_name,
                "RequestId": event.request_id,
                "Message": event.message,
            })
            .to_string(),
        );
    }
    ui.line(&format!("{}  {}", ui::stamp(event.timestamp), message(&event.message)))
}

/// A line for people. The official Python client joins the lines of a stack trace by carriage returns, as on Lambda.
pub(crate) fn message(line: &str) -> String {
    let lines: Vec<_> = line.split('\r').map(|part| part.trim_end_matches('\n')).map(ui::plain).collect();
    lines.join("\n    ")
}

fn since(span: Duration) -> Result<prost_types::Timestamp, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "what a person means by `ten minutes ago` is this machine's clock"
    )]
    let moment = SystemTime::now()
        .checked_sub(span)
        .ok_or_else(|| Failure::Usage("--since: that is before the beginning of time".to_owned()))?;
    Ok(moment.into())
}
