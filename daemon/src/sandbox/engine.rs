//! The Docker Engine, as far as sandboxes need it.
//!
//! It starts and ends sandboxes and is never on the path of a warm invocation. Every call has a time limit of the
//! daemon's own, and after a few that ran into it the engine counts as down for a while ([`Breaker`]): new sandboxes
//! are then refused at once, and warm calls go on.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerUpdateBody, SystemInfoCgroupDriverEnum},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, StartContainerOptions,
    },
};
use tokio::time::Instant;

use super::{
    cgroup::{CPU_PERIOD_US, CgroupDriver},
    container::{ContainerSpec, INSTANCE_LABEL},
};

/// Creating and starting took 200 ms when measured, seconds on a machine under load. Past this, the engine hangs.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// Looking something up is quick or never.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// So many calls in a row that ran into their limit mean that the engine hangs.
const BREAK_AFTER: u32 = 3;

/// How long an engine that hangs is left alone.
const BREAK_FOR: Duration = Duration::from_secs(10);

/// Why the engine could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing answers on the engine's socket.
    #[error("the Docker Engine can't be reached at {socket}: is it running? ({source})")]
    Unreachable {
        /// The engine's socket.
        socket: PathBuf,
        /// What the client says.
        source: bollard::errors::Error,
    },
    /// The engine took too long.
    #[error("the Docker Engine did not {what} within {} s", limit.as_secs())]
    TimedOut {
        /// What it was asked to do.
        what: &'static str,
        /// How long it was given.
        limit: Duration,
    },
    /// The engine hung lately, so it wasn't asked.
    #[error("the Docker Engine does not answer; it is asked again in a few seconds")]
    Down,
    /// The image is not there any more.
    #[error("the image {0} is not on this machine any more")]
    NoSuchImage(String),
    /// The engine refused.
    #[error("the Docker Engine could not {what}: {source}")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// What it answered.
        source: bollard::errors::Error,
    },
    /// The container ended as soon as it was started.
    #[error("the container {0} ended as soon as it was started")]
    EndedAtOnce(String),
}

/// What the engine says of itself.
#[derive(Clone, Debug)]
pub struct EngineInfo {
    /// Its version.
    pub version: String,
    /// Who makes its cgroups.
    pub cgroup_driver: CgroupDriver,
}

/// A client of the engine.
#[derive(Debug)]
pub struct Engine {
    docker: Docker,
    socket: PathBuf,
    breaker: Breaker,
}

impl Engine {
    /// A client of the engine at `socket`. Nothing is sent yet.
    ///
    /// # Errors
    /// If the path can't be a socket's.
    pub fn new(socket: &Path) -> Result<Self, EngineError> {
        let docker = Docker::connect_with_unix(
            &socket.to_string_lossy(),
            CALL_LIMIT.as_secs() * 10,
            API_DEFAULT_VERSION,
        )
        .map_err(|source| EngineError::Unreachable { socket: socket.to_owned(), source })?;
        Ok(Self { docker, socket: socket.to_owned(), breaker: Breaker::default() })
    }

    /// Finds an API version that both sides speak. Call once, before anything else.
    ///
    /// # Errors
    /// If the engine can't be reached.
    pub async fn negotiate(mut self) -> Result<Self, EngineError> {
        let negotiated = tokio::time::timeout(LOOK_LIMIT, self.docker.clone().negotiate_version())
            .await
            .map_err(|_| EngineError::TimedOut { what: "tell its version", limit: LOOK_LIMIT })?;
        self.docker =
            negotiated.map_err(|source| EngineError::Unreachable { socket: self.socket.clone(), source })?;
        Ok(self)
    }

