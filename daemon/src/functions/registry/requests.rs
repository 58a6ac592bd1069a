//! What the registry is asked for, in types that were checked at the door.

use std::sync::Arc;

use super::version::FunctionVersion;
use crate::{
    functions::{
        Description, Environment, EphemeralStorageMb, FunctionName, Handler, MemoryMb, RevisionId, RoleArn,
        RuntimeName, TimeoutSeconds,
    },
    identity::AccountId,
};

/// A function to create. Its runtime is known and built: who asks has made sure.
#[derive(Clone, Debug)]
pub struct CreateFunction {
    /// Its name.
    pub name: FunctionName,
    /// What runs it.
    pub runtime: RuntimeName,
    /// Where the runtime finds the handler.
    pub handler: Handler,
    /// The execution role, if any.
    pub role: Option<RoleArn>,
    /// For people.
    pub description: Description,
    /// How long an invocation may take.
    pub timeout: TimeoutSeconds,
    /// Memory of a sandbox.
    pub memory: MemoryMb,
    /// Size of /tmp.
    pub ephemeral_storage: EphemeralStorageMb,
    /// Variables.
    pub environment: Environment,
}

/// Settings to change; `None` leaves one as it is. A runtime is known and built: who asks has made sure.
#[derive(Clone, Debug, Default)]
pub struct UpdateConfiguration {
    /// What runs the function.
    pub runtime: Option<RuntimeName>,
    /// Where the runtime finds the handler.
    pub handler: Option<Handler>,
    /// The execution role; `Some(None)` takes it away.
    pub role: Option<Option<RoleArn>>,
    /// For people.
    pub description: Option<Description>,
    /// How long an invocation may take.
    pub timeout: Option<TimeoutSeconds>,
    /// Memory of a sandbox.
    pub memory: Option<MemoryMb>,
    /// Size of /tmp.
    pub ephemeral_storage: Option<EphemeralStorageMb>,
    /// All variables; those that are not among them go.
    pub environment: Option<Environment>,
    /// If set, the update is refused unless the function is at this revision.
    pub revision_id: Option<RevisionId>,
}

/// How to replace a function's code.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateCode {
    /// If set, the update is refused unless the function is at this revision.
    pub revision_id: Option<RevisionId>,
    /// Checks everything and changes nothing.
    pub dry_run: bool,
}

/// Some functions in the order of their names.
#[derive(Clone, Debug)]
pub struct FunctionPage {
    /// The functions.
    pub functions: Vec<Arc<FunctionVersion>>,
    /// Where the next page goes on: after this name. `None` at the end.
    pub next: Option<FunctionName>,
}

/// A function changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionChange {
    /// The account that owns it.
    pub account: AccountId,
    /// The function.
    pub name: FunctionName,
    /// Its revision now; every other is obsolete. `None` if the function was deleted.
    pub revision: Option<RevisionId>,
}

/// What garbage collection removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packages, unpacked or as archive or both.
    pub packages: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
