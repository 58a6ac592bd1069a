//! What a sandbox stands on, for as long as it stands: its directory, its container, its Runtime API.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::stat::Mode,
    unistd::{Gid, Uid, chown, mkfifo},
};
use tokio::net::UnixListener;

use super::LaunchError;
use crate::{
    runtime_api::RuntimeApi,
    sandbox::{cgroup::Cgroup, container::USER, host::Host, output::OutputPipe},
};

/// How often a container's removal is tried, and how long is waited in between: a minute in all, as long as a restart
/// of dockerd takes.
const REMOVALS: u32 = 12;
const REMOVAL_PAUSE: Duration = Duration::from_secs(5);

/// What has to be taken away when a sandbox ends.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Ground {
    pub(super) directory: Option<PathBuf>,
    /// Docker's id of the container.
    pub(super) container: Option<String>,
    pub(super) cgroup: Option<Arc<Cgroup>>,
    pub(super) api: Option<RuntimeApi>,
}

/// The daemon's ends of what is in a sandbox's directory.
pub(super) struct Ends {
    pub(super) control: UnixListener,
    pub(super) output: OutputPipe,
}

/// Makes the sandbox's directory: the FIFO for its output and the socket that init connects to. The sandbox sees it
/// read-only, and only its user can open what is in it.
pub(super) fn lay_out(directory: &Path) -> Result<Ends, LaunchError> {
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
    let control = UnixListener::bind(&socket).map_err(file("listen on", &socket))?;
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))
        .map_err(file("set the mode of", &socket))?;
    for path in [&fifo, &socket] {
        chown(path, Some(Uid::from_raw(USER.0)), Some(Gid::from_raw(USER.1)))
            .map_err(io::Error::from)
            .map_err(file("give the sandbox's user", path))?;
    }
    let output = OutputPipe::open(&fifo).map_err(file("open", &fifo))?;
    Ok(Ends { control, output })
}

impl Ground {
    /// Takes everything away: processes first, then the container, then the directory. Tries again while the engine
    /// does not answer; what can't be removed even so is left to the next start, which finds it by its label.
    pub(in crate::sandbox) async fn clear(self, host: &Host) {
        let Self { directory, container, cgroup, api } = self;
        if let Some(api) = api {
            api.stop().await;
        }
        if let Some(container) = container {
            // Processes too die only in their turn: a dockerd that hears of a hundred ends at once misses some, and then
            // waits for them for ever. Seen with Docker 20.10.
            let mut turn = host.engine_turn().await;
            if let Some(cgroup) = cgroup
                && let Err(error) = tokio::task::block_in_place(|| cgroup.kill_all())
            {
                // Docker is asked to kill them next.
                tracing::debug!(%error, "a sandbox's processes were not all killed by its cgroup");
            }
            for attempt in 1..=REMOVALS {
                match host.engine.remove(&container).await {
                    Ok(()) => break,
                    Err(error) if attempt == REMOVALS => {
                        tracing::error!(container, %error, "a container could not be removed; the next start will remove it");
                    }
                    Err(error) => {
                        tracing::warn!(container, %error, attempt, "a container could not be removed yet");
                        drop(turn);
                        tokio::time::sleep(REMOVAL_PAUSE).await;
                        turn = host.engine_turn().await;
                    }
                }
            }
        }
        if let Some(directory) = directory
            && let Err(error) = std::fs::remove_dir_all(&directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(directory = %directory.display(), %error, "a sandbox's directory could not be removed");
        }
    }
}
