//! One `thawd` process under test, with directories of its own.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    engine::{self, Engine},
    programs,
    remains::Remains,
};

/// A daemon has nothing to do at its start but to look around and to clear what its last life left.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A drain may take as long as [`SETTINGS`] allow, and Docker takes its time to remove containers.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What every daemon under test is set to; a test's own settings come after. Sandboxes that stand ready cost more than
/// most tests would gain by them.
const SETTINGS: [(&str, &str); 5] = [
    ("log-format", "text"),
    ("log-level", "info,thaw_daemon=debug"),
    ("drain-limit-seconds", "20"),
    ("ready-max", "0"),
    // A port that is free.
    ("aws-listen", "127.0.0.1:0"),
];

/// A daemon under test. It ends with this value, or with the test process at the latest.
#[derive(Debug)]
pub struct Daemon {
    home: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, PathBuf)>,
    /// What its program is started by, if that is not this process.
    wrapper: &'static [&'static str],
    child: Mutex<Option<Child>>,
    guard: Mutex<Child>,
}

impl Daemon {
    /// Starts a daemon with `settings` (names as flags have them) and waits until it serves.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let daemon = Self::prepare(settings);
        daemon.begin().await;
        daemon
    }

    /// A daemon's directories and settings; it does not run yet.
    #[must_use]
    pub fn prepare(settings: &[(&str, &str)]) -> Self {
        assert!(Uid::effective().is_root(), "these tests start thawd, which needs root: run them as root");
        let home = tempfile::Builder::new().prefix("thaw-e2e-").tempdir().expect("a directory").keep();
        let guard = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "guard.sh"])
            .args([&home, &programs::thawd()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");
        let settings = SETTINGS.iter().chain(settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self {
            home,
            settings,
            environment: Vec::new(),
            wrapper: &[],
            child: Mutex::new(None),
            guard: Mutex::new(guard),
        }
    }

    /// It will have this variable in its environment.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &Path) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// It will see the machine's cgroups and be able to write none, as in a container.
    #[must_use]
    pub fn with_read_only_cgroups(mut self) -> Self {
        const SCRIPT: &str = r#"
            for mount in $(awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts); do
                mount -o remount,bind,ro "$mount" || exit
            done
            exec "$@"
        "#;
        self.wrapper = &["unshare", "--mount", "sh", "-c", SCRIPT, "sh"];
        self
    }

    /// Starts the daemon and waits until it serves. Also for the next life after a death.
    pub async fn begin(&self) {
        let child = self.command().spawn().expect("start thawd");
        fs::write(self.home.join("pid"), child.id().to_string()).expect("write the pid");
        *self.child() = Some(child);
        let deadline = Instant::now() + START_LIMIT;
        while !self.is_serving().await {
            if let Some(status) = self.try_wait() {
                panic!("thawd ended at its start ({status}):\n{}", self.log_tail(40));
            }
            assert!(Instant::now() < deadline, "thawd does not serve:\n{}", self.log_tail(40));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a daemon that is expected to refuse to start, and gives its status and what it said.
    pub async fn refusal(&self) -> (ExitStatus, String) {
        let log = self.home.join("refusal.log");
        let to = File::create(&log).expect("a log");
        let mut child = self
            .command()
            .stdout(to.try_clone().expect("a second handle"))
            .stderr(to)
            .spawn()
            .expect("start thawd");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = child.try_wait().expect("wait for thawd") {
                return (status, fs::read_to_string(&log).expect("read the log"));
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("thawd started:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The command that starts this daemon.
    #[must_use]
    pub fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut flags = BTreeMap::from([
            ("data-dir", path(self.data_dir())),
            ("run-dir", path(self.run_dir())),
            ("socket", path(self.socket())),
            ("init", path(programs::thaw_init())),
            ("docker-socket", path(engine::socket())),
        ]);
        flags.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let program = programs::thawd();
        let mut command = match self.wrapper {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(flags.iter().map(|(name, value)| format!("--{name}={value}")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        command
    }

    /// Kills the daemon as a crash or `kill -9` would.
    pub fn crash(&self) {
        let mut child = self.child().take().expect("thawd runs");
        child.kill().expect("kill thawd");
        child.wait().expect("wait for thawd");
    }

    /// Asks the daemon to end, as systemd would.
    pub fn terminate(&self) {
        let pid = self.child().as_ref().expect("thawd runs").id();
        kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGTERM).expect("signal thawd");
    }

    /// Waits until the daemon has ended by itself.
    pub async fn ended(&self) -> ExitStatus {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.try_wait() {
                *self.child() = None;
                return status;
            }
            assert!(Instant::now() < deadline, "thawd does not end:\n{}", self.log_tail(40));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Connects to the daemon.
    ///
    /// # Errors
    /// If nothing answers on its socket.
    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        Endpoint::from_shared(format!("unix://{}", self.socket().display()))?.connect().await
    }

    async fn is_serving(&self) -> bool {
        let Ok(channel) = self.connect().await else { return false };
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(channel).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    fn try_wait(&self) -> Option<ExitStatus> {
        self.child().as_mut().and_then(|child| child.try_wait().expect("wait for thawd"))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of everything below.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What is kept.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// What lives only while the daemon runs.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.home.join("run")
    }

    /// The daemon's gRPC socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.home.join("thawd.sock")
    }

    /// The id in the label of this daemon's containers and the names of its cgroups.
    #[must_use]
    pub fn instance(&self) -> String {
        let path = self.data_dir().join("instance");
        let id = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        id.trim().to_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.home.join("thawd.log")
    }

    /// The last `lines` lines of the daemon's own log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let instance = fs::read_to_string(self.data_dir().join("instance")).ok();
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Its end of the pipe closed tells the guard to begin.
        drop(guard.stdin.take());
        if let Err(error) = guard.wait() {
            eprintln!("the guard of {} can't be waited for: {error}", self.home.display());
        }
        // The guard has seen it end; nobody but its parent can take its remains.
        if let Some(mut child) = self.child().take() {
            let _ = child.wait();
        }
        if let Some(instance) = instance {
            self.assert_nothing_left(instance.trim().to_owned());
        }
    }
}

impl Daemon {
    /// Every test of every daemon ends with this: nothing of it may be left. A test that has failed may have left what
    /// it likes, and gets it cleared away.
    fn assert_nothing_left(&self, instance: String) {
        let home = self.home.clone();
        // The test's own runtime is busy dropping this.
        let looking = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let left = Remains::in_home(&home, &instance).await;
                for container in &left.containers {
                    Engine::connect().await.remove(container).await;
                }
                left
            })
        });
        let left = looking.join();
        if !thread::panicking() {
            assert_eq!(
                left.expect("a look at what is left"),
                Remains::default(),
                "thawd left something behind"
            );
        }
    }
}
