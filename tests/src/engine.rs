//! The real Docker Engine, as tests look at it and hurt it.

use std::{collections::HashMap, path::PathBuf};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    query_parameters::{
        InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder,
    },
};

/// The engine's socket: the one that `THAW_TEST_DOCKER_SOCKET` names, else the usual one.
#[must_use]
pub fn socket() -> PathBuf {
    std::env::var_os("THAW_TEST_DOCKER_SOCKET")
        .map_or_else(|| PathBuf::from("/var/run/docker.sock"), PathBuf::from)
}

/// The image of a runtime.
#[must_use]
pub fn image(runtime: &str) -> String {
    format!("thaw/{runtime}")
}

/// A client of the engine.
#[derive(Debug)]
pub struct Engine(Docker);

impl Engine {
    /// Connects.
    pub async fn connect() -> Self {
        let socket = socket();
        let docker = Docker::connect_with_unix(&socket.to_string_lossy(), 60, API_DEFAULT_VERSION)
            .expect("a path for the engine's socket");
        let docker = docker.negotiate_version().await.unwrap_or_else(|error| {
            panic!("the Docker Engine does not answer at {}: start dockerd ({error})", socket.display())
        });
        Self(docker)
    }

    /// Fails the test if a runtime's image isn't there.
    pub async fn require_image(&self, runtime: &str) {
        let image = image(runtime);
        assert!(
            self.0.inspect_image(&image).await.is_ok(),
            "the image {image} is not on this machine: run `thaw runtime build {runtime}` first"
        );
    }

    /// Ids of the containers, running or not, of the daemon with this instance id.
    pub async fn containers_of(&self, instance: &str) -> Vec<String> {
        let filters = HashMap::from([("label", vec![format!("thaw.instance={instance}")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.0.list_containers(Some(options)).await.expect("list containers");
        containers.into_iter().filter_map(|container| container.id).collect()
    }

    /// Whether a container is there.
    pub async fn has_container(&self, id: &str) -> bool {
        self.0.inspect_container(id, None::<InspectContainerOptions>).await.is_ok()
    }

    /// The container's first process, as the host numbers it.
    pub async fn pid_of(&self, container: &str) -> i32 {
        let inspected = self
            .0
            .inspect_container(container, None::<InspectContainerOptions>)
            .await
            .expect("inspect a container");
        let pid = inspected.state.and_then(|state| state.pid).expect("a container that runs has a pid");
        assert!(pid > 0, "the container {container} does not run");
        i32::try_from(pid).expect("a pid")
    }

    /// Whether Docker has paused a container.
    pub async fn is_paused(&self, container: &str) -> bool {
        let inspected = self.0.inspect_container(container, None::<InspectContainerOptions>).await;
        let state = inspected.expect("inspect a container").state;
        state.and_then(|state| state.paused).expect("a container is paused or not")
    }

    /// Removes a container.
    pub async fn remove(&self, container: &str) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        self.0.remove_container(container, Some(options)).await.expect("remove a container");
    }

    /// Kills a container as `docker kill` does. Docker 20.10 misses the end of one now and then when others end, too; it is
    /// dead all the same.
    pub async fn kill(&self, container: &str) {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        match self.0.kill_container(container, Some(options)).await {
            Err(error) if error.to_string().contains("did not receive an exit event") => {}
            killed => killed.expect("kill a container"),
        }
    }
}
