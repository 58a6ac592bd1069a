//! thawd as a library: what `main.rs` puts together, and what tests reach into.
#![forbid(unsafe_code)]

pub mod api;
pub mod aws_services;
mod changes;
pub mod clock;
pub mod config;
pub mod events;
pub mod functions;
pub mod identity;
pub mod invoke;
pub mod logs;
pub mod process;
pub mod runtime_api;
pub mod runtimes;
pub mod sandbox;
pub mod store;
pub mod telemetry;
pub mod web_client;
