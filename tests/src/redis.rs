//! A server of Redis for one test, on a socket and in a directory of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use redis::{
    AsyncCommands, Client,
    aio::MultiplexedConnection,
    streams::{StreamReadOptions, StreamReadReply},
};
use tempfile::TempDir;

use crate::wait::eventually;

/// Entries that are added in one message.
const FILL: usize = 1000;

/// A server that keeps what it has on disk, as one that matters does. It ends with this.
#[derive(Debug)]
pub struct Redis {
    directory: TempDir,
    child: Mutex<Option<Child>>,
}

impl Redis {
    /// Starts a server.
    pub async fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("redis-").tempdir().expect("a directory");
        let redis = Self { directory, child: Mutex::new(None) };
        redis.begin().await;
        redis
    }

    /// Starts the server that has ended again, with what it had.
    pub async fn begin(&self) {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("start redis-server: tests/run installs it");
        *self.child() = Some(child);
        eventually("redis answers", async || {
            let mut connection = self.connection().await?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }

    /// Ends the server as a crash would.
    pub fn crash(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("kill redis-server");
            child.wait().expect("wait for redis-server");
        }
    }

    /// What thawd finds it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Adds an entry to a stream and gives its id.
    pub async fn add(&self, stream: &str, fields: &[(&str, &str)]) -> String {
        self.add_as(stream, "*", fields).await
    }

    /// Adds an entry with this id, which says when it came.
    pub async fn add_as(&self, stream: &str, id: &str, fields: &[(&str, &str)]) -> String {
        let mut connection = self.connection().await.expect("a connection to Redis");
        connection.xadd(stream, id, fields).await.expect("add an entry")
    }

    /// Adds as many entries to a stream as there are numbers below `count`, each with its number.
    pub async fn fill(&self, stream: &str, count: usize) {
        let mut connection = self.connection().await.expect("a connection to Redis");
        for first in (0..count).step_by(FILL) {
            let mut some = redis::pipe();
            for number in first..count.min(first + FILL) {
                some.xadd(stream, "*", &[("n", number)]).ignore();
            }
            some.query_async::<()>(&mut connection).await.expect("add entries");
        }
    }

    /// Whether a stream has a group that was given everything and has acknowledged it.
    pub async fn is_read(&self, stream: &str) -> bool {
        let mut connection = self.connection().await.expect("a connection to Redis");
        let groups: redis::streams::StreamInfoGroupsReply =
            connection.xinfo_groups(stream).await.expect("the groups of a stream");
        groups.groups.iter().any(|group| group.lag == Some(0) && group.pending == 0)
    }

    /// Reads a stream by a group of its own, so many entries at a time, and acknowledges them: what a poller costs without
    /// a function. Returns how many there were.
    pub async fn consume(&self, stream: &str, at_a_time: usize) -> usize {
        let mut connection = self.connection().await.expect("a connection to Redis");
        let made: String = connection.xgroup_create(stream, "plain", "0").await.expect("make a group");
        assert_eq!(made, "OK");
        let options = StreamReadOptions::default().group("plain", "one").count(at_a_time);
        let mut count = 0;
        loop {
            let read: Option<StreamReadReply> =
                connection.xread_options(&[stream], &[">"], &options).await.expect("read a stream");
            let ids: Vec<String> = read
                .into_iter()
                .flat_map(|read| read.keys)
                .flat_map(|key| key.ids)
                .map(|entry| entry.id)
                .collect();
            if ids.is_empty() {
                return count;
            }
            count += connection.xack::<_, _, _, usize>(stream, "plain", &ids).await.expect("acknowledge");
        }
    }

    /// How many entries the groups of a stream were given and have not acknowledged. The number of groups comes first.
    pub async fn pending(&self, stream: &str) -> (usize, usize) {
        let mut connection = self.connection().await.expect("a connection to Redis");
        let groups: redis::streams::StreamInfoGroupsReply =
            connection.xinfo_groups(stream).await.expect("the groups of a stream");
        (groups.groups.len(), groups.groups.iter().map(|group| group.pending).sum())
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        Client::open(self.url()).ok()?.get_multiplexed_async_connection().await.ok()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
