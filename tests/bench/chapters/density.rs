//! A thousand frozen sandboxes of as many functions: what each costs, and what they cost a warm call.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context;
use bollard::Docker;
use tokio::task::JoinSet;

use crate::{
    Options,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
};

/// Functions that are called, first alone, then among all.
const FEW: usize = 10;

/// Sandboxes that are made beside each other.
const AT_ONCE: usize = 4;

/// Memory of each.
const MEMORY_MB: u32 = 1769;

/// What is asked of a warm call among all, as a multiple of one among few.
const MANY_TO_FEW: f64 = 1.2;

/// Long enough for a sandbox to be frozen.
const FROZEN: Duration = Duration::from_millis(5);

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(_: &Docker, options: &Options) -> anyhow::Result<Section> {
    let settings = [("memory-budget-mb", "4000000"), ("idle-timeout-seconds", "86400"), ("ready-max", "0")];
    let thawd = Daemon::start(&settings).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = dense(&client, options).await;
    drop(client);
    let (mut section, made) = match measured {
        Ok(measured) => measured,
        Err(error) => {
            thawd.stop().await?;
            return Err(error);
        }
    };
    // Killed, so that the next life finds them all and has to take them away before it serves.
    let (thawd, recovered) = thawd.start_again_after_kill(&settings).await?;
    thawd.stop().await?;
    section.note(format!(
        "made in {:.0} s; serving again {:.0} s after a kill -9, with all of them removed",
        made.as_secs_f64(),
        recovered.as_secs_f64()
    ));
    Ok(section)
}

async fn dense(client: &Client, options: &Options) -> anyhow::Result<(Section, Duration)> {
    let names: Vec<_> = (0..options.functions.max(FEW)).map(|number| format!("dense-{number}")).collect();
    let (few, others) = names.split_at(FEW);
    let begun = Instant::now();
    make(client, few).await?;
    let before = available_mib()?;
    let alone = in_turn(client, few, options.calls).await?;
    make(client, others).await?;
    let made = begun.elapsed();
    // What Docker does after a start is over by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = available_mib()?;
    let among = in_turn(client, few, options.calls).await?;
    let all = in_turn(client, &names, names.len()).await?;
    let status = client.status().await?;

    let mut section =
        Section::new(&format!("{} frozen sandboxes of as many functions", names.len()), "of 10", &alone);
    section.line("warm call, 10 functions in turn, 10 sandboxes", &alone);
    section.line(&format!("warm call, the same 10 functions, {} sandboxes", names.len()), &among);
    section.line(&format!("warm call, all {} functions in turn", names.len()), &all);
    let each = (before - after) / others.len().max(1) as f64;
    section.note(format!("memory of the machine, each: {each:.1} MiB, Docker's part included"));
    let cost = status.frozen_sandbox_cost.unwrap_or_default();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    section.note(format!(
        "by thawd's word: {} idle, {} MB reserved; each {:.1} MiB, and {:.1} MiB of Docker's process beside it",
        status.sandboxes_idle,
        status.memory_reserved,
        mib(cost.sandbox_bytes),
        mib(cost.engine_bytes)
    ));
    section.note(format!(
        "thawd has {} files open (of {}) and {} threads; the machine {} loop devices and {} mounts",
        status.open_files, status.open_files_limit, status.threads, status.loop_devices, status.mounts
    ));
    let ratio = among.p50() / alone.p50();
    section.promise(
        format!("warm with {} / warm with 10, p50: {ratio:.2} (at most {MANY_TO_FEW})", names.len()),
        ratio <= MANY_TO_FEW,
    );
    Ok((section, made))
}

/// Creates functions and calls each once.
async fn make(client: &Client, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        client.create(name, MEMORY_MB).await?;
    }
    let mut makers = JoinSet::new();
    for part in 0..AT_ONCE {
        let mine: Vec<_> = names.iter().skip(part).step_by(AT_ONCE).cloned().collect();
        let client = client.clone();
        makers.spawn(async move {
            for name in mine {
                client.invoke(&name).await.with_context(|| name.clone())?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(maker) = makers.join_next().await {
        maker??;
    }
    Ok(())
}

async fn in_turn(client: &Client, names: &[String], calls: usize) -> anyhow::Result<Series> {
    let mut times = Vec::new();
    for name in names.iter().cycle().take(calls.max(names.len())) {
        tokio::time::sleep(FROZEN).await;
        times.push(client.invoke(name).await?.0);
    }
    Series::of(times)
}

/// Memory that the machine could give to something new.
fn available_mib() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.trim().split(' ').next()).context("no MemAvailable")?;
    Ok(number.parse::<f64>()? / 1024.0)
}
