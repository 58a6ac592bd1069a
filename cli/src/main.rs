//! thaw: administers a Thaw host and calls its functions from the command line.
//!
//! One file a family of commands; [`ui`] is the only place that knows terminals, [`failure`] the only one that knows
//! exit codes.
#![forbid(unsafe_code)]

mod client;
mod commands;
mod failure;
mod ui;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use client::Client;
use commands::{
    admin, alias, bench, bucket, code_signing, event_invoke, event_source, events, function, invoke, layer,
    logs, runtime, schedule, url,
};
use failure::Failure;
use ui::Ui;

/// Hosts functions on this machine, as AWS Lambda does.
#[derive(Debug, Parser)]
#[command(name = "thaw", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 the function failed, 2 wrong usage, 3 refused, 4 no daemon answers.\n\n\
    Examples:\n  thaw function create hello --source ./hello --runtime python3.13 --handler app.handler\n  \
    thaw invoke hello --payload '{\"name\": \"world\"}' --log tail\n  thaw logs hello --follow"
)]
struct Cli {
    /// The daemon's socket.
    #[arg(
        long,
        global = true,
        env = "THAW_SOCKET",
        default_value = "/run/thaw/thawd.sock",
        value_name = "PATH"
    )]
    socket: PathBuf,
    /// How to print results.
    #[arg(long, short, global = true, value_enum, default_value_t = ui::Format::Table)]
    output: ui::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create, read, change and delete functions.
    #[command(subcommand)]
    Function(function::Command),
    /// Lead names to versions: `thaw invoke NAME:ALIAS` calls them.
    #[command(subcommand)]
    Alias(alias::Command),
    /// Say how often asynchronous events are tried, how old they may get, and where their results go.
    #[command(subcommand)]
    EventInvoke(event_invoke::Command),
    /// Let queues and streams feed functions.
    #[command(subcommand)]
    EventSource(event_source::Command),
    /// Give functions addresses of their own, by which HTTP calls them.
    #[command(subcommand)]
    Url(url::Command),
    /// Publish archives that functions share.
    #[command(subcommand)]
    Layer(layer::Command),
    /// Say whose signatures are trusted, and which functions take no package without one.
    #[command(subcommand)]
    CodeSigning(code_signing::Command),
    /// Call a function and print its answer.
    Invoke(invoke::Arguments),
    /// Look after asynchronous events: what waits, what died and why; send it again.
    #[command(subcommand)]
    Events(events::Command),
    /// Call functions and measure how long they take to answer.
    Bench(Box<bench::Arguments>),
    /// Read what a function printed.
    Logs(logs::Arguments),
    /// Build and list the images that functions run in.
    #[command(subcommand)]
    Runtime(runtime::Command),
    /// Call functions at times.
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Call functions when something happens to objects of a storage server.
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Look after the host.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Print a shell's completions: `thaw completions bash > /etc/bash_completion.d/thaw`.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(cli.output);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ui.fail(&Failure::Local(error.into())),
    };
    match runtime.block_on(run(cli, &ui)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ui.fail(&failure),
    }
}

async fn run(cli: Cli, ui: &Ui) -> Result<(), Failure> {
    let client = Client::new(cli.socket);
    match cli.command {
        Command::Function(command) => function::run(command, &client, ui).await,
        Command::Alias(command) => alias::run(command, &client, ui).await,
        Command::EventInvoke(command) => event_invoke::run(command, &client, ui).await,
        Command::EventSource(command) => event_source::run(command, &client, ui).await,
        Command::Url(command) => url::run(command, &client, ui).await,
        Command::Layer(command) => layer::run(command, &client, ui).await,
        Command::CodeSigning(command) => code_signing::run(command, &client, ui).await,
        Command::Invoke(arguments) => invoke::run(arguments, &client, ui).await,
        Command::Events(command) => events::run(command, &client, ui).await,
        Command::Bench(arguments) => bench::run(*arguments, &client, ui).await,
        Command::Logs(arguments) => logs::run(arguments, &client, ui).await,
        Command::Runtime(command) => runtime::run(command, &client, ui).await,
        Command::Schedule(command) => schedule::run(command, &client, ui).await,
        Command::Bucket(command) => bucket::run(command, &client, ui).await,
        Command::Admin(command) => admin::run(command, &client, ui).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "thaw", &mut script);
            ui.raw(&script)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
