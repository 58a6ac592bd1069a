//! How fast a poller gets through a stream of Redis, calling a function for every hundred records, beside a plain consumer of
//! the same stream that calls nobody.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bollard::Docker;
use thaw_tests::redis::Redis;

use crate::{
    Options,
    client::{Client, field},
    daemon::Daemon,
    figures::{Section, Series},
};

const MEMORY_MB: u32 = 1769;

/// Records of a call: what a stream's mapping has if nothing is said.
const BATCH: usize = 100;

const STREAM: &str = "records";
const FUNCTION: &str = "polling";

/// How often the stream is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A poller gets through many thousands a second.
const STUCK: Duration = Duration::from_secs(600);

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(_: &Docker, options: &Options) -> anyhow::Result<Section> {
    let records = options.events;
    let redis = Redis::start().await;
    redis.fill(STREAM, records).await;
    let begun = Instant::now();
    let consumed = redis.consume(STREAM, BATCH).await;
    let plain = begun.elapsed();
    ensure!(consumed == records, "a plain consumer read {consumed} of {records} records");

    // Another stream, since the plain consumer's group is one of this one.
    let stream = format!("{STREAM}-again");
    redis.fill(&stream, records).await;
    let thawd = Daemon::start(&[("redis-url", &redis.url())]).await?;
    let measured = poll(&Client::new(thawd.channel.clone()), &redis, &stream).await;
    thawd.stop().await?;
    let (polled, calls) = measured?;

    let rate = |time: Duration| records as f64 / time.as_secs_f64();
    let a_batch = |time: Duration| Series::of([time.mul_f64(BATCH as f64 / records as f64)]);
    let plain_batch = a_batch(plain)?;
    let mut section = Section::new("A stream of Redis", "plain consumer", &plain_batch);
    section.line(&format!("{BATCH} records, read and acknowledged by a plain consumer"), &plain_batch);
    section.line(&format!("{BATCH} records through a function, all told"), &a_batch(polled)?);
    section.line("of that the function", &calls);
    section.note(format!(
        "records a second, of {records}: {:.0} through a function in batches of {BATCH}, {:.0} by a plain consumer",
        rate(polled),
        rate(plain)
    ));
    Ok(section)
}

/// From the mapping's beginning until everything is acknowledged, and what each call took.
async fn poll(client: &Client, redis: &Redis, stream: &str) -> anyhow::Result<(Duration, Series)> {
    client.create(FUNCTION, MEMORY_MB).await?;
    client.invoke(FUNCTION).await?;
    let begun = Instant::now();
    client.map(FUNCTION, &format!("arn:aws:redis:us-east-1:000000000000:stream/{stream}")).await?;
    while !redis.is_read(stream).await {
        ensure!(begun.elapsed() < STUCK, "the stream is not read to its end");
        tokio::time::sleep(LOOK).await;
    }
    let polled = begun.elapsed();
    let durations: anyhow::Result<Vec<f64>> =
        client.reports(FUNCTION).await?.iter().skip(1).map(|line| field(line, "\tDuration: ")).collect();
    Ok((polled, Series::of_millis(durations?)?))
}
