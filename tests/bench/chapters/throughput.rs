//! What eight callers of a Python function get through, beside what as many bare loops of the same client reach on the same
//! processors.

use std::time::{Duration, Instant};

use bollard::Docker;
use tokio::task::JoinSet;

use crate::{
    MEMORY_MB, Options,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
    floor,
    subject::Subject,
};

/// Callers, or loops.
const CALLERS: usize = 8;

/// How long they go on.
const SPAN: Duration = Duration::from_secs(10);

/// Until caches and sandboxes are in their everyday state.
const WARM_UP: Duration = Duration::from_secs(2);

/// The part of the bare loops' throughput that is asked for.
const PART: f64 = 0.6;

const FUNCTION: &str = "throughput";

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, _: &Options) -> anyhow::Result<Section> {
    let (bare, calls) = both(engine, &Subject::python()).await?;
    let mut section = Section::new("Throughput with 8 callers of one Python function", "bare loop", &bare);
    section.line("8 bare loops of the runtime client", &bare);
    section.line("8 callers through thawd", &calls);
    let part = rate(&calls) / rate(&bare);
    section.note(format!("calls a second: bare loops {:.0}, thawd {:.0}", rate(&bare), rate(&calls)));
    section.promise(
        format!(
            "thawd's throughput / the bare loops': {:.0} % (at least {:.0} %)",
            part * 100.0,
            PART * 100.0
        ),
        part >= PART,
    );
    Ok(section)
}

/// Calls a second.
pub(super) fn rate(series: &Series) -> f64 {
    series.count() as f64 / SPAN.as_secs_f64()
}

/// Measures the bare loops, then the callers.
///
/// # Errors
/// If anything fails on the way.
pub(super) async fn both(engine: &Docker, subject: &Subject) -> anyhow::Result<(Series, Series)> {
    let bare = floor::many(engine, subject, CALLERS, WARM_UP, SPAN).await?;
    let thawd = Daemon::start(&[]).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = calls(&client, subject).await;
    thawd.stop().await?;
    Ok((Series::of(bare)?, Series::of(measured?)?))
}

/// The callers: the time of each call.
///
/// # Errors
/// If a call fails.
pub(super) async fn calls(client: &Client, subject: &Subject) -> anyhow::Result<Vec<Duration>> {
    client.create_of(subject, FUNCTION, MEMORY_MB).await?;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let client = client.clone();
        callers.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < WARM_UP + SPAN {
                let (time, _) = client.invoke(FUNCTION).await?;
                if begun.elapsed() > WARM_UP {
                    times.push(time);
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    Ok(times)
}
