//! What invocations cost, beside what they could cost at least and what Docker alone would cost. Everything of a chapter is
//! measured in one run on one machine, so that the ratios mean something even where the figures are another machine's.
//!
//! ```text
//! cargo build --release -p thaw-daemon
//! cargo rustc -p thaw-init --release -- -C target-feature=+crt-static
//! cargo rustc -p rust-echo --release -- -C target-feature=+crt-static
//! cargo run --release -p thaw-tests --bin bench [-- --help]
//! ```
//!
//! Needs root, the Docker Engine and the images thaw/python3.13 and thaw/provided.al2023. Starts thawds of its own on
//! directories of their own. All measurements but those of the Rust function have the same function (echo), the same image and, where nothing else is said, the same share of CPU, one
//! call at a time. Floor and warm call are measured twice: as fast as one can follow the other, the sandbox being frozen in
//! between; and after a pause each time, when processors that went to sleep meanwhile have to wake up at each step of the
//! way.
#![forbid(unsafe_code)]

mod aws;
mod chapters;
mod client;
mod daemon;
mod docker;
mod figures;
mod floor;
mod frozen;
mod picture;
mod subject;
mod trace;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, ensure};
use bollard::Docker;
use chapters::Chapter;
use clap::{Parser, ValueEnum};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use trace::TraceOptions;

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

/// Measures Thaw on this machine and prints tables.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure; if nothing is named, everything that every machine has what it takes for.
    chapters: Vec<Chapter>,
    /// How often things of a millisecond are done.
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// How often things are done that start a container.
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// How many sandboxes are dense.
    #[arg(long, default_value_t = 1000)]
    functions: usize,
    /// How often a call races a freeze.
    #[arg(long, default_value_t = 100_000)]
    races: usize,
    /// How many events, or records, a queue is filled with.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    #[command(flatten)]
    trace: TraceOptions,
    /// A file for a picture of it, SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.calls.min(options.starts).min(options.functions).min(options.races).min(options.events) > 0,
        "--calls, --starts, --functions, --races and --events are at least 1"
    );
    ensure!(nix::unistd::geteuid().is_root(), "the benchmark starts thawd, which needs root: run it as root");
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its own side of every call is slow. Use: cargo run --release");
    }
    let engine = docker::connect().await?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Whoever ends it half-way drops what is being measured, which ends its thawd.
    let measured = tokio::select! {
        measured = measure(&engine, &options) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("terminated")),
    };
    docker::remove_left(&engine).await?;
    measured
}

async fn measure(engine: &Docker, options: &Options) -> anyhow::Result<()> {
    let usual: Vec<_> =
        Chapter::value_variants().iter().copied().filter(|chapter| !chapter.needs_swap()).collect();
    let chapters = if options.chapters.is_empty() { &usual } else { &options.chapters };
    let mut sections = Vec::new();
    for chapter in chapters {
        eprintln!("{chapter:?} ...");
        let section = chapter.measure(engine, options).await.with_context(|| format!("{chapter:?}"))?;
        println!("{}", section.markdown());
        sections.push(section);
    }
    println!("On {}.", docker::machine(engine).await?);
    if let Some(path) = &options.svg {
        picture::draw(path, &sections)?;
    }
    Ok(())
}

/// What comes before a call that is measured after a pause.
async fn rest() {
    sleep(REST).await;
}
