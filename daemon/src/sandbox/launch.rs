//! Makes a sandbox: from nothing to a runtime that is about to initialise.
//!
//! The order matters. The listener and the mounts are in place before init is told what to start, so the function never
//! sees a half-furnished sandbox. Everything made on the way is written into [`Ground`] at once, and whoever called
//! [`launch`] clears the ground in the end, whether it worked or not.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::stat::Mode,
    unistd::{Gid, Uid, chown, mkfifo},
};
use thaw_kernel::{DetachedMount, KernelError, namespace::ContainerNamespaces};
use tokio::{net::UnixListener, sync::mpsc};

use super::{
    cgroup::{self, Cgroup, CgroupError},
    container::{ContainerSpec, TASK_ROOT, USER},
    control::{Assignment, Control},
    engine::{EngineError, RunningContainer},
    host::Host,
    output::Output,
    pool::Member,
};
use crate::{
    logs::LogError,
    runtime_api::{self, RuntimeApi, RuntimeCall},
};

/// How long init may take to connect. It does so within milliseconds of being started.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Calls of the runtime that wait for the owner. A runtime makes one at a time.
const CALLS: usize = 8;

/// Why a sandbox could not be made. None of these is the function's doing.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Docker could not do its part.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The kernel could not do its part.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The cgroup was not where it had to be.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A file of the sandbox could not be made.
    #[error("could not {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its log stream could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Init never connected.
    #[error("the sandbox's first process did not connect within {} s: does the image run on this machine?", CONNECT_LIMIT.as_secs())]
    Silent,
    /// Something under it broke.
    #[error("a sandbox could not be set up: {0}")]
    Broken(&'static str),
}

/// What has to be taken away when a sandbox ends.
#[derive(Debug, Default)]
pub(super) struct Ground {
    pub(super) directory: Option<PathBuf>,
    pub(super) container: Option<RunningContainer>,
    pub(super) cgroup: Option<Arc<Cgroup>>,
    pub(super) api: Option<RuntimeApi>,
}

/// A sandbox whose runtime has just been started.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) cgroup: Arc<Cgroup>,
    pub(super) control: Control,
    pub(super) output: Output,
    pub(super) calls: mpsc::Receiver<RuntimeCall>,
}

/// Makes a sandbox for `member`.
pub(super) async fn launch(
    host: &Host,
    member: &Member,
    ground: &mut Ground,
) -> Result<Launched, LaunchError> {
    let spec = &member.spec;
    let directory = host.sandboxes_dir.join(member.id.as_str());
    ground.directory = Some(directory.clone());
    let listener = furnish(&directory)?;
    let log = host.logs.stream(&spec.log_group, &member.log_stream)?;
    let fifo = directory.join("output");
    let output = Output::open(&fifo, log, Arc::clone(&host.clock), host.settings.log_invocation_limit)
        .map_err(|source| LaunchError::File { what: "open", path: fifo, source })?;

    let disk = disk(host, spec.ephemeral_storage_mb);
    let container = ContainerSpec {
        id: member.id.clone(),
        instance: Arc::clone(&host.instance),
        account: Arc::clone(&spec.account),
        function_name: Arc::clone(&spec.function_name),
        image: spec.image.clone(),
        memory_mb: spec.memory_mb,
        pids_limit: host.settings.pids_limit,
        cgroup_parent: cgroup::tenant_parent(host.cgroup_driver, &host.instance, &spec.account),
        directory,
        empty: host.empty_dir.clone(),
        init: host.init.clone(),
    };
    let running = {
        let _turn = host.engine_turn().await;
        // The disk is made while Docker works.
        let (running, disk) = tokio::join!(host.engine.run(&container), disk);
        let running = running?;
        ground.container = Some(running.clone());
        (running, disk?)
    };
    let (running, disk) = running;
    // Set once, here.
    let _ = member.container.set(running.id.clone());

    let inside = enter(host, &running)?;
    let cgroup = Arc::new(inside.cgroup);
    ground.cgroup = Some(Arc::clone(&cgroup));
    let _ = member.cgroup.set(Arc::clone(&cgroup));

    let package = spec.package.clone();
    let listener_inside = blocking(move || {
        let mounts = vec![
            (DetachedMount::read_only(&package)?, PathBuf::from(TASK_ROOT)),
            (disk, PathBuf::from("/tmp")),
        ];
        inside.namespaces.mount_all(mounts)?;
        inside.namespaces.listen(api_address()).map_err(LaunchError::from)
    })
    .await?;
    let (sender, calls) = mpsc::channel(CALLS);
    let api = runtime_api::serve(listener_inside, sender).map_err(|source| LaunchError::File {
        what: "serve the Runtime API of",
        path: host.sandboxes_dir.join(member.id.as_str()),
        source,
    })?;
    ground.api = Some(api);

    let mut control = tokio::time::timeout(CONNECT_LIMIT, Control::accept(&listener))
        .await
        .map_err(|_| LaunchError::Silent)?
        .map_err(|source| LaunchError::File { what: "accept on", path: "control.sock".into(), source })?;
    let environment = environment(member);
    let mut command: Vec<&str> = spec.entrypoint.iter().map(String::as_str).collect();
    command.push(&spec.handler);
    let assignment = Assignment { command, environment: &environment, working_directory: TASK_ROOT };
    control.assign(&assignment).await.map_err(|source| LaunchError::File {
        what: "write the assignment to",
        path: "control.sock".into(),
        source,
    })?;
    Ok(Launched { cgroup, control, output, calls })
}

