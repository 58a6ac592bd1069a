//! Calls that arrive while their sandbox is being frozen: none may be lost, none may wait for anything.

use std::time::{Duration, Instant};

use anyhow::Context;
use bollard::Docker;
use tokio::task::JoinSet;

use crate::{
    Options,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
};

/// Functions that are called beside each other.
const FUNCTIONS: usize = 4;

/// Their memory.
const MEMORY_MB: u32 = 1769;

/// A call that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(20);

/// Calls follow the answer before them after one of this many pauses...
const PAUSES: u32 = 64;

/// ... which differ by this. The freeze falls into their range.
const STEP: Duration = Duration::from_micros(10);

/// Measures it.
///
/// # Errors
/// If a call is lost or stuck.
pub(crate) async fn measure(_: &Docker, options: &Options) -> anyhow::Result<Section> {
    // No grace: every call ends in a freeze that begins at once.
    let thawd = Daemon::start(&[("freeze-grace-ms", "0"), ("ready-max", "0")]).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = race(&client, options.races).await;
    thawd.stop().await?;
    let times = Series::of(measured?)?;
    let mut section = Section::new("Calls that race the freeze", "itself", &times);
    section.line("a call 0 to 0.64 ms after the answer before it", &times);
    section.promise(
        format!("{} of {} calls answered, none stuck, none lost", times.count(), options.races),
        true,
    );
    Ok(section)
}

async fn race(client: &Client, races: usize) -> anyhow::Result<Vec<Duration>> {
    let mut callers = JoinSet::new();
    for number in 0..FUNCTIONS {
        let (client, name) = (client.clone(), format!("race-{number}"));
        let races = races / FUNCTIONS + usize::from(number < races % FUNCTIONS);
        callers.spawn(async move {
            client.create(&name, MEMORY_MB).await?;
            client.invoke(&name).await?;
            let mut times = Vec::with_capacity(races);
            for turn in 0..races {
                // Slept through, a pause would be a millisecond at least.
                let pause = STEP * (u32::try_from(turn).unwrap_or(0) % PAUSES);
                let until = Instant::now() + pause;
                while Instant::now() < until {
                    tokio::task::yield_now().await;
                }
                let call = tokio::time::timeout(STUCK, client.invoke(&name)).await;
                times.push(call.with_context(|| format!("call {turn} of {name} is stuck"))??.0);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::with_capacity(races);
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    Ok(times)
}
