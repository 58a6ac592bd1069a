//! Event source mappings: which queue or stream feeds which function, and how.
//!
//! [`MappingRegistry`] keeps them for the front doors, durably, and tells the pollers (`events::poller`) of every change.
//! What a mapping may say is decided here ([`settings`], [`SourceArn`], [`FilterCriteria`]), with Lambda's rules and words;
//! how records come and go is not known here, and a source is looked at by whoever can ([`Sources`]).
//!
//! A change is acknowledged as `Creating`, `Enabling`, `Disabling`, `Updating` or `Deleting` when it is durable, and settled
//! by the pollers when they have followed it:
//!
//! ```text
//! Creating -> Enabled <-> Disabling/Enabling <-> Disabled      Enabled|Disabled -> Updating -> Enabled|Disabled
//!                  any of these -> Deleting -> gone
//! ```

mod error;
mod filter;
mod look_up;
mod record;
mod registry;
mod settings;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    error::MappingError,
    filter::{FilterCriteria, seen_by_patterns},
    look_up::Sources,
    registry::{Mapping, MappingId, MappingPage, MappingRegistry},
    settings::{
        CreateMapping, Delivery, MappingChange, MappingSettings, Metric, StartingPosition, StreamSettings,
    },
    source::{SourceArn, SourceKind},
    state::MappingState,
};
