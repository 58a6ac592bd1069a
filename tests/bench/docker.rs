//! Docker's own steps, through its API, and what thawd does instead of two of them.

use std::{
    collections::HashMap,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
    },
};
use thaw_daemon::sandbox::cgroup::{CPU_PERIOD_US, CgroupHost, cpu_quota};
use tokio_stream::StreamExt;

use crate::{IMAGE, MEMORY_MB, RUNTIME, figures::Series};

/// Marks the benchmark's own containers with the run that they are of.
const RUN_LABEL: &str = "thaw.bench";

/// How long the engine may take for one request.
const ENGINE_SECONDS: u64 = 60;

/// How long a freeze may take.
const FREEZE_LIMIT: Duration = Duration::from_secs(2);

/// Docker's way to stop a container's time, and the cgroup's.
#[derive(Debug)]
pub(crate) struct Pauses {
    /// Docker's pause.
    pub(crate) pause: Series,
    /// Docker's unpause.
    pub(crate) unpause: Series,
    /// Both.
    pub(crate) engine: Series,
    /// The cgroup's freezer, until every task stands still.
    pub(crate) freeze: Series,
    /// The cgroup's freezer.
    pub(crate) thaw: Series,
    /// Both.
    pub(crate) cgroup: Series,
}

/// The engine's socket.
pub(crate) fn socket() -> String {
    std::env::var("THAW_TEST_DOCKER_SOCKET").unwrap_or_else(|_| "/var/run/docker.sock".to_owned())
}

/// Connects to the engine and looks for the image.
///
/// # Errors
/// If either isn't there.
pub(crate) async fn connect() -> anyhow::Result<Docker> {
    let socket = socket();
    let docker = Docker::connect_with_unix(&socket, ENGINE_SECONDS, API_DEFAULT_VERSION)?
        .negotiate_version()
        .await
        .with_context(|| format!("the Docker Engine does not answer at {socket}: start dockerd"))?;
    docker
        .inspect_image(IMAGE)
        .await
        .with_context(|| format!("the image {IMAGE} is not there: run `thaw runtime build {RUNTIME}`"))?;
    Ok(docker)
}

/// The limits of every container that is measured: those of the function.
pub(crate) fn limits() -> HostConfig {
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        memory: Some(i64::from(MEMORY_MB) << 20),
        memory_swap: Some(i64::from(MEMORY_MB) << 20),
        cpu_period: Some(CPU_PERIOD_US),
        cpu_quota: Some(cpu_quota(MEMORY_MB)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        ..HostConfig::default()
    }
}

/// A container of the image that runs a line of Python.
fn python(line: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        entrypoint: Some(["python3", "-c", line].map(str::to_owned).to_vec()),
        host_config: Some(limits()),
        ..ContainerCreateBody::default()
    }
}

/// Creates and starts a container and gives its id.
///
/// # Errors
/// If the engine refuses.
pub(crate) async fn start(engine: &Docker, body: ContainerCreateBody) -> anyhow::Result<String> {
    let labels = HashMap::from([(RUN_LABEL.to_owned(), run_id())]);
    let body = ContainerCreateBody { labels: Some(labels), ..body };
    let created = engine.create_container(None::<CreateContainerOptions>, body).await.context("create")?;
    if let Err(error) = engine.start_container(&created.id, None::<StartContainerOptions>).await {
        remove(engine, &created.id).await?;
        return Err(error).context("start");
    }
    Ok(created.id)
}

/// Removes a container, whatever it does.
///
/// # Errors
/// If the engine refuses.
pub(crate) async fn remove(engine: &Docker, container: &str) -> anyhow::Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    engine.remove_container(container, Some(options)).await.context("remove")
}

