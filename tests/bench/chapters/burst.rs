//! A hundred different functions, called at once for the first time.

use std::time::Instant;

use anyhow::Context;
use bollard::Docker;
use tokio::task::JoinSet;

use crate::{
    Options,
    client::Client,
    daemon::Daemon,
    docker,
    figures::{Section, Series},
};

/// How many.
const FUNCTIONS: usize = 100;

/// Their memory: the least that Lambda gives.
const MEMORY_MB: u32 = 128;

/// How long sandboxes may take to stand ready: as many as a burst of calls before this one has left.
const READY: u32 = 2;

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, _: &Options) -> anyhow::Result<Section> {
    let begun = Instant::now();
    let mut runs = JoinSet::new();
    for _ in 0..FUNCTIONS {
        let engine = engine.clone();
        runs.spawn(async move {
            docker::run_once(&engine, "import awslambdaric.bootstrap").await?;
            anyhow::Ok(begun.elapsed())
        });
    }
    let mut docker = Vec::new();
    while let Some(run) = runs.join_next().await {
        docker.push(run??);
    }

    let thawd = Daemon::start(&[("memory-budget-mb", "60000")]).await?;
    let client = Client::new(thawd.channel.clone());
    let measured = calls(&client).await;
    thawd.stop().await?;
    let (first, again) = measured?;
    let docker = Series::of(docker)?;
    let mut section = Section::new("A burst of 100 different functions at once", "docker run", &docker);
    section.line("from the first call to each first answer", &first);
    section.line("the same functions once more, at once", &again);
    section.line("as many `docker run`s at once, each to its exit", &docker);
    let last = (first.percentile(100), again.percentile(100), docker.percentile(100));
    section.note(format!("until the last was answered: {:.0} ms; the second time {:.0} ms; until the last `docker run` ended: {:.0} ms", last.0, last.1, last.2));
    Ok(section)
}

async fn calls(client: &Client) -> anyhow::Result<(Series, Series)> {
    let names: Vec<_> = (0..FUNCTIONS).map(|number| format!("burst-{number}")).collect();
    for name in &names {
        client.create(name, MEMORY_MB).await?;
    }
    client.wait_ready(READY).await?;
    Ok((at_once(client, &names).await?, at_once(client, &names).await?))
}

async fn at_once(client: &Client, names: &[String]) -> anyhow::Result<Series> {
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for name in names {
        let (client, name) = (client.clone(), name.clone());
        calls.spawn(async move {
            client.invoke(&name).await.with_context(|| name)?;
            anyhow::Ok(begun.elapsed())
        });
    }
    let mut times = Vec::new();
    while let Some(call) = calls.join_next().await {
        times.push(call??);
    }
    Series::of(times)
}
