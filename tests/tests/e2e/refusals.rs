//! Packages and settings that are refused: with an error that names what is wrong, and without a trace.

use std::{collections::BTreeSet, path::PathBuf};

use bytes::Bytes;
use thaw_proto::v1::{CreateFunctionRequest, UpdateFunctionCodeRequest};
use thaw_tests::{
    functions::{NewFunction, unique},
    package::{Entry, Package, hostile},
    remains,
    world::{SharedDaemon, World, fields, reason},
};
use tokio::sync::{Mutex, MutexGuard};
use tonic::{Code, Status};

/// A daemon whose disk nobody else writes to, with small limits.
static DAEMON: SharedDaemon = SharedDaemon::new(&[
    ("package-max-zip-mb", "4"),
    ("package-max-unpacked-mb", "16"),
    ("package-max-entries", "50"),
    // Lines of the daemon's log tell more than the messages here.
    ("log-level", "debug"),
]);

/// One test at a time: what is on the disk before and after is compared.
async fn alone() -> (World, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    (DAEMON.world().await, turn)
}

/// Packages and what is on its way to be one. The directories of blobs are no one's: there are 256 of them at most.
fn on_disk(world: &World) -> BTreeSet<PathBuf> {
    let data = world.daemon().data_dir();
    let blobs = remains::below(&data.join("blobs")).into_iter().filter(|path| path.is_file());
    remains::below(&data.join("packages")).into_iter().chain(blobs).collect()
}

/// Asserts that a package is refused for both a new function and one that is there, and that nothing is left of it.
async fn refused(package: impl Into<Bytes>, named: &str) -> Status {
    let package = package.into();
    let (world, _turn) = alone().await;
    let name = unique("refused");
    let existing = world.create(NewFunction::of("echo")).await;
    let (before, disk) = (world.get(&existing).await.unwrap(), on_disk(&world));

    let new = NewFunction::packaged("refused", "app.handler", package.clone()).named(&name);
    let refusal = world.try_create(new).await.expect_err("the package is refused");
    assert!(refusal.message().contains(named), "the message names {named:?}: {}", refusal.message());
    assert_eq!(world.get(&name).await.unwrap_err().code(), Code::NotFound);

    let update =
        UpdateFunctionCodeRequest { function_name: existing.clone(), ..UpdateFunctionCodeRequest::default() };
    let again = world.update_code(update, &package).await.expect_err("the package is refused");
    assert_eq!((again.code(), again.message()), (refusal.code(), refusal.message()));
    assert_eq!(world.get(&existing).await.unwrap(), before);
    assert_eq!(on_disk(&world), disk, "nothing is left on the disk");
    assert!(!world.daemon().data_dir().join("escaped").exists());
    refusal
}

/// As [`refused`], by the field that holds the package.
async fn malformed(package: impl Into<Bytes>, named: &str) {
    let refusal = refused(package, named).await;
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    assert_eq!(reason(&refusal), "INVALID_PARAMETER_VALUE");
    assert_eq!(fields(&refusal), ["chunk"]);
}

fn with(entries: &[Entry]) -> Bytes {
    let mut all = vec![Entry::file("app.py", b"def handler(event, context): pass\n")];
    all.extend_from_slice(entries);
    hostile(&all)
}

#[tokio::test]
async fn the_hostile_archives_of_these_tests_are_fine_but_for_what_is_hostile() {
    let (world, _turn) = alone().await;
    let package =
        with(&[Entry::file("deep/down/file.txt", b"x"), Entry::symlink("link", "deep/down/file.txt")]);
    world.create(NewFunction::packaged("fine", "app.handler", package)).await;
}

#[tokio::test]
async fn a_path_that_climbs_out_is_refused() {
    malformed(with(&[Entry::file("../../escaped", b"x")]), "../../escaped").await;
}

#[tokio::test]
async fn a_path_that_climbs_out_and_in_again_is_refused() {
    malformed(with(&[Entry::file("deep/../../deep/file", b"x")]), "deep/../../deep/file").await;
}

#[tokio::test]
async fn an_absolute_path_is_refused() {
    malformed(with(&[Entry::file("/tmp/escaped", b"x")]), "/tmp/escaped").await;
}

#[tokio::test]
async fn a_symlink_out_of_the_package_is_refused() {
    malformed(with(&[Entry::symlink("passwords", "/etc/shadow")]), "passwords").await;
}

#[tokio::test]
async fn a_symlink_that_climbs_out_is_refused() {
    malformed(with(&[Entry::symlink("deep/parent", "../../..")]), "deep/parent").await;
}

#[tokio::test]
async fn a_file_written_through_a_symlink_is_refused() {
    let entries =
        [Entry::symlink("door", "deep"), Entry::file("deep/x", b"x"), Entry::file("door/file", b"x")];
    malformed(with(&entries), "door").await;
}

#[tokio::test]
async fn a_device_is_refused() {
    malformed(with(&[Entry::device("memory")]), "memory").await;
}

#[tokio::test]
async fn a_name_that_comes_twice_is_refused() {
    malformed(with(&[Entry::file("twice.py", b"1"), Entry::file("twice.py", b"2")]), "twice.py").await;
}