/// Removes whatever containers of this run are left: after an error or an interruption there may be some.
///
/// # Errors
/// If the engine refuses.
pub(crate) async fn remove_left(engine: &Docker) -> anyhow::Result<()> {
    let filters = HashMap::from([("label", vec![format!("{RUN_LABEL}={}", run_id())])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    for container in engine.list_containers(Some(options)).await.context("list containers")? {
        if let Some(id) = container.id {
            remove(engine, &id).await?;
        }
    }
    Ok(())
}

/// Names this run: another benchmark beside it has its own containers.
fn run_id() -> String {
    std::process::id().to_string()
}

/// The first process of a container, as the host numbers it.
///
/// # Errors
/// If it does not run.
pub(crate) async fn process(engine: &Docker, container: &str) -> anyhow::Result<i64> {
    let inspected = engine.inspect_container(container, None::<InspectContainerOptions>).await?;
    inspected.state.and_then(|state| state.pid).context("the container has no process")
}

/// Measures pausing and freezing.
///
/// # Errors
/// If the engine or the cgroup refuses.
pub(crate) async fn pause(engine: &Docker, times: usize) -> anyhow::Result<Pauses> {
    let container = start(engine, python("import time; time.sleep(3600)")).await?;
    let measured = pause_container(engine, &container, times).await;
    remove(engine, &container).await?;
    measured
}

async fn pause_container(engine: &Docker, container: &str, times: usize) -> anyhow::Result<Pauses> {
    let pid = process(engine, container).await?;
    let cgroup = CgroupHost::detect()?.of_container(u32::try_from(pid)?, container)?;
    // The interpreter has come to its sleep by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut laps = [const { Vec::new() }; 6];
    for _ in 0..times {
        crate::rest().await;
        let begun = Instant::now();
        engine.pause_container(container).await?;
        let paused = begun.elapsed();
        engine.unpause_container(container).await?;
        let both = begun.elapsed();
        crate::rest().await;
        let begun = Instant::now();
        cgroup.request_freeze()?;
        while !cgroup.is_frozen()? {
            ensure!(begun.elapsed() < FREEZE_LIMIT, "the container does not freeze");
            std::hint::spin_loop();
        }
        let frozen = begun.elapsed();
        cgroup.thaw()?;
        let all = begun.elapsed();
        for (lap, time) in laps.iter_mut().zip([paused, both - paused, both, frozen, all - frozen, all]) {
            lap.push(time);
        }
    }
    let [paused, unpaused, engine, frozen, thawed, cgroup] = laps;
    Ok(Pauses {
        pause: Series::of(paused)?,
        unpause: Series::of(unpaused)?,
        engine: Series::of(engine)?,
        freeze: Series::of(frozen)?,
        thaw: Series::of(thawed)?,
        cgroup: Series::of(cgroup)?,
    })
}

/// Measures what `docker run` does: create, start, wait for the exit. Its removal is not counted.
///
/// # Errors
/// If the engine refuses or the line fails.
pub(crate) async fn run(engine: &Docker, line: &str, times: usize) -> anyhow::Result<Series> {
    let mut laps = Vec::new();
    for _ in 0..times {
        laps.push(run_once(engine, line).await?);
    }
    Series::of(laps)
}

/// As [`run`], once.
///
/// # Errors
/// As there.
pub(crate) async fn run_once(engine: &Docker, line: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let container = start(engine, python(line)).await?;
    let ended = engine.wait_container(&container, None::<WaitContainerOptions>).next().await;
    let time = begun.elapsed();
    remove(engine, &container).await?;
    // An exit with another status than 0 is an error here.
    ended.context("the engine said nothing of the exit")?.context("the line failed")?;
    Ok(time)
}

/// Measures creating and starting a container: as `docker run --network none` does, and as thawd does, which keeps the
/// engine's network code out of it. In turns, since machines change their pace.
///
/// # Errors
/// If the engine refuses.
pub(crate) async fn create_and_start(engine: &Docker, times: usize) -> anyhow::Result<[Series; 2]> {
    let mut laps = [const { Vec::new() }; 2];
    for _ in 0..times {
        for (laps, network_disabled) in laps.iter_mut().zip([false, true]) {
            let body = python("import time; time.sleep(3600)");
            let begun = Instant::now();
            let body = ContainerCreateBody { network_disabled: Some(network_disabled), ..body };
            let container = start(engine, body).await?;
            laps.push(begun.elapsed());
            remove(engine, &container).await?;
        }
    }
    let [usual, disabled] = laps;
    Ok([Series::of(usual)?, Series::of(disabled)?])
}

/// The machine, in words.
///
/// # Errors
/// If the engine does not answer.
pub(crate) async fn machine(engine: &Docker) -> anyhow::Result<String> {
    let version = engine.version().await?.version.unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let cgroup = CgroupHost::detect()?.version().number();
    Ok(format!(
        "{} CPUs, {}, Linux {}, Docker {version}, cgroup v{cgroup}; load when it ended: {}",
        thread::available_parallelism()?,
        std::env::consts::ARCH,
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
    ))
}
