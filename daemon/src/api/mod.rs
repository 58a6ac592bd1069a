//! The front doors. Each translates a wire protocol to the domain and back, and decides nothing.

pub mod aws;
pub mod grpc;
