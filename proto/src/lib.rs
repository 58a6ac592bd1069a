//! The gRPC contract of Thaw, package `thaw.v1`.
//!
//! The `.proto` files beside this crate are the reference of the API: every message and field is described there.
//! This crate holds what is generated from them and nothing else.
#![forbid(unsafe_code)]

/// Messages, clients and servers of package `thaw.v1`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, unused_qualifications, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("thaw.v1");
}

/// The encoded `FileDescriptorSet` of the package, for gRPC server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/thaw.v1.descriptors"));
