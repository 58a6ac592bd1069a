//! The settings of `thawd`: where each comes from, what it defaults to, and what it may be.
//!
//! `main` reads them once, at start, and hands each part of the daemon what it needs. A setting is taken from its flag,
//! else its `THAW_` environment variable, else the file, else its default; every setting has all four, under one name.
//! A [`Config`] that exists has been checked, so that nobody checks again.

mod check;
mod error;
mod options;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs, io,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, ValueEnum, parser::ValueSource};
use serde::{Deserialize, Serialize};
use toml::Table;

pub use self::error::{ConfigError, Origin};
use self::options::{Arguments, Options};
use crate::functions::UrlBase;

const MB: u64 = 1024 * 1024;
/// What `aws_listen` is where the AWS API is not to be served.
pub const AWS_LISTEN_NONE: &str = "none";

const DEFAULT_RUN_DIR: &str = "/run/thaw";

/// Every setting, as it takes effect.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Directory of everything that is kept: functions, packages, logs.
    pub data_dir: PathBuf,
    /// Directory of what lives only while the daemon runs.
    pub run_dir: PathBuf,
    /// Unix socket of the gRPC API.
    pub socket: PathBuf,
    /// Where the AWS API listens; [`AWS_LISTEN_NONE`] if it does not. See [`Config::aws_address`].
    pub aws_listen: String,
    /// File with the credentials that the AWS API accepts; `None` accepts the development credential alone.
    pub aws_credentials: Option<PathBuf>,
    /// See [`Config::url_base`].
    pub function_url_base: Option<String>,
    /// Group whose members may use the socket; `None` leaves it to root.
    pub socket_group: Option<String>,
    /// Where Redis is whose streams feed functions, with its password if it has one.
    pub redis_url: Option<String>,
    /// Where SQS is whose queues feed functions and take results.
    pub sqs_endpoint: Option<String>,
    /// File with the credentials that queues are used with; `None` uses the development credential.
    pub sqs_credentials: Option<PathBuf>,
    /// Where SNS is whose topics take results.
    pub sns_endpoint: Option<String>,
    /// File with the credentials for it, as [`Config::sqs_credentials`].
    pub sns_credentials: Option<PathBuf>,
    /// Where S3 is whose buckets take results and hold code.
    pub s3_endpoint: Option<String>,
    /// File with the credentials for it, as [`Config::sqs_credentials`].
    pub s3_credentials: Option<PathBuf>,
    /// Where Kinesis is whose streams feed functions.
    pub kinesis_endpoint: Option<String>,
    /// File with the credentials for it, as [`Config::sqs_credentials`].
    pub kinesis_credentials: Option<PathBuf>,
    /// Where DynamoDB is whose tables' streams feed functions.
    pub dynamodb_endpoint: Option<String>,
    /// File with the credentials for it, as [`Config::sqs_credentials`].
    pub dynamodb_credentials: Option<PathBuf>,
    /// Where NATS is whose streams feed functions, with its password if it has one.
    pub nats_url: Option<String>,
    /// Unix socket of dockerd.
    pub docker_socket: PathBuf,
    /// The static first process of every sandbox.
    pub init: PathBuf,
    /// Region that ARNs and `AWS_REGION` name.
    pub region: String,
    /// Memory that all sandboxes may have together, in MB.
    pub memory_budget_mb: u32,
    /// What decides how long an idle sandbox stays.
    pub keep_alive: KeepAlive,
    /// See [`Config::idle_timeout`].
    pub idle_timeout_seconds: u32,
    /// See [`Config::freeze_grace`].
    pub freeze_grace_ms: u32,
    /// See [`Config::ready`].
    pub ready_min: u32,
    /// See [`Config::ready`].
    pub ready_max: u32,
    /// See [`Config::reclaim_after`].
    pub reclaim_after_seconds: u32,
    /// See [`Config::init_timeout`].
    pub init_timeout_seconds: u32,
    /// See [`Config::drain_limit`].
    pub drain_limit_seconds: u32,
    /// Containers that are started at the same time, at most.
    pub concurrent_starts: u32,
    /// Processes and threads that a sandbox may have.
    pub pids_limit: u32,
    /// Invocations that an account may run at once, all functions together. More are refused.
    pub account_concurrency: u32,
    /// See [`Config::package_max_zip_bytes`].
    pub package_max_zip_mb: u32,
    /// See [`Config::package_max_unpacked_bytes`].
    pub package_max_unpacked_mb: u32,
    /// Files, directories and links in a package, at most.
    pub package_max_entries: u32,
    /// See [`Config::log_retention`].
    pub log_retention_days: u32,
    /// See [`Config::log_group_max_bytes`].
    pub log_group_max_mb: u32,
    /// See [`Config::log_segment_bytes`].
    pub log_segment_mb: u32,
    /// See [`Config::log_invocation_max_bytes`].
    pub log_invocation_max_kb: u32,
    /// See [`Config::event_queue_max_bytes`].
    pub event_queue_max_mb: u32,
    /// See [`Config::event_retry_delay`].
    pub event_retry_delay_seconds: u32,
    /// Asynchronous events that may run at once, all functions together.
    pub event_concurrency: u32,
    /// Asynchronous events of one function that may run at once.
    pub event_function_concurrency: u32,
    /// See [`Config::event_dead_retention`].
    pub event_dead_retention_days: u32,
    /// See [`Config::event_http_hosts`].
    pub event_http_hosts: String,
    /// See [`Config::store_cache_bytes`].
    pub store_cache_mb: u32,
    /// Threads that serve calls.
    pub worker_threads: u32,
    /// Certificates that image builds shall trust, PEM.
    pub ca_bundle: Option<PathBuf>,
    /// Form of the daemon's own log.
    pub log_format: LogFormat,
    /// What the daemon logs of itself, as `tracing_subscriber::EnvFilter` reads it.
    pub log_level: String,
}

