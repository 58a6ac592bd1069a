//! What the queue of asynchronous events takes and gives: how fast events are accepted, beside a plain fsync a call; how
//! fast a full queue reaches its function, beside callers who wait for their answers.

use std::{
    fs::OpenOptions,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bollard::Docker;
use tokio::task::JoinSet;

use super::throughput;
use crate::{
    EVENT, MEMORY_MB, Options,
    client::{Client, field},
    daemon::Daemon,
    figures::{Section, Series},
    subject::Subject,
};

/// Clients that send events at the same time.
const CLIENTS: usize = 64;

/// How long they go on.
const SPAN: Duration = Duration::from_secs(10);

/// Events a second that are asked for.
const ACCEPTED: f64 = 5_000.0;

/// Events of one function that run at once: as many as there are callers in the chapter beside which it stands.
const SANDBOXES: &str = "8";

/// A full queue takes minutes; one that does not move at all is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// How often a queue is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Which part of the queue is first, and which last.
const PART: usize = 10;

const ACCEPTING: &str = "accepting";
const FULL: &str = "full";

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(_: &Docker, options: &Options) -> anyhow::Result<Section> {
    let fsync = tokio::task::spawn_blocking(fsyncs).await??;
    let settings = [("event-function-concurrency", SANDBOXES), ("log-group-max-mb", "1024")];
    let thawd = Daemon::start(&settings).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = before_the_restart(&client, options.events).await;
    let (accepted, calls) = match measured {
        Ok(measured) => measured,
        Err(error) => {
            thawd.stop().await?;
            return Err(error);
        }
    };
    // Also so that nobody waits for a lane that paused while its function was stopped.
    let (thawd, recovered) = thawd.start_again_after_kill(&settings).await?;
    let client = Client::new(thawd.channel.clone());
    let delivered = deliver(&client, options.events).await;
    thawd.stop().await?;
    let delivered = delivered?;

    let mut section = Section::new("Asynchronous events", "fsync", &fsync);
    section.line(&format!("{CLIENTS} writers, each a plain write and fsync a call"), &fsync);
    section.line(&format!("{CLIENTS} clients, until an event is accepted"), &accepted);
    section.line("what a call of the function takes, at the queue's beginning", &delivered.first);
    section.line("and at its end", &delivered.last);
    let rate = |series: &Series| series.count() as f64 / SPAN.as_secs_f64();
    section.note(format!("fsyncs a second: {:.0}", rate(&fsync)));
    section.promise(
        format!("events accepted a second: {:.0} (aim {ACCEPTED:.0})", rate(&accepted)),
        rate(&accepted) >= ACCEPTED,
    );
    section.note(format!(
        "after a kill with {} events waiting thawd serves within {:.0} ms",
        options.events,
        recovered.as_secs_f64() * 1e3
    ));
    section.note(format!(
        "{} events delivered, {:.0} a second; the first tenth {:.0} a second, the last {:.0}; 8 callers who wait for each \
         answer get {:.0}",
        delivered.count,
        delivered.rate,
        delivered.rate_first,
        delivered.rate_last,
        throughput::rate(&calls)
    ));
    Ok(section)
}

/// What accepting costs at the least: the same bytes, durable before they are said to be there.
fn fsyncs() -> anyhow::Result<Series> {
    let home = tempfile::Builder::new().prefix("thaw-bench-").tempdir_in("/var/tmp")?;
    let begun = Instant::now();
    let writers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let path = home.path().join(number.to_string());
            std::thread::spawn(move || -> anyhow::Result<Vec<Duration>> {
                let mut file = OpenOptions::new().create(true).append(true).open(path)?;
                let mut times = Vec::new();
                while begun.elapsed() < SPAN {
                    let called = Instant::now();
                    file.write_all(EVENT.as_bytes())?;
                    file.sync_data()?;
                    times.push(called.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.join().map_err(|_| anyhow::anyhow!("a writer broke"))??);
    }
    Series::of(times)
}

/// Accepting, beside callers, and then a queue of `events` that waits, since its function is stopped.
async fn before_the_restart(client: &Client, events: usize) -> anyhow::Result<(Series, Series)> {
    let calls = Series::of(throughput::calls(client, &Subject::python()).await?)?;
    client.create(ACCEPTING, MEMORY_MB).await?;
    let accepted = Series::of(accept(client, ACCEPTING, None).await?)?;
    client.purge_events(ACCEPTING).await?;
    client.create(FULL, MEMORY_MB).await?;
    client.set_concurrency(FULL, Some(0)).await?;
    ensure!(accept(client, FULL, Some(events)).await?.len() == events, "not all events were accepted");
    client.set_concurrency(FULL, None).await?;
    Ok((accepted, calls))
}

/// Sends events from all clients, for a time or so many.
async fn accept(client: &Client, name: &'static str, events: Option<usize>) -> anyhow::Result<Vec<Duration>> {
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for number in 0..CLIENTS {
        let client = client.clone();
        let share = events.map(|events| events / CLIENTS + usize::from(number < events % CLIENTS));
        clients.spawn(async move {
            let mut times = Vec::new();
            while share.map_or_else(|| begun.elapsed() < SPAN, |share| times.len() < share) {
                times.push(client.send_event(name).await?);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    Ok(times)
}

/// A queue that was delivered.
struct Delivered {
    count: usize,
    /// Events a second, from the first call's end to the last one's.
    rate: f64,
    rate_first: f64,
    rate_last: f64,
    /// Milliseconds that the function took.
    first: Series,
    last: Series,
}

async fn deliver(client: &Client, events: usize) -> anyhow::Result<Delivered> {
    let mut seen = (u64::MAX, Instant::now());
    while let Some(bytes) = client.queued_bytes(FULL).await? {
        if bytes != seen.0 {
            seen = (bytes, Instant::now());
        }
        ensure!(seen.1.elapsed() < STUCK, "the queue stands still at {bytes} bytes");
        tokio::time::sleep(LOOK).await;
    }
    let mut reports = client.reports_in_time(FULL).await?;
    ensure!(reports.len() == events, "{} calls of {events} events are in the log", reports.len());
    reports.sort_by_key(|(moment, _)| *moment);
    let part = (events / PART).max(2);
    ensure!(events >= part, "too few events");
    let rate = |reports: &[(Duration, String)]| -> anyhow::Result<f64> {
        let (first, last) = reports.first().zip(reports.last()).context("no reports")?;
        Ok(reports.len() as f64 / last.0.saturating_sub(first.0).as_secs_f64().max(1e-3))
    };
    let durations = |reports: &[(Duration, String)]| -> anyhow::Result<Series> {
        let durations: anyhow::Result<Vec<f64>> =
            reports.iter().map(|(_, line)| field(line, "\tDuration: ")).collect();
        Series::of_millis(durations?)
    };
    let (first, last) = (&reports[..part], &reports[events - part..]);
    Ok(Delivered {
        count: events,
        rate: rate(&reports)?,
        rate_first: rate(first)?,
        rate_last: rate(last)?,
        first: durations(first)?,
        last: durations(last)?,
    })
}
