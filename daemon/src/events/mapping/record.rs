//! What the store keeps of mappings.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{MappingId, MappingSettings, MappingState, SourceArn};
use crate::{
    functions::{FunctionArn, RevisionId, Tags},
    identity::AccountId,
    store::Record,
};

/// A mapping, under `ACCOUNT/UUID`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MappingRecord {
    pub(super) source: SourceArn,
    /// With the qualifier that it was given.
    pub(super) function: FunctionArn,
    pub(super) settings: MappingSettings,
    pub(super) enabled: bool,
    pub(super) state: MappingState,
    /// Changes with all of the above but the state.
    pub(super) generation: RevisionId,
    pub(super) tags: Tags,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) last_modified: OffsetDateTime,
}

impl Record for MappingRecord {
    const TREE: &'static str = "event_source_mappings";
    const SCHEMA_VERSION: u16 = 1;
}

pub(super) fn key(account: AccountId, id: MappingId) -> String {
    format!("{account}/{id}")
}

/// The account and id in a key; `None` if this program did not write it.
pub(super) fn parse_key(key: &str) -> Option<(AccountId, MappingId)> {
    let (account, id) = key.split_once('/')?;
    Some((account.parse().ok()?, id.parse().ok()?))
}