struct Inside {
    namespaces: ContainerNamespaces,
    cgroup: Cgroup,
}

/// Takes hold of the container. Docker's word on its process id is checked, since the process may have died and its
/// number may be someone else's by now: the namespaces are opened first, then the process behind the number is found in
/// the container's own cgroup, and is still alive after that.
fn enter(host: &Host, running: &RunningContainer) -> Result<Inside, LaunchError> {
    let namespaces = ContainerNamespaces::open(running.pid)?;
    let cgroup = host.cgroups.of_container(running.pid, &running.id)?;
    if !namespaces.is_alive() {
        return Err(EngineError::EndedAtOnce(running.id.clone()).into());
    }
    Ok(Inside { namespaces, cgroup })
}

fn api_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9001))
}

/// The sandbox's directory: the FIFO for its output and the socket that init connects to. The sandbox sees it
/// read-only, and only its user can open what is in it.
fn furnish(directory: &Path) -> Result<UnixListener, LaunchError> {
    let file = |what, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| LaunchError::File { what, path, source }
    };
    std::fs::DirBuilder::new()
        .mode(0o711)
        .create(directory)
        .map_err(file("make the directory", directory))?;
    // A place for Docker to mount init on.
    let init = directory.join("init");
    std::fs::write(&init, b"").map_err(file("make", &init))?;
    let fifo = directory.join("output");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(io::Error::from)
        .map_err(file("make the FIFO", &fifo))?;
    let socket = directory.join("control.sock");
    let listener = UnixListener::bind(&socket).map_err(file("listen on", &socket))?;
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))
        .map_err(file("set the mode of", &socket))?;
    for path in [&fifo, &socket] {
        chown(path, Some(Uid::from_raw(USER.0)), Some(Gid::from_raw(USER.1)))
            .map_err(io::Error::from)
            .map_err(file("give the sandbox's user", path))?;
    }
    Ok(listener)
}

async fn disk(host: &Host, size_mb: u32) -> Result<DetachedMount, LaunchError> {
    let disks = Arc::clone(&host.disks);
    blocking(move || Ok(disks.create(u64::from(size_mb) << 20, USER.0, USER.1)?)).await
}

/// Runs kernel calls that may wait for a disk where they hold up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LaunchError> + Send + 'static,
) -> Result<T, LaunchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(LaunchError::Broken("its set-up panicked")))
}

/// The specification's environment and what names this sandbox. The latter can't be set by a user, so nothing is lost.
fn environment(member: &Member) -> BTreeMap<String, String> {
    let mut environment = member.spec.environment.clone();
    environment.insert("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), member.log_stream.to_string());
    environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api::ADDRESS.to_owned());
    environment
}

impl Ground {
    /// Takes everything away: processes first, then the container, then the directory. Tries again while the engine
    /// does not answer; what can't be removed even so is left to the next start, which finds it by its label.
    pub(super) async fn clear(self, host: &Host) {
        let Self { directory, container, cgroup, api } = self;
        if let Some(cgroup) = cgroup
            && let Err(error) = cgroup.kill_all()
        {
            // Docker is asked to kill them next.
            tracing::debug!(%error, "a sandbox's processes were not all killed by its cgroup");
        }
        if let Some(api) = api {
            api.stop().await;
        }
        if let Some(container) = container {
            remove(host, &container.id).await;
        }
        if let Some(directory) = directory
            && let Err(error) = std::fs::remove_dir_all(&directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(directory = %directory.display(), %error, "a sandbox's directory could not be removed");
        }
    }
}

/// How often a container's removal is tried, and how long is waited in between: a minute in all, as long as a restart
/// of dockerd takes.
const REMOVALS: u32 = 12;
const REMOVAL_PAUSE: Duration = Duration::from_secs(5);

async fn remove(host: &Host, container: &str) {
    for attempt in 1..=REMOVALS {
        let _turn = host.engine_turn().await;
        match host.engine.remove(container).await {
            Ok(()) => return,
            Err(error) if attempt == REMOVALS => {
                tracing::error!(container, %error, "a container could not be removed; the next start will remove it");
            }
            Err(error) => {
                tracing::warn!(container, %error, attempt, "a container could not be removed yet");
                drop(_turn);
                tokio::time::sleep(REMOVAL_PAUSE).await;
            }
        }
    }
}
