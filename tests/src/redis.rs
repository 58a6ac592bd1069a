//! A server of Redis for one test, on a socket and in a directory of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use redis::{AsyncCommands, Client, aio::MultiplexedConnection};
use tempfile::TempDir;

use crate::wait::eventually;

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
