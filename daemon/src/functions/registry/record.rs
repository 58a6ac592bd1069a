//! What the store keeps of functions.
//!
//! Every function has one record in `functions`, which also holds what `$LATEST` is. What belongs to it lies in trees
//! beside it, under keys that begin with the function's. All changes of any of it are made one after another (see
//! `gate`), each in one batch that expects the function's own record as it is known.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    functions::{
        AliasName, Description, FunctionName, FunctionUrlConfig, Qualifier, RecursiveLoop, RevisionId,
        RuntimeManagement, Settings, Tags, Version, VersionNumber, alias::Routing,
        event_invoke::EventInvokeConfig, policy::Policy, provisioned::ProvisionedConcurrency,
    },
    identity::AccountId,
    store::{Record, Sha256Digest},
};

/// A function, under `ACCOUNT/NAME`. The region is not part of it: it is this machine's setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FunctionRecord {
    /// What `$LATEST` is.
    pub(super) latest: VersionRecord,
    /// The greatest number that a version was given; 0 for none.
    pub(super) last_version: u64,
    /// What was published last, to tell whether anything has changed since.
    pub(super) last_publish: Option<LastPublish>,
    pub(super) tags: Tags,
    /// Its own share of the account's concurrency.
    pub(super) reserved_concurrency: Option<u32>,
    pub(super) recursive_loop: RecursiveLoop,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastPublish {
    pub(super) version: VersionNumber,
    /// That of `$LATEST`: the version's own may be another.
    pub(super) description: Description,
}

/// A version. Published ones are under `ACCOUNT/NAME/NUMBER`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct VersionRecord {
    pub(super) revision_id: RevisionId,
    /// The revision that brought its code and settings; changes of what is around them leave it as it is.
    pub(super) generation: RevisionId,
    pub(super) settings: Settings,
    pub(super) package: Sha256Digest,
    pub(super) code_size: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) last_modified: OffsetDateTime,
    pub(super) progress: Progress,
    pub(super) runtime_management: RuntimeManagement,
}

/// What was acknowledged and not finished yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Progress {
    /// It is new.
    Creating,
    /// It has new code or settings.
    Updating,
    /// Nothing.
    Settled,
}

impl Record for FunctionRecord {
    const TREE: &'static str = "functions";
    const SCHEMA_VERSION: u16 = 2;

    /// Schema 1 had no versions: the record was what `$LATEST` is now, with fewer settings.
    fn upgrade(found: u16, old: Value) -> Option<Value> {
        if found != 1 {
            return None;
        }
        let architecture = crate::functions::Architecture::HERE.as_str();
        let variables = &old["environment"];
        let environment = if variables.as_object().is_none_or(serde_json::Map::is_empty) {
            &Value::Null
        } else {
            variables
        };
        Some(json!({
            "latest": {
                "revision_id": old["revision_id"],
                "generation": old["revision_id"],
                "settings": {
                    "runtime": old["runtime"],
                    "handler": old["handler"],
                    "role": old["role"],
                    "description": old["description"],
                    "timeout": old["timeout"],
                    "memory": old["memory"],
                    "ephemeral_storage": old["ephemeral_storage"],
                    "environment": environment,
                    "architecture": architecture,
                    "tracing": "PassThrough",
                    "dead_letter": null,
                    "vpc": null,
                    "logging": {
                        "format": "Text",
                        "application_level": null,
                        "system_level": null,
                        "group": null,
                    },
                    "snap_start": "None",
                    "layers": [],
                    "kms_key": null,
                },
                "package": old["package"],
                "code_size": old["code_size"],
                "last_modified": old["last_modified"],
                "progress": "Settled",
                "runtime_management": { "update_on": "Auto", "runtime_version_arn": null },
            },
            "last_version": 0,
            "last_publish": null,
            "tags": {},
            "reserved_concurrency": null,
            "recursive_loop": "Terminate",
        }))
    }
}

impl Record for VersionRecord {
    const TREE: &'static str = "function_versions";
    const SCHEMA_VERSION: u16 = 1;
}

/// An alias, under `ACCOUNT/NAME/ALIAS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AliasRecord {
    pub(super) version: Version,
    pub(super) routing: Option<Routing>,
    pub(super) description: Description,
    pub(super) revision_id: RevisionId,
}

impl Record for AliasRecord {
    const TREE: &'static str = "function_aliases";
    const SCHEMA_VERSION: u16 = 1;
}

