//! From nothing to a container whose runtime comes up, without a function.
//!
//! What can be done while Docker works is: the disk is made, and from the moment init connects, which is long before Docker
//! says that the container has started, the runtime is brought up and the Runtime API put into place.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use thaw_kernel::namespace::ContainerNamespaces;
use tokio::{net::UnixListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    CONNECT_LIMIT, DEFAULT_DISK_MB, Ground, LaunchError, TMP, blocking, control_error, disk,
    ground::{Ends, lay_out},
};
use crate::{
    runtime_api::{self, RuntimeCall},
    sandbox::{
        cgroup::{self, Cgroup},
        container::{ContainerSpec, TASK_ROOT},
        control::{Control, Entry, Order, Program},
        engine::EngineError,
        host::Host,
        output::OutputPipe,
        pool::Member,
        spec::Base,
    },
};

/// Calls of the runtime that wait for the owner. A runtime makes one at a time.
const CALLS: usize = 8;

/// How often a container that was started is looked at while its first process does not connect.
const ALIVE_LOOK: Duration = Duration::from_secs(1);

/// A sandbox without a function. Its runtime is up, or coming up.
#[derive(Debug)]
pub(in crate::sandbox) struct Prepared {
    pub(in crate::sandbox) cgroup: Arc<Cgroup>,
    pub(in crate::sandbox) control: Control,
    pub(in crate::sandbox) output: OutputPipe,
    pub(in crate::sandbox) calls: mpsc::Receiver<RuntimeCall>,
    pub(super) namespaces: ContainerNamespaces,
}

/// Makes the container of `member` and brings its runtime up.
pub(in crate::sandbox) async fn prepare(
    host: &Arc<Host>,
    member: &Member,
    ground: &mut Ground,
) -> Result<Prepared, LaunchError> {
    let directory = host.sandboxes_dir.join(member.id.as_str());
    ground.directory = Some(directory.clone());
    let Ends { control, output } = lay_out(&directory)?;
    let container = ContainerSpec {
        id: member.id.clone(),
        instance: Arc::clone(&host.instance),
        account: Arc::clone(member.base.account()),
        runtime: Arc::clone(&member.base.runtime),
        image: member.base.image().to_owned(),
        pids_limit: host.settings.pids_limit,
        cgroup_parent: cgroup::tenant_parent(host.cgroup_driver, &host.instance, member.base.account()),
        directory,
        empty: host.empty_dir.clone(),
        hosts: host.hosts_file.clone(),
        init: host.init.clone(),
    };

    let turn = host.engine_turn().await;
    let disks = Arc::clone(host);
    // It begins now, not when it is waited for.
    let disk = tokio::spawn(blocking(move || disk(&disks, DEFAULT_DISK_MB)));
    let id = host.engine.create(&container).await?;
    ground.container = Some(id.clone());
    // Set once, here.
    let _ = member.container.set(id.clone());
    let connected = CancellationToken::new();
    let ((), (up, calls)) = tokio::try_join!(
        start(host, &id, &connected),
        come_up(host, member, &id, control, &connected, ground)
    )?;
    drop(turn);

    let ComeUp { control, cgroup, namespaces } = up;
    let disk = disk.await.unwrap_or(Err(LaunchError::Broken("its disk's making panicked")))?;
    let namespaces = blocking(move || {
        namespaces.mount_all(vec![(disk, PathBuf::from(TMP))])?;
        Ok(namespaces)
    })
    .await?;
    Ok(Prepared { cgroup, control, output, calls, namespaces })
}

/// Starts the container, and fails if init does not connect then.
async fn start(host: &Host, id: &str, connected: &CancellationToken) -> Result<(), LaunchError> {
    host.engine.start(id).await?;
    let limit = tokio::time::Instant::now() + CONNECT_LIMIT;
    while tokio::time::timeout(ALIVE_LOOK, connected.cancelled()).await.is_err() {
        if host.engine.first_process(id).await?.is_none() {
            return Err(EngineError::EndedAtOnce(id.to_owned()).into());
        }
        if tokio::time::Instant::now() > limit {
            return Err(LaunchError::Silent);
        }
    }
    Ok(())
}

struct ComeUp {
    control: Control,
    cgroup: Arc<Cgroup>,
    namespaces: ContainerNamespaces,
}

/// Waits for init, has it bring the runtime up, and meanwhile serves the Runtime API inside.
async fn come_up(
    host: &Host,
    member: &Member,
    container: &str,
    listener: UnixListener,
    connected: &CancellationToken,
    ground: &mut Ground,
) -> Result<(ComeUp, mpsc::Receiver<RuntimeCall>), LaunchError> {
    let (mut control, pid) = Control::accept(&listener).await.map_err(control_error("accept on"))?;
    connected.cancel();
    if let Some(order) = prestart(&member.base) {
        control.order(&order).await.map_err(control_error("write an order to"))?;
    }
    let (namespaces, cgroup) = enter(host, pid, container)?;
    let cgroup = Arc::new(cgroup);
    ground.cgroup = Some(Arc::clone(&cgroup));
    let _ = member.cgroup.set(Arc::clone(&cgroup));
    let (namespaces, listener) = blocking(move || {
        let listener = namespaces.listen(api_address())?;
        Ok((namespaces, listener))
    })
    .await?;
    let (sender, calls) = mpsc::channel(CALLS);
    let api = runtime_api::serve(listener, sender).map_err(|source| LaunchError::File {
        what: "serve the Runtime API of",
        path: host.sandboxes_dir.join(member.id.as_str()),
        source,
    })?;
    ground.api = Some(api);
    Ok((ComeUp { control, cgroup, namespaces }, calls))
}

fn prestart(base: &Base) -> Option<Order<'_>> {
    let command = base.prestart.as_ref()?;
    Some(Order::Prestart(Program {
        entry: Entry::Command(command.iter().map(String::as_str).collect()),
        environment: &base.environment,
        working_directory: TASK_ROOT,
    }))
}

/// Takes hold of the container. The number of the process that connected is checked, since that may have died and its
/// number may be someone else's by now: the namespaces are opened first, then the process behind the number is found in
/// the container's own cgroup, and is still alive after that.
fn enter(host: &Host, pid: u32, container: &str) -> Result<(ContainerNamespaces, Cgroup), LaunchError> {
    let namespaces = ContainerNamespaces::open(pid)?;
    let cgroup = host.cgroups.of_container(pid, container)?;
    // That they are apart is the engine's work. Whatever engine it is, no function gets into what has no walls.
    if !namespaces.are_apart()? {
        return Err(LaunchError::Broken("its container shares the host's network or file systems"));
    }
    if !namespaces.is_alive() {
        return Err(EngineError::EndedAtOnce(container.to_owned()).into());
    }
    Ok((namespaces, cgroup))
}

fn api_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9001))
}
