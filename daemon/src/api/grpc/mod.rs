//! thaw.v1 over gRPC: one file a service. The proto files are the reference of every call.

mod admin;
mod error;
mod functions;
mod invocation;
mod logs;
mod runtimes;
mod server;
mod wire;

pub use server::{Doors, ServeError, serve};
