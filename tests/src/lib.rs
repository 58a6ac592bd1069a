//! The world of the end-to-end tests: a real `thawd` on directories of its own, the real Docker Engine, the real
//! runtime image with the official client, and what a test needs to call them and to look at the host afterwards.
//!
//! Used by `tests/e2e`. A [`world::World`] is what a test begins with. A part that is missing (a program that was not
//! built, an image, the engine) fails the test with what to do; nothing is skipped.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose world can't be had has failed, and says why"
)]

pub mod answer;
pub mod cgroup;
pub mod daemon;
pub mod engine;
pub mod functions;
pub mod kinesis;
pub mod mappings;
pub mod moto;
pub mod nats;
pub mod package;
pub mod programs;
pub mod proxy;
pub mod redis;
pub mod remains;
pub mod small_disk;
pub mod storage;
pub mod swap;
pub mod wait;
pub mod wire;
pub mod witness;
pub mod world;
