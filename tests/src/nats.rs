//! A server of NATS with JetStream for one test, on a port and in a directory of its own.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{self, consumer::Info, stream},
};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio_stream::StreamExt as _;

use crate::wait::eventually;

/// A server that keeps what it has on disk, as one that matters does. It ends with this.
#[derive(Debug)]
pub struct Nats {
    directory: TempDir,
    /// What the server has chosen at its first start.
    port: Mutex<Option<u16>>,
    child: Mutex<Option<Child>>,
    /// Who may use it, if not everybody: a user and his password.
    login: Option<(&'static str, &'static str)>,
}

impl Nats {
    /// Starts a server that everybody may use.
    pub async fn start() -> Self {
        Self::start_for(None).await
    }

    /// Starts a server for a user with a password, or for everybody.
    pub async fn start_for(login: Option<(&'static str, &'static str)>) -> Self {
        let directory = tempfile::Builder::new().prefix("nats-").tempdir().expect("a directory");
        let nats = Self { directory, port: Mutex::new(None), child: Mutex::new(None), login };
        nats.begin().await;
        nats
    }

    /// Starts the server that has ended again, with what it had, where it was.
    pub async fn begin(&self) {
        let known = *self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--jetstream"])
            // -1 is a port that is free.
            .args(["--port", &known.map_or("-1".to_owned(), |port| port.to_string())])
            .arg("--store_dir")
            .arg(self.directory.path())
            .arg("--ports_file_dir")
            .arg(self.directory.path())
            .args(self.login.iter().flat_map(|(user, password)| ["--user", user, "--pass", password]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start nats-server: tests/run installs it");
        let ports = self.directory.path().join(format!("nats-server_{}.ports", child.id()));
        *self.child() = Some(child);
        let port = eventually("nats-server tells its port", async || chosen(&ports)).await;
        *self.port.lock().unwrap_or_else(PoisonError::into_inner) = Some(port);
        eventually("JetStream answers", async || {
            self.connect().await?.request("$JS.API.INFO", "".into()).await.ok()
        })
        .await;
    }

    /// Ends the server as a crash would.
    pub fn crash(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("kill nats-server");
            child.wait().expect("wait for nats-server");
        }
    }

    /// What thawd finds it by, if everybody may use it.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        format!("nats://127.0.0.1:{}", port.expect("it was started"))
    }

    /// Makes a stream of everything that is published under its name.
    pub async fn make_stream(&self, name: &str) {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![format!("{name}.>")],
            ..stream::Config::default()
        };
        self.jetstream().await.create_stream(config).await.expect("make a stream");
    }

    /// Removes a stream with everything in it.
    pub async fn remove_stream(&self, name: &str) {
        self.jetstream().await.delete_stream(name).await.expect("remove a stream");
    }

    /// Publishes a message, and gives its number in its stream once it is kept.
    pub async fn publish(&self, subject: &str, data: &Value) -> u64 {
        self.publish_bytes(subject, data.to_string().into_bytes(), HeaderMap::new()).await
    }

    /// The same of any bytes and with headers.
    pub async fn publish_bytes(&self, subject: &str, data: Vec<u8>, headers: HeaderMap) -> u64 {
        let publishing = self.jetstream().await;
        let kept = publishing.publish_with_headers(subject.to_owned(), headers, data.into()).await;
        kept.expect("publish").await.expect("the stream keeps it").sequence
    }

    /// When the stream got a message.
    pub async fn arrival(&self, stream: &str, sequence: u64) -> OffsetDateTime {
        let stream = self.jetstream().await.get_stream(stream).await.expect("a stream");
        stream.get_raw_message(sequence).await.expect("a message").time
    }

    /// The consumers of a stream.
    pub async fn consumers(&self, stream: &str) -> Vec<Info> {
        let Ok(stream) = self.jetstream().await.get_stream(stream).await else { return Vec::new() };
        stream.consumers().filter_map(Result::ok).collect().await
    }

    /// Removes every consumer of a stream.
    pub async fn remove_consumers(&self, stream: &str) {
        let there = self.jetstream().await.get_stream(stream).await.expect("a stream");
        for consumer in self.consumers(stream).await {
            there.delete_consumer(&consumer.name).await.expect("remove a consumer");
        }
    }

    async fn jetstream(&self) -> jetstream::Context {
        let client = eventually("nats-server answers", async || self.connect().await).await;
        jetstream::new(client)
    }

    async fn connect(&self) -> Option<Client> {
        let options = ConnectOptions::new().request_timeout(Some(Duration::from_secs(2))).max_reconnects(1);
        let options = match self.login {
            Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
            None => options,
        };
        options.connect(self.url()).await.ok()
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The port in the file that the server writes.
fn chosen(ports: &Path) -> Option<u16> {
    let ports: Value = serde_json::from_slice(&fs::read(ports).ok()?).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
