//! The AWS front door: HTTP on loopback, where AWS's own tools call Lambda and its neighbours.
//!
//! `server.rs` accepts connections, `door.rs` takes one request: whose it is (`identity::sigv4`), which service it is for,
//! and what comes back. A service is a file or folder: `lambda/` (rest-json), `logs/` and `events/` (JSON 1.1), `sts.rs` (query),
//! `s3/` (rest-xml, and what storage servers call), `packages.rs` (what `Code.Location` leads to), and `urls/` serves function
//! URLs, to which anybody may come. Errors of every layer become AWS's in `error.rs`, those of logs, which another service
//! names, in `logs/error.rs`, `events/error.rs` and `s3/error.rs`, and nowhere else.

mod answer;
mod body;
mod door;
mod error;
pub mod event_stream;
mod events;
mod lambda;
mod logs;
mod packages;
mod s3;
mod server;
mod sts;
mod urls;

pub use lambda::{Served, operations};
pub(super) use s3::PREFIX as WEBHOOK_PREFIX;
pub use server::{AwsDoors, AwsServeError, Listener};
