//! `thaw-init` as the daemon uses it: as process 1 of a process namespace, as the sandbox's user, with this test in the
//! daemon's place. Needs root, `unshare` and `setpriv` (both of util-linux).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy takes a test's helpers for no part of the test"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, Permissions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Everything here takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);
const UID: u32 = 993;
const GID: u32 = 990;

/// A sandbox without the container.
struct Sandbox {
    namespace: Child,
    control: Option<BufReader<UnixStream>>,
    output: File,
    printed: String,
    _directory: TempDir,
}

impl Sandbox {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        // The sandbox's user may not reach into the build directory. Not copied by this process: a file that it has open for
        // writing while another test starts a process can't be run until that one has closed its copy (ETXTBSY).
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_thaw-init")).arg(path.join("init")).status();
        assert!(copied.unwrap().success());
        let listener = UnixListener::bind(path.join("control.sock")).unwrap();
        mkfifo(&path.join("output"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        for name in ["output", "control.sock"] {
            chown(path.join(name), Some(UID), Some(GID)).unwrap();
        }
        let output = OpenOptions::new().read(true).write(true).open(path.join("output")).unwrap();
        let namespace = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "setpriv"])
            .args([format!("--reuid={UID}"), format!("--regid={GID}"), "--clear-groups".into()])
            .arg(path.join("init"))
            .arg(path)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut connecting = [PollFd::new(&listener, PollFlags::IN)];
        let connected = poll(&mut connecting, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap();
        assert_eq!(connected, 1, "process 1 does not connect; what unshare said is above");
        let (control, _) = listener.accept().unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        let control = Some(BufReader::new(control));
        Self { namespace, control, output, printed: String::new(), _directory: directory }
    }

    /// A sandbox that runs `command`.
    fn running(command: &[&str]) -> Self {
        let mut sandbox = Self::start();
        sandbox.assign(&json!({
            "command": command, "environment": {"PATH": "/usr/bin:/bin"}, "working_directory": "/",
        }));
        sandbox
    }

    fn assign(&mut self, assignment: &Value) {
        self.order(&json!({ "start": assignment }));
    }

    /// A sandbox in which `script` is started ahead.
    fn prestarted(script: &str) -> Self {
        let mut sandbox = Self::start();
        sandbox.order(&json!({ "prestart": {
            "command": ["bash", "-c", script], "environment": {"PATH": "/usr/bin:/bin"}, "working_directory": "/",
        }}));
        sandbox
    }

    fn order(&mut self, order: &Value) {
        self.send(format!("{order}\n").as_bytes());
    }

    fn send(&mut self, bytes: &[u8]) {
        self.control.as_mut().unwrap().get_mut().write_all(bytes).unwrap();
    }

    /// The one line that init sends.
    fn report(&mut self) -> Value {
        let mut line = String::new();
        self.control.as_mut().unwrap().read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a report: {line:?}"))
    }

    /// Reads what is printed until `wanted` is among it.
    fn prints(&mut self, wanted: &str) -> &str {
        while !self.printed.contains(wanted) {
            let mut chunk = [0; 4096];
            let mut sources = [PollFd::new(&self.output, PollFlags::IN)];
            let ready = poll(&mut sources, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap();
            assert_eq!(ready, 1, "{wanted:?} was never printed, only {:?}", self.printed);
            let count = self.output.read(&mut chunk).unwrap();
            self.printed.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        }
        &self.printed
    }

    fn hang_up(&mut self) {
        self.control = None;
    }

    /// How process 1 ended; `unshare` passes it on.
    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.namespace.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the sandbox does not end");
            pause();
        }
    }

    fn is_alive(&mut self) -> bool {
        self.namespace.try_wait().unwrap().is_none()
    }

    /// Process 1, as this test's namespace knows it.
    fn init(&self) -> Pid {
        let id = self.namespace.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // With it goes process 1, and with that all the others.
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
    }
}

fn pause() {
    poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 })).unwrap();
}

/// Runs `script` and answers its exit code and everything that it printed.
fn run(script: &str) -> (Value, String) {
    let mut sandbox =
        Sandbox::running(&["sh", "-c", &format!("{{ {script}\n}}; code=$?; echo THE END; exit $code")]);
    let report = sandbox.report();
    let printed = sandbox.prints("THE END\n").replace("THE END\n", "");
    (report["exited"]["code"].clone(), printed)
}

