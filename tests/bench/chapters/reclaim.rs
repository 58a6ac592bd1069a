//! What it saves to give the memory of frozen sandboxes to the machine's swap, and what their next call then costs.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bollard::Docker;
use tokio::time::sleep;

use crate::{
    MEMORY_MB, Options,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
};

/// How many functions are called, each in a sandbox of its own.
const FUNCTIONS: usize = 30;

/// The shortest that the setting has.
const AFTER: &str = "1";

/// How long no sandbox's memory has to have changed for all of them to be at rest. Longer than the setting.
const STEADY: Duration = Duration::from_secs(3);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures it.
///
/// # Errors
/// If the machine has no swap, or anything fails on the way.
pub(crate) async fn measure(_: &Docker, _: &Options) -> anyhow::Result<Section> {
    ensure!(
        meminfo_mib("SwapFree:")? > 256.0,
        "this machine has no swap, so nothing can be given back: make one, best of compressed memory: \
         `echo 2G >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0`"
    );
    let kept = frozen("0").await?;
    let given = frozen(AFTER).await?;
    let mut section = Section::new("Memory of frozen sandboxes given back", "kept", &kept.calls);
    section.line("next call, memory kept", &kept.calls);
    section.line("next call, memory in swap", &given.calls);
    section.line("the call after that", &given.calls_after);
    section.note(format!(
        "memory of each sandbox: {:.1} MiB kept, {:.1} MiB with the rest in swap; {:.1} MiB of swap each",
        kept.mib,
        given.mib,
        given.swap_mib / FUNCTIONS as f64
    ));
    Ok(section)
}

struct Frozen {
    /// Memory of each sandbox, when all of them are at rest.
    mib: f64,
    /// Swap that is used by then beside what was used before.
    swap_mib: f64,
    calls: Series,
    calls_after: Series,
}

async fn frozen(reclaim_after: &str) -> anyhow::Result<Frozen> {
    let thawd = Daemon::start(&[("reclaim-after-seconds", reclaim_after), ("ready-max", "0")]).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = calls(&client).await;
    thawd.stop().await?;
    measured
}

async fn calls(client: &Client) -> anyhow::Result<Frozen> {
    let names: Vec<_> = (0..FUNCTIONS).map(|number| format!("resting-{number}")).collect();
    let swap_before = meminfo_mib("SwapFree:")?;
    for name in &names {
        client.create(name, MEMORY_MB).await?;
        // Once more: what only the first call needs is gone then.
        client.invoke(name).await?;
        client.invoke(name).await?;
    }
    let begun = Instant::now();
    let (mut memory, mut since) = (used(client).await?, Instant::now());
    while since.elapsed() < STEADY {
        sleep(LOOK).await;
        let now = used(client).await?;
        if now != memory {
            (memory, since) = (now, Instant::now());
        }
        ensure!(begun.elapsed() < LIMIT, "the memory of frozen sandboxes does not come to rest");
    }
    let swap_mib = swap_before - meminfo_mib("SwapFree:")?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for name in &names {
        first.push(client.invoke(name).await?.0);
        sleep(Duration::from_millis(20)).await;
        second.push(client.invoke(name).await?.0);
    }
    Ok(Frozen {
        mib: memory as f64 / FUNCTIONS as f64 / f64::from(1 << 20),
        swap_mib,
        calls: Series::of(first)?,
        calls_after: Series::of(second)?,
    })
}

/// Bytes of memory of all sandboxes.
async fn used(client: &Client) -> anyhow::Result<u64> {
    Ok(client.sandboxes("").await?.iter().map(|sandbox| sandbox.memory_used).sum())
}

fn meminfo_mib(name: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()).with_context(|| format!("no {name}"))?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
