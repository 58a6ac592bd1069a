//! What an invocation costs, beside what it could cost at least and what Docker alone would cost. Everything in one run,
//! on one machine, so that the ratios mean something even where the figures are another machine's.
//!
//! ```text
//! cargo build --release -p thaw-daemon
//! cargo rustc -p thaw-init --release -- -C target-feature=+crt-static
//! cargo run --release -p thaw-tests --bin bench [-- CALLS [STARTS]]
//! ```
//!
//! Needs root, the Docker Engine and the image thaw/python3.13. Starts a thawd of its own on directories of its own. All
//! measurements have the same function (echo), the same image and the same share of CPU, one call at a time. Floor and
//! warm call are measured twice: as fast as one can follow the other, the sandbox being frozen in between; and after a
//! pause each time, when processors that went to sleep meanwhile have to wake up at each step of the way.
#![forbid(unsafe_code)]

mod daemon;
mod docker;
mod figures;
mod floor;
mod frozen;
mod warm;

use std::{env, time::Duration};

use anyhow::{Context, ensure};
use tokio::time::sleep;

use figures::{Report, Series};

/// The image and the share of CPU of everything that is measured: 1,769 MB is one CPU.
const RUNTIME: &str = "python3.13";
const IMAGE: &str = "thaw/python3.13";
const MEMORY_MB: u32 = 1769;

/// The function. What it does must cost nothing beside what is measured.
const HANDLER: &str = "def handler(event, context):\n    return event\n";
const EVENT: &str = r#"{"key":"value"}"#;

/// Long enough for a processor without work to go to sleep.
const REST: Duration = Duration::from_millis(2);

/// Calls that are made and not counted, until caches and allocators are in their everyday state.
const WARM_UP: usize = 100;

/// The promises of daemon/SPECIFICATION.md that this program shows.
const WARM_TO_FLOOR: f64 = 2.5;
const OWN_SHARE_MS: f64 = 0.3;

/// How often things are done.
#[derive(Clone, Copy, Debug)]
struct Counts {
    /// Things of a millisecond.
    calls: usize,
    /// Things that start a container.
    starts: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default)).context("usage: bench [CALLS [STARTS]]");
    let counts = Counts { calls: next(1000)?, starts: next(10)? };
    ensure!(counts.calls > 0 && counts.starts > 0, "usage: bench [CALLS [STARTS]], both at least 1");
    ensure!(nix::unistd::geteuid().is_root(), "the benchmark starts thawd, which needs root: run it as root");
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its own side of every call is slow. Use: cargo run --release");
    }

    let engine = docker::connect().await?;
    eprintln!("floor: the runtime client on a bare Runtime API ...");
    let floor = floor::measure(&engine, counts.calls).await.context("the floor")?;
    eprintln!("Docker's own steps ...");
    let pauses = docker::pause(&engine, counts.calls.min(100)).await.context("pause and freeze")?;
    let run_pass = docker::run(&engine, "pass", counts.starts).await.context("docker run")?;
    let run_client =
        docker::run(&engine, "import awslambdaric.bootstrap", counts.starts).await.context("docker run")?;
    eprintln!("thawd: warm and cold calls ...");
    let thawd = daemon::Daemon::start().await.context("thawd")?;
    let calls = warm::measure(&engine, &thawd, counts).await;
    thawd.stop().await?;
    let calls = calls.context("invocations")?;

    let mut report = Report::new("floor", &floor.call);
    report.line("**floor**: event to answer on a bare Runtime API, no freezing", &floor.call);
    report.line("floor, whole cycle: event to the next request", &floor.cycle);
    report.line("**warm call**: frozen sandbox, through gRPC", &calls.warm);
    report.line("- of it, the REPORT's Duration: thaw, client, handler", &calls.reported);
    report.line("- gRPC alone: a health check on the same connection", &calls.rpc);
    report.line("calls that don't wait for the freeze", &calls.back_to_back);
    report.line("floor after a pause of 2 ms", &floor.rested);
    report.line("warm call after a pause of 2 ms", &calls.rested);
    report.line("cgroup: freeze", &pauses.freeze);
    report.line("cgroup: thaw", &pauses.thaw);
    report.line("Docker: pause", &pauses.pause);
    report.line("Docker: unpause", &pauses.unpause);
    report.line("**cold call**: container, import, answer", &calls.cold);
    report.line("- of it, the REPORT's Init Duration", &calls.init);
    report.line("docker run `python3 -c pass`, create to exit", &run_pass);
    report.line("docker run, importing the runtime client", &run_client);
    print!("{}", report.markdown());

    println!("\nOn {}.", docker::machine(&engine).await?);
    let ratio = calls.warm.p50() / floor.call.p50();
    let own_share = calls.warm.p50() - floor.call.p50();
    println!(
        "\n- warm / floor, p50: {ratio:.2} (promised: at most {WARM_TO_FLOOR}; {})",
        held(ratio <= WARM_TO_FLOOR)
    );
    println!(
        "- thawd's own share of a warm call (warm - floor), p50: {own_share:.3} ms (promised: under {OWN_SHARE_MS} ms; {})",
        held(own_share < OWN_SHARE_MS)
    );
    println!(
        "- of that share, gRPC: {:.3} ms; the rest: {:.3} ms",
        calls.rpc.p50(),
        own_share - calls.rpc.p50()
    );
    println!("- warm / floor after a pause, p50: {:.2}", calls.rested.p50() / floor.rested.p50());
    let times = |label: &str, of: &Series, to: f64| println!("- {label}, p50: {:.1} times", of.p50() / to);
    times("Docker's pause + unpause / cgroup freeze + thaw", &pauses.engine, pauses.cgroup.p50());
    times("cold / warm", &calls.cold, calls.warm.p50());
    times("cold / docker run that imports the client", &calls.cold, run_client.p50());
    times("docker run that imports the client / warm", &run_client, calls.warm.p50());
    Ok(())
}

fn held(is: bool) -> &'static str {
    if is { "held" } else { "NOT held" }
}

/// What comes before a call that is measured after a pause.
async fn rest() {
    sleep(REST).await;
}