#[test]
fn the_runtime_gets_exactly_the_environment_of_its_assignment() {
    let mut sandbox = Sandbox::start();
    let environment =
        json!({"PATH": "/usr/bin:/bin", "_HANDLER": "app.handler", "TEXT": "späte Zeile\nnoch eine"});
    sandbox
        .assign(&json!({"command": ["env", "-0"], "environment": environment, "working_directory": "/usr"}));
    assert_eq!(sandbox.report(), json!({"exited": {"code": 0}}));
    let found: BTreeMap<_, _> = sandbox
        .prints("app.handler")
        .split_terminator('\0')
        .filter_map(|each| each.split_once('='))
        .collect();
    assert_eq!(serde_json::to_value(found).unwrap(), environment);
}

#[test]
fn the_runtime_starts_in_its_working_directory() {
    let mut sandbox = Sandbox::start();
    sandbox.assign(
        &json!({"command": ["pwd"], "environment": {"PATH": "/usr/bin:/bin"}, "working_directory": "/usr"}),
    );
    assert_eq!(sandbox.prints("\n"), "/usr\n");
}

#[test]
fn standard_error_and_output_are_one_and_input_is_empty() {
    let (code, printed) = run("echo one; echo two >&2; echo three; cat");
    assert_eq!((code, printed.as_str()), (json!(0), "one\ntwo\nthree\n"));
}

#[test]
fn an_exit_code_is_reported() {
    let mut sandbox = Sandbox::running(&["sh", "-c", "exit 7"]);
    assert_eq!(sandbox.report(), json!({"exited": {"code": 7}}));
}

