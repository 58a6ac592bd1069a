//! Every setting as a person can give it: on the command line, in the environment, or in the file.
//!
//! One struct stands for all three, so that a setting cannot exist in one place only. Nothing is decided here: a value
//! that is absent stays absent, and what is allowed is checked once, in [`check`](super::check).

use std::path::PathBuf;

use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use super::{KeepAlive, LogFormat};

/// The command line of `thawd`.
#[derive(Debug, Parser)]
#[command(
    name = "thawd",
    version,
    about = "AWS Lambda for one Linux machine that you own: the daemon.",
    after_help = "A setting is taken from its flag, else its environment variable, else the file, else its default."
)]
pub(super) struct Arguments {
    /// Configuration file, TOML. Without it only flags, environment variables and defaults count.
    #[arg(long, value_name = "FILE", env = "THAW_CONFIG")]
    pub(super) config: Option<PathBuf>,

    /// Check the settings, print all of them as they would take effect, and end.
    #[arg(long)]
    pub(super) check_config: bool,

    #[command(flatten)]
    pub(super) options: Options,
}

/// The settings that were given, in one source.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Settings")]
pub(super) struct Options {
    /// Directory of everything that is kept: functions, packages, logs [default: /var/lib/thaw]
    #[arg(long, value_name = "DIR", env = "THAW_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Directory of what lives only while the daemon runs: its socket, the pipes of sandboxes [default: /run/thaw]
    #[arg(long, value_name = "DIR", env = "THAW_RUN_DIR")]
    pub(super) run_dir: Option<PathBuf>,

    /// Unix socket of the gRPC API [default: thawd.sock in the run directory]
    #[arg(long, value_name = "PATH", env = "THAW_SOCKET")]
    pub(super) socket: Option<PathBuf>,

    /// Address of the AWS API, as IP:PORT, or none; any but loopback needs aws_credentials [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDRESS", env = "THAW_AWS_LISTEN")]
    pub(super) aws_listen: Option<String>,

    /// File with the credentials that the AWS API accepts [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_AWS_CREDENTIALS")]
    pub(super) aws_credentials: Option<PathBuf>,

    /// What function URLs begin and end with: http://DOMAIN[:PORT] or https://DOMAIN[:PORT] [default: http://localhost with the port of aws_listen]
    #[arg(long, value_name = "URL", env = "THAW_FUNCTION_URL_BASE")]
    pub(super) function_url_base: Option<String>,

    /// Redis whose streams feed functions: redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or unix:///PATH [default: none]
    #[arg(long, value_name = "URL", env = "THAW_REDIS_URL", hide_env_values = true)]
    pub(super) redis_url: Option<String>,

    /// SQS whose queues feed functions and take results: http://HOST:PORT or https://HOST [default: none]
    #[arg(long, value_name = "URL", env = "THAW_SQS_ENDPOINT")]
    pub(super) sqs_endpoint: Option<String>,

    /// File with the credentials that queues are used with, by account [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_SQS_CREDENTIALS")]
    pub(super) sqs_credentials: Option<PathBuf>,

    /// SNS whose topics take results: http://HOST:PORT or https://HOST [default: none]
    #[arg(long, value_name = "URL", env = "THAW_SNS_ENDPOINT")]
    pub(super) sns_endpoint: Option<String>,

    /// File with the credentials that topics are published to with, by account [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_SNS_CREDENTIALS")]
    pub(super) sns_credentials: Option<PathBuf>,

    /// S3 whose buckets take results and hold code: http://HOST:PORT or https://HOST [default: none]
    #[arg(long, value_name = "URL", env = "THAW_S3_ENDPOINT")]
    pub(super) s3_endpoint: Option<String>,

    /// File with the credentials that buckets are written and read with, by account [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_S3_CREDENTIALS")]
    pub(super) s3_credentials: Option<PathBuf>,

    /// Kinesis whose streams feed functions: http://HOST:PORT or https://HOST [default: none]
    #[arg(long, value_name = "URL", env = "THAW_KINESIS_ENDPOINT")]
    pub(super) kinesis_endpoint: Option<String>,

    /// File with the credentials that streams of Kinesis are read with, by account [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_KINESIS_CREDENTIALS")]
    pub(super) kinesis_credentials: Option<PathBuf>,

    /// DynamoDB whose tables' streams feed functions: http://HOST:PORT or https://HOST [default: none]
    #[arg(long, value_name = "URL", env = "THAW_DYNAMODB_ENDPOINT")]
    pub(super) dynamodb_endpoint: Option<String>,

