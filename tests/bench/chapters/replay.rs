//! Hours of a cloud's calls in minutes, once under each keep-alive policy and at the same memory: how many are cold.
//!
//! All spans of the policies follow the fixed time, so that compressed hours are decided as hours are. What does not shrink with
//! them is what Docker takes to make a sandbox: half a second is half a minute of the trace at 60 times its speed. That is a
//! disadvantage of whoever makes sandboxes ahead, and under both policies a call that comes meanwhile is cold as well, which
//! on a busy machine are many. So the shares say something of the policies only beside each other and on a quiet machine.

use std::time::Duration;

use anyhow::Context;
use bollard::Docker;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::{
    Options,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
    trace::{Trace, TraceOptions},
};

/// Of each function: the least that Lambda gives.
const MEMORY_MB: u32 = 128;

/// All sandboxes together: as much as all functions need at once, and some more. Less would refuse calls that run beside
/// each other only because hours are minutes.
const BUDGET_MB: &str = "8192";

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The part of the trace that is shown apart.
const LAST: Duration = Duration::from_secs(3600);

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(_: &Docker, options: &Options) -> anyhow::Result<Section> {
    let options = &options.trace;
    let trace = options.calls()?;
    let fixed = under("fixed", &trace, options).await?;
    let histogram = under("histogram", &trace, options).await?;

    let unit = Series::of(fixed.times(|_| true))?;
    let title = format!(
        "{} hours of calls at {} times their speed",
        options.length().as_secs() / 3600,
        options.speed()
    );
    let mut section = Section::new(&title, "fixed", &unit);
    section.line("calls, fixed time", &unit);
    section.line("calls, histogram", &Series::of(histogram.times(|_| true))?);
    section.line("- cold ones, fixed time", &Series::of(fixed.times(|answer| answer.is_cold))?);
    section.line("- cold ones, histogram", &Series::of(histogram.times(|answer| answer.is_cold))?);
    section.note(format!("the calls: {}", trace.origin));
    let last = options.length().saturating_sub(LAST);
    for (name, played) in [("fixed time", &fixed), ("histogram", &histogram)] {
        section.note(format!(
            "{name}: {} of all calls cold; in the last hour {}; of the functions that were called in it, a quarter has {:.0} % cold or \
             more; {:.1} idle sandboxes and {:.0} of {BUDGET_MB} MB reserved on an average; {} calls refused; sent late by {:.1} ms at \
             the 99th percentile",
            share(&played.cold(Duration::ZERO)),
            share(&played.cold(last)),
            100.0 * played.upper_quartile(last, trace.functions),
            played.idle,
            played.reserved_mb,
            played.refused,
            played.late.percentile(99),
        ));
    }
    let (of_fixed, of_histogram) = (fixed.cold(last), histogram.cold(last));
    section.promise(
        format!(
            "cold calls of the last hour under histogram: {} (fewer than {})",
            of_histogram.0, of_fixed.0
        ),
        of_histogram.0 < of_fixed.0,
    );
    Ok(section)
}

/// A call that was answered.
#[derive(Debug)]
struct Answer {
    /// Its moment in the trace.
    at: Duration,
    function: usize,
    time: Duration,
    is_cold: bool,
}

/// How it went.
#[derive(Debug)]
struct Played {
    answers: Vec<Answer>,
    /// Calls that found no memory.
    refused: usize,
    /// How long after its moment each was sent.
    late: Series,
    /// Means.
    reserved_mb: f64,
    idle: f64,
}

/// Plays it to a thawd with this policy.
async fn under(policy: &str, trace: &Trace, options: &TraceOptions) -> anyhow::Result<Played> {
    let keep = options.keep_seconds().to_string();
    let settings = [("memory-budget-mb", BUDGET_MB), ("keep-alive", policy), ("idle-timeout-seconds", &keep)];
    let thawd = Daemon::start(&settings).await?;
    let client = Client::new(thawd.channel.clone());
    let played = play(&client, trace, options.speed()).await.with_context(|| policy.to_owned());
    thawd.stop().await?;
    played
}

