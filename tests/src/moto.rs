//! AWS's services beside Lambda for one test: moto's server, and its queues and tables.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use crate::{programs, wait::eventually};

/// A server on loopback, whose account is thawd's if it has one. It ends with this, and forgets everything.
#[derive(Debug)]
pub struct Moto {
    child: Mutex<Option<Child>>,
    port: u16,
    only_account: Option<&'static str>,
}

impl Moto {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::of_account(Some("000000000000")).await
    }

    /// Starts a server that has several accounts: 123456789012, and that of each role that somebody assumes.
    pub async fn start_with_accounts() -> Self {
        Self::of_account(None).await
    }

    async fn of_account(only_account: Option<&'static str>) -> Self {
        // The system's choice, and free a moment ago: moto can't be handed a socket.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let moto = Self { child: Mutex::new(None), port, only_account };
        moto.begin().await;
        moto
    }

    /// Starts the server that has ended again, where it was, with nothing in it.
    pub async fn begin(&self) {
        let port = self.port;
        let child = Command::new(programs::aws_clients().join("moto/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .envs(self.only_account.map(|account| ("MOTO_ACCOUNT_ID", account)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start moto: tests/run installs it");
        *self.child() = Some(child);
        eventually("moto answers", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok())
            .await;
    }

    /// Ends the server as a crash would.
    pub fn crash(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("kill moto");
            child.wait().expect("wait for moto");
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Makes a queue with attributes that are true, and gives its URL. It hides messages for as long as functions of tests run, and
    /// sandboxes of a machine under load need to start.
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
        // In a file, since an argument can't be as large as a message.
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), body.to_string()).expect("write a message");
        let body = format!("file://{}", file.path().display());
        let arguments = [&["send-message", "--queue-url", url, "--message-body", &body], more].concat();
        self.sqs(&arguments).await;
    }

    /// Messages of a queue: those to be had and those that are hidden.
    pub async fn messages(&self, url: &str) -> u32 {
        let (to_be_had, hidden) = self.counts(url).await;
        to_be_had + hidden
    }

    async fn counts(&self, url: &str) -> (u32, u32) {
        let arguments = ["get-queue-attributes", "--queue-url", url, "--attribute-names", "All"];
        let attributes = self.sqs(&arguments).await["Attributes"].clone();
        let number =
            |name: &str| attributes[name].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        (number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible"))
    }

    /// Messages of a queue that somebody was given and nobody has deleted.
    pub async fn hidden(&self, url: &str) -> u32 {
        self.counts(url).await.1
    }

    /// Takes one message of a queue: its body.
    pub async fn take(&self, url: &str) -> Option<Value> {
        serde_json::from_str(self.receive(url).await?["Body"].as_str()?).ok()
    }

    /// Takes one message of a queue, with everything that there is of it.
    pub async fn receive(&self, url: &str) -> Option<Value> {
        let all = ["--message-attribute-names", "All", "--attribute-names", "All"];
        let received = self.sqs(&[&["receive-message", "--queue-url", url], &all[..]].concat()).await;
        let message = &received["Messages"][0];
        let handle = message["ReceiptHandle"].as_str()?;
        self.sqs(&["delete-message", "--queue-url", url, "--receipt-handle", handle]).await;
        Some(message.clone())
    }

    /// Makes a topic whose messages a queue gets, by their ARNs.
    pub async fn make_topic(&self, name: &str, queue: &str) {
        let topic = self.aws(&["sns", "create-topic", "--name", name]).await["TopicArn"].clone();
        let topic = topic.as_str().expect("an ARN");
        let subscribe =
            ["sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue];
        self.aws(&subscribe).await;
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, name: &str) {
        self.aws(&["s3api", "create-bucket", "--bucket", name]).await;
    }

    /// The objects of a bucket: their keys.
    pub async fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self.aws(&["s3api", "list-objects-v2", "--bucket", bucket]).await;
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        objects.iter().filter_map(|object| object["Key"].as_str().map(str::to_owned)).collect()
    }

    /// What an object has in it.
    pub async fn object(&self, bucket: &str, key: &str) -> Value {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("a path");
        self.aws(&["s3api", "get-object", "--bucket", bucket, "--key", key, path]).await;
        serde_json::from_slice(&std::fs::read(file.path()).expect("the object")).expect("JSON")
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
        if let Some(child) = self.child().as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
