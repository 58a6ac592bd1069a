//! What eight callers of a Python function get through by each door, beside what as many bare loops of the same client reach on
//! the same processors.

use std::time::{Duration, Instant};

use bollard::Docker;
use tokio::task::JoinSet;

use crate::{
    MEMORY_MB, Options,
    aws::AwsClient,
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
    of(engine, "Throughput with 8 callers of one Python function", &Subject::python()).await
}

/// Measures a function of this subject: the bare loops, then the callers by each door.
///
/// # Errors
/// If anything fails on the way.
pub(super) async fn of(engine: &Docker, title: &str, subject: &Subject) -> anyhow::Result<Section> {
    let bare = Series::of(floor::many(engine, subject, CALLERS, WARM_UP, SPAN).await?)?;
    let thawd = Daemon::start(&[]).await?;
    let measured = through(&thawd, subject).await;
    thawd.stop().await?;
    let (grpc, aws) = measured?;
    let mut section = Section::new(title, "bare loop", &bare);
    section.line("8 bare loops of the runtime client", &bare);
    section.line("8 callers through gRPC", &grpc);
    section.line("8 callers through the AWS API", &aws);
    section.note(format!(
        "calls a second: bare loops {:.0}, through gRPC {:.0}, through the AWS API {:.0}",
        rate(&bare),
        rate(&grpc),
        rate(&aws)
    ));
    for (door, calls) in [("gRPC", &grpc), ("the AWS API", &aws)] {
        let part = rate(calls) / rate(&bare);
        section.promise(
            format!(
                "throughput by {door} / the bare loops': {:.0} % (at least {:.0} %)",
                part * 100.0,
                PART * 100.0
            ),
            part >= PART,
        );
    }
    Ok(section)
}

/// Calls a second.
pub(super) fn rate(series: &Series) -> f64 {
    series.count() as f64 / SPAN.as_secs_f64()
}

/// The callers, by gRPC and by the AWS API.
async fn through(thawd: &Daemon, subject: &Subject) -> anyhow::Result<(Series, Series)> {
    let client = Client::new(thawd.channel.clone());
    let grpc = Series::of(calls(&client, subject).await?)?;
    let address = client.status().await?.aws_address;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        // As with AWS's SDKs, whose calls have a connection each while they run.
        callers.push(AwsClient::connect(&address).await?);
    }
    Ok((grpc, Series::of(spin(callers).await?)?))
}

/// The callers by gRPC, of a function that is made for them: the time of each call.
///
/// # Errors
/// If a call fails.
pub(super) async fn calls(client: &Client, subject: &Subject) -> anyhow::Result<Vec<Duration>> {
    client.create_of(subject, FUNCTION, MEMORY_MB).await?;
    spin((0..CALLERS).map(|_| client.clone())).await
}

/// Who makes one call after the other.
trait Caller: Send + 'static {
    fn call(&mut self) -> impl Future<Output = anyhow::Result<Duration>> + Send;
}

impl Caller for Client {
    async fn call(&mut self) -> anyhow::Result<Duration> {
        Ok(self.invoke(FUNCTION).await?.0)
    }
}

impl Caller for AwsClient {
    async fn call(&mut self) -> anyhow::Result<Duration> {
        self.invoke(FUNCTION).await
    }
}

/// The time of each call of these callers.
async fn spin(all: impl IntoIterator<Item = impl Caller>) -> anyhow::Result<Vec<Duration>> {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for mut caller in all {
        callers.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < WARM_UP + SPAN {
                let time = caller.call().await?;
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
