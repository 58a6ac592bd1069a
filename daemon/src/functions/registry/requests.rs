//! What the registry is asked for, in types that were checked at the door, and what it answers.

use std::sync::Arc;

use super::version::FunctionVersion;
use crate::{
    functions::{
        Architecture, CodeSigningArn, FunctionArn, FunctionName, LayerVersionArn, RevisionId, Settings, Tags,
        Version,
    },
    identity::AccountId,
};

/// A function to create.
#[derive(Clone, Debug)]
pub struct CreateFunction {
    /// Its name.
    pub name: FunctionName,
    /// Its settings. Those of `layers` here are not looked at.
    pub settings: Settings,
    /// The layer versions to lay under /opt, the first at the bottom.
    pub layers: Vec<LayerVersionArn>,
    /// Its tags.
    pub tags: Tags,
    /// The code-signing configuration that it is to have.
    pub code_signing: Option<CodeSigningArn>,
    /// Whether to publish it as a version, too.
    pub publish: bool,
}

/// How to replace a function's code.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateCode {
    /// If set, the update is refused unless the function is at this revision.
    pub revision_id: Option<RevisionId>,
    /// Checks everything and changes nothing.
    pub dry_run: bool,
    /// The processor that the new code is for, if it is said.
    pub architecture: Option<Architecture>,
    /// Whether to publish it as a version, too.
    pub publish: bool,
}

/// A function after a change of its code.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What `$LATEST` is now.
    pub latest: Arc<FunctionVersion>,
    /// The version that was published with it.
    pub published: Option<Arc<FunctionVersion>>,
}

/// A version that was found, and what it was asked for by.
#[derive(Clone, Debug)]
pub struct Found {
    /// The version.
    pub version: Arc<FunctionVersion>,
    /// The ARN as it was asked for: without a qualifier, or with that version or alias.
    pub arn: FunctionArn,
}

/// Some functions in the order of their names.
#[derive(Clone, Debug)]
pub struct FunctionPage {
    /// The functions.
    pub functions: Vec<Arc<FunctionVersion>>,
    /// Where the next page goes on: after this name. `None` at the end.
    pub next: Option<FunctionName>,
}

/// Some things in their order, and where to go on: after `next`. `None` at the end.
#[derive(Clone, Debug)]
pub struct Page<T, Marker> {
    /// The things.
    pub items: Vec<T>,
    /// Where the next page goes on.
    pub next: Option<Marker>,
}

impl<T, Marker> Page<T, Marker> {
    /// The first `limit` of what there is.
    pub(super) fn of(all: impl Iterator<Item = T>, limit: usize, marker: impl Fn(&T) -> Marker) -> Self {
        let mut items: Vec<T> = all.take(limit.saturating_add(1)).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(marker);
        Self { items, next }
    }
}

/// A version of a function changed: its code, or its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionChange {
    /// The account that owns it.
    pub account: AccountId,
    /// The function.
    pub name: FunctionName,
    /// The version of it.
    pub version: Version,
    /// Its generation now; every other is obsolete. `None` if it was deleted.
    pub generation: Option<RevisionId>,
}

/// What garbage collection removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packages, unpacked or as archive or both.
    pub packages: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