/// Form of the daemon's own log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// A line for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// What decides how long an idle sandbox stays.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeepAlive {
    /// A fixed time.
    #[default]
    Fixed,
    /// The gaps between the calls of its function; the fixed time as long as they say too little.
    Histogram,
}

impl fmt::Display for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed",
            Self::Histogram => "histogram",
        })
    }
}

/// What the defaults depend on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its memory in MB.
    pub memory_mb: u32,
    /// Its CPUs, as far as the daemon may use them.
    pub cpus: u32,
    /// The directory that holds the running `thawd`.
    pub program_dir: PathBuf,
    /// The file that `SSL_CERT_FILE` names.
    pub ssl_cert_file: Option<PathBuf>,
}

/// Where each setting came from, for messages. What isn't in it has its default.
#[derive(Debug, Default)]
struct Origins(BTreeMap<String, Origin>);

impl Origins {
    fn of(&self, setting: &str) -> Origin {
        self.0.get(setting).cloned().unwrap_or(Origin::Default)
    }
}

/// The command line and the environment of `thawd`, read but not yet put together with the file.
#[derive(Debug)]
pub struct CommandLine {
    file: Option<PathBuf>,
    check_only: bool,
    given: Options,
    origins: Origins,
}

impl CommandLine {
    /// Reads the process's own command line and environment. Ends the process on `--help`, `--version` and bad usage.
    #[must_use]
    pub fn of_process() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads `arguments`, the program's name first, and the environment.
    ///
    /// # Errors
    /// What clap has to say, `--help` and `--version` among it.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = Arguments::command().try_get_matches_from(arguments)?;
        let Arguments { config, check_config, options } = Arguments::from_arg_matches(&matches)?;
        let origins = origins_of_arguments(&matches);
        Ok(Self { file: config, check_only: check_config, given: options, origins })
    }

    /// Whether `--check-config` asks to check the settings only: print [`Config::to_toml`] and end.
    #[must_use]
    pub fn check_only(&self) -> bool {
        self.check_only
    }

    /// The settings of this machine, from all sources.
    ///
    /// # Errors
    /// The file cannot be read or isn't valid; a setting has a value that isn't allowed.
    pub fn config(self) -> Result<Config, ConfigError> {
        self.config_on(&Machine::look()?)
    }

    /// As [`CommandLine::config`], with the defaults of `machine`.
    ///
    /// # Errors
    /// As there.
    pub fn config_on(self, machine: &Machine) -> Result<Config, ConfigError> {
        let mut origins = Origins::default();
        if machine.ssl_cert_file.is_some() {
            origins.0.insert("ca_bundle".to_owned(), Origin::Environment("SSL_CERT_FILE".to_owned()));
        }
        let mut given = Table::new();
        if let Some(path) = &self.file {
            given = to_table(&read_file(path)?)?;
            origins.0.extend(given.keys().map(|setting| (setting.clone(), Origin::File(path.clone()))));
        }
        given.extend(to_table(&self.given)?);
        origins.0.extend(self.origins.0);

        let run_dir = given.get("run_dir").and_then(toml::Value::as_str).unwrap_or(DEFAULT_RUN_DIR);
        let mut settings = to_table(&Config::defaults(Path::new(run_dir), machine))?;
        settings.extend(given);
        let config: Config = settings.try_into().map_err(|error| ConfigError::Incomplete(Box::new(error)))?;
        check::check(&config, &origins)?;
        Ok(config)
    }
}

