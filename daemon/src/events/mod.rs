//! What makes functions run besides callers: event sources and schedules.
//!
//! [`mapping`] keeps which source feeds which function; [`poller`] reads the sources and calls the functions; [`pattern`] is
//! the language that both choose records by. [`schedules`] are EventBridge's rules, and what EventBridge Scheduler has.

pub mod mapping;
pub mod pattern;
pub mod poller;
pub mod schedules;
mod sources;

pub use self::sources::nats::{InvalidNatsAddress, NatsAddress};
