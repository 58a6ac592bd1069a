//! The kinds of sources, a file each. All are behind `poller::source::Source`, those with shards behind
//! `poller::shards::stream::ShardedStream`.

mod aws;
pub(super) mod dynamodb;
pub(super) mod kinesis;
mod look;
pub(super) mod nats;
pub(super) mod redis;
pub(super) mod sqs;
