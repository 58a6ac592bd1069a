//! What values the settings may have. Called once, at start, on the settings as they would take effect.
//!
//! The first setting that cannot be is refused, by its name, with what is allowed and where the value came from.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Component, Path},
};

use tracing_subscriber::EnvFilter;

use super::{AWS_LISTEN_NONE, Config, ConfigError, Origins};
use crate::{events::NatsAddress, functions::UrlBase};

/// `sun_path` has 108 bytes, the last of which is a zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// What a sandbox's longest socket adds to `run_dir`: `/sandboxes/`, an id of 32 digits, and `/control.sock`.
const SOCKET_BELOW_RUN_DIR_BYTES: usize = "/sandboxes/".len() + 32 + "/control.sock".len();

/// A name in ARNs and in `AWS_REGION`; AWS's longest has 16 characters.
const REGION_MAX_BYTES: usize = 32;

/// `useradd` and the group database allow 32.
const GROUP_NAME_MAX_BYTES: usize = 32;

/// A group needs room for a full segment besides the one that is written, else its size could not be kept.
const SEGMENTS_IN_GROUP_MIN: u32 = 2;

/// Refuses the first setting that is not allowed.
pub(super) fn check(config: &Config, origins: &Origins) -> Result<(), ConfigError> {
    Check { config, origins }.all()
}

struct Check<'a> {
    config: &'a Config,
    origins: &'a Origins,
}

