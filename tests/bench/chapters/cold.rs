//! Cold calls: from a sandbox that stands ready, and where none does, beside what Docker takes for the same.

use bollard::Docker;

use crate::{
    MEMORY_MB, Options,
    client::{Client, field},
    daemon::Daemon,
    docker,
    figures::{Section, Series},
    rest,
};

const FUNCTION: &str = "cold";

/// What is asked of a cold call from a sandbox that stands ready, in milliseconds.
const READY_P50_MS: f64 = 10.0;
const READY_P99_MS: f64 = 25.0;

/// How many times longer `docker run` of the same image has to take.
const RUN_TO_READY: f64 = 30.0;

/// What a cold call may take where nothing stands ready, as a multiple of the engine's own create and start.
const EMPTY_TO_ENGINE: f64 = 1.15;

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, options: &Options) -> anyhow::Result<Section> {
    let [created, disabled] = docker::create_and_start(engine, options.starts).await?;
    let run = docker::run(engine, "import awslambdaric.bootstrap", options.starts).await?;
    let empty = daemon(&[("ready-max", "0")], 0, options.starts).await?;
    let ready = daemon(&[], 1, options.starts.max(100)).await?;

    let mut section = Section::new("Cold calls", "docker run", &run);
    section.line("**cold call, a sandbox stands ready**", &ready.calls);
    section.line("- of it, the REPORT's Init Duration: import", &ready.init);
    section.line("**cold call, none does**: container, runtime, import", &empty.calls);
    section.line("- of it, the REPORT's Init Duration", &empty.init);
    section.line("Docker: create + start", &created);
    section.line("- the same with NetworkDisabled, as thawd has it", &disabled);
    section.line("docker run, importing the runtime client, create to exit", &run);
    let (p50, p99) = (ready.calls.p50(), ready.calls.percentile(99));
    section.promise(
        format!("cold from a ready sandbox, p50: {p50:.2} ms (at most {READY_P50_MS})"),
        p50 <= READY_P50_MS,
    );
    section.promise(format!("the same, p99: {p99:.2} ms (at most {READY_P99_MS})"), p99 <= READY_P99_MS);
    let times = run.p50() / p50;
    section.promise(
        format!("docker run / cold from a ready sandbox, p50: {times:.0} (at least {RUN_TO_READY})"),
        times >= RUN_TO_READY,
    );
    let times = empty.calls.p50() / created.p50();
    section.promise(
        format!(
            "cold with none ready / Docker's create + start, p50: {times:.2} (at most {EMPTY_TO_ENGINE})"
        ),
        times <= EMPTY_TO_ENGINE,
    );
    Ok(section)
}

struct Cold {
    calls: Series,
    init: Series,
}

/// Cold calls, each when `ready` sandboxes at least stand ready and nothing else is under way.
async fn daemon(settings: &[(&str, &str)], ready: u32, times: usize) -> anyhow::Result<Cold> {
    let thawd = Daemon::start(settings).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = calls(&client, ready, times).await;
    thawd.stop().await?;
    measured
}

async fn calls(client: &Client, ready: u32, times: usize) -> anyhow::Result<Cold> {
    client.create(FUNCTION, MEMORY_MB).await?;
    let mut calls = Vec::new();
    for turn in 0..=times {
        client.stop_sandboxes(FUNCTION).await?;
        client.wait_ready(ready).await?;
        rest().await;
        let (time, _) = client.invoke(FUNCTION).await?;
        // The first one makes the template of the disks.
        if turn > 0 {
            calls.push(time);
        }
    }
    let reports = client.reports(FUNCTION).await?;
    let inits = reports.iter().filter(|line| line.contains("Init Duration"));
    let init = inits.map(|line| field(line, "\tInit Duration: ")).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Cold { calls: Series::of(calls)?, init: Series::of_millis(init)? })
}