    /// The client itself, for building images.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn info(&self) -> Result<EngineInfo, EngineError> {
        let info = self.call("tell its state", LOOK_LIMIT, self.docker.info()).await?;
        let cgroup_driver = match info.cgroup_driver {
            Some(SystemInfoCgroupDriverEnum::SYSTEMD) => CgroupDriver::Systemd,
            _ => CgroupDriver::Cgroupfs,
        };
        Ok(EngineInfo { version: info.server_version.unwrap_or_default(), cgroup_driver })
    }

    /// Creates a container. Its id, by which it must be removed in the end.
    pub(super) async fn create(&self, spec: &ContainerSpec) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(&spec.name()).build();
        let created = self
            .call("create a container", CALL_LIMIT, self.docker.create_container(Some(options), spec.body()))
            .await;
        match created {
            Ok(created) => Ok(created.id),
            Err(EngineError::Refused { source, .. }) if is_status(&source, 404) => {
                Err(EngineError::NoSuchImage(spec.image.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a container.
    pub(super) async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.call(
            "start a container",
            CALL_LIMIT,
            self.docker.start_container(id, None::<StartContainerOptions>),
        )
        .await
    }

    /// The first process of a container, as the host numbers it; none if the container does not run.
    pub(super) async fn first_process(&self, id: &str) -> Result<Option<u32>, EngineError> {
        let inspected = self
            .call(
                "inspect a container",
                LOOK_LIMIT,
                self.docker.inspect_container(id, None::<InspectContainerOptions>),
            )
            .await?;
        let pid = inspected.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        Ok(pid.filter(|pid| *pid > 0))
    }

    /// Kills what runs in a container and removes it. One that is gone already is as good.
    pub(super) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self
            .call("remove a container", CALL_LIMIT, self.docker.remove_container(id, Some(options)))
            .await
        {
            // 404: gone. 409: a removal is under way.
            Err(EngineError::Refused { source, .. })
                if is_status(&source, 404) || is_status(&source, 409) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Docker's own freezer, for hosts whose cgroups the daemon can't write.
    pub(super) async fn pause(&self, id: &str) -> Result<(), EngineError> {
        self.call("pause a container", CALL_LIMIT, self.docker.pause_container(id)).await
    }

    /// The reverse of [`Engine::pause`].
    pub(super) async fn unpause(&self, id: &str) -> Result<(), EngineError> {
        self.call("unpause a container", CALL_LIMIT, self.docker.unpause_container(id)).await
    }

    /// Docker's own way to change what a container may take, for the same hosts: bytes of memory, swap included, and
    /// the CPU time of each [`CPU_PERIOD_US`].
    pub(super) async fn limit(
        &self,
        id: &str,
        memory: Option<u64>,
        cpu_quota_us: i64,
    ) -> Result<(), EngineError> {
        let memory = memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let limits = ContainerUpdateBody {
            memory,
            memory_swap: memory,
            cpu_period: Some(CPU_PERIOD_US),
            cpu_quota: Some(cpu_quota_us),
            ..ContainerUpdateBody::default()
        };
        self.call("limit a container", LOOK_LIMIT, self.docker.update_container(id, limits)).await
    }

    /// The containers, running or not, that carry this daemon's label.
    pub(super) async fn labelled(&self, instance: &str) -> Result<Vec<LabelledContainer>, EngineError> {
        let filters =
            std::collections::HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={instance}")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found =
            self.call("list containers", LOOK_LIMIT, self.docker.list_containers(Some(options))).await?;
        let mut containers = Vec::new();
        for id in found.into_iter().filter_map(|container| container.id) {
            match self.first_process(&id).await {
                Ok(pid) => containers.push(LabelledContainer { id, pid }),
                Err(EngineError::Refused { source, .. }) if is_status(&source, 404) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(containers)
    }

    async fn call<T>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        if self.breaker.is_open() {
            return Err(EngineError::Down);
        }
        let answer = tokio::time::timeout(limit, call).await;
        self.breaker.note(answer.is_ok());
        match answer {
            Err(_) => Err(EngineError::TimedOut { what, limit }),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source @ bollard::errors::Error::DockerResponseServerError { .. })) => {
                Err(EngineError::Refused { what, source })
            }
            Ok(Err(source)) => Err(EngineError::Unreachable { socket: self.socket.clone(), source }),
        }
    }
}

/// A container of an earlier life.
#[derive(Debug)]
pub(super) struct LabelledContainer {
    pub(super) id: String,
    /// Its first process, if it runs.
    pub(super) pid: Option<u32>,
}

fn is_status(error: &bollard::errors::Error, status: u16) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// Counts calls in a row that ran into their limit; open after [`BREAK_AFTER`], for [`BREAK_FOR`]. After that one call
/// is let through at a time to see, since each one that hangs opens it again.
#[derive(Debug, Default)]
struct Breaker(Mutex<BreakerState>);

#[derive(Debug, Default)]
struct BreakerState {
    timed_out: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    fn is_open(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open_until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, answered: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = BreakerState::default();
            return;
        }
        state.timed_out += 1;
        if state.timed_out >= BREAK_AFTER {
            state.open_until = Some(Instant::now() + BREAK_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_breaker_opens_after_hanging_calls_and_lets_one_through_later() {
        let breaker = Breaker::default();
        for _ in 0..BREAK_AFTER {
            assert!(!breaker.is_open());
            breaker.note(false);
        }
        assert!(breaker.is_open());
        tokio::time::advance(BREAK_FOR).await;
        assert!(!breaker.is_open());
        breaker.note(false);
        assert!(breaker.is_open());
        tokio::time::advance(BREAK_FOR).await;
        breaker.note(true);
        breaker.note(false);
        assert!(!breaker.is_open());
    }
}
