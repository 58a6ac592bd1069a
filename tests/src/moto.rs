//! AWS's services beside Lambda for one test: moto's server, and its queues.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{programs, wait::eventually};

/// A server on loopback, whose account is thawd's if it has one. It ends with this, and forgets everything.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::begin(Some("000000000000")).await
    }

    /// Starts a server that has several accounts: 123456789012, and that of each role that somebody assumes.
    pub async fn start_with_accounts() -> Self {
        Self::begin(None).await
    }

    async fn begin(only_account: Option<&str>) -> Self {
        // The system's choice, and free a moment ago: moto can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let child = Command::new(programs::aws_clients().join("moto/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .envs(only_account.map(|account| ("MOTO_ACCOUNT_ID", account)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start moto: tests/run installs it");
        let moto = Self { child, port };
        eventually("moto answers", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok())
            .await;
        moto
    }

    /// What thawd finds it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a queue with attributes that are true, and gives its URL. It hides messages for as long as functions of tests run.
    pub async fn make_queue(&self, name: &str, attributes: &[&str]) -> String {
        self.make_queue_that_hides(name, 30, attributes).await
    }

    /// The same for so many seconds.
    pub async fn make_queue_that_hides(&self, name: &str, seconds: u32, attributes: &[&str]) -> String {
        let mut settings = serde_json::json!({ "VisibilityTimeout": seconds.to_string() });
        for attribute in attributes {
            settings[*attribute] = "true".into();
        }
        let arguments = ["create-queue", "--queue-name", name, "--attributes", &settings.to_string()];
        self.sqs(&arguments).await["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// Sends a message; `more` are further arguments of the AWS command line.
    pub async fn send(&self, url: &str, body: &Value, more: &[&str]) {
        let body = body.to_string();
        let arguments = [&["send-message", "--queue-url", url, "--message-body", &body], more].concat();
        self.sqs(&arguments).await;
    }

    /// Messages of a queue: those to be had and those that are hidden.
    pub async fn messages(&self, url: &str) -> u32 {
        let arguments = ["get-queue-attributes", "--queue-url", url, "--attribute-names", "All"];
        let attributes = self.sqs(&arguments).await["Attributes"].clone();
        let number =
            |name: &str| attributes[name].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible")
    }

    /// Takes one message of a queue.
    pub async fn take(&self, url: &str) -> Option<Value> {
        let message = self.sqs(&["receive-message", "--queue-url", url]).await;
        serde_json::from_str(message["Messages"][0]["Body"].as_str()?).ok()
    }

    async fn sqs(&self, arguments: &[&str]) -> Value {
        let output = tokio::process::Command::new(programs::aws_clients().join("venv/bin/aws"))
            .args(["--endpoint-url", &self.url(), "--region", "us-east-1", "--output", "json", "sqs"])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .await
            .expect("run the AWS command line");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
