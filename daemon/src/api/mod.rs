//! The front doors. Each translates a wire protocol to the domain and back, and decides nothing.

#[expect(dead_code, reason = "the door that hands requests to it is built beside it")]
mod aws;
pub mod grpc;
