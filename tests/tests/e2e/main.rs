//! End-to-end tests: a real `thawd`, the real Docker Engine, the official runtime client. One binary, so that it is
//! linked once and its tests share a daemon.
//!
//! Run as root after `cargo build --workspace`, with the runtime image `thaw/python3.13` built; `tests/run` sees to all
//! of it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and their names say what they are for"
)]

mod aliases;
mod aws;
mod bench;
mod buckets;
mod changes;
mod cli;
mod cloudwatch;
mod code_signing;
mod concurrency;
mod destinations;
mod dynamodb;
mod engine;
mod event_invoke;
mod event_sources;
mod events;
mod failures;
mod invocation;
mod isolation;
mod keep_alive;
mod kinesis;
mod layers;
mod logs;
mod nats;
mod packages;
mod provided;
mod provisioned;
mod python;
mod race;
mod ready;
mod recovery;
mod refusals;
mod runtime_api;
mod s3_code;
mod sandboxes;
mod schedules;
mod services;
mod settings;
mod sqs;
mod sqs_given_back;
mod start;
mod urls;
mod versions;

use thaw_tests::world::{SharedDaemon, World};

/// The daemon of every test that has no reason to have one of its own. Small where a test fills something up.
static DAEMON: SharedDaemon = SharedDaemon::new(&[
    // More than the machine may have: it is what is promised to sandboxes, and these use little of it.
    ("memory-budget-mb", "60000"),
    ("pids-limit", "100"),
    ("log-invocation-max-kb", "256"),
    ("init-timeout-seconds", "10"),
]);

async fn world() -> World {
    DAEMON.world().await
}