impl Config {
    /// Every default, in one place.
    #[must_use]
    pub fn defaults(run_dir: &Path, machine: &Machine) -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/thaw"),
            run_dir: run_dir.to_owned(),
            socket: run_dir.join("thawd.sock"),
            aws_listen: "127.0.0.1:4566".to_owned(),
            aws_credentials: None,
            function_url_base: None,
            redis_url: None,
            sqs_endpoint: None,
            sqs_credentials: None,
            sns_endpoint: None,
            sns_credentials: None,
            s3_endpoint: None,
            s3_credentials: None,
            kinesis_endpoint: None,
            kinesis_credentials: None,
            dynamodb_endpoint: None,
            dynamodb_credentials: None,
            nats_url: None,
            socket_group: None,
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            init: machine.program_dir.join("thaw-init"),
            region: "us-east-1".to_owned(),
            // The rest is for the kernel, dockerd, the daemon and the page cache.
            memory_budget_mb: machine.memory_mb / 4 * 3,
            keep_alive: KeepAlive::Fixed,
            idle_timeout_seconds: 600,
            freeze_grace_ms: 5,
            reclaim_after_seconds: 60,
            ready_min: 2,
            ready_max: 16,
            init_timeout_seconds: 10,
            drain_limit_seconds: 30,
            concurrent_starts: 4,
            pids_limit: 1_024,
            account_concurrency: 1_000,
            package_max_zip_mb: 50,
            package_max_unpacked_mb: 250,
            package_max_entries: 20_000,
            log_retention_days: 14,
            log_group_max_mb: 256,
            log_segment_mb: 8,
            log_invocation_max_kb: 10_240,
            event_queue_max_mb: 1_024,
            event_retry_delay_seconds: 60,
            event_concurrency: 64,
            event_function_concurrency: 16,
            event_dead_retention_days: 14,
            event_http_hosts: String::new(),
            store_cache_mb: 16,
            // A call that crosses from thread to thread pays for waking each. The other half is for the functions.
            worker_threads: (machine.cpus / 2).max(1),
            ca_bundle: machine.ssl_cert_file.clone(),
            log_format: LogFormat::Auto,
            log_level: "info".to_owned(),
        }
    }

    /// All settings as a configuration file would say them.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::NotText(Box::new(error)))
    }

    /// Where the AWS API listens, if it does.
    #[must_use]
    pub fn aws_address(&self) -> Option<SocketAddr> {
        // Checked at the start: what is not an address is `none`.
        self.aws_listen.parse().ok()
    }

    /// What function URLs are told with, where the AWS API listens at `address`.
    #[must_use]
    pub fn url_base(&self, address: Option<SocketAddr>) -> UrlBase {
        // Checked at the start.
        let given = self.function_url_base.as_deref().and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| UrlBase::localhost(address.map(|address| address.port())))
    }

    /// How long a sandbox may be idle before it is removed, where nothing better is known.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds.into())
    }

    /// How long a sandbox may run on after a call, at most, where calls follow each other closely.
    #[must_use]
    pub fn freeze_grace(&self) -> Duration {
        Duration::from_millis(self.freeze_grace_ms.into())
    }

    /// How long a sandbox has to have been frozen before its memory goes to swap, where the machine has it. Never for 0.
    #[must_use]
    pub fn reclaim_after(&self) -> Option<Duration> {
        (self.reclaim_after_seconds > 0).then(|| Duration::from_secs(self.reclaim_after_seconds.into()))
    }

    /// How many sandboxes of each runtime in use stand ready for a cold start. A most below the least counts.
    #[must_use]
    pub fn ready(&self) -> RangeInclusive<usize> {
        let most = self.ready_max as usize;
        (self.ready_min as usize).min(most)..=most
    }

    /// How long the init phase of a function may take.
    #[must_use]
    pub fn init_timeout(&self) -> Duration {
        Duration::from_secs(self.init_timeout_seconds.into())
    }

    /// How long running invocations are given when the daemon stops.
    #[must_use]
    pub fn drain_limit(&self) -> Duration {
        Duration::from_secs(self.drain_limit_seconds.into())
    }

    /// Memory that all sandboxes may have together.
    #[must_use]
    pub fn memory_budget_bytes(&self) -> u64 {
        u64::from(self.memory_budget_mb) * MB
    }

    /// Size of a package's zip file, at most.
    #[must_use]
    pub fn package_max_zip_bytes(&self) -> u64 {
        u64::from(self.package_max_zip_mb) * MB
    }

    /// Size of a package once unpacked, at most.
    #[must_use]
    pub fn package_max_unpacked_bytes(&self) -> u64 {
        u64::from(self.package_max_unpacked_mb) * MB
    }

    /// How long log lines are kept.
    #[must_use]
    pub fn log_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.log_retention_days) * 86_400)
    }

    /// Disk that one log group may take.
    #[must_use]
    pub fn log_group_max_bytes(&self) -> u64 {
        u64::from(self.log_group_max_mb) * MB
    }

    /// Size at which a new log segment file is begun.
    #[must_use]
    pub fn log_segment_bytes(&self) -> u64 {
        u64::from(self.log_segment_mb) * MB
    }

    /// What one invocation may log.
    #[must_use]
    pub fn log_invocation_max_bytes(&self) -> u64 {
        u64::from(self.log_invocation_max_kb) * 1024
    }

    /// What asynchronous events may take on the disk, those that died among them.
    #[must_use]
    pub fn event_queue_max_bytes(&self) -> u64 {
        u64::from(self.event_queue_max_mb) * MB
    }

    /// The `HOST:PORT` that results of events may be posted to. Whoever may configure a function could have thawd call what
    /// only this machine reaches, so none unless it is said.
    #[must_use]
    pub fn event_http_hosts(&self) -> Vec<String> {
        let hosts = self.event_http_hosts.split(',').map(str::trim);
        hosts.filter(|host| !host.is_empty()).map(str::to_ascii_lowercase).collect()
    }

    /// How long events are kept that died, and results that their destinations did not take.
    #[must_use]
    pub fn event_dead_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.event_dead_retention_days) * 86_400)
    }

    /// How long an event waits before it is tried a second time; twice that before the third.
    #[must_use]
    pub fn event_retry_delay(&self) -> Duration {
        Duration::from_secs(self.event_retry_delay_seconds.into())
    }

    /// The cache that the state store is given. It takes about ten times as much memory.
    #[must_use]
    pub fn store_cache_bytes(&self) -> u64 {
        u64::from(self.store_cache_mb) * MB
    }
}

