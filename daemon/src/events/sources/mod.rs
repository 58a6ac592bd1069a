//! The kinds of sources, a file each. All are behind `poller::source::Source`.

mod look;
pub(super) mod nats;
pub(super) mod redis;
pub(super) mod sqs;
