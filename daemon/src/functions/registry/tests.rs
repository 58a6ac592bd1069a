//! The registry as its callers see it, over a real store on disk.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
    path::Path,
};

use time::{Duration, macros::datetime};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{
    clock::{Clock as _, FixedClock},
    functions::{MemoryMb, PackageError, PackageLimits, TimeoutSeconds, Version},
    store::{Sha256Digest, StoreOptions},
};

struct World {
    registry: FunctionRegistry,
    store: Store,
    clock: Arc<FixedClock>,
    directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(datetime!(2025-01-02 03:04:05 UTC)));
        let (store, registry) = open(directory.path(), &clock).await;
        Self { registry, store, clock, directory }
    }

    /// Ends the daemon in good order and starts another on the same directory.
    async fn reopened(self) -> Self {
        self.reopened_after(|_| {}).await
    }

    async fn reopened_after(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { registry, store, clock, directory } = self;
        registry.close().await;
        store.close().await;
        drop((registry, store));
        meanwhile(directory.path());
        let (store, registry) = open(directory.path(), &clock).await;
        Self { registry, store, clock, directory }
    }

    async fn upload(&self, archive: &[u8]) -> UploadedCode {
        let mut upload = self.registry.begin_upload().await.unwrap();
        for piece in archive.chunks(1000) {
            upload.append(piece.to_vec().into()).await.unwrap();
        }
        upload.finish().await.unwrap()
    }

    async fn create(&self, name: &str, archive: &[u8]) -> Result<Arc<FunctionVersion>, FunctionError> {
        let code = self.upload(archive).await;
        self.registry.create(function(name), code).await
    }

    async fn blobs(&self) -> Vec<Sha256Digest> {
        self.store.blobs().list().await.unwrap().into_iter().map(|blob| blob.digest).collect()
    }

    /// Nothing on disk but these packages, unpacked and as archives.
    async fn assert_packages(&self, mut expected: Vec<Sha256Digest>) {
        let mut unpacked = self.registry.packages().list().unwrap();
        unpacked.sort_unstable();
        expected.sort_unstable();
        assert_eq!(unpacked, expected);
        assert_eq!(self.blobs().await, expected);
        let named = std::fs::read_dir(self.directory.path().join("packages")).unwrap().count();
        assert_eq!(named, expected.len());
    }
}

async fn open(directory: &Path, clock: &Arc<FixedClock>) -> (Store, FunctionRegistry) {
    let store = Store::open(&StoreOptions::new(directory)).unwrap();
    let limits = PackageLimits { max_zip_bytes: 100_000, ..PackageLimits::default() };
    let packages = PackageStore::open(directory.join("packages"), limits).unwrap();
    let options = RegistryOptions::default();
    let registry = FunctionRegistry::open(store.clone(), packages, clock.clone(), options).await.unwrap();
    (store, registry)
}

fn archive(content: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn hostile_archive() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("out", "../../etc", SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn function(name: &str) -> CreateFunction {
    CreateFunction {
        name: name.parse().unwrap(),
        runtime: "python3.13".parse().unwrap(),
        handler: "app.handler".parse().unwrap(),
        role: None,
        description: "a test".parse().unwrap(),
        timeout: TimeoutSeconds::default(),
        memory: MemoryMb::default(),
        ephemeral_storage: Default::default(),
        environment: BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]).try_into().unwrap(),
    }
}

fn reference(text: &str) -> FunctionReference {
    text.parse().unwrap()
}

fn memory(memory: u32) -> UpdateConfiguration {
    UpdateConfiguration { memory: Some(memory.try_into().unwrap()), ..UpdateConfiguration::default() }
}