async fn play(client: &Client, trace: &Trace, speed: u32) -> anyhow::Result<Played> {
    let names: Vec<_> = (0..trace.functions).map(|number| format!("replayed-{number}")).collect();
    for name in &names {
        client.create(name, MEMORY_MB).await?;
    }
    let ended = CancellationToken::new();
    // Beside the calls: a look takes longer than they are to be late.
    let looking = tokio::spawn(look(client.clone(), ended.clone()));
    let begun = Instant::now();
    let (mut calls, mut late) = (JoinSet::new(), Vec::new());
    for call in &trace.calls {
        let moment = begun + call.at / speed;
        sleep_until(moment).await;
        late.push(moment.elapsed());
        let (client, name, call) = (client.clone(), names[call.function].clone(), *call);
        calls.spawn(async move {
            match client.call(&name).await {
                Ok(answered) => Ok(Some(Answer {
                    at: call.at,
                    function: call.function,
                    time: answered.time,
                    is_cold: answered.is_cold,
                })),
                Err(error) if is_refusal(&error) => Ok(None),
                Err(error) => Err(error.context(name)),
            }
        });
    }
    let (mut answers, mut refused) = (Vec::new(), 0);
    while let Some(call) = calls.join_next().await {
        match call?? {
            Some(answer) => answers.push(answer),
            None => refused += 1,
        }
    }
    ended.cancel();
    let [reserved_mb, idle] = looking.await??;
    Ok(Played { answers, refused, late: Series::of(late)?, reserved_mb, idle })
}

/// Whether running calls had the whole memory.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Status>().is_some_and(|status| status.code() == Code::ResourceExhausted)
}

/// What thawd has given out until `ended`, and how many idle sandboxes it has: means.
async fn look(client: Client, ended: CancellationToken) -> anyhow::Result<[f64; 2]> {
    let (mut looks, mut reserved_mb, mut idle) = (0_u64, 0, 0);
    while ended.run_until_cancelled(sleep(LOOK)).await.is_some() {
        let status = client.status().await?;
        looks += 1;
        reserved_mb += status.memory_reserved;
        idle += u64::from(status.sandboxes_idle);
    }
    Ok([reserved_mb, idle].map(|sum| sum as f64 / looks.max(1) as f64))
}

impl Played {
    fn times(&self, counts: impl Fn(&Answer) -> bool) -> impl Iterator<Item = Duration> {
        self.answers.iter().filter(move |answer| counts(answer)).map(|answer| answer.time)
    }

    /// Of the answers from a moment on, how many are cold, and how many there are.
    fn cold(&self, from: Duration) -> (usize, usize) {
        count(self.answers.iter().filter(|answer| answer.at >= from))
    }

    /// The share of cold calls that a quarter of the functions exceeds: the paper's measure, in which each function
    /// counts alike, however often it is called.
    fn upper_quartile(&self, from: Duration, functions: usize) -> f64 {
        let mut shares: Vec<_> = (0..functions)
            .map(|function| {
                count(self.answers.iter().filter(|answer| answer.function == function && answer.at >= from))
            })
            .filter(|(_, all)| *all > 0)
            .map(|(cold, all)| cold as f64 / all as f64)
            .collect();
        shares.sort_by(f64::total_cmp);
        shares.get((shares.len() * 3 / 4).min(shares.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

fn count<'a>(answers: impl Iterator<Item = &'a Answer>) -> (usize, usize) {
    answers.fold((0, 0), |(cold, all), answer| (cold + usize::from(answer.is_cold), all + 1))
}

fn share(&(cold, all): &(usize, usize)) -> String {
    format!("{:.1} % ({cold} of {all})", 100.0 * cold as f64 / all.max(1) as f64)
}