#[test]
fn an_end_by_a_signal_is_reported_real_time_ones_too() {
    for signal in [9, 11, 35, 64] {
        let mut sandbox = Sandbox::running(&["sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!(sandbox.report(), json!({"exited": {"signal": signal}}));
    }
}

#[test]
fn the_sandbox_stays_after_its_report_until_the_daemon_hangs_up() {
    let mut sandbox = Sandbox::running(&["true"]);
    sandbox.report();
    kill(sandbox.init(), Signal::SIGTERM).unwrap();
    for _ in 0..20 {
        pause();
        assert!(sandbox.is_alive());
    }
    sandbox.hang_up();
    assert_eq!(sandbox.end().code(), Some(0));
}

#[test]
fn when_the_daemon_dies_everything_in_the_sandbox_does() {
    let mut sandbox = Sandbox::running(&[
        "sh",
        "-c",
        "trap '' TERM; setsid sleep 1000 & echo started; sleep 1000; sleep 1000",
    ]);
    sandbox.prints("started");
    sandbox.hang_up();
    assert_eq!(sandbox.end().code(), Some(137));
}

#[test]
fn when_the_daemon_dies_before_it_assigned_anything_the_sandbox_ends() {
    let mut sandbox = Sandbox::start();
    sandbox.send(b"{\"command\": [");
    sandbox.hang_up();
    assert_eq!(sandbox.end().code(), Some(137));
}

#[test]
fn a_program_that_is_not_there_is_reported_by_name() {
    let mut sandbox = Sandbox::running(&["no-such-program", "app.handler"]);
    let report = sandbox.report();
    let error = report["failed"]["error"].as_str().unwrap();
    assert!(error.contains("no-such-program can't be started: No such file"), "{error}");
    sandbox.hang_up();
    assert_eq!(sandbox.end().code(), Some(1));
}

#[test]
fn a_daemon_that_does_not_hang_up_after_a_failure_is_not_waited_for() {
    let mut sandbox = Sandbox::running(&["no-such-program"]);
    sandbox.report();
    assert_eq!(sandbox.end().code(), Some(1));
}

#[test]
fn a_text_that_no_process_can_be_given_is_reported() {
    let mut sandbox = Sandbox::running(&["echo", "a\0b"]);
    let report = sandbox.report();
    assert!(report["failed"]["error"].as_str().unwrap().contains("nul byte"), "{report}");
}

#[test]
fn only_a_program_that_may_be_run_is_found_in_the_path() {
    let mut sandbox = Sandbox::start();
    sandbox.assign(&json!({
        "command": ["passwd"], "environment": {"PATH": "/etc:/nowhere::relative"}, "working_directory": "/",
    }));
    let report = sandbox.report();
    assert!(report["failed"]["error"].as_str().unwrap().contains("passwd can't be started"), "{report}");
}

#[test]
fn a_working_directory_that_is_not_there_is_reported_by_name() {
    let mut sandbox = Sandbox::start();
    sandbox.assign(&json!({"command": ["/bin/true"], "environment": {}, "working_directory": "/no/such"}));
    let report = sandbox.report();
    let error = report["failed"]["error"].as_str().unwrap();
    assert!(error.starts_with("the working directory /no/such can't be used"), "{error}");
}

#[test]
fn an_image_without_an_entry_point_is_reported() {
    let mut sandbox = Sandbox::running(&[]);
    assert!(sandbox.report()["failed"]["error"].as_str().unwrap().contains("no entry point"));
}

/// Files of a function in a directory that the sandbox's user can read.
fn function(files: &[(&str, &str, u32)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for (name, content, mode) in files {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
    }
    directory
}

/// A sandbox that runs the first of these that is there.
fn bootstrapped(paths: &[&Path]) -> Sandbox {
    let mut sandbox = Sandbox::start();
    sandbox.assign(&json!({ "bootstrap": paths, "environment": {"A": "b"}, "working_directory": "/usr" }));
    sandbox
}

#[test]
fn the_first_bootstrap_that_is_there_runs_without_arguments() {
    let function = function(&[
        ("second", "#!/bin/sh\necho \"$0 $# $A $PWD\"\n", 0o755),
        ("third", "#!/bin/sh\necho third\n", 0o755),
    ]);
    let path = |name| function.path().join(name);
    fs::create_dir(path("first")).unwrap();
    let mut sandbox = bootstrapped(&[&path("first"), &path("second"), &path("third")]);
    assert_eq!(sandbox.report(), json!({ "exited": { "code": 0 } }));
    let expected = format!("{} 0 b /usr\n", path("second").display());
    assert_eq!(sandbox.prints("\n"), expected);
}

#[test]
fn a_bootstrap_that_is_not_there_or_does_not_run_is_reported_in_lambdas_words() {
    let failure = |paths: &[&Path]| bootstrapped(paths).report()["failed"]["error"].clone();
    assert_eq!(
        failure(&[Path::new("/nowhere/bootstrap"), Path::new("/no/bootstrap")]),
        "Couldn't find valid bootstrap(s): [/nowhere/bootstrap /no/bootstrap]"
    );
    let function = function(&[
        ("not-executable", "#!/bin/sh\n", 0o644),
        ("not-a-program", "nothing", 0o755),
        ("without-its-shell", "#!/no/shell\n", 0o755),
        ("good", "#!/bin/sh\n", 0o755),
    ]);
    let good = function.path().join("good");
    for (name, reason) in [
        ("not-executable", "permission denied"),
        ("not-a-program", "exec format error"),
        ("without-its-shell", "no such file or directory"),
    ] {
        let path = function.path().join(name);
        assert_eq!(failure(&[&path, &good]), format!("fork/exec {}: {reason}", path.display()));
    }
}

#[test]
fn an_assignment_that_is_nonsense_is_reported() {
    let mut sandbox = Sandbox::start();
    sandbox.send(b"\xff{]\n");
    assert!(sandbox.report()["failed"]["error"].as_str().unwrap().starts_with("the order can't be read"));
}

#[test]
fn an_assignment_without_end_is_refused() {
    let mut sandbox = Sandbox::start();
    sandbox.send(&vec![b' '; 1024 * 1024 + 1]);
    assert!(sandbox.report()["failed"]["error"].as_str().unwrap().starts_with("the order is longer than"));
}

#[test]
fn an_assignment_may_come_in_pieces_and_be_large() {
    let mut sandbox = Sandbox::start();
    let value = "x".repeat(100_000);
    let line = format!(
        "{}\n",
        json!({"start": {"command": ["sh", "-c", "echo ${#LARGE}"],
                         "environment": {"PATH": "/bin", "LARGE": value}, "working_directory": "/"}})
    );
    for piece in line.as_bytes().chunks(30_000) {
        sandbox.send(piece);
        pause();
    }
    assert_eq!(sandbox.prints("\n"), "100000\n");
}

/// Says that it is up, reads its assignment, and prints it.
const OBEDIENT: &str = "echo >&3; read -r line <&3; exec 3>&-; echo \"$$ $line\"; sleep 1000";

fn assignment() -> Value {
    json!({
        "command": ["sh", "-c", "echo started anew; sleep 1000"], "arguments": ["app.handler"],
        "environment": {"PATH": "/usr/bin:/bin", "_HANDLER": "app.handler"}, "working_directory": "/usr",
    })
}

#[test]
fn what_is_started_ahead_says_when_it_is_up_and_takes_its_assignment() {
    let mut sandbox = Sandbox::prestarted(OBEDIENT);
    assert_eq!(sandbox.report(), json!({"ready": {}}));
    sandbox.assign(&assignment());
    let printed = sandbox.prints("\n");
    let (_, line) = printed.split_once(' ').unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        line,
        json!({"arguments": ["app.handler"], "working_directory": "/usr",
               "environment": {"PATH": "/usr/bin:/bin", "_HANDLER": "app.handler"}})
    );
}

#[test]
fn an_assignment_may_come_before_what_is_started_ahead_is_up() {
    let mut sandbox = Sandbox::prestarted(&format!("sleep 0.2; {OBEDIENT}"));
    sandbox.assign(&assignment());
    assert!(sandbox.prints("\n").contains("app.handler"));
}

#[test]
fn what_is_started_ahead_and_does_not_suit_is_replaced_and_its_end_is_not_reported() {
    let mut sandbox = Sandbox::prestarted(OBEDIENT);
    assert_eq!(sandbox.report(), json!({"ready": {}}));
    let mut assignment = assignment();
    assignment.as_object_mut().unwrap().remove("arguments");
    assignment["command"] = json!(["sh", "-c", "echo started anew; exit 3"]);
    sandbox.assign(&assignment);
    assert_eq!(sandbox.prints("\n"), "started anew\n");
    assert_eq!(sandbox.report(), json!({"exited": {"code": 3}}));
}

#[test]
fn what_is_started_ahead_and_ends_is_reported() {
    let mut sandbox = Sandbox::prestarted("exit 5");
    assert_eq!(sandbox.report(), json!({"exited": {"code": 5}}));
}

#[test]
fn the_end_of_what_took_its_assignment_is_reported() {
    let mut sandbox = Sandbox::prestarted("echo >&3; read -r line <&3; exit 6");
    assert_eq!(sandbox.report(), json!({"ready": {}}));
    sandbox.assign(&assignment());
    assert_eq!(sandbox.report(), json!({"exited": {"code": 6}}));
}

#[test]
fn orders_out_of_turn_are_refused() {
    let mut sandbox = Sandbox::prestarted(OBEDIENT);
    assert_eq!(sandbox.report(), json!({"ready": {}}));
    sandbox.order(&json!({"prestart": {"command": ["true"], "environment": {}, "working_directory": "/"}}));
    let report = sandbox.report();
    assert!(report["failed"]["error"].as_str().unwrap().contains("makes no sense"), "{report}");
}

#[test]
fn when_the_daemon_dies_what_was_started_ahead_ends() {
    let mut sandbox = Sandbox::prestarted(OBEDIENT);
    assert_eq!(sandbox.report(), json!({"ready": {}}));
    sandbox.hang_up();
    assert_eq!(sandbox.end().code(), Some(137));
}

#[test]
fn a_signal_to_init_reaches_the_runtime_and_its_children() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut sandbox = Sandbox::running(&[
            "perl",
            "-e",
            "$| = 1; my $end = sub { print 'ended '; exit 42 }; $SIG{$_} = $end for qw(TERM INT HUP QUIT); \
             my $child = fork; print 'ready ' if $child; sleep 1 while 1",
        ]);
        sandbox.prints("ready");
        // The child has its handlers from before the fork.
        kill(sandbox.init(), signal).unwrap();
        assert_eq!(sandbox.report(), json!({"exited": {"code": 42}}));
        sandbox.prints("ended ended");
    }
}

