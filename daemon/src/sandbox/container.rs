//! The container a sandbox lives in: every wall that Docker puts up, in one place.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};

use super::{cgroup, spec::SandboxId};

/// User and group of every function, as on Lambda.
pub const USER: (u32, u32) = (993, 990);

/// Where the daemon's side of a sandbox appears inside it.
pub(super) const THAW_DIR: &str = "/.thaw";

/// Where the package appears.
pub(super) const TASK_ROOT: &str = "/var/task";

/// Where layers appear. The image has the directory.
pub(super) const LAYER_ROOT: &str = "/opt";

/// MB of memory until it is known which function it is for, and how much that has.
const BASE_MEMORY_MB: u32 = 512;

/// Open files of one sandbox. Source: Lambda quotas.
const FILE_DESCRIPTORS: i64 = 1024;

/// The label that names the daemon a container belongs to.
pub(super) const INSTANCE_LABEL: &str = "thaw.instance";

/// What differs from container to container.
#[derive(Debug)]
pub(super) struct ContainerSpec {
    pub(super) id: SandboxId,
    pub(super) instance: Arc<str>,
    pub(super) account: Arc<str>,
    pub(super) runtime: Arc<str>,
    pub(super) image: String,
    pub(super) pids_limit: u32,
    pub(super) cgroup_parent: String,
    /// The sandbox's directory on the host: FIFO and control socket.
    pub(super) directory: PathBuf,
    /// An empty directory that stands where the package will be mounted, whatever the image has there.
    pub(super) empty: PathBuf,
    /// The /etc/hosts of every sandbox.
    pub(super) hosts: PathBuf,
    /// The static first process.
    pub(super) init: PathBuf,
}

impl ContainerSpec {
    /// The container's name.
    pub(super) fn name(&self) -> String {
        format!("thaw-{}", self.id)
    }

    /// What Docker is asked for.
    pub(super) fn body(&self) -> ContainerCreateBody {
        let memory = i64::from(BASE_MEMORY_MB) << 20;
        let init = format!("{THAW_DIR}/init");
        let host_config = HostConfig {
            // No network but its own loopback interface. Docker is to have no part in that either, see `network_disabled`.
            network_mode: Some("none".to_owned()),
            // Nothing to write to but /tmp, which is mounted later.
            readonly_rootfs: Some(true),
            binds: Some(vec![
                format!("{}:{THAW_DIR}:ro", self.directory.display()),
                format!("{}:{init}:ro", self.init.display()),
                format!("{}:{TASK_ROOT}:ro", self.empty.display()),
                format!("{}:/etc/hosts:ro", self.hosts.display()),
            ]),
            // No privilege, and none to be had from a setuid program.
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            privileged: Some(false),
            // The sandbox's own view of process ids, IPC and cgroups.
            ipc_mode: Some("private".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            pids_limit: Some(i64::from(self.pids_limit)),
            ulimits: Some(vec![
                ulimit("nofile", FILE_DESCRIPTORS),
                // A crash must not fill the disk.
                ulimit("core", 0),
            ]),
            memory: Some(memory),
            // Memory and swap together: no swap beyond memory.
            memory_swap: Some(memory),
            // Starting an interpreter on a small function's share would take seconds; as on Lambda, the share applies
            // from the first invocation on (see `owner`).
            cpu_period: Some(cgroup::CPU_PERIOD_US),
            cpu_quota: Some(cgroup::CPU_PERIOD_US),
            cgroup_parent: Some(self.cgroup_parent.clone()),
            // Output comes by FIFO; Docker's own path would keep a copy.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            // The daemon's own init takes that place.
            init: Some(false),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: Some(vec![init]),
            cmd: Some(Vec::new()),
            user: Some(format!("{}:{}", USER.0, USER.1)),
            working_dir: Some("/".to_owned()),
            // The same in every sandbox, so that it tells nothing of the host.
            hostname: Some("localhost".to_owned()),
            // The container still has a network namespace of its own, whose loopback interface its OCI runtime brings up.
            // What Docker does beyond that for a network `none` takes half of a container's start: it executes itself
            // anew inside the namespace, to set up nothing, and writes /etc/hosts.
            network_disabled: Some(true),
            labels: Some(HashMap::from([
                (INSTANCE_LABEL.to_owned(), self.instance.to_string()),
                ("thaw.sandbox".to_owned(), self.id.to_string()),
                ("thaw.account".to_owned(), self.account.to_string()),
                ("thaw.runtime".to_owned(), self.runtime.to_string()),
            ])),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        }
    }
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}