#[tokio::test]
async fn a_created_function_is_found_by_every_form_of_its_name() {
    let world = World::new().await;
    let bytes = archive("x");
    let created = world.create("hello", &bytes).await.unwrap();
    assert_eq!(created.arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello");
    assert_eq!(created.version, Version::Latest);
    assert_eq!(created.package, Sha256Digest::of(&bytes));
    assert_eq!(created.code_size, bytes.len() as u64);
    assert_eq!(created.last_modified, world.clock.now());
    assert_eq!(created.state, State::Active);
    for text in
        ["hello", "hello:$LATEST", "000000000000:function:hello", &created.qualified_arn().to_string()]
    {
        let found = world.registry.resolve(&reference(text), None).unwrap();
        assert!(Arc::ptr_eq(&found, &created), "{text}");
    }
    assert!(world.registry.resolve(&reference("hello"), Some(&Qualifier::LATEST)).is_ok());
    assert!(world.registry.packages().path(&created.package).join("app.py").is_file());
}

#[tokio::test]
async fn what_is_not_there_is_told_in_lambdas_words() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let told = |text: &str, qualifier: Option<&str>| {
        let qualifier = qualifier.map(|qualifier| qualifier.parse().unwrap());
        world.registry.resolve(&reference(text), qualifier.as_ref()).unwrap_err().to_string()
    };
    assert_eq!(
        told("other", None),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other"
    );
    assert_eq!(
        told("hello:7", None),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello:7"
    );
    assert_eq!(
        told("hello", Some("live")),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello:live"
    );
    assert_eq!(
        told("123456789012:function:hello", None),
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:hello"
    );
    assert_eq!(
        told("arn:aws:lambda:eu-west-1:000000000000:function:hello", None),
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    );
    assert_eq!(
        told("hello:live", Some("$LATEST")),
        "The derived qualifier from the function name does not match the specified qualifier."
    );
}

#[tokio::test]
async fn functions_survive_a_restart() {
    let world = World::new().await;
    let hello = world.create("hello", &archive("x")).await.unwrap();
    let gone = world.create("gone", &archive("y")).await.unwrap();
    let hello = world.registry.update_configuration(&hello.arn.clone().into(), memory(512)).await.unwrap();
    world.registry.delete(&gone.arn.clone().into()).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.registry.len(), 1);
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *hello);
    assert!(world.registry.is_current(&hello) && !world.registry.is_current(&gone));
    // And goes on to be changed.
    world.registry.update_configuration(&reference("hello"), memory(1024)).await.unwrap();
    world.create("gone", &archive("z")).await.unwrap();
}