impl Check<'_> {
    fn all(&self) -> Result<(), ConfigError> {
        self.paths()?;
        self.aws()?;
        self.event_sources()?;
        self.names()?;
        self.numbers()
    }

    fn paths(&self) -> Result<(), ConfigError> {
        let Config { data_dir, run_dir, socket, docker_socket, init, ca_bundle, .. } = self.config;
        for (setting, path) in [("data_dir", data_dir), ("run_dir", run_dir)] {
            self.absolute(setting, path)?;
            if path.parent().is_none() {
                return Err(
                    self.refused(setting, "/ is not allowed; give a directory of Thaw's own".to_owned())
                );
            }
        }
        // What is in the run directory is removed at every start.
        if data_dir.starts_with(run_dir) || run_dir.starts_with(data_dir) {
            let problem = format!(
                "{} and data_dir {} must not contain one another; give two separate directories",
                run_dir.display(),
                data_dir.display()
            );
            return Err(self.refused("run_dir", problem));
        }
        let (length, allowed) =
            (run_dir.as_os_str().len(), SOCKET_PATH_MAX_BYTES - SOCKET_BELOW_RUN_DIR_BYTES);
        if length > allowed {
            let problem = format!(
                "{} has {length} bytes; every sandbox has a Unix socket below it, whose path may have \
                 {SOCKET_PATH_MAX_BYTES}: give a directory of {allowed} or fewer",
                run_dir.display()
            );
            return Err(self.refused("run_dir", problem));
        }
        for (setting, path) in [("socket", socket), ("docker_socket", docker_socket)] {
            self.absolute(setting, path)?;
            let length = path.as_os_str().len();
            if length > SOCKET_PATH_MAX_BYTES {
                let problem = format!(
                    "{} has {length} bytes; the path of a Unix socket may have {SOCKET_PATH_MAX_BYTES}, \
                     give a shorter one",
                    path.display()
                );
                return Err(self.refused(setting, problem));
            }
        }
        self.absolute("init", init)?;
        ca_bundle.as_deref().map_or(Ok(()), |path| self.absolute("ca_bundle", path))
    }

    /// Whoever knows the development credential may run code here, and everybody knows it.
    fn aws(&self) -> Result<(), ConfigError> {
        let Config { aws_listen, aws_credentials, function_url_base, .. } = self.config;
        if let Some(Err(error)) = function_url_base.as_deref().map(str::parse::<UrlBase>) {
            return Err(self.refused("function_url_base", error.message));
        }
        if let Some(path) = aws_credentials {
            self.absolute("aws_credentials", path)?;
        }
        if aws_listen == AWS_LISTEN_NONE {
            return Ok(());
        }
        let Ok(address) = aws_listen.parse::<SocketAddr>() else {
            let problem =
                format!("{aws_listen:?} is not an address; give IP:PORT, such as 127.0.0.1:4566, or none");
            return Err(self.refused("aws_listen", problem));
        };
        if aws_credentials.is_none() && !address.ip().is_loopback() {
            let problem = format!(
                "{address} can be reached from other machines, and without aws_credentials everybody may call with the key \
                 test; give a file of credentials, or listen on 127.0.0.1"
            );
            return Err(self.refused("aws_listen", problem));
        }
        Ok(())
    }

    /// Nothing of the value is told: it may have a password.
    fn event_sources(&self) -> Result<(), ConfigError> {
        let config = self.config;
        self.service("sqs_endpoint", config.sqs_endpoint.as_deref())?;
        self.credentials("sqs_credentials", config.sqs_credentials.as_deref())?;
        self.service("sns_endpoint", config.sns_endpoint.as_deref())?;
        self.credentials("sns_credentials", config.sns_credentials.as_deref())?;
        self.service("s3_endpoint", config.s3_endpoint.as_deref())?;
        self.credentials("s3_credentials", config.s3_credentials.as_deref())?;
        self.service("kinesis_endpoint", config.kinesis_endpoint.as_deref())?;
        self.credentials("kinesis_credentials", config.kinesis_credentials.as_deref())?;
        self.service("dynamodb_endpoint", config.dynamodb_endpoint.as_deref())?;
        self.credentials("dynamodb_credentials", config.dynamodb_credentials.as_deref())?;
        if let Some(Err(problem)) = config.nats_url.as_ref().map(|url| url.parse::<NatsAddress>()) {
            return Err(self.refused("nats_url", problem.to_string()));
        }
        match &self.config.redis_url {
            Some(url) if redis::Client::open(url.as_str()).is_err() => Err(self.refused(
                "redis_url",
                "is not an address of Redis; give redis://HOST:PORT, redis://USER:PASSWORD@HOST:PORT/DATABASE or \
                 unix:///PATH"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Where a service of AWS is.
    fn service(&self, setting: &'static str, endpoint: Option<&str>) -> Result<(), ConfigError> {
        let is_http = |url: &str| {
            url.parse::<http::Uri>()
                .is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && has_host(&url))
        };
        if endpoint.is_none_or(is_http) {
            return Ok(());
        }
        let problem = "is not the address of an HTTP service; give http://HOST:PORT or https://HOST";
        Err(self.refused(setting, problem.to_owned()))
    }

    fn credentials(&self, setting: &'static str, file: Option<&Path>) -> Result<(), ConfigError> {
        file.map_or(Ok(()), |path| self.absolute(setting, path))
    }

    fn names(&self) -> Result<(), ConfigError> {
        let Config { region, socket_group, log_level, .. } = self.config;
        let region_is_fine = (1..=REGION_MAX_BYTES).contains(&region.len())
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !region_is_fine {
            let problem = format!(
                "{region:?} is not a region; give 1 to {REGION_MAX_BYTES} lower-case letters, digits and hyphens, \
                 such as us-east-1"
            );
            return Err(self.refused("region", problem));
        }
        if let Some(group) = socket_group {
            let is_fine = (1..=GROUP_NAME_MAX_BYTES).contains(&group.len())
                && !group.starts_with('-')
                && group.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
            if !is_fine {
                let problem =
                    format!("{group:?} is not the name of a group; give one that `getent group` shows");
                return Err(self.refused("socket_group", problem));
            }
        }
        EnvFilter::try_new(log_level).map(drop).map_err(|error| {
            let problem = format!(
                "{log_level:?} is not allowed ({error}); give off, error, warn, info, debug or trace, or directives \
                 such as info,thaw_daemon::sandbox=debug"
            );
            self.refused("log_level", problem)
        })
    }

    fn numbers(&self) -> Result<(), ConfigError> {
        let config = self.config;
        // The smallest function has 128 MB; the largest machines have some TB.
        self.range("memory_budget_mb", config.memory_budget_mb, 128..=67_108_864)?;
        self.range("idle_timeout_seconds", config.idle_timeout_seconds, 1..=86_400)?;
        // Nothing that was not asked for may run for longer than a person notices.
        self.range("freeze_grace_ms", config.freeze_grace_ms, 0..=1_000)?;
        self.range("reclaim_after_seconds", config.reclaim_after_seconds, 0..=86_400)?;
        self.range("ready_min", config.ready_min, 0..=1_000)?;
        self.range("ready_max", config.ready_max, 0..=1_000)?;
        self.range("worker_threads", config.worker_threads, 1..=1_024)?;
        self.range("init_timeout_seconds", config.init_timeout_seconds, 1..=900)?;
        // An invocation takes 900 s at most, so waiting longer waits for nothing. 0 stops at once.
        self.range("drain_limit_seconds", config.drain_limit_seconds, 0..=900)?;
        self.range("concurrent_starts", config.concurrent_starts, 1..=64)?;
        // A runtime with its threads does not come up with fewer than some ten.
        self.range("pids_limit", config.pids_limit, 16..=65_536)?;
        self.range("account_concurrency", config.account_concurrency, 1..=100_000)?;
        self.range("event_queue_max_mb", config.event_queue_max_mb, 1..=1_048_576)?;
        self.range("event_retry_delay_seconds", config.event_retry_delay_seconds, 0..=3_600)?;
        self.range("event_concurrency", config.event_concurrency, 1..=10_000)?;
        self.range("event_function_concurrency", config.event_function_concurrency, 1..=10_000)?;
        self.range("event_dead_retention_days", config.event_dead_retention_days, 1..=3_653)?;
        self.range("package_max_zip_mb", config.package_max_zip_mb, 1..=1_024)?;
        self.range("package_max_unpacked_mb", config.package_max_unpacked_mb, 1..=10_240)?;
        self.range("package_max_entries", config.package_max_entries, 1..=1_000_000)?;
        // CloudWatch's longest retention is ten years.
        self.range("log_retention_days", config.log_retention_days, 1..=3_653)?;
        self.range("log_segment_mb", config.log_segment_mb, 1..=1_024)?;
        self.range("log_group_max_mb", config.log_group_max_mb, 2..=1_048_576)?;
        if config.log_group_max_mb < config.log_segment_mb * SEGMENTS_IN_GROUP_MIN {
            let problem = format!(
                "{} is less than {SEGMENTS_IN_GROUP_MIN} segments of log_segment_mb = {}; give {} or more, or \
                 smaller segments",
                config.log_group_max_mb,
                config.log_segment_mb,
                config.log_segment_mb * SEGMENTS_IN_GROUP_MIN
            );
            return Err(self.refused("log_group_max_mb", problem));
        }
        self.range("log_invocation_max_kb", config.log_invocation_max_kb, 1..=1_048_576)?;
        self.range("store_cache_mb", config.store_cache_mb, 1..=1_024)
    }

    fn range(
        &self,
        setting: &'static str,
        value: u32,
        allowed: RangeInclusive<u32>,
    ) -> Result<(), ConfigError> {
        if allowed.contains(&value) {
            return Ok(());
        }
        let problem = format!("{value} is not allowed; give {} to {}", allowed.start(), allowed.end());
        Err(self.refused(setting, problem))
    }

    /// Paths are compared, mounted and handed to other processes, so they mean the same from everywhere.
    fn absolute(&self, setting: &'static str, path: &Path) -> Result<(), ConfigError> {
        let climbs = path.components().any(|component| component == Component::ParentDir);
        if path.is_absolute() && !climbs {
            return Ok(());
        }
        let problem =
            format!("{:?} is not allowed; give an absolute path without `..`", path.display().to_string());
        Err(self.refused(setting, problem))
    }

    fn refused(&self, setting: &'static str, problem: String) -> ConfigError {
        ConfigError::Refused { setting, problem, origin: self.origins.of(setting) }
    }
}

fn has_host(url: &http::Uri) -> bool {
    url.host().is_some_and(|host| !host.is_empty())
}