/// Under `ACCOUNT/NAME` for the function as a whole, `ACCOUNT/NAME/QUALIFIER` for a version or alias.
impl Record for Policy {
    const TREE: &'static str = "function_policies";
    const SCHEMA_VERSION: u16 = 2;

    /// Schema 1 had one condition less. Who knows only that would take a statement for wider than it is.
    fn upgrade(found: u16, old: Value) -> Option<Value> {
        (found == 1).then_some(old)
    }
}

/// Under `ACCOUNT/NAME/QUALIFIER`.
impl Record for EventInvokeConfig {
    const TREE: &'static str = "function_event_configs";
    const SCHEMA_VERSION: u16 = 1;
}

/// Under `ACCOUNT/NAME/QUALIFIER`.
impl Record for ProvisionedConcurrency {
    const TREE: &'static str = "function_provisioned";
    const SCHEMA_VERSION: u16 = 1;
}

/// Under `ACCOUNT/NAME` for the function as a whole, `ACCOUNT/NAME/ALIAS` for an alias.
impl Record for FunctionUrlConfig {
    const TREE: &'static str = "function_urls";
    const SCHEMA_VERSION: u16 = 1;
}

/// What stays of a deleted function, under its key: a version's number is never given twice, also not to another
/// function of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FormerFunction {
    pub(super) last_version: u64,
}

impl Record for FormerFunction {
    const TREE: &'static str = "former_functions";
    const SCHEMA_VERSION: u16 = 1;
}

/// Separates account, name and qualifier in a key; none of them has it.
const SEPARATOR: char = '/';

pub(super) fn key(account: AccountId, name: &FunctionName) -> String {
    format!("{account}{SEPARATOR}{name}")
}

/// The key of what belongs to a qualifier of a function.
pub(super) fn key_of(account: AccountId, name: &FunctionName, qualifier: &Qualifier) -> String {
    format!("{account}{SEPARATOR}{name}{SEPARATOR}{qualifier}")
}

pub(super) fn version_key(account: AccountId, name: &FunctionName, number: VersionNumber) -> String {
    key_of(account, name, &Qualifier::Version(Version::Number(number)))
}

pub(super) fn alias_key(account: AccountId, name: &FunctionName, alias: &AliasName) -> String {
    key_of(account, name, &Qualifier::Alias(alias.clone()))
}

/// The account, name and qualifier in a key; `None` if this program did not write it.
pub(super) fn parse_key(key: &str) -> Option<(AccountId, FunctionName, Option<Qualifier>)> {
    let mut parts = key.splitn(3, SEPARATOR);
    let (account, name) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let qualifier = parts.next().map(str::parse).transpose().ok()?;
    Some((account, name, qualifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_the_first_schema_is_read_with_all_it_had() {
        let old = json!({
            "revision_id": "0d5bd5a1-ce19-4bdd-8f31-4d0a4d1f7d1e",
            "runtime": "python3.13",
            "handler": "app.handler",
            "role": "arn:aws:iam::000000000000:role/x",
            "description": "old",
            "timeout": 7,
            "memory": 256,
            "ephemeral_storage": 1024,
            "environment": { "KEY": "value" },
            "package": Sha256Digest::of(b"x"),
            "code_size": 5,
            "last_modified": "2025-01-02T03:04:05Z",
        });
        let new: FunctionRecord =
            serde_json::from_value(FunctionRecord::upgrade(1, old.clone()).unwrap()).unwrap();
        let settings = &new.latest.settings;
        assert_eq!(settings.handler.as_str(), "app.handler");
        assert_eq!(
            (settings.timeout.get(), settings.memory.get(), settings.ephemeral_storage.get()),
            (7, 256, 1024)
        );
        assert_eq!(settings.variables().collect::<Vec<_>>(), [("KEY", "value")]);
        assert_eq!(new.latest.generation, new.latest.revision_id);
        assert_eq!((new.latest.code_size, new.latest.progress), (5, Progress::Settled));
        assert_eq!((new.last_version, new.last_publish), (0, None));
        assert_eq!(FunctionRecord::upgrade(0, old), None);
    }

    #[test]
    fn keys_are_read_as_they_were_written() {
        let (account, name) = (AccountId::DEFAULT, "f".parse().unwrap());
        assert_eq!(parse_key(&key(account, &name)), Some((account, name.clone(), None)));
        for qualifier in [Qualifier::LATEST, "7".parse().unwrap(), "live".parse().unwrap()] {
            let key = key_of(account, &name, &qualifier);
            assert_eq!(parse_key(&key), Some((account, name.clone(), Some(qualifier))));
        }
        assert_eq!(parse_key("f"), None);
    }
}