#[tokio::test]
async fn a_taken_name_is_refused_and_nothing_of_the_attempt_stays() {
    let world = World::new().await;
    let first = world.create("hello", &archive("first")).await.unwrap();
    assert_eq!(
        world.registry.check_free(first.name()).unwrap_err().to_string(),
        "Function already exist: hello"
    );
    let error = world.create("hello", &archive("second")).await.unwrap_err();
    assert!(matches!(error, FunctionError::AlreadyExists { .. }), "{error:?}");
    assert!(world.registry.is_current(&first));
    world.assert_packages(vec![first.package]).await;
    // Not even if it is the same package, which stays.
    world.create("hello", &archive("first")).await.unwrap_err();
    world.assert_packages(vec![first.package]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_creations_of_one_name_exactly_one_wins() {
    let world = World::new().await;
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..8 {
        let code = world.upload(&archive(&number.to_string())).await;
        let registry = world.registry.clone();
        attempts.spawn(async move { registry.create(function("hello"), code).await });
    }
    let results = attempts.join_all().await;
    let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    assert!(
        results
            .iter()
            .flat_map(|result| result.as_ref().err())
            .all(|error| { matches!(error, FunctionError::AlreadyExists { .. }) })
    );
    assert!(world.registry.is_current(winners[0]));
    let winner = winners[0].package;
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![winner]).await;
}

#[tokio::test]
async fn a_refused_package_leaves_nothing() {
    let world = World::new().await;
    let error = world.create("hello", &hostile_archive()).await.unwrap_err();
    assert!(matches!(&error, FunctionError::Package(PackageError::Symlink { .. })), "{error:?}");
    assert!(error.to_string().contains("\"out\""));
    assert!(world.registry.is_empty());
    world.assert_packages(vec![]).await;
    world.create("hello", &archive("x")).await.unwrap();
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_while_it_runs() {
    let world = World::new().await;
    let mut upload = world.registry.begin_upload().await.unwrap();
    upload.append(vec![0; 100_000].into()).await.unwrap();
    let error = upload.append(vec![0].into()).await.unwrap_err();
    assert!(matches!(error, FunctionError::TooLarge { limit: 100_000 }), "{error:?}");
    drop(upload);
    world.assert_packages(vec![]).await;
}

#[tokio::test]
async fn only_the_settings_that_are_given_change() {
    let world = World::new().await;
    let before = world.create("hello", &archive("x")).await.unwrap();
    world.clock.set(world.clock.now() + Duration::HOUR);
    let update = UpdateConfiguration {
        handler: Some("other.handler".parse().unwrap()),
        role: Some(Some("arn:aws:iam::123456789012:role/x".parse().unwrap())),
        ..memory(256)
    };
    let after = world.registry.update_configuration(&reference("hello"), update).await.unwrap();
    assert_ne!(after.revision_id, before.revision_id);
    let expected = FunctionVersion {
        revision_id: after.revision_id,
        handler: "other.handler".parse().unwrap(),
        role: Some("arn:aws:iam::123456789012:role/x".parse().unwrap()),
        memory: 256.try_into().unwrap(),
        last_modified: before.last_modified + Duration::HOUR,
        ..(*before).clone()
    };
    assert_eq!(*after, expected);
    assert!(Arc::ptr_eq(&world.registry.resolve(&reference("hello"), None).unwrap(), &after));
}

#[tokio::test]
async fn an_update_of_a_stale_revision_changes_nothing() {
    let world = World::new().await;
    let stale = world.create("hello", &archive("x")).await.unwrap().revision_id;
    let current = world.registry.update_configuration(&reference("hello"), memory(256)).await.unwrap();

    let update = UpdateConfiguration { revision_id: Some(stale), ..memory(512) };
    let error = world.registry.update_configuration(&reference("hello"), update).await.unwrap_err();
    assert!(matches!(error, FunctionError::PreconditionFailed), "{error:?}");
    let code = world.upload(&archive("y")).await;
    let update = UpdateCode { revision_id: Some(stale), dry_run: false };
    let error = world.registry.update_code(&reference("hello"), update, code).await.unwrap_err();
    assert!(matches!(error, FunctionError::PreconditionFailed), "{error:?}");

    let world = world.reopened().await;
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *current);
    world.assert_packages(vec![current.package]).await;

    let update = UpdateConfiguration { revision_id: Some(current.revision_id), ..memory(512) };
    world.registry.update_configuration(&reference("hello"), update).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_concurrent_update_is_lost() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let mut updates = tokio::task::JoinSet::new();
    for number in 0..16 {
        let registry = world.registry.clone();
        updates.spawn(async move {
            // One in two changes the timeout, the other the memory; each must last whatever the other does.
            let update = if number % 2 == 0 {
                memory(1000 + number)
            } else {
                UpdateConfiguration {
                    timeout: Some((100 + number).try_into().unwrap()),
                    ..Default::default()
                }
            };
            match registry.update_configuration(&reference("hello"), update).await {
                Ok(version) => Some((number, version)),
                Err(FunctionError::UpdateInProgress { .. }) => None,
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    let done: Vec<_> = updates.join_all().await.into_iter().flatten().collect();
    assert!(!done.is_empty());
    let now = world.registry.resolve(&reference("hello"), None).unwrap();
    let world = world.reopened().await;
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *now);
    for (number, _) in done.iter().filter(|(_, version)| version.revision_id == now.revision_id) {
        assert!(now.memory.get() == 1000 + number || now.timeout.get() == 100 + number);
    }
    // A setting is either the default or one that was acknowledged.
    for (default, value, base) in [(128, now.memory.get(), 1000), (3, now.timeout.get(), 100)] {
        assert!(value == default || done.iter().any(|(number, _)| value == base + number));
        let acknowledged = done.iter().any(|(number, _)| (number % 2 == 0) == (base == 1000));
        assert_eq!(acknowledged, value != default);
    }
}

#[tokio::test]
async fn new_code_takes_the_place_of_the_old() {
    let world = World::new().await;
    let before = world.create("hello", &archive("old")).await.unwrap();
    let code = world.upload(&archive("new")).await;
    let digest = code.digest();
    let after = world.registry.update_code(&reference("hello"), UpdateCode::default(), code).await.unwrap();
    assert_eq!(after.package, digest);
    assert_ne!(after.revision_id, before.revision_id);
    assert_eq!(after.environment, before.environment);
    let path = world.registry.packages().path(&digest).join("app.py");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "new");
    // The old one stays for the calls that run, until it is collected.
    assert!(world.registry.packages().contains(&before.package));
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![digest]).await;
}

#[tokio::test]
async fn refused_code_leaves_the_function_as_it_is() {
    let world = World::new().await;
    let before = world.create("hello", &archive("old")).await.unwrap();
    let code = world.upload(&hostile_archive()).await;
    world.registry.update_code(&reference("hello"), UpdateCode::default(), code).await.unwrap_err();
    assert!(world.registry.is_current(&before));
    world.assert_packages(vec![before.package]).await;
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_changes_nothing() {
    let world = World::new().await;
    let before = world.create("hello", &archive("old")).await.unwrap();
    let dry_run = UpdateCode { dry_run: true, revision_id: Some(before.revision_id) };
    let code = world.upload(&archive("new")).await;
    let digest = code.digest();
    let would_be = world.registry.update_code(&reference("hello"), dry_run, code).await.unwrap();
    assert_eq!((would_be.package, would_be.revision_id), (digest, before.revision_id));
    let code = world.upload(&hostile_archive()).await;
    world.registry.update_code(&reference("hello"), dry_run, code).await.unwrap_err();
    let code = world.upload(&archive("new")).await;
    let stale = UpdateCode { revision_id: Some(RevisionId::random()), ..dry_run };
    world.registry.update_code(&reference("hello"), stale, code).await.unwrap_err();
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *before);
    world.assert_packages(vec![before.package]).await;
}

#[tokio::test]
async fn a_deleted_function_is_gone_and_its_name_is_free() {
    let world = World::new().await;
    let first = world.create("hello", &archive("x")).await.unwrap();
    let error = world.registry.delete(&reference("hello:$LATEST")).await.unwrap_err();
    assert!(matches!(error, FunctionError::InvalidField(_)), "{error:?}");
    world.registry.delete(&reference("hello")).await.unwrap();
    for missing in [
        world.registry.delete(&reference("hello")).await.unwrap_err(),
        world.registry.update_configuration(&reference("hello"), memory(256)).await.unwrap_err(),
        world.registry.resolve(&reference("hello"), None).unwrap_err(),
    ] {
        assert!(matches!(missing, FunctionError::NotFound { .. }), "{missing:?}");
    }
    let second = world.create("hello", &archive("x")).await.unwrap();
    assert!(world.registry.is_current(&second) && !world.registry.is_current(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn index_and_store_agree_after_any_mix_of_changes() {
    let world = World::new().await;
    let bytes = archive("x");
    let mut changes = tokio::task::JoinSet::new();
    for worker in 0..4_u32 {
        let (registry, code) = (world.registry.clone(), world.upload(&bytes).await);
        changes.spawn(async move {
            for round in 0..25 {
                match (worker + round) % 3 {
                    0 => {
                        let code = UploadedCode { pin: code.pin.clone(), size: code.size };
                        drop(registry.create(function("hello"), code).await);
                    }
                    1 => drop(registry.update_configuration(&reference("hello"), memory(128 + round)).await),
                    _ => drop(registry.delete(&reference("hello")).await),
                }
            }
        });
    }
    changes.join_all().await;
    let before = world.registry.resolve(&reference("hello"), None).ok();
    let world = world.reopened().await;
    assert_eq!(world.registry.resolve(&reference("hello"), None).ok(), before);
}

#[tokio::test]
async fn functions_are_listed_by_name_page_by_page() {
    let world = World::new().await;
    let bytes = archive("x");
    for number in (0..60).rev() {
        world.create(&format!("f{number:02}"), &bytes).await.unwrap();
    }
    let first = world.registry.list(None, 0);
    assert_eq!(first.functions.len(), MAX_PAGE);
    assert_eq!(first.functions[0].name().as_str(), "f00");
    let second = world.registry.list(first.next.as_ref(), 1000);
    assert_eq!(second.functions.len(), 10);
    assert_eq!(second.functions[0].name().as_str(), "f50");
    assert_eq!(second.next, None);
    assert_eq!(world.registry.list(None, 60).functions.len(), 50);
    let exact = world.registry.list(Some(&"f49".parse().unwrap()), 10);
    assert_eq!((exact.functions.len(), exact.next), (10, None));
    assert!(world.registry.list(Some(&"f59".parse().unwrap()), 10).functions.is_empty());
}

#[tokio::test]
async fn subscribers_learn_of_every_change_in_order() {
    let world = World::new().await;
    let mut changes = world.registry.subscribe();
    let created = world.create("hello", &archive("x")).await.unwrap();
    let updated = world.registry.update_configuration(&reference("hello"), memory(256)).await.unwrap();
    world.create("hello", &archive("x")).await.unwrap_err();
    world.registry.delete(&reference("hello")).await.unwrap();
    for revision in [Some(created.revision_id), Some(updated.revision_id), None] {
        let change = changes.recv().await.unwrap();
        assert_eq!((change.name.as_str(), change.revision), ("hello", revision));
    }
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn garbage_collection_spares_what_is_referenced_pinned_or_being_uploaded() {
    let world = World::new().await;
    let kept = world.create("kept", &archive("kept")).await.unwrap();
    let gone = world.create("gone", &archive("gone")).await.unwrap();
    let pin = world.registry.packages().pin(gone.package).unwrap();
    world.registry.delete(&reference("gone")).await.unwrap();

    assert_eq!(world.registry.collect_garbage(false).await.unwrap(), Collected::default());
    world.assert_packages(vec![kept.package, gone.package]).await;

    drop(pin);
    let planned = world.registry.collect_garbage(true).await.unwrap();
    assert_eq!(planned.packages, 1);
    world.assert_packages(vec![kept.package, gone.package]).await;
    assert_eq!(world.registry.collect_garbage(false).await.unwrap(), planned);
    world.assert_packages(vec![kept.package]).await;

    let finished = world.upload(&archive("new")).await;
    world.registry.collect_garbage(false).await.unwrap();
    assert!(world.blobs().await.contains(&finished.digest()));
    world.registry.create(function("new"), finished).await.unwrap();

    drop(world.upload(&archive("abandoned")).await);
    let running = world.registry.begin_upload().await.unwrap();
    assert_eq!(world.registry.collect_garbage(false).await.unwrap(), Collected::default());
    drop(running);
    assert_eq!(world.registry.collect_garbage(false).await.unwrap().packages, 1);
}

#[tokio::test]
async fn functions_that_share_a_package_keep_it_until_the_last_goes() {
    let world = World::new().await;
    let one = world.create("one", &archive("same")).await.unwrap();
    world.create("two", &archive("same")).await.unwrap();
    world.assert_packages(vec![one.package]).await;
    world.registry.delete(&reference("one")).await.unwrap();
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![one.package]).await;
    let before = world.registry.package_bytes().await.unwrap();
    world.registry.delete(&reference("two")).await.unwrap();
    let collected = world.registry.collect_garbage(false).await.unwrap();
    assert_eq!(collected, Collected { packages: 1, bytes: before });
    assert_eq!(world.registry.package_bytes().await.unwrap(), 0);
    world.assert_packages(vec![]).await;
}

#[tokio::test]
async fn a_lost_package_is_unpacked_again_at_the_start() {
    let world = World::new().await;
    let hello = world.create("hello", &archive("x")).await.unwrap();
    let package = hello.package.to_string();
    let world = world
        .reopened_after(|directory| {
            std::fs::remove_dir_all(directory.join("packages").join(package)).unwrap()
        })
        .await;
    assert_eq!(world.registry.resolve(&reference("hello"), None).unwrap().state, State::Active);
    world.assert_packages(vec![hello.package]).await;
}

#[tokio::test]
async fn a_function_whose_package_is_lost_for_good_says_so_until_it_gets_code() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let world = world
        .reopened_after(|directory| {
            std::fs::remove_dir_all(directory.join("packages")).unwrap();
            std::fs::remove_dir_all(directory.join("blobs")).unwrap();
        })
        .await;
    let lost = world.registry.resolve(&reference("hello"), None).unwrap();
    assert!(
        matches!(&lost.state, State::Failed { reason } if reason.contains("Update its code")),
        "{:?}",
        lost.state
    );
    let changed = world.registry.update_configuration(&reference("hello"), memory(256)).await.unwrap();
    assert_eq!(changed.state, lost.state);
    let code = world.upload(&archive("y")).await;
    let found = world.registry.update_code(&reference("hello"), UpdateCode::default(), code).await.unwrap();
    assert_eq!(found.state, State::Active);
}

#[tokio::test]
async fn a_change_is_finished_though_its_caller_goes_away() {
    let world = World::new().await;
    let code = world.upload(&archive("x")).await;
    {
        let create = world.registry.create(function("hello"), code);
        tokio::pin!(create);
        // Polled once, so that it has begun, and then dropped.
        assert!(futures_util::poll!(&mut create).is_pending());
    }
    world.registry.close().await;
    assert!(world.registry.resolve(&reference("hello"), None).is_ok());
    let code = world.upload(&archive("y")).await;
    let late = world.registry.create(function("late"), code).await.unwrap_err();
    assert!(matches!(late, FunctionError::Interrupted), "{late:?}");
}

#[tokio::test]
async fn no_secret_is_in_debug_output() {
    let world = World::new().await;
    let version = world.create("hello", &archive("x")).await.unwrap();
    let shown = format!("{version:?} {:?} {:?}", world.registry, function("hello"));
    assert!(shown.contains("PASSWORD") && !shown.contains("hunter2"), "{shown}");
}
