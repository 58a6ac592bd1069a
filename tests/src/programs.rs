//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The daemon: the file that `THAWD` names, else the one that cargo built beside this test.
#[must_use]
pub fn thawd() -> PathBuf {
    program("THAWD", "thawd")
}

/// The command line tool: the file that `THAW` names, else the one that cargo built beside this test.
#[must_use]
pub fn thaw() -> PathBuf {
    program("THAW", "thaw")
}

/// The first process of sandboxes: the file that `THAW_TEST_INIT` names, else the one beside the daemon.
#[must_use]
pub fn thaw_init() -> PathBuf {
    match env::var_os("THAW_TEST_INIT") {
        Some(path) => present(PathBuf::from(path)),
        None => present(thawd().with_file_name("thaw-init")),
    }
}

/// The function in Rust: the file that `THAW_TEST_RUST_ECHO` names, else the one of the release profile.
#[must_use]
pub fn rust_echo() -> PathBuf {
    let path = env::var_os("THAW_TEST_RUST_ECHO").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/rust-echo"),
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "there is no {}: run `cargo rustc -p rust-echo --release -- -C target-feature=+crt-static` first",
        path.display()
    );
    path
}

/// Where AWS's clients are installed: the directory that `THAW_TEST_AWS_CLIENTS` names, else the one that `tests/run` makes.
#[must_use]
pub fn aws_clients() -> PathBuf {
    let beside_thawd = || thawd().with_file_name("../aws-clients");
    let path = env::var_os("THAW_TEST_AWS_CLIENTS").map_or_else(beside_thawd, PathBuf::from);
    assert!(
        path.join("venv/bin/aws").is_file(),
        "there are no AWS clients in {}: run tests/run",
        path.display()
    );
    path
}

/// A server of Kinesis.
#[must_use]
pub fn kinesalite() -> PathBuf {
    present(aws_clients().join("kinesalite/node_modules/.bin/kinesalite"))
}

/// The scripts that these clients run.
#[must_use]
pub fn aws_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("aws")
}

fn program(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return present(PathBuf::from(path));
    }
    // This test is target/PROFILE/deps/e2e-HASH; cargo puts programs two levels up from it.
    let test = env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    present(profile.join(name))
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "there is no {}: run `cargo build --workspace` first", path.display());
    path
}
