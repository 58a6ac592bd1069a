//! A storage server for one test: Versity's S3 gateway over a directory, which keeps versions, has users, and tells a webhook
//! what happens to objects if there is one.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

use crate::{programs, wait::eventually};

/// A server on loopback, for the key `test` with the secret `test`, which may do everything. It ends with this, and its
/// objects go.
#[derive(Debug)]
pub struct Storage {
    child: Mutex<Child>,
    port: u16,
    _objects: TempDir,
}

impl Storage {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server that tells this URL.
    pub async fn start_telling(webhook: &str) -> Self {
        Self::start_with(&["--event-webhook-url", webhook]).await
    }

    async fn start_with(options: &[&str]) -> Self {
        let objects = tempfile::Builder::new().prefix("objects-").tempdir().expect("a directory");
        let directory = |name: &str| {
            let path = objects.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            path
        };
        // The system's choice, and free a moment ago: the server can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let child = versitygw()
            .args(["--access", "test", "--secret", "test", "--quiet"])
            .args(["--port", &format!("127.0.0.1:{port}")])
            .arg("--iam-dir")
            .arg(directory("users"))
            .args(options)
            .args(["posix", "--versioning-dir"])
            .arg(directory("versions"))
            .arg(directory("buckets"))
            .spawn()
            .expect("start versitygw: tests/run installs it");
        let storage = Self { child: Mutex::new(child), port, _objects: objects };
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

    /// Lets somebody in who may make buckets, and reach no other.
    pub async fn add_user(&self, key: &str, secret: &str) {
        let mut admin = versitygw();
        admin.args(["admin", "--access", "test", "--secret", "test", "--endpoint-url", &self.url()]).args([
            "create-user",
            "--access",
            key,
            "--secret",
            secret,
            "--role",
            "userplus",
        ]);
        let made = tokio::task::spawn_blocking(move || admin.status()).await.expect("a thread");
        assert!(made.expect("run versitygw").success(), "no user {key}");
    }

    /// Ends the server as a crash would.
    pub fn crash(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill().expect("kill versitygw");
        child.wait().expect("versitygw's end");
    }
}

fn versitygw() -> Command {
    let mut command = Command::new(programs::aws_clients().join("versitygw/versitygw"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Drop for Storage {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}
