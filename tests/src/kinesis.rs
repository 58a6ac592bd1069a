//! A server of Kinesis for one test.
//!
//! Kinesalite, whose shards are split, merged and closed as those of Kinesis are: of a shard that is closed in moto, records
//! are still taken. Where it lacks something (times to read from), a test has [`Kinesis::of`] moto.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use aws_sdk_kinesis::{
    Client,
    primitives::Blob,
    types::{PutRecordsRequestEntry, StreamStatus},
};
use serde_json::Value;
use thaw_daemon::{
    aws_services::AwsEndpoint,
    identity::{AccountId, Credentials},
};

use crate::{programs, wait::eventually};

/// A server on loopback, and a client of it. It ends with this, and forgets everything.
#[derive(Debug)]
pub struct Kinesis {
    server: Option<Child>,
    port: u16,
    client: Client,
}

impl Kinesis {
    /// Starts a server.
    pub async fn start() -> Self {
        // The system's choice, and free a moment ago: the server can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let server = Command::new(programs::kinesalite())
            .args(["--port", &port.to_string(), "--shardLimit", "100"])
            .args(["--createStreamMs", "0", "--updateStreamMs", "0", "--deleteStreamMs", "0"])
            .env("AWS_ACCOUNT_ID", "000000000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start kinesalite: tests/run installs it");
        let mut kinesis = Self::of(port);
        kinesis.server = Some(server);
        eventually("kinesalite answers", async || kinesis.client.list_streams().send().await.ok()).await;
        kinesis
    }

    /// Another server that speaks Kinesis' protocol.
    #[must_use]
    pub fn of(port: u16) -> Self {
        let endpoint = AwsEndpoint::new(format!("http://127.0.0.1:{port}"), Credentials::development());
        let config = endpoint.sdk_config(AccountId::DEFAULT, "us-east-1").expect("a credential");
        Self { server: None, port, client: Client::new(&config) }
    }

    /// Where it is.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What thawd finds it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a stream.
    pub async fn make(&self, stream: &str, shards: i32) {
        self.client
            .create_stream()
            .stream_name(stream)
            .shard_count(shards)
            .send()
            .await
            .expect("make a stream");
        self.is_active(stream).await;
    }

    /// Deletes a stream.
    pub async fn delete(&self, stream: &str) {
        self.client.delete_stream().stream_name(stream).send().await.expect("delete a stream");
        eventually("the stream is gone", async || {
            let told = self.client.describe_stream_summary().stream_name(stream).send().await;
            told.is_err().then_some(())
        })
        .await;
    }

    /// Puts records, each with its key, one after another, and gives their sequence numbers.
    pub async fn put(&self, stream: &str, records: &[(&str, Value)]) -> Vec<String> {
        let entries = records.iter().map(|(key, data)| {
            PutRecordsRequestEntry::builder()
                .partition_key(*key)
                .data(Blob::new(data.to_string()))
                .build()
                .expect("a record")
        });
        let put = self.client.put_records().stream_name(stream).set_records(Some(entries.collect()));
        let put = put.send().await.expect("put records");
        assert_eq!(put.failed_record_count.unwrap_or_default(), 0);
        put.records.into_iter().map(|record| record.sequence_number.expect("a sequence number")).collect()
    }

    /// Splits an open shard into halves.
    pub async fn split(&self, stream: &str, shard: &str) {
        let listed = self.client.list_shards().stream_name(stream).send().await.expect("list shards");
        let shards = listed.shards.unwrap_or_default();
        let range =
            shards.into_iter().find(|listed| listed.shard_id == shard).and_then(|it| it.hash_key_range);
        let range = range.expect("the shard");
        let bound = |key: &str| key.parse::<u128>().expect("a hash key");
        let (first, last) = (bound(&range.starting_hash_key), bound(&range.ending_hash_key));
        let middle = (first + (last - first) / 2).to_string();
        let split = self.client.split_shard().stream_name(stream).shard_to_split(shard);
        split.new_starting_hash_key(middle).send().await.expect("split a shard");
        self.is_active(stream).await;
    }

    /// Merges neighbours.
    pub async fn merge(&self, stream: &str, shard: &str, neighbour: &str) {
        let merge = self.client.merge_shards().stream_name(stream);
        let merge = merge.shard_to_merge(shard).adjacent_shard_to_merge(neighbour);
        merge.send().await.expect("merge shards");
        self.is_active(stream).await;
    }

    async fn is_active(&self, stream: &str) {
        eventually("the stream is active", async || {
            let told = self.client.describe_stream_summary().stream_name(stream).send().await.ok()?;
            let status = told.stream_description_summary?.stream_status;
            (status == StreamStatus::Active).then_some(())
        })
        .await;
    }
}

impl Drop for Kinesis {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
