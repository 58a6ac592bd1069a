//! What makes functions run besides callers: event sources, schedules and buckets.
//!
//! [`mapping`] keeps which source feeds which function; [`poller`] reads the sources and calls the functions; [`pattern`] is
//! the language that both choose records by. [`schedules`] are EventBridge's rules, and what EventBridge Scheduler has.
//! [`buckets`] takes what storage servers tell of their objects. [`TagKeepers`] has the tags of whatever can have some.

pub mod buckets;
pub mod mapping;
pub mod pattern;
pub mod poller;
pub mod schedules;
mod sources;
mod tagged;

pub use self::{
    sources::nats::{InvalidNatsAddress, NatsAddress},
    tagged::{TagError, TagKeepers, Tagged},
};
