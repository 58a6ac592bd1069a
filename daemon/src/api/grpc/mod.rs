//! thaw.v1 over gRPC: one file a service. The proto files are the reference of every call.

mod admin;
mod attributes;
mod buckets;
mod code_signing;
mod download;
mod error;
mod event_invoke_configs;
mod event_sources;
mod events;
mod functions;
mod invocation;
mod layers;
mod logs;
mod runtimes;
mod schedules;
mod server;
mod upload;
mod urls;
mod versions;
mod wire;

pub use server::{Doors, ServeError, serve};
