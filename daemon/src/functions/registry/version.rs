//! A function at one moment, as everybody but the registry sees it.

use std::ops::Deref;

use time::OffsetDateTime;

use super::record::{Progress, VersionRecord};
use crate::{
    functions::{FunctionArn, FunctionName, Qualifier, RevisionId, RuntimeManagement, Settings, Version},
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
    /// Stays while code and settings do: two states of one generation run in the same sandboxes.
    pub generation: RevisionId,
    /// What its owner set; the value's fields can be read as this one's.
    pub settings: Settings,
    /// The package: the SHA-256 of the uploaded archive.
    pub package: Sha256Digest,
    /// Bytes of the uploaded archive.
    pub code_size: u64,
    /// When the function was last changed.
    pub last_modified: OffsetDateTime,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went; nothing while the function is new.
    pub last_update_status: Option<LastUpdateStatus>,
    /// How its runtime is managed.
    pub runtime_management: RuntimeManagement,
}

impl Deref for FunctionVersion {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
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

    /// Whether what was acknowledged of it is not finished yet.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        self.state == State::Pending || self.last_update_status == Some(LastUpdateStatus::InProgress)
    }

    /// A version as it is recorded. `failed` says why its package is not there.
    pub(super) fn of_record(
        arn: FunctionArn,
        version: Version,
        record: &VersionRecord,
        failed: Option<String>,
    ) -> Self {
        let VersionRecord {
            revision_id,
            generation,
            settings,
            package,
            code_size,
            last_modified,
            progress,
            runtime_management,
        } = record.clone();
        let state = match (failed, progress) {
            (Some(reason), _) => State::Failed { reason },
            (None, Progress::Creating) => State::Pending,
            (None, Progress::Updating | Progress::Settled) => State::Active,
        };
        let last_update_status = match progress {
            Progress::Creating => None,
            Progress::Updating => Some(LastUpdateStatus::InProgress),
            Progress::Settled => Some(LastUpdateStatus::Successful),
        };
        Self {
            arn,
            version,
            revision_id,
            generation,
            settings,
            package,
            code_size,
            last_modified,
            state,
            last_update_status,
            runtime_management,
        }
    }
}

/// Lambda's State. Inactive does not occur: a function's package stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was acknowledged and can't be invoked quite yet.
    Pending,
    /// It can be invoked.
    Active,
    /// It cannot.
    Failed {
        /// Why not and what to do, for people.
        reason: String,
    },
}

/// Why a function is in a state that is not the usual one: Lambda's StateReasonCode and StateReason, and those of the
/// last update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Lambda's code.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// What Lambda says of everything that is under way, updates too.
fn creating() -> Reason {
    Reason { code: "Creating", text: "The function is being created.".to_owned() }
}

impl State {
    /// Lambda's word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Failed { .. } => "Failed",
        }
    }

    /// Why it can't be invoked, if that is so for good.
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Self::Failed { reason } => Some(reason.clone()),
            Self::Pending | Self::Active => None,
        }
    }

    /// Why, if it is not [`State::Active`].
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Active => None,
            Self::Pending => Some(creating()),
            Self::Failed { reason } => Some(Reason { code: "InternalError", text: reason.clone() }),
        }
    }
}

/// Lambda's LastUpdateStatus. An update that fails is refused and changes nothing, so Failed does not occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUpdateStatus {
    /// It was acknowledged and is not finished quite yet.
    InProgress,
    /// It was applied.
    Successful,
}

impl LastUpdateStatus {
    /// Lambda's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
        }
    }

    /// Why, if it is not [`LastUpdateStatus::Successful`].
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        (self == Self::InProgress).then(creating)
    }
}