impl Machine {
    /// Looks at the machine that this process runs on.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn look() -> Result<Self, ConfigError> {
        let memory_mb = fs::read_to_string("/proc/meminfo").and_then(|text| parse_memory_mb(&text)).map_err(
            |source| ConfigError::Machine { what: "/proc/meminfo", setting: "memory_budget_mb", source },
        )?;
        let program = std::env::current_exe().map_err(|source| ConfigError::Machine {
            what: "the path of the running program",
            setting: "init",
            source,
        })?;
        let cpus = std::thread::available_parallelism().map_err(|source| ConfigError::Machine {
            what: "how many CPUs there are",
            setting: "worker_threads",
            source,
        })?;
        Ok(Self {
            memory_mb,
            cpus: u32::try_from(cpus.get()).unwrap_or(u32::MAX),
            program_dir: program.parent().unwrap_or(Path::new("/")).to_owned(),
            ssl_cert_file: std::env::var_os("SSL_CERT_FILE")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        })
    }
}

/// `MemTotal:       16384000 kB`
fn parse_memory_mb(meminfo: &str) -> io::Result<u32> {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kb| kb.trim().parse::<u64>().ok())
        .and_then(|kb| u32::try_from(kb / 1024).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has no line `MemTotal: N kB`"))
}

fn read_file(path: &Path) -> Result<Options, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|error| ConfigError::Invalid { path: path.to_owned(), source: Box::new(error) })
}

fn to_table(settings: &impl Serialize) -> Result<Table, ConfigError> {
    Table::try_from(settings).map_err(|error| ConfigError::NotText(Box::new(error)))
}

fn origins_of_arguments(matches: &ArgMatches) -> Origins {
    let command = Arguments::command();
    let origin = |argument: &clap::Arg| match matches.value_source(argument.get_id().as_str())? {
        ValueSource::EnvVariable => {
            Some(Origin::Environment(argument.get_env()?.to_string_lossy().into_owned()))
        }
        ValueSource::CommandLine => Some(Origin::Flag(argument.get_long()?.to_owned())),
        _ => None,
    };
    Origins(
        command
            .get_arguments()
            .filter_map(|argument| Some((argument.get_id().to_string(), origin(argument)?)))
            .collect(),
    )
}
