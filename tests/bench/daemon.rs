//! A thawd for the benchmark: the release binary beside this program, with directories of its own.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::docker;

const START_LIMIT: Duration = Duration::from_secs(30);

/// It gives running calls up to 30 s and removes its sandboxes then, of which there may be a thousand.
const STOP_LIMIT: Duration = Duration::from_secs(600);

/// A running thawd.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// A connection to it.
    pub(crate) channel: Channel,
    process: Process,
}

/// Its process. Asked to end when it is dropped, and waited for, so that it can remove its sandboxes.
#[derive(Debug)]
struct Process {
    child: Child,
    home: Arc<TempDir>,
}

impl Daemon {
    /// Starts it with these settings (names as flags have them) and waits until it serves.
    ///
    /// # Errors
    /// If a program is missing or the daemon ends.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        // Not in memory: a sandbox's /tmp is a disk.
        let home = tempfile::Builder::new().prefix("thaw-bench-").tempdir_in("/var/tmp")?;
        Self::start_in(Arc::new(home), settings, START_LIMIT).await
    }

    /// Kills it, which leaves its sandboxes as they are, and starts it again on what it left. The time is until it serves.
    ///
    /// # Errors
    /// If the daemon does not come up again.
    pub(crate) async fn start_again_after_kill(
        self,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Self, Duration)> {
        let Self { mut process, channel } = self;
        drop(channel);
        process.child.kill()?;
        process.child.wait()?;
        let home = Arc::clone(&process.home);
        let begun = Instant::now();
        let again = Self::start_in(home, settings, STOP_LIMIT).await?;
        Ok((again, begun.elapsed()))
    }

    async fn start_in(
        home: Arc<TempDir>,
        settings: &[(&str, &str)],
        limit: Duration,
    ) -> anyhow::Result<Self> {
        let (thawd, init) = programs()?;
        let at = |name: &str| home.path().join(name);
        let log = File::create(at("thawd.log"))?;
        let child = Command::new(&thawd)
            .arg("--data-dir")
            .arg(at("data"))
            .arg("--run-dir")
            .arg(at("run"))
            .arg("--socket")
            .arg(at("thawd.sock"))
            .arg("--init")
            .arg(init)
            .args(["--aws-listen", "127.0.0.1:0"])
            .args(["--docker-socket", &docker::socket(), "--log-format", "text", "--log-level", "info"])
            .args(settings.iter().map(|(name, value)| format!("--{name}={value}")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", thawd.display()))?;
        let mut process = Process { child, home };
        let endpoint = Endpoint::from_shared(format!("unix://{}", at_home(&process, "thawd.sock")))?;
        let begun = Instant::now();
        loop {
            if let Ok(channel) = endpoint.connect().await {
                return Ok(Self { channel, process });
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("thawd ended at its start ({status}):\n{}", process.log());
            }
            ensure!(begun.elapsed() < limit, "thawd does not serve:\n{}", process.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// If it does not end well.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { mut process, channel } = self;
        drop(channel);
        process.end().await
    }
}

/// thawd and its init, beside this program.
fn programs() -> anyhow::Result<(PathBuf, PathBuf)> {
    let directory = env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let (thawd, init) = (directory.join("thawd"), directory.join("thaw-init"));
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    ensure!(thawd.is_file(), "there is no {}: run `cargo build{profile} -p thaw-daemon`", thawd.display());
    ensure!(
        init.is_file(),
        "there is no {}: run `cargo rustc -p thaw-init{profile} -- -C target-feature=+crt-static`",
        init.display()
    );
    Ok((thawd, init))
}

fn at_home(process: &Process, name: &str) -> String {
    process.home.path().join(name).to_string_lossy().into_owned()
}

impl Process {
    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("thawd.log")).unwrap_or_default()
    }

    fn ask_to_end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        }
        Ok(())
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        self.ask_to_end()?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "thawd ended with {status}:\n{}", self.log());
                return Ok(());
            }
            if begun.elapsed() > STOP_LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                bail!("thawd had to be killed:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `end` there is nothing left to do; else the benchmark failed, and says why itself.
        if let Err(error) = self.ask_to_end().and_then(|()| Ok(self.child.wait().map(drop)?)) {
            eprintln!("thawd may be running still: {error:#}");
        }
    }
}
