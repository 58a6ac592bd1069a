//! A function at one moment, as everybody but the registry sees it.

use time::OffsetDateTime;

use super::record::FunctionRecord;
use crate::{
    functions::{
        Description, Environment, EphemeralStorageMb, FunctionArn, FunctionName, Handler, MemoryMb,
        Qualifier, RevisionId, RoleArn, RuntimeName, TimeoutSeconds, Version,
    },
    identity::AccountId,
    store::Sha256Digest,
};

/// One immutable state of a function. A change of the function makes a new one with another revision id; whoever holds
/// this one keeps what it had.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionVersion {
    /// The function's ARN, without a qualifier.
    pub arn: FunctionArn,
    /// Which version of the function this is.
    pub version: Version,
    /// Differs from that of every other state.
    pub revision_id: RevisionId,
    /// What runs it.
    pub runtime: RuntimeName,
    /// Where the runtime finds the handler.
    pub handler: Handler,
    /// The execution role, if it was given one.
    pub role: Option<RoleArn>,
    /// For people.
    pub description: Description,
    /// How long an invocation may take.
    pub timeout: TimeoutSeconds,
    /// Memory of a sandbox.
    pub memory: MemoryMb,
    /// Size of /tmp.
    pub ephemeral_storage: EphemeralStorageMb,
    /// Variables. Their values are secrets and print as nothing.
    pub environment: Environment,
    /// The package: the SHA-256 of the uploaded archive.
    pub package: Sha256Digest,
    /// Bytes of the uploaded archive.
    pub code_size: u64,
    /// When the function was last changed.
    pub last_modified: OffsetDateTime,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went.
    pub last_update_status: LastUpdateStatus,
}

impl FunctionVersion {
    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.arn.name
    }

    /// The account that owns it.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.arn.account
    }

    /// The ARN with this version as its qualifier.
    #[must_use]
    pub fn qualified_arn(&self) -> FunctionArn {
        self.arn.with_qualifier(Qualifier::Version(self.version))
    }

    /// `$LATEST` of a function as it is recorded.
    pub(super) fn latest(arn: FunctionArn, record: &FunctionRecord, state: State) -> Self {
        let FunctionRecord {
            revision_id,
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
            package,
            code_size,
            last_modified,
        } = record.clone();
        Self {
            arn,
            version: Version::Latest,
            revision_id,
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
            package,
            code_size,
            last_modified,
            state,
            last_update_status: LastUpdateStatus::Successful,
        }
    }
}

/// Lambda's State. Pending and Inactive do not occur: a function is acknowledged when it can be invoked, and its
/// package stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be invoked.
    Active,
    /// It cannot.
    Failed {
        /// Why not and what to do, for people.
        reason: String,
    },
}

/// Lambda's LastUpdateStatus. There is one: an update is done when it is acknowledged, and one that fails changes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUpdateStatus {
    /// It was applied.
    Successful,
}
