//! AWS's services beside Lambda for one test: moto's server, and its queues and tables.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{programs, wait::eventually};

/// A server on loopback, whose account is thawd's. It ends with this, and forgets everything.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts a server.
    pub async fn start() -> Self {
        // The system's choice, and free a moment ago: moto can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let child = Command::new(programs::aws_clients().join("moto/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("MOTO_ACCOUNT_ID", "000000000000")
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

    /// Makes a queue and gives its URL. It hides messages for a second.
    pub async fn make_queue(&self, name: &str, attributes: &[&str]) -> String {
        let mut settings = serde_json::json!({ "VisibilityTimeout": "1" });
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

    /// Makes a table whose items have the key `id`, and gives the ARN of its stream.
    pub async fn make_table(&self, name: &str) -> String {
        let arguments = [
            "dynamodb",
            "create-table",
            "--table-name",
            name,
            "--attribute-definitions",
            "AttributeName=id,AttributeType=S",
            "--key-schema",
            "AttributeName=id,KeyType=HASH",
            "--billing-mode",
            "PAY_PER_REQUEST",
            "--stream-specification",
            "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES",
        ];
        let made = self.aws(&arguments).await;
        made["TableDescription"]["LatestStreamArn"].as_str().expect("an ARN").to_owned()
    }

    /// Puts items into a table, one after another, at most 25.
    pub async fn put_items(&self, table: &str, items: &[Value]) {
        let requests: Vec<Value> =
            items.iter().map(|item| serde_json::json!({ "PutRequest": { "Item": item } })).collect();
        let requests = serde_json::json!({ table: requests }).to_string();
        self.aws(&["dynamodb", "batch-write-item", "--request-items", &requests]).await;
    }

    async fn sqs(&self, arguments: &[&str]) -> Value {
        self.aws(&[&["sqs"], arguments].concat()).await
    }

    /// Runs the AWS command line.
    pub async fn aws(&self, arguments: &[&str]) -> Value {
        let output = tokio::process::Command::new(programs::aws_clients().join("venv/bin/aws"))
            .args(["--endpoint-url", &self.url(), "--region", "us-east-1", "--output", "json"])
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
