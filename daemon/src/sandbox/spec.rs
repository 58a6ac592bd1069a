//! What a sandbox is made for: everything the pool has to know of one function version.
//!
//! The pool never looks at functions; who invokes turns a version into a [`SandboxSpec`] once and keeps it.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::logs::GroupKey;

/// Names a sandbox: 32 hexadecimal digits, as in Lambda's log stream names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SandboxId(Arc<str>);

impl SandboxId {
    /// A new, random id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells sandboxes that may stand in for each other from those that may not: one key is one immutable version with one
/// configuration. A sandbox never serves a second key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpecKey(pub Arc<str>);

/// What a [`SandboxSpec`] is made of.
pub struct SandboxSpecParts {
    /// Sandboxes of this key are interchangeable.
    pub key: SpecKey,
    /// The tenant's account id: names the cgroup parent and the log group's owner.
    pub account: Arc<str>,
    /// The function's name.
    pub function_name: Arc<str>,
    /// The version's name, e.g. `$LATEST`.
    pub version: Arc<str>,
    /// The ARN that the handler sees as `invoked_function_arn`, and that lists show.
    pub function_arn: Arc<str>,
    /// The image's id, so that a rebuilt tag does not change a running version's ground.
    pub image: String,
    /// The runtime's client and its arguments, from the image's entry point; the handler follows it.
    pub entrypoint: Vec<String>,
    /// Where the runtime finds the handler.
    pub handler: String,
    /// MB of memory; CPU follows it.
    pub memory_mb: u32,
    /// MB of /tmp.
    pub ephemeral_storage_mb: u32,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The unpacked package on this machine.
    pub package: PathBuf,
    /// Whatever has to live as long as a sandbox uses the package.
    pub package_pin: Box<dyn Send + Sync>,
    /// Variables from the image, the daemon and the user, but for those that name the sandbox itself.
    pub environment: BTreeMap<String, String>,
    /// The log group.
    pub log_group: GroupKey,
}

/// The recipe for sandboxes of one function version.
pub struct SandboxSpec {
    parts: SandboxSpecParts,
    retired: AtomicBool,
}

impl Deref for SandboxSpec {
    type Target = SandboxSpecParts;

    fn deref(&self) -> &SandboxSpecParts {
        &self.parts
    }
}

impl fmt::Debug for SandboxSpec {
    /// Without the environment: its values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSpec").field("key", &self.key).finish_non_exhaustive()
    }
}

impl SandboxSpec {
    /// A recipe that is in use.
    #[must_use]
    pub fn new(parts: SandboxSpecParts) -> Self {
        Self { parts, retired: AtomicBool::new(false) }
    }

    /// A newer version or configuration took this one's place: its sandboxes end as soon as no call needs them.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether [`SandboxSpec::retire`] was called.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}
