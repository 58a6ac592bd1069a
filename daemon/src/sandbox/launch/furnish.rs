//! From a sandbox without a function to one whose function is about to initialise.
//!
//! This is what a cold start costs where a sandbox stands ready: limits written, code mounted, one line sent, tasks let
//! go. Nothing in it asks Docker, where the daemon can write cgroups.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use thaw_kernel::{DetachedMount, namespace::ContainerNamespaces};
use tokio::sync::mpsc;

use super::{DEFAULT_DISK_MB, LaunchError, Prepared, TMP, blocking, control_error, disk};
use crate::{
    runtime_api::{self, RuntimeCall},
    sandbox::{
        cgroup::Cgroup,
        container::{LAYER_ROOT, TASK_ROOT},
        control::{Control, Entry, Order, Program},
        host::Host,
        limits::{LimitError, Limits},
        output::Output,
        pool::Assignment,
        spec::{EntryPoint, SandboxSpec},
    },
};

/// A sandbox that has been told which function it is. If it was frozen it still is: it begins when it is thawed.
#[derive(Debug)]
pub(in crate::sandbox) struct Furnished {
    pub(in crate::sandbox) cgroup: Arc<Cgroup>,
    pub(in crate::sandbox) control: Control,
    pub(in crate::sandbox) output: Output,
    pub(in crate::sandbox) calls: mpsc::Receiver<RuntimeCall>,
}

/// Makes `prepared` the sandbox of `assignment`.
pub(in crate::sandbox) async fn furnish(
    host: &Arc<Host>,
    assignment: &Assignment,
    prepared: Prepared,
    limits: &Limits,
) -> Result<Furnished, LaunchError> {
    let Prepared { cgroup, mut control, output, calls, namespaces } = prepared;
    let spec = &assignment.spec;
    limits.of_init(spec.memory_mb).await.map_err(|error| match error {
        LimitError::Cgroup(error) => LaunchError::Cgroup(error),
        LimitError::Engine(error) => LaunchError::Engine(error),
    })?;
    let log = host.logs.stream(&spec.log_group, &assignment.log_stream)?;
    let output = output.into_output(log, Arc::clone(&host.clock), host.settings.log_invocation_limit);
    move_in(host, spec, namespaces).await?;
    let environment = environment(assignment);
    control.order(&start(spec, &environment)).await.map_err(control_error("write an order to"))?;
    Ok(Furnished { cgroup, control, output, calls })
}

/// Puts the function's code and layers into place, and the /tmp that it asks for if that is not the usual one.
async fn move_in(
    host: &Arc<Host>,
    spec: &SandboxSpec,
    namespaces: ContainerNamespaces,
) -> Result<(), LaunchError> {
    let (host, package, disk_mb) = (Arc::clone(host), spec.package.clone(), spec.ephemeral_storage_mb);
    let layers = spec.layers.clone();
    blocking(move || {
        let mut mounts = vec![(DetachedMount::read_only(&package)?, PathBuf::from(TASK_ROOT))];
        if !layers.is_empty() {
            mounts.push((DetachedMount::layered(&layers)?, PathBuf::from(LAYER_ROOT)));
        }
        if disk_mb != DEFAULT_DISK_MB {
            let disk = disk(&host, disk_mb)?;
            namespaces.unmount(Path::new(TMP))?;
            mounts.push((disk, PathBuf::from(TMP)));
        }
        Ok(namespaces.mount_all(mounts)?)
    })
    .await
}

fn start<'a>(spec: &'a SandboxSpec, environment: &'a BTreeMap<String, String>) -> Order<'a> {
    let handler = spec.handler.as_str();
    let entry = match &spec.entrypoint {
        EntryPoint::Client(client) => {
            Entry::Command(client.iter().map(String::as_str).chain([handler]).collect())
        }
        EntryPoint::Bootstrap(paths) => Entry::Bootstrap(paths),
    };
    let is_up = spec.base.prestart.is_some() && spec.suits_prestart;
    Order::Start {
        program: Program { entry, environment, working_directory: TASK_ROOT },
        arguments: is_up.then(|| vec![handler]),
    }
}

/// The specification's environment and what names this sandbox. The latter can't be set by a user, so nothing is lost.
fn environment(assignment: &Assignment) -> BTreeMap<String, String> {
    let mut environment = assignment.spec.environment.clone();
    environment.insert("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), assignment.log_stream.to_string());
    if assignment.provisioned {
        environment.insert("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), "provisioned-concurrency".to_owned());
    }
    environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api::ADDRESS.to_owned());
    environment
}