    /// File with the credentials that streams of tables are read with, by account [default: test with the secret test]
    #[arg(long, value_name = "FILE", env = "THAW_DYNAMODB_CREDENTIALS")]
    pub(super) dynamodb_credentials: Option<PathBuf>,

    /// NATS whose streams feed functions: nats://[USER:PASSWORD@]HOST:PORT, or tls://… [default: none]
    #[arg(long, value_name = "URL", env = "THAW_NATS_URL", hide_env_values = true)]
    pub(super) nats_url: Option<String>,

    /// Group whose members may use the socket, that is, run code as the daemon allows it [default: root's]
    #[arg(long, value_name = "GROUP", env = "THAW_SOCKET_GROUP")]
    pub(super) socket_group: Option<String>,

    /// Unix socket of dockerd [default: /var/run/docker.sock]
    #[arg(long, value_name = "PATH", env = "THAW_DOCKER_SOCKET")]
    pub(super) docker_socket: Option<PathBuf>,

    /// The static first process of every sandbox [default: thaw-init beside thawd]
    #[arg(long, value_name = "PATH", env = "THAW_INIT")]
    pub(super) init: Option<PathBuf>,

    /// Region that ARNs and AWS_REGION name [default: us-east-1]
    #[arg(long, value_name = "REGION", env = "THAW_REGION")]
    pub(super) region: Option<String>,

    /// Memory that all sandboxes may have together, in MB [default: 75 % of the machine's]
    #[arg(long, value_name = "MB", env = "THAW_MEMORY_BUDGET_MB")]
    pub(super) memory_budget_mb: Option<u32>,

    /// What decides how long an idle sandbox stays: a fixed time, or a histogram of the gaps between its function's calls
    /// [default: fixed]
    #[arg(long, value_name = "POLICY", env = "THAW_KEEP_ALIVE")]
    pub(super) keep_alive: Option<KeepAlive>,

    /// Seconds after which an idle sandbox is removed; under the policy histogram, where the gaps say too little
    /// [default: 600]
    #[arg(long, value_name = "SECONDS", env = "THAW_IDLE_TIMEOUT_SECONDS")]
    pub(super) idle_timeout_seconds: Option<u32>,

    /// Milliseconds that a sandbox may run on after a call, at most, where calls follow each other closely; 0 freezes
    /// at once [default: 5]
    #[arg(long, value_name = "MILLISECONDS", env = "THAW_FREEZE_GRACE_MS")]
    pub(super) freeze_grace_ms: Option<u32>,

    /// Seconds that a sandbox has to have been frozen before its memory goes to swap, where the machine has it; 0 leaves it
    /// [default: 60]
    #[arg(long, value_name = "SECONDS", env = "THAW_RECLAIM_AFTER_SECONDS")]
    pub(super) reclaim_after_seconds: Option<u32>,

    /// Sandboxes of each runtime in use that stand ready for a cold start, at least [default: 2]
    #[arg(long, value_name = "COUNT", env = "THAW_READY_MIN")]
    pub(super) ready_min: Option<u32>,

    /// As many, at most, after many cold starts; 0 keeps none ready [default: 16]
    #[arg(long, value_name = "COUNT", env = "THAW_READY_MAX")]
    pub(super) ready_max: Option<u32>,

    /// Seconds that a function's init phase may take [default: 10]
    #[arg(long, value_name = "SECONDS", env = "THAW_INIT_TIMEOUT_SECONDS")]
    pub(super) init_timeout_seconds: Option<u32>,

    /// Seconds that running invocations are given when the daemon stops [default: 30]
    #[arg(long, value_name = "SECONDS", env = "THAW_DRAIN_LIMIT_SECONDS")]
    pub(super) drain_limit_seconds: Option<u32>,

    /// Containers that are started at the same time, at most [default: 4]
    #[arg(long, value_name = "COUNT", env = "THAW_CONCURRENT_STARTS")]
    pub(super) concurrent_starts: Option<u32>,

    /// Processes and threads that a sandbox may have [default: 1024]
    #[arg(long, value_name = "COUNT", env = "THAW_PIDS_LIMIT")]
    pub(super) pids_limit: Option<u32>,

    /// Invocations that an account may run at once, all functions together [default: 1000]
    #[arg(long, value_name = "COUNT", env = "THAW_ACCOUNT_CONCURRENCY")]
    pub(super) account_concurrency: Option<u32>,

