//! A function as it is stored.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    functions::{
        Description, Environment, EphemeralStorageMb, FunctionName, Handler, MemoryMb, RevisionId, RoleArn,
        RuntimeName, TimeoutSeconds,
    },
    identity::AccountId,
    store::{Record, Sha256Digest},
};

/// What the store keeps of a function, under `ACCOUNT/NAME`. The region is not part of it: it is this machine's setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FunctionRecord {
    pub(super) revision_id: RevisionId,
    pub(super) runtime: RuntimeName,
    pub(super) handler: Handler,
    pub(super) role: Option<RoleArn>,
    pub(super) description: Description,
    pub(super) timeout: TimeoutSeconds,
    pub(super) memory: MemoryMb,
    pub(super) ephemeral_storage: EphemeralStorageMb,
    pub(super) environment: Environment,
    pub(super) package: Sha256Digest,
    pub(super) code_size: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) last_modified: OffsetDateTime,
}

impl Record for FunctionRecord {
    const TREE: &'static str = "functions";
    const SCHEMA_VERSION: u16 = 1;
}

/// Separates account and name in a key; neither has it.
const SEPARATOR: char = '/';

pub(super) fn key(account: AccountId, name: &FunctionName) -> String {
    format!("{account}{SEPARATOR}{name}")
}

/// The account and name in a key; `None` if this program did not write it.
pub(super) fn parse_key(key: &str) -> Option<(AccountId, FunctionName)> {
    let (account, name) = key.split_once(SEPARATOR)?;
    Some((account.parse().ok()?, name.parse().ok()?))
}