#[tokio::test]
async fn a_file_that_is_also_a_directory_is_refused() {
    malformed(with(&[Entry::file("both", b"1"), Entry::file("both/file", b"2")]), "both").await;
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let zeros = vec![0; 20 << 20];
    let bomb = Package::new().handler("echo").file("bomb.bin", &zeros).zip();
    assert!(bomb.len() < 1 << 20, "it is small while it is packed");
    let refusal = refused(bomb, "bomb.bin").await;
    assert!([Code::InvalidArgument, Code::ResourceExhausted].contains(&refusal.code()), "{refusal:?}");
    assert!(refusal.message().contains("16"), "the message names the limit of 16 MB: {}", refusal.message());
}

#[tokio::test]
async fn a_size_that_lies_is_refused() {
    malformed(with(&[Entry::lying("lie.txt", &[b'x'; 1000], 10)]), "lie.txt").await;
}

#[tokio::test]
async fn an_encrypted_entry_is_refused() {
    malformed(with(&[Entry::encrypted("secret.py")]), "secret.py").await;
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let mut package = with(&[Entry::file("damaged.txt", b"what it was")]).to_vec();
    let at = package.windows(11).position(|bytes| bytes == b"what it was").unwrap();
    package[at] = b'W';
    malformed(package, "damaged.txt").await;
}

#[tokio::test]
async fn too_many_entries_are_refused() {
    let entries: Vec<_> = (0..60).map(|number| Entry::file(&format!("file-{number}"), b"x")).collect();
    let refusal = refused(with(&entries), "50").await;
    assert!([Code::InvalidArgument, Code::ResourceExhausted].contains(&refusal.code()), "{refusal:?}");
}

#[tokio::test]
async fn a_truncated_archive_is_refused() {
    let package = Package::new().handler("echo").handler("failures").zip();
    malformed(package.slice(..package.len() - 30), "zip").await;
    malformed(package.slice(..100), "zip").await;
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    malformed("def handler(event, context): pass", "zip").await;
}

#[tokio::test]
async fn nothing_is_refused() {
    malformed("", "").await;
}

#[tokio::test]
async fn an_archive_over_its_limit_is_refused() {
    let mut noise = Vec::with_capacity(5 << 20);
    let mut state = 1_u64;
    while noise.len() < 5 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend(state.to_le_bytes());
    }
    let refusal = refused(Package::new().handler("echo").file("noise", &noise).zip(), "4").await;
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert_eq!(reason(&refusal), "REQUEST_TOO_LARGE");
}

/// Asserts that a request is refused by one of its fields and that no function comes of it.
async fn bad_field(field: &str, change: impl FnOnce(&mut CreateFunctionRequest)) {
    let (world, _turn) = alone().await;
    let disk = on_disk(&world);
    let function =
        NewFunction::packaged("bad", "app.handler", with(&[Entry::file(field, b"x")])).with(change);
    let name = function.request.function_name.clone();
    let refusal = world.try_create(function).await.expect_err(field);
    assert_eq!(refusal.code(), Code::InvalidArgument, "{field}: {refusal:?}");
    assert_eq!(reason(&refusal), "INVALID_PARAMETER_VALUE");
    let named = fields(&refusal);
    assert!(named.iter().all(|name| name.starts_with(field)) && !named.is_empty(), "{named:?} names {field}");
    assert!(world.get(&name).await.is_err());
    assert_eq!(on_disk(&world), disk, "nothing is left on the disk");
}

#[tokio::test]
async fn a_bad_name_is_refused_by_its_field() {
    for name in ["", "has space", "slash/ed", "ä", "../x", &"x".repeat(65)] {
        bad_field("function_name", |request| request.function_name = name.to_owned()).await;
    }
}

#[tokio::test]
async fn a_runtime_that_nobody_knows_is_refused_by_its_field() {
    for runtime in ["", "python2.7", "../python3.13", "debian:trixie"] {
        bad_field("runtime", |request| request.runtime = runtime.to_owned()).await;
    }
}

#[tokio::test]
async fn a_bad_handler_is_refused_by_its_field() {
    for handler in ["", "has space.handler", "new\nline", &"x".repeat(129)] {
        bad_field("handler", |request| request.handler = handler.to_owned()).await;
    }
}

#[tokio::test]
async fn a_bad_timeout_is_refused_by_its_field() {
    bad_field("timeout", |request| request.timeout = 901).await;
}

#[tokio::test]
async fn a_bad_memory_size_is_refused_by_its_field() {
    for mb in [1, 127, 10_241] {
        bad_field("memory_size", |request| request.memory_size = mb).await;
    }
}

#[tokio::test]
async fn a_bad_ephemeral_storage_is_refused_by_its_field() {
    for mb in [1, 511, 10_241] {
        bad_field("ephemeral_storage", |request| request.ephemeral_storage = mb).await;
    }
}

#[tokio::test]
async fn a_description_that_is_too_long_is_refused_by_its_field() {
    bad_field("description", |request| request.description = "x".repeat(257)).await;
}

#[tokio::test]
async fn a_bad_environment_is_refused_by_its_field() {
    let long = "x".repeat(4096);
    let variables = [
        ("AWS_REGION", "reserved"),
        ("_HANDLER", "reserved"),
        ("AWS_LAMBDA_RUNTIME_API", "reserved"),
        ("LAMBDA_TASK_ROOT", "reserved"),
        ("1ST", "begins with a digit"),
        ("HAS-HYPHEN", "x"),
        ("", "no name"),
        ("LONG", &long),
    ];
    for (name, value) in variables {
        bad_field("environment", |request| {
            let environment = request.environment.get_or_insert_default();
            environment.variables.insert(name.to_owned(), value.to_owned());
        })
        .await;
    }
}