#[test]
fn a_signal_before_the_assignment_ends_the_sandbox() {
    let mut sandbox = Sandbox::start();
    // Connected is not yet ready for signals, and process 1 ignores those that it isn't ready for.
    let init = sandbox.init();
    while sandbox.is_alive() {
        // It may be gone between the look and the signal.
        let _ = kill(init, Signal::SIGTERM);
        pause();
    }
    assert_eq!(sandbox.end().code(), Some(128 + 15));
}

#[test]
fn the_runtime_finds_no_signal_blocked_or_ignored() {
    // Not by way of a shell: shells clear their mask.
    let mut sandbox = Sandbox::running(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]);
    sandbox.report();
    let masks: Vec<_> = sandbox.prints("SigIgn").split_whitespace().skip(1).step_by(2).collect();
    assert_eq!(masks.len(), 2);
    for mask in masks {
        // Signals 32 and 33 are the C library's own: it doesn't touch them, whatever this test inherited.
        assert_eq!(u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31), 0, "{mask}");
    }
}

#[test]
fn orphans_are_reaped_however_they_end() {
    // Their parents end first. Only when no process but init's child is left, zombies counted, does the loop end.
    let (code, printed) = run("for end in 'exit 3' 'kill -9 $$' 'kill -40 $$'; do (setsid sh -c \"sleep 0.1; $end\" &); done
         tries=0
         while set -- /proc/[0-9]*; [ $# -gt 2 ] && [ $tries -lt 500 ]; do sleep 0.01; tries=$((tries + 1)); done
         [ $tries -gt 0 ] && [ $tries -lt 500 ]");
    assert_eq!((code, printed.as_str()), (json!(0), ""));
}

#[test]
fn the_function_can_neither_end_init_nor_look_into_it() {
    let (code, printed) = run("kill -9 1; kill -STOP 1; kill -SEGV 1
         for file in environ maps mem fd/0 fdinfo/0 cwd ns/pid; do
             cat /proc/1/$file >/dev/null 2>&1 && echo $file could be read
             ls /proc/1/$file/ >/dev/null 2>&1 && echo $file could be entered
         done
         ls /proc/1/fd >/dev/null 2>&1 && echo descriptors could be listed
         true");
    assert_eq!((code, printed.as_str()), (json!(0), ""));
}

#[test]
fn the_function_inherits_no_descriptor_of_inits() {
    let (_, printed) = run("ls -l /proc/self/fd");
    assert!(printed.contains("/dev/null") && printed.contains("/output"), "{printed}");
    assert!(!printed.contains("socket:") && !printed.contains("signalfd"), "{printed}");
}

#[test]
fn calls_that_no_function_needs_are_refused() {
    let (permission, missing) = (libc::EPERM, libc::ENOSYS);
    let user_namespace = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let calls = [
        // PTRACE_TRACEME: anybody may have himself traced.
        (libc::SYS_ptrace, 0, permission),
        (libc::SYS_process_vm_readv, 1, permission),
        (libc::SYS_pidfd_getfd, 0, permission),
        (libc::SYS_mount, 0, permission),
        (libc::SYS_open_tree, 0, permission),
        (libc::SYS_mount_setattr, 0, permission),
        (libc::SYS_unshare, i64::from(libc::CLONE_NEWUSER), permission),
        (libc::SYS_setns, 0, permission),
        (libc::SYS_clone, user_namespace, permission),
        (libc::SYS_clone3, 0, missing),
        (libc::SYS_bpf, 0, permission),
        (libc::SYS_perf_event_open, 0, permission),
        (libc::SYS_userfaultfd, 0, permission),
        (libc::SYS_io_uring_setup, 1, permission),
        (libc::SYS_keyctl, 0, permission),
        (libc::SYS_init_module, 0, permission),
        (libc::SYS_kexec_load, 0, permission),
    ];
    for (call, argument, expected) in calls {
        let script = format!("perl -e 'print syscall({call}, {argument}, 0, 0, 0, 0), \" \", $! + 0'");
        assert_eq!(run(&script).1, format!("-1 {expected}"), "call {call}");
    }
}

#[test]
fn threads_and_processes_can_be_made_for_all_that() {
    let (code, printed) = run(
        "python3 -c 'import threading; t = threading.Thread(target=print, args=(\"a thread\",)); t.start(); t.join()'",
    );
    assert_eq!((code, printed.as_str()), (json!(0), "a thread\n"));
}

#[test]
fn it_refuses_to_be_anything_but_the_first_process() {
    let started = Command::new(env!("CARGO_BIN_EXE_thaw-init")).output().unwrap();
    assert_eq!(started.status.code(), Some(1));
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(said.contains("it is the first process of a sandbox"), "{said}");
}

#[test]
fn without_a_daemon_it_says_so_and_ends() {
    let empty = TempDir::new().unwrap();
    let started = first_process(empty.path());
    assert_eq!(started.0, Some(1));
    assert!(started.1.contains("could not connect to the daemon at"), "{}", started.1);
}

#[test]
fn an_output_that_nobody_reads_is_a_failure_and_not_a_wait() {
    let directory = TempDir::new().unwrap();
    let listener = UnixListener::bind(directory.path().join("control.sock")).unwrap();
    mkfifo(&directory.path().join("output"), Mode::S_IRWXU).unwrap();
    let daemon = std::thread::spawn(move || {
        let (control, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(control).read_line(&mut line).unwrap();
        line
    });
    assert_eq!(first_process(directory.path()).0, Some(1));
    let report = daemon.join().unwrap();
    assert!(report.starts_with("{\"failed\":{\"error\":\"could not write to "), "{report}");
}

fn first_process(directory: &Path) -> (Option<i32>, String) {
    let ended = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_thaw-init")])
        .arg(directory)
        .output()
        .unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}