    /// Size of a zip file that is uploaded, at most, in MB [default: 50]
    #[arg(long, value_name = "MB", env = "THAW_PACKAGE_MAX_ZIP_MB")]
    pub(super) package_max_zip_mb: Option<u32>,

    /// Size of a package once unpacked, at most, in MB [default: 250]
    #[arg(long, value_name = "MB", env = "THAW_PACKAGE_MAX_UNPACKED_MB")]
    pub(super) package_max_unpacked_mb: Option<u32>,

    /// Files, directories and links in a package, at most [default: 20000]
    #[arg(long, value_name = "COUNT", env = "THAW_PACKAGE_MAX_ENTRIES")]
    pub(super) package_max_entries: Option<u32>,

    /// Days that log lines are kept [default: 14]
    #[arg(long, value_name = "DAYS", env = "THAW_LOG_RETENTION_DAYS")]
    pub(super) log_retention_days: Option<u32>,

    /// Disk that one log group may take, in MB; the oldest lines go first [default: 256]
    #[arg(long, value_name = "MB", env = "THAW_LOG_GROUP_MAX_MB")]
    pub(super) log_group_max_mb: Option<u32>,

    /// Size at which a new log segment file is begun, in MB [default: 8]
    #[arg(long, value_name = "MB", env = "THAW_LOG_SEGMENT_MB")]
    pub(super) log_segment_mb: Option<u32>,

    /// What one invocation may log, in KB; the rest is cut with a marker [default: 10240]
    #[arg(long, value_name = "KB", env = "THAW_LOG_INVOCATION_MAX_KB")]
    pub(super) log_invocation_max_kb: Option<u32>,

    /// Disk that asynchronous events may take while they wait, in MB; more are refused [default: 1024]
    #[arg(long, value_name = "MB", env = "THAW_EVENT_QUEUE_MAX_MB")]
    pub(super) event_queue_max_mb: Option<u32>,

    /// Seconds that an event waits before it is tried a second time; twice that before the third [default: 60]
    #[arg(long, value_name = "SECONDS", env = "THAW_EVENT_RETRY_DELAY_SECONDS")]
    pub(super) event_retry_delay_seconds: Option<u32>,

    /// Asynchronous events that may run at once, all functions together [default: 64]
    #[arg(long, value_name = "COUNT", env = "THAW_EVENT_CONCURRENCY")]
    pub(super) event_concurrency: Option<u32>,

    /// Asynchronous events of one function that may run at once, at most [default: 16]
    #[arg(long, value_name = "COUNT", env = "THAW_EVENT_FUNCTION_CONCURRENCY")]
    pub(super) event_function_concurrency: Option<u32>,

    /// Days that events are kept which were given up, and results that their destinations did not take [default: 14]
    #[arg(long, value_name = "DAYS", env = "THAW_EVENT_DEAD_RETENTION_DAYS")]
    pub(super) event_dead_retention_days: Option<u32>,

    /// HTTP endpoints that results of events may be posted to: HOST:PORT, several apart by commas [default: none]
    #[arg(long, value_name = "HOST:PORT,…", env = "THAW_EVENT_HTTP_HOSTS")]
    pub(super) event_http_hosts: Option<String>,

    /// Cache of the state store, in MB; it takes about ten times as much memory [default: 16]
    #[arg(long, value_name = "MB", env = "THAW_STORE_CACHE_MB")]
    pub(super) store_cache_mb: Option<u32>,

    /// Threads that serve calls [default: half as many as there are CPUs]
    #[arg(long, value_name = "COUNT", env = "THAW_WORKER_THREADS")]
    pub(super) worker_threads: Option<u32>,

    /// Certificates that image builds shall trust, PEM [default: the file that SSL_CERT_FILE names, else none]
    #[arg(long, value_name = "FILE", env = "THAW_CA_BUNDLE")]
    pub(super) ca_bundle: Option<PathBuf>,

    /// Form of the daemon's own log; auto is text on a terminal, JSON elsewhere [default: auto]
    #[arg(long, value_name = "FORMAT", env = "THAW_LOG_FORMAT")]
    pub(super) log_format: Option<LogFormat>,

    /// What the daemon logs of itself: a level, or directives such as info,thaw_daemon::sandbox=debug [default: info]
    #[arg(long, value_name = "DIRECTIVES", env = "THAW_LOG_LEVEL")]
    pub(super) log_level: Option<String>,
}
