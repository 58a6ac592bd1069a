//! What makes functions run besides callers: event sources.
//!
//! [`mapping`] keeps which source feeds which function; [`poller`] reads the sources and calls the functions; [`pattern`] is
//! the language that both choose records by.

pub mod mapping;
pub mod pattern;
pub mod poller;
mod sources;

pub use sources::sqs::SqsEndpoint;
