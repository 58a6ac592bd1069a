//! A storage server for one test: Versity's S3 gateway over a directory, which tells a webhook what happens to objects.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{programs, wait::eventually};

/// A server on loopback, for the key `test` with the secret `test`. It ends with this, and its objects go.
#[derive(Debug)]
pub struct Storage {
    child: Child,
    port: u16,
    _objects: TempDir,
}

impl Storage {
    /// Starts a server that tells this URL.
    pub async fn start(webhook: &str) -> Self {
        let objects = tempfile::Builder::new().prefix("objects-").tempdir().expect("a directory");
        // The system's choice, and free a moment ago: the server can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let child = Command::new(programs::aws_clients().join("versitygw/versitygw"))
            .args(["--access", "test", "--secret", "test", "--quiet"])
            .args(["--port", &format!("127.0.0.1:{port}"), "--event-webhook-url", webhook, "posix"])
            .arg(objects.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start versitygw: tests/run installs it");
        let storage = Self { child, port, _objects: objects };
        eventually("the storage server answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        storage
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
