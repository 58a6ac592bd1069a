//! The commands, one file a family.

pub(crate) mod admin;
pub(crate) mod alias;
pub(crate) mod attributes;
pub(crate) mod bench;
pub(crate) mod bucket;
pub(crate) mod code_signing;
mod configuration;
mod download;
pub(crate) mod event_invoke;
pub(crate) mod event_source;
pub(crate) mod events;
pub(crate) mod function;
pub(crate) mod invoke;
pub(crate) mod layer;
pub(crate) mod log_groups;
pub(crate) mod logs;
pub(crate) mod package;
mod permissions;
mod provision;
pub(crate) mod runtime;
mod s3_url;
pub(crate) mod schedule;
pub(crate) mod url;
