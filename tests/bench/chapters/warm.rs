//! Warm calls: on a sandbox that is seen to be frozen before each, and without waiting for that.

use std::collections::HashSet;

use anyhow::ensure;
use bollard::Docker;

use crate::{
    MEMORY_MB, Options, WARM_UP,
    aws::AwsClient,
    client::{Client, field, request_id},
    daemon::Daemon,
    docker,
    figures::{Section, Series},
    floor,
    frozen::Watch,
    rest,
};

const FUNCTION: &str = "warm";

/// What is asked of a warm call at the median: this many times the floor.
const WARM_TO_FLOOR: f64 = 2.0;

/// What is asked of thawd's own share of it, in milliseconds.
const OWN_SHARE_MS: f64 = 0.15;

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, options: &Options) -> anyhow::Result<Section> {
    let floor = floor::measure(engine, options.calls).await?;
    let thawd = Daemon::start(&[]).await?;
    // While it runs: it keeps the kernel's freezer switched on, which is what a sandbox's freeze and thaw have.
    let pauses = docker::pause(engine, options.calls.min(100)).await;
    let measured = calls(engine, &thawd, options.calls).await;
    thawd.stop().await?;
    let (pauses, calls) = (pauses?, measured?);

    let mut section = Section::new("Warm calls", "floor", &floor.call);
    section.line("**floor**: event to answer on a bare Runtime API, no freezing", &floor.call);
    section.line("floor, whole cycle: event to the next request", &floor.cycle);
    section.line("**warm call**: frozen sandbox, through gRPC", &calls.warm);
    section.line("- of it, the REPORT's Duration: thaw, client, handler", &calls.reported);
    section.line("**warm call**: frozen sandbox, through the AWS API, signed", &calls.aws);
    section.line("- gRPC alone: a health check on the same connection", &calls.rpc);
    section.line("calls that don't wait for the freeze", &calls.back_to_back);
    section.line("floor after a pause of 2 ms", &floor.rested);
    section.line("warm call after a pause of 2 ms", &calls.rested);
    section.line("cgroup: freeze", &pauses.freeze);
    section.line("cgroup: thaw", &pauses.thaw);
    section.line("Docker: pause", &pauses.pause);
    section.line("Docker: unpause", &pauses.unpause);
    for (door, warm) in [("gRPC", &calls.warm), ("the AWS API", &calls.aws)] {
        let ratio = warm.p50() / floor.call.p50();
        section.promise(
            format!("warm by {door} / floor, p50: {ratio:.2} (at most {WARM_TO_FLOOR})"),
            ratio <= WARM_TO_FLOOR,
        );
    }
    let share = calls.warm.p50() - floor.call.p50() - pauses.thaw.p50() - calls.rpc.p50();
    section.promise(
        format!(
            "thawd's own share, warm - floor - thaw - gRPC, p50: {share:.3} ms (at most {OWN_SHARE_MS} ms)"
        ),
        share <= OWN_SHARE_MS,
    );
    section.note(format!("warm / floor after a pause, p50: {:.2}", calls.rested.p50() / floor.rested.p50()));
    section.note(format!(
        "Docker's pause + unpause / cgroup freeze + thaw, p50: {:.0}",
        pauses.engine.p50() / pauses.cgroup.p50()
    ));
    Ok(section)
}

#[derive(Debug)]
struct Calls {
    /// A call on a frozen sandbox, as its caller sees it; made as soon as the sandbox was frozen.
    warm: Series,
    /// The same through the AWS API, in turn with those.
    aws: Series,
    /// As `warm`, after a pause.
    rested: Series,
    /// Calls that don't wait for the freeze, each right after the other.
    back_to_back: Series,
    /// What the REPORT lines of the warm calls say.
    reported: Series,
    /// A gRPC call that does nothing, one right after the other.
    rpc: Series,
}

async fn calls(engine: &Docker, thawd: &Daemon, calls: usize) -> anyhow::Result<Calls> {
    let client = Client::new(thawd.channel.clone());
    client.create(FUNCTION, MEMORY_MB).await?;
    client.invoke(FUNCTION).await?;
    client.wait_ready(1).await?;
    let mut signed = AwsClient::connect(&client.status().await?.aws_address).await?;
    let watch = Watch::of(client.process(engine, FUNCTION).await?)?;
    let (mut warm, mut aws, mut rested, mut ids) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    for turn in 0..WARM_UP + 2 * calls {
        let after_rest = turn >= WARM_UP + calls;
        watch.wait()?;
        if after_rest {
            rest().await;
        }
        let (time, id) = client.invoke(FUNCTION).await?;
        if after_rest {
            rested.push(time);
            continue;
        }
        watch.wait()?;
        let through_aws = signed.invoke(FUNCTION).await?;
        if turn >= WARM_UP {
            warm.push(time);
            aws.push(through_aws);
            ids.insert(id);
        }
    }
    let sandboxes = client.sandboxes(FUNCTION).await?;
    ensure!(sandboxes.len() == 1, "the warm calls had {} sandboxes instead of one", sandboxes.len());
    let (mut back_to_back, mut rpc) = (Vec::new(), Vec::new());
    for _ in 0..calls {
        back_to_back.push(client.invoke(FUNCTION).await?.0);
    }
    for _ in 0..calls {
        rpc.push(client.health().await?);
    }
    let reports = client.reports(FUNCTION).await?;
    let is_warm = |line: &&String| request_id(line).is_some_and(|id| ids.contains(id));
    let reported = reports.iter().filter(is_warm).map(|line| field(line, "\tDuration: "));
    Ok(Calls {
        warm: Series::of(warm)?,
        aws: Series::of(aws)?,
        rested: Series::of(rested)?,
        back_to_back: Series::of(back_to_back)?,
        reported: Series::of_millis(reported.collect::<anyhow::Result<Vec<_>>>()?)?,
        rpc: Series::of(rpc)?,
    })
}
