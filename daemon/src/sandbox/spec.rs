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

/// Tells bases apart: sandboxes without a function are interchangeable if they are of one tenant, so that they are in its
/// cgroup from their first moment, and of one image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseKey {
    account: Arc<str>,
    image: Arc<str>,
}

/// What a sandbox is before it has a function.
#[derive(Debug)]
pub struct Base {
    key: BaseKey,
    /// What lists call it: the runtime's name.
    pub runtime: Arc<str>,
    /// The command that brings the runtime up before there is a function, if the image has one.
    pub prestart: Option<Vec<String>>,
    /// The environment that it starts with: the image's and Lambda's, without anything of a function.
    pub environment: BTreeMap<String, String>,
}

impl Base {
    /// The base of a tenant's sandboxes of an image. `image` is an id, so that a rebuilt tag does not change a running
    /// version's ground.
    #[must_use]
    pub fn new(
        account: Arc<str>,
        image: Arc<str>,
        runtime: Arc<str>,
        prestart: Option<Vec<String>>,
        environment: BTreeMap<String, String>,
    ) -> Self {
        Self { key: BaseKey { account, image }, runtime, prestart, environment }
    }

    /// Tells it from others.
    #[must_use]
    pub fn key(&self) -> &BaseKey {
        &self.key
    }

    /// The tenant's account id: names the cgroup parent.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.key.account
    }

    /// The image's id.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.key.image
    }

    #[cfg(test)]
    pub(super) fn for_tests(image: &str) -> Arc<Self> {
        let base = Self::new("000000000000".into(), image.into(), "python3.13".into(), None, BTreeMap::new());
        Arc::new(base)
    }
}

/// Tells sandboxes that may stand in for each other from those that may not: one key is one immutable version with one
/// configuration. A sandbox never serves a second key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpecKey(pub Arc<str>);

/// How a runtime is started once there is a function for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// A runtime client in the image, and its arguments; the handler follows it.
    Client(Vec<String>),
    /// A runtime that the function brings: the first of these files that is there.
    Bootstrap(Vec<String>),
}

/// What a [`SandboxSpec`] is made of.
pub struct SandboxSpecParts {
    /// Sandboxes of this key are interchangeable.
    pub key: SpecKey,
    /// What its sandboxes are before they become this version.
    pub base: Arc<Base>,
    /// The function's name.
    pub function_name: Arc<str>,
    /// The version's name, e.g. `$LATEST`.
    pub version: Arc<str>,
    /// The function's ARN, without a qualifier, for lists and logs.
    pub function_arn: Arc<str>,
    /// What is started.
    pub entrypoint: EntryPoint,
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
    /// What is laid under /opt: unpacked layers on this machine, the first at the bottom.
    pub layers: Vec<PathBuf>,
    /// Whatever has to live as long as a sandbox uses the package and the layers.
    pub package_pin: Box<dyn Send + Sync>,
    /// Variables from the image, the daemon and the user, but for those that name the sandbox itself.
    pub environment: BTreeMap<String, String>,
    /// Whether what was started before there was a function can become this one. If not, its runtime starts anew.
    pub suits_prestart: bool,
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

    #[cfg(test)]
    pub(super) fn for_tests(base: &Arc<Base>, name: &str, memory_mb: u32) -> Arc<Self> {
        Arc::new(Self::new(SandboxSpecParts {
            key: SpecKey(name.into()),
            base: Arc::clone(base),
            function_name: name.into(),
            version: "$LATEST".into(),
            function_arn: format!("arn:aws:lambda:us-east-1:{}:function:{name}", base.account()).into(),
            entrypoint: EntryPoint::Client(Vec::new()),
            handler: String::new(),
            memory_mb,
            ephemeral_storage_mb: 512,
            timeout: Duration::from_secs(3),
            package: PathBuf::new(),
            layers: Vec::new(),
            package_pin: Box::new(()),
            environment: BTreeMap::new(),
            suits_prestart: true,
            log_group: GroupKey::of_function(base.account(), name).unwrap(),
        }))
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
