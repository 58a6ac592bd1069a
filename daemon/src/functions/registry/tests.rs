//! The registry as its callers see it, over a real store on disk.

mod code_signing;
mod fetching;
mod provisioned;
mod targets;
mod urls;

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
    functions::{
        Action, CompatibleRuntime, CreateAlias, Description, Destination, ErrorKind, EventInvokeConfig,
        EventInvokeSettings, LayerVersion, LayerVersionArn, PackageError, PackageLimits, Policy,
        PublishLayer, Routing, Settings, Statement, Tags, UpdateAlias, UpdateConfiguration,
    },
    store::{Record, Sha256Digest, StoreOptions},
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

    /// Creates a function and waits until that has settled.
    async fn create(&self, name: &str, archive: &[u8]) -> Result<Arc<FunctionVersion>, FunctionError> {
        let code = self.upload(archive).await;
        self.registry.create(function(name), code).await?;
        self.registry.settled(&reference(name), None).await
    }

    /// Changes settings of the function `hello` and waits until that has settled.
    async fn configure(&self, update: UpdateConfiguration) -> Arc<FunctionVersion> {
        self.registry.update_configuration(&reference("hello"), update).await.unwrap();
        self.registry.settled(&reference("hello"), None).await.unwrap()
    }

    /// Replaces the code of the function `hello` and waits until that has settled.
    async fn recode(&self, archive: &[u8]) -> Arc<FunctionVersion> {
        let code = self.upload(archive).await;
        self.registry.update_code(&reference("hello"), UpdateCode::default(), code).await.unwrap();
        self.registry.settled(&reference("hello"), None).await.unwrap()
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
    let limits =
        PackageLimits { max_zip_bytes: 100_000, max_unpacked_bytes: 3_000, ..PackageLimits::default() };
    let packages = PackageStore::open(directory.join("packages"), limits).unwrap();
    let results = ResultServices { sqs: true, sns: true, s3: false };
    let options = RegistryOptions { results, ..RegistryOptions::default() };
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
    let variables = BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]);
    CreateFunction {
        name: name.parse().unwrap(),
        settings: Settings {
            description: "a test".parse().unwrap(),
            environment: Some(variables.try_into().unwrap()),
            ..Settings::new("python3.13".parse().unwrap(), "app.handler".parse().unwrap())
        },
        layers: Vec::new(),
        tags: Tags::default(),
        code_signing: None,
        publish: false,
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
    assert!(world.registry.is_current(&hello));
    let hello = world.configure(memory(512)).await;
    world.registry.delete(&gone.arn.clone().into(), None).await.unwrap();
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
    assert!(world.registry.is_current(&winners[0].latest));
    let winner = winners[0].latest.package;
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
    let after = world.configure(update).await;
    assert_ne!(after.revision_id, before.revision_id);
    let expected = FunctionVersion {
        revision_id: after.revision_id,
        generation: after.generation,
        settings: Settings {
            handler: "other.handler".parse().unwrap(),
            role: Some("arn:aws:iam::123456789012:role/x".parse().unwrap()),
            memory: 256.try_into().unwrap(),
            ..before.settings.clone()
        },
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
    let current = world.configure(memory(256)).await;

    let update = UpdateConfiguration { revision_id: Some(stale), ..memory(512) };
    let error = world.registry.update_configuration(&reference("hello"), update).await.unwrap_err();
    assert!(matches!(error, FunctionError::PreconditionFailed { .. }), "{error:?}");
    let code = world.upload(&archive("y")).await;
    let update = UpdateCode { revision_id: Some(stale), ..UpdateCode::default() };
    let error = world.registry.update_code(&reference("hello"), update, code).await.unwrap_err();
    assert!(matches!(error, FunctionError::PreconditionFailed { .. }), "{error:?}");

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
    let now = world.registry.settled(&reference("hello"), None).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *now);
    for (number, _) in done.iter().filter(|(_, version)| version.generation == now.generation) {
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
    let digest = Sha256Digest::of(&archive("new"));
    let after = world.recode(&archive("new")).await;
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
    let dry_run =
        UpdateCode { dry_run: true, revision_id: Some(before.revision_id), ..UpdateCode::default() };
    let code = world.upload(&archive("new")).await;
    let digest = code.digest();
    let would_be = world.registry.update_code(&reference("hello"), dry_run, code).await.unwrap();
    assert_eq!((would_be.latest.package, would_be.latest.revision_id), (digest, before.revision_id));
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
    let error = world.registry.delete(&reference("hello:$LATEST"), None).await.unwrap_err();
    assert!(matches!(error, FunctionError::InvalidField(_)), "{error:?}");
    world.registry.delete(&reference("hello"), None).await.unwrap();
    for missing in [
        world.registry.delete(&reference("hello"), None).await.unwrap_err(),
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
                    _ => drop(registry.delete(&reference("hello"), None).await),
                }
            }
        });
    }
    changes.join_all().await;
    let before = world.registry.settled(&reference("hello"), None).await.ok();
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
    let updated = world.configure(memory(256)).await;
    world.create("hello", &archive("x")).await.unwrap_err();
    world.registry.delete(&reference("hello"), None).await.unwrap();
    for generation in [Some(created.generation), Some(updated.generation), None] {
        let change = changes.recv().await.unwrap();
        assert_eq!((change.name.as_str(), change.version), ("hello", Version::Latest));
        assert_eq!(change.generation, generation);
    }
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn garbage_collection_spares_what_is_referenced_pinned_or_being_uploaded() {
    let world = World::new().await;
    let kept = world.create("kept", &archive("kept")).await.unwrap();
    let gone = world.create("gone", &archive("gone")).await.unwrap();
    let pin = world.registry.packages().pin(gone.package).unwrap();
    world.registry.delete(&reference("gone"), None).await.unwrap();

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
    world.registry.delete(&reference("one"), None).await.unwrap();
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![one.package]).await;
    let before = world.registry.package_bytes().await.unwrap();
    world.registry.delete(&reference("two"), None).await.unwrap();
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
    let changed = world.configure(memory(256)).await;
    assert_eq!(changed.state, lost.state);
    let found = world.recode(&archive("y")).await;
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

async fn publish(world: &World) -> Arc<FunctionVersion> {
    world.registry.publish(&reference("hello"), PublishVersion::default()).await.unwrap()
}

fn alias(name: &str, version: &str) -> CreateAlias {
    CreateAlias {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        routing: None,
        description: Description::default(),
    }
}

fn executed(world: &World, text: &str) -> String {
    world.registry.resolve(&reference(text), None).unwrap().version.to_string()
}

#[tokio::test]
async fn a_new_function_is_pending_until_it_has_settled() {
    let world = World::new().await;
    let code = world.upload(&archive("x")).await;
    let created = world.registry.create(function("hello"), code).await.unwrap();
    assert_eq!(created.latest.state, State::Pending);
    assert_eq!(created.latest.last_update_status, None);
    assert_eq!(created.latest.state.reason().unwrap().text, "The function is being created.");
    let settled = world.registry.settled(&reference("hello"), None).await.unwrap();
    assert_eq!(
        (&settled.state, settled.last_update_status),
        (&State::Active, Some(LastUpdateStatus::Successful))
    );
    assert_ne!(settled.revision_id, created.latest.revision_id);
    assert!(world.registry.is_current(&created.latest), "it is the same code");
}

#[tokio::test]
async fn an_update_is_in_progress_until_it_has_settled_and_no_other_is_made_meanwhile() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let updated = world.registry.update_configuration(&reference("hello"), memory(256)).await.unwrap();
    assert_eq!(updated.last_update_status, Some(LastUpdateStatus::InProgress));
    let again = world.registry.update_configuration(&reference("hello"), memory(512)).await;
    if let Err(error) = again {
        assert_eq!(
            error.to_string(),
            "The operation cannot be performed at this time. An update is in progress for resource: \
             arn:aws:lambda:us-east-1:000000000000:function:hello"
        );
    }
    let settled = world.registry.settled(&reference("hello"), None).await.unwrap();
    assert_eq!(settled.last_update_status, Some(LastUpdateStatus::Successful));
    assert_ne!(settled.revision_id, updated.revision_id);
}

#[tokio::test]
async fn versions_keep_what_they_were_published_with() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    let one = publish(&world).await;
    assert_eq!(one.qualified_arn().to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello:1");
    world.recode(&archive("two")).await;
    world.configure(memory(256)).await;
    let two = publish(&world).await;
    assert_eq!(two.version.to_string(), "2");
    assert_eq!(*world.registry.resolve(&reference("hello:1"), None).unwrap(), *one);
    assert!(world.registry.is_current(&one) && one.package != two.package);
    assert_eq!((one.memory.get(), two.memory.get()), (128, 256));
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![one.package, two.package]).await;
    let listed = world.registry.list_versions(&reference("hello"), None, 2).unwrap();
    let names: Vec<String> = listed.items.iter().map(|version| version.version.to_string()).collect();
    assert_eq!(names, ["$LATEST", "1"]);
    let rest = world.registry.list_versions(&reference("hello"), listed.next, 0).unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let world = world.reopened().await;
    assert_eq!(*world.registry.resolve(&reference("hello:1"), None).unwrap(), *one);
    assert_eq!(*world.registry.resolve(&reference("hello:2"), None).unwrap(), *two);
    let all = world.registry.list_all_versions(None, 0);
    assert_eq!(all.items.len(), 3);
}

#[tokio::test]
async fn publishing_what_has_not_changed_makes_nothing_new() {
    let world = World::new().await;
    let created = world.create("hello", &archive("x")).await.unwrap();
    let own = PublishVersion { description: Some("one".parse().unwrap()), ..PublishVersion::default() };
    let one = world.registry.publish(&reference("hello"), own).await.unwrap();
    assert_eq!(one.description.as_str(), "one");
    assert_eq!(*publish(&world).await, *one);
    let latest = world.registry.resolve(&reference("hello"), None).unwrap();
    assert_ne!(latest.revision_id, created.revision_id, "publishing is a change of $LATEST");
    assert_eq!(latest.description.as_str(), "a test");
    world
        .configure(UpdateConfiguration { description: Some("new".parse().unwrap()), ..Default::default() })
        .await;
    assert_eq!(publish(&world).await.version.to_string(), "2");
}

#[tokio::test]
async fn a_version_is_published_only_of_what_is_expected() {
    let world = World::new().await;
    let created = world.create("hello", &archive("x")).await.unwrap();
    let publish = |publish| {
        let registry = world.registry.clone();
        async move { registry.publish(&reference("hello"), publish).await }
    };
    let other = PublishVersion { code_sha256: Some("nothing".to_owned()), ..Default::default() };
    let current = created.package.base64();
    assert_eq!(
        publish(other).await.unwrap_err().to_string(),
        format!(
            "CodeSHA256 (nothing) is different from current CodeSHA256 in $LATEST ({current}). Please try again with \
             the CodeSHA256 in $LATEST."
        )
    );
    let stale = PublishVersion { revision_id: Some(RevisionId::expected("wrong")), ..Default::default() };
    assert_eq!(
        publish(stale).await.unwrap_err().to_string(),
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve \
         the latest Revision Id"
    );
    let right = PublishVersion {
        code_sha256: Some(current),
        revision_id: Some(created.revision_id),
        description: None,
    };
    assert_eq!(publish(right).await.unwrap().version.to_string(), "1");
}

#[tokio::test]
async fn creating_and_updating_can_publish_at_once() {
    let world = World::new().await;
    let code = world.upload(&archive("one")).await;
    let created =
        world.registry.create(CreateFunction { publish: true, ..function("hello") }, code).await.unwrap();
    let one = created.published.unwrap();
    assert_eq!((one.version.to_string().as_str(), &one.state), ("1", &State::Pending));
    let pending = one.revision_id;
    let one = world.registry.settled(&reference("hello:1"), None).await.unwrap();
    assert_eq!(one.state, State::Active);
    assert_ne!(one.revision_id, pending, "settling is a change of the version, too");
    world.registry.settled(&reference("hello"), None).await.unwrap();
    assert_eq!(publish(&world).await.version.to_string(), "1");
    let code = world.upload(&archive("two")).await;
    let update = UpdateCode { publish: true, ..UpdateCode::default() };
    let updated = world.registry.update_code(&reference("hello"), update, code).await.unwrap();
    assert_eq!(updated.published.unwrap().version.to_string(), "2");
    let two = world.registry.settled(&reference("hello:2"), None).await.unwrap();
    let latest = world.registry.settled(&reference("hello"), None).await.unwrap();
    assert_eq!(two.package, latest.package);
}

#[tokio::test]
async fn a_versions_number_is_never_given_again() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    world.registry.delete(&reference("hello:1"), None).await.unwrap();
    world.registry.delete(&reference("hello:1"), None).await.unwrap();
    assert!(world.registry.resolve(&reference("hello:1"), None).is_err());
    assert_eq!(publish(&world).await.version.to_string(), "2");
    world.registry.delete(&reference("hello"), None).await.unwrap();
    assert!(world.registry.resolve(&reference("hello:2"), None).is_err());
    let world = world.reopened().await;
    world.create("hello", &archive("one")).await.unwrap();
    assert_eq!(publish(&world).await.version.to_string(), "3");
}

#[tokio::test]
async fn an_alias_leads_to_its_version_wherever_a_name_does() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    world.recode(&archive("two")).await;
    publish(&world).await;
    let live = world.registry.create_alias(&reference("hello"), alias("live", "1")).await.unwrap();
    assert_eq!(live.arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello:live");
    assert_eq!(executed(&world, "hello:live"), "1");
    let found = world.registry.find(&reference("hello"), Some(&"live".parse().unwrap())).unwrap();
    assert_eq!(found.arn, live.arn);
    let move_it = UpdateAlias {
        version: Some("2".parse().unwrap()),
        revision_id: Some(live.revision_id),
        ..UpdateAlias::default()
    };
    let moved =
        world.registry.update_alias(&reference("hello"), live.name.clone(), move_it.clone()).await.unwrap();
    assert_eq!(executed(&world, "hello:live"), "2");
    let stale =
        world.registry.update_alias(&reference("hello"), live.name.clone(), move_it).await.unwrap_err();
    assert!(matches!(stale, FunctionError::PreconditionFailed { .. }), "{stale:?}");
    let told = world.registry.delete(&reference("hello:2"), None).await.unwrap_err().to_string();
    assert_eq!(told, "Unable to delete version because the following aliases reference it: [live]");
    let world = world.reopened().await;
    assert_eq!(*world.registry.alias(&reference("hello"), &live.name).unwrap(), *moved);
    world.registry.delete_alias(&reference("hello"), live.name.clone()).await.unwrap();
    world.registry.delete_alias(&reference("hello"), live.name.clone()).await.unwrap();
    assert_eq!(
        world.registry.alias(&reference("hello"), &live.name).unwrap_err().to_string(),
        "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:hello:live"
    );
    world.registry.delete(&reference("hello:2"), None).await.unwrap();
}

#[tokio::test]
async fn aliases_are_refused_in_lambdas_words() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    let create = |function: &str, alias: CreateAlias| {
        let (registry, reference) = (world.registry.clone(), reference(function));
        async move { registry.create_alias(&reference, alias).await }
    };
    let split = |first: &str, second: u64| CreateAlias {
        routing: Some(Routing { version: second.try_into().unwrap(), weight: 0.5.try_into().unwrap() }),
        ..alias("split", first)
    };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function";
    for (attempt, told) in [
        (create("hello", alias("a", "10")).await, format!("Function not found: {arn}:hello:10")),
        (create("other", alias("a", "1")).await, format!("Function not found: {arn}:other:1")),
        (create("hello", split("1", 10)).await, format!("Function not found: {arn}:hello:10")),
        (
            create("hello", split("1", 1)).await,
            "Invalid function version 1. Function version 1 is already included in routing configuration."
                .to_owned(),
        ),
        (
            create("hello", split("$LATEST", 1)).await,
            "$LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
        ),
    ] {
        assert_eq!(attempt.unwrap_err().to_string(), told);
    }
    create("hello", alias("custom", "$LATEST")).await.unwrap();
    assert_eq!(
        create("hello", alias("custom", "1")).await.unwrap_err().to_string(),
        format!("Alias already exists: {arn}:hello:custom")
    );
    let update =
        world.registry.update_alias(&reference("hello"), "no".parse().unwrap(), UpdateAlias::default()).await;
    assert_eq!(update.unwrap_err().to_string(), format!("Alias not found: {arn}:hello:no"));
}

#[tokio::test]
async fn a_split_alias_sends_calls_to_both_versions() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    world.recode(&archive("two")).await;
    publish(&world).await;
    let routing = Routing { version: 2.try_into().unwrap(), weight: 0.5.try_into().unwrap() };
    let split = CreateAlias { routing: Some(routing), ..alias("split", "1") };
    world.registry.create_alias(&reference("hello"), split).await.unwrap();
    let calls: Vec<String> = (0..200)
        .map(|_| {
            world.registry.find_for_call(&reference("hello:split"), None).unwrap().version.version.to_string()
        })
        .collect();
    assert!(calls.contains(&"1".to_owned()) && calls.contains(&"2".to_owned()));
    assert_eq!(executed(&world, "hello:split"), "1");
    let listed =
        world.registry.list_aliases(&reference("hello"), Some("2".parse().unwrap()), None, 0).unwrap();
    assert_eq!(listed.items.len(), 1);
    assert!(world.registry.delete(&reference("hello:2"), None).await.is_err());
}

fn permission(id: &str) -> AddPermission {
    AddPermission {
        statement: Statement {
            id: id.parse().unwrap(),
            principal: "s3.amazonaws.com".parse().unwrap(),
            action: "lambda:InvokeFunction".parse().unwrap(),
            source_arn: None,
            source_account: None,
            event_source_token: None,
            organisation: None,
            url_auth_type: None,
            via_url: None,
        },
        revision_id: None,
    }
}

#[tokio::test]
async fn each_resource_has_a_policy_of_its_own() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    let live = world.registry.create_alias(&reference("hello"), alias("live", "1")).await.unwrap();
    let add = |text: &str, add| {
        let (registry, reference) = (world.registry.clone(), reference(text));
        async move { registry.add_permission(&reference, None, add).await }
    };
    let first = add("hello", permission("s3")).await.unwrap();
    assert!(
        first.ends_with(r#""Resource":"arn:aws:lambda:us-east-1:000000000000:function:hello"}"#),
        "{first}"
    );
    assert!(world.registry.policy(&reference("hello:1"), None).is_err());
    add("hello:1", permission("s3")).await.unwrap();
    let wrong = AddPermission { revision_id: Some(RevisionId::expected("wrong")), ..permission("s3") };
    assert_eq!(
        add("hello:live", wrong).await.unwrap_err().to_string(),
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest \
         Revision Id"
    );
    let right = AddPermission { revision_id: Some(live.revision_id), ..permission("s3") };
    add("hello:live", right).await.unwrap();
    add("hello", permission("two")).await.unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function";
    for (text, told) in [
        (
            "hello",
            "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing \
             statement."
                .to_owned(),
        ),
        ("hello:$LATEST", "We currently do not support adding policies for $LATEST.".to_owned()),
        ("hello:42", format!("Function not found: {arn}:hello:42")),
        ("hello:no", format!("Cannot find alias arn: {arn}:hello:no")),
        ("other", format!("Function not found: {arn}:other")),
    ] {
        assert_eq!(add(text, permission("s3")).await.unwrap_err().to_string(), told);
    }
    let world = world.reopened().await;
    let (policy, _) = world.registry.policy(&reference("hello"), None).unwrap();
    assert_eq!(policy.statements.len(), 2);
    let remove = |text: &str, id: &str| {
        let (registry, reference, id) = (world.registry.clone(), reference(text), id.parse().unwrap());
        async move { registry.remove_permission(&reference, None, id, None).await }
    };
    for (text, told) in [
        ("hello", "Statement no is not found in resource policy.".to_owned()),
        ("other", format!("No policy found for: {arn}:other")),
        ("hello:no", format!("Cannot find alias arn: {arn}:hello:no")),
    ] {
        assert_eq!(remove(text, "no").await.unwrap_err().to_string(), told);
    }
    remove("hello", "s3").await.unwrap();
    remove("hello", "two").await.unwrap();
    assert_eq!(
        world.registry.policy(&reference("hello"), None).unwrap_err().to_string(),
        "The resource you requested does not exist."
    );
    assert_eq!(
        remove("hello", "s3").await.unwrap_err().to_string(),
        "No policy is associated with the given resource."
    );
}

#[tokio::test]
async fn tags_are_the_functions_and_a_change_of_it() {
    let world = World::new().await;
    let created = world.create("hello", &archive("one")).await.unwrap();
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect::<BTreeMap<_, _>>().try_into().unwrap()
    };
    world.registry.tag(&created.arn, tags(&[("a", "1"), ("b", "2")])).await.unwrap();
    world.registry.tag(&created.arn, tags(&[("b", "3")])).await.unwrap();
    world.registry.untag(&created.arn, vec!["a".to_owned(), "no".to_owned()]).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.registry.tags(&created.arn).unwrap(), tags(&[("b", "3")]));
    assert!(world.registry.is_current(&created));
    assert_ne!(world.registry.resolve(&reference("hello"), None).unwrap().revision_id, created.revision_id);
    assert_eq!(
        world.registry.tags(&created.qualified_arn()).unwrap_err().to_string(),
        "Tags on function aliases and versions are not supported. Please specify a function ARN."
    );
    assert!(world.registry.tag(&created.arn, Tags::default()).await.is_err());
}

#[tokio::test]
async fn a_share_of_the_concurrency_lasts_and_goes_with_its_function() {
    let world = World::new().await;
    let hello = world.create("hello", &archive("one")).await.unwrap();
    let reserve = |text: &str, share| {
        let (registry, reference) = (world.registry.clone(), reference(text));
        async move { registry.reserve_concurrency(&reference, share).await }
    };
    reserve("hello", Some(900)).await.unwrap();
    assert_eq!(
        reserve("hello", Some(901)).await.unwrap_err().to_string(),
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
         its minimum value of [100]."
    );
    assert_eq!(
        reserve("other", Some(1)).await.unwrap_err().to_string(),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other:$LATEST"
    );
    assert!(
        reserve("hello:1", Some(1))
            .await
            .unwrap_err()
            .to_string()
            .starts_with("This operation is permitted on")
    );
    reserve("hello", Some(0)).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.registry.reserved_concurrency(&reference("hello")).unwrap(), Some(0));
    assert!(world.registry.concurrency().take(hello.account(), hello.name(), hello.version).is_err());
    world.registry.delete(&reference("hello"), None).await.unwrap();
    world.create("hello", &archive("one")).await.unwrap();
    assert!(world.registry.concurrency().take(hello.account(), hello.name(), hello.version).is_ok());
    assert_eq!(world.registry.usage(hello.account()).functions, 1);
}

#[tokio::test]
async fn events_are_configured_for_each_qualifier() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    let set = |text: &str, settings, unsaid| {
        let (registry, reference) = (world.registry.clone(), reference(text));
        async move { registry.set_event_invoke_config(&reference, None, settings, unsaid).await }
    };
    let retries = |number: u32| EventInvokeSettings {
        maximum_retry_attempts: Some(number.try_into().unwrap()),
        ..EventInvokeSettings::default()
    };
    let age = EventInvokeSettings { maximum_event_age: Some(60.try_into().unwrap()), ..Default::default() };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function";
    assert_eq!(
        set("hello", age.clone(), Unsaid::Kept).await.unwrap_err().to_string(),
        format!("The function {arn}:hello:$LATEST doesn't have an EventInvokeConfig")
    );
    set("hello", retries(1), Unsaid::Reset).await.unwrap();
    let (both, of) = set("hello", age.clone(), Unsaid::Kept).await.unwrap();
    assert_eq!(of.to_string(), format!("{arn}:hello:$LATEST"));
    assert!(both.maximum_retry_attempts.is_some() && both.maximum_event_age.is_some());
    let (reset, _) = set("hello", age, Unsaid::Reset).await.unwrap();
    assert_eq!(reset.maximum_retry_attempts, None);
    set("hello:1", retries(0), Unsaid::Reset).await.unwrap();
    for text in ["other", "hello:2", "hello:no"] {
        let told = set(text, retries(1), Unsaid::Reset).await.unwrap_err().to_string();
        assert_eq!(told, "The function doesn't exist.");
    }
    let to = |text: &str| EventInvokeSettings {
        on_success: Some(Some(text.parse().unwrap())),
        on_failure: Some(None),
        ..EventInvokeSettings::default()
    };
    let own = format!("{arn}:hello");
    for (destination, told) in [
        (own.clone(), "You can't specify the function as a destination for itself.".to_owned()),
        (format!("{arn}:no"), format!("The destination ARN {arn}:no is invalid.")),
        (
            own.replace(":lambda:", ":iam:"),
            format!(
                "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={}), onFailure=null) \
                 is invalid.",
                own.replace(":lambda:", ":iam:")
            ),
        ),
    ] {
        assert_eq!(set("hello", to(&destination), Unsaid::Reset).await.unwrap_err().to_string(), told);
    }
    let (first, second) = (format!("{arn}:first"), format!("{arn}:second"));
    for name in ["first", "second"] {
        world.create(name, &archive(name)).await.unwrap();
    }
    set("hello", to(&first), Unsaid::Kept).await.unwrap();
    let on_failure = Some(Some(second.parse().unwrap()));
    let beside = EventInvokeSettings { on_failure, ..EventInvokeSettings::default() };
    let both = set("hello", beside, Unsaid::Kept).await.unwrap().0;
    let told = |destination: &Option<Destination>| destination.as_ref().map(ToString::to_string);
    assert_eq!((told(&both.on_success), told(&both.on_failure)), (Some(first), Some(second.clone())));
    let nowhere = EventInvokeSettings { on_success: Some(None), ..EventInvokeSettings::default() };
    let one = set("hello", nowhere, Unsaid::Kept).await.unwrap().0;
    assert_eq!((told(&one.on_success), told(&one.on_failure)), (None, Some(second)));
    let world = world.reopened().await;
    assert_eq!(
        world.registry.list_event_invoke_configs(&reference("hello"), None, 0).unwrap().items.len(),
        2
    );
    world.registry.delete_event_invoke_config(&reference("hello"), None).await.unwrap();
    assert!(world.registry.delete_event_invoke_config(&reference("hello"), None).await.is_err());
    assert!(world.registry.event_invoke_config(&reference("hello:1"), None).is_ok());
}

#[tokio::test]
async fn nothing_that_belonged_to_a_function_stays_when_it_is_deleted() {
    let world = World::new().await;
    world.create("hello", &archive("one")).await.unwrap();
    publish(&world).await;
    world.registry.create_alias(&reference("hello"), alias("live", "1")).await.unwrap();
    for text in ["hello", "hello:1", "hello:live"] {
        world.registry.add_permission(&reference(text), None, permission("s3")).await.unwrap();
        let age =
            EventInvokeSettings { maximum_event_age: Some(60.try_into().unwrap()), ..Default::default() };
        world.registry.set_event_invoke_config(&reference(text), None, age, Unsaid::Reset).await.unwrap();
    }
    world.registry.delete(&reference("hello"), None).await.unwrap();
    let world = world.reopened().await;
    let store = &world.store;
    assert_eq!(store.scan_all::<record::VersionRecord>("").count(), 0);
    assert_eq!(store.scan_all::<record::AliasRecord>("").count(), 0);
    assert_eq!(store.scan_all::<Policy>("").count(), 0);
    assert_eq!(store.scan_all::<EventInvokeConfig>("").count(), 0);
    assert_eq!(world.registry.usage(AccountId::DEFAULT), Usage::default());
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![]).await;
}

#[tokio::test]
async fn what_lambda_does_not_know_is_refused_before_anything_is_kept() {
    let world = World::new().await;
    let mut unknown = function("hello");
    unknown.settings.runtime = "cobol85".parse().unwrap();
    let code = world.upload(&archive("x")).await;
    let told = world.registry.create(unknown, code).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::InvalidParameterValue);
    let missing: LayerVersionArn = "arn:aws:lambda:us-east-1:000000000000:layer:no:1".parse().unwrap();
    let code = world.upload(&archive("x")).await;
    let layered = CreateFunction { layers: vec![missing], ..function("hello") };
    let told = world.registry.create(layered, code).await.unwrap_err();
    assert_eq!(
        told.to_string(),
        "Layer version arn:aws:lambda:us-east-1:000000000000:layer:no:1 does not exist."
    );
    world.assert_packages(vec![]).await;
}

async fn publish_layer(world: &World, name: &str, content: &str) -> Result<Arc<LayerVersion>, FunctionError> {
    let publish = PublishLayer {
        name: name.parse().unwrap(),
        description: Description::default(),
        license: None,
        runtimes: Some(CompatibleRuntime::of_list(&["python3.13"]).unwrap()),
        architectures: None,
    };
    let code = world.upload(&archive(content)).await;
    world.registry.publish_layer(publish, code).await
}

#[tokio::test]
async fn layer_versions_are_numbered_and_their_numbers_never_come_again() {
    let world = World::new().await;
    let one = publish_layer(&world, "tools", "one").await.unwrap();
    assert_eq!(one.arn.to_string(), "arn:aws:lambda:us-east-1:000000000000:layer:tools:1");
    let two = publish_layer(&world, "tools", "two").await.unwrap();
    let numbers = |world: &World| -> Vec<u64> {
        let page = world.registry.list_layer_versions(&"tools".parse().unwrap(), None, None, None, 0);
        page.items.iter().map(|version| version.arn.version.get()).collect()
    };
    assert_eq!(numbers(&world), [2, 1]);
    assert_eq!(world.registry.list_layers(None, None, None, 0).items, std::slice::from_ref(&two));
    let ruby: CompatibleRuntime = "ruby3.3".parse().unwrap();
    assert!(world.registry.list_layers(Some(&ruby), None, None, 0).items.is_empty());
    world.registry.delete_layer_version(two.arn.clone()).await.unwrap();
    world.registry.delete_layer_version(two.arn.clone()).await.unwrap();
    world.registry.delete_layer_version(one.arn.clone()).await.unwrap();
    assert_eq!(
        world.registry.layer_version(&one.arn).unwrap_err().to_string(),
        "The resource you requested does not exist."
    );
    let world = world.reopened().await;
    assert_eq!(publish_layer(&world, "tools", "three").await.unwrap().arn.version.get(), 3);
    assert_eq!(numbers(&world), [3]);
}

#[tokio::test]
async fn a_function_keeps_its_layers_though_they_are_deleted() {
    let world = World::new().await;
    let layer = publish_layer(&world, "tools", "layer").await.unwrap();
    let hello = world.create("hello", &archive("code")).await.unwrap();
    let usage = world.registry.usage(AccountId::DEFAULT);
    assert_eq!(usage.code_bytes, layer.code_size + hello.code_size);
    let update = UpdateConfiguration { layers: Some(vec![layer.arn.clone()]), ..Default::default() };
    let layered = world.configure(update).await;
    assert_eq!(layered.layers[0].arn, layer.arn);
    world.registry.delete_layer_version(layer.arn.clone()).await.unwrap();
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![layer.package, layered.package]).await;
    let world = world.reopened().await;
    assert_eq!(world.registry.resolve(&reference("hello"), None).unwrap().layers, layered.layers);
    world.configure(UpdateConfiguration { layers: Some(Vec::new()), ..Default::default() }).await;
    world.registry.collect_garbage(false).await.unwrap();
    world.assert_packages(vec![layered.package]).await;
}

#[tokio::test]
async fn layers_are_refused_in_lambdas_words() {
    let world = World::new().await;
    world.create("hello", &archive("code")).await.unwrap();
    let mut layers = Vec::new();
    for number in 0..6 {
        layers.push(
            publish_layer(&world, &format!("l{number}"), &number.to_string()).await.unwrap().arn.clone(),
        );
    }
    let told = |layers: Vec<LayerVersionArn>| {
        let registry = world.registry.clone();
        let update = UpdateConfiguration { layers: Some(layers), ..Default::default() };
        async move { registry.update_configuration(&reference("hello"), update).await.unwrap_err().to_string() }
    };
    assert_eq!(told(layers.clone()).await, "Cannot reference more than 5 layers.");
    let (first, arn) = (layers[0].clone(), layers[0].to_string());
    assert_eq!(
        told(vec![first.clone(), first]).await,
        format!(
            "Two different versions of the same layer are not allowed to be referenced in the same function. {arn} and \
             {arn} are versions of the same layer."
        )
    );
    let elsewhere = arn.replace("us-east-1", "eu-west-1").parse().unwrap();
    assert_eq!(
        told(vec![elsewhere]).await,
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."
    );
    world.configure(UpdateConfiguration { layers: Some(layers[..5].to_vec()), ..Default::default() }).await;
}

#[tokio::test]
async fn who_may_use_a_layer_version_is_in_its_policy() {
    let world = World::new().await;
    let layer = publish_layer(&world, "tools", "layer").await.unwrap();
    let add = |id: &str, revision_id| {
        let mut add = AddPermission { revision_id, ..permission(id) };
        add.statement.action = "lambda:GetLayerVersion".parse().unwrap();
        let (registry, arn) = (world.registry.clone(), layer.arn.clone());
        async move { registry.add_layer_permission(arn, add).await }
    };
    assert_eq!(
        world.registry.layer_policy(&layer.arn).unwrap_err().to_string(),
        "No policy is associated with the given resource."
    );
    let (_, revision) = add("s1", None).await.unwrap();
    assert!(matches!(add("s1", None).await.unwrap_err(), FunctionError::StatementExists { .. }));
    assert_eq!(
        add("s2", Some(RevisionId::random())).await.unwrap_err().to_string(),
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the \
         latest Revision Id"
    );
    add("s2", Some(revision)).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.registry.layer_policy(&layer.arn).unwrap().statements.len(), 2);
    world.registry.remove_layer_permission(layer.arn.clone(), "s2".parse().unwrap(), None).await.unwrap();
    let missing = layer.arn.layer.clone().with_version(9.try_into().unwrap());
    assert_eq!(
        world.registry.layer_policy(&missing).unwrap_err().to_string(),
        "Layer version arn:aws:lambda:us-east-1:000000000000:layer:tools:9 does not exist."
    );
}

#[tokio::test]
async fn another_accounts_layer_is_had_only_if_its_policy_allows_it() {
    let world = World::new().await;
    let arn = publish_layer(&world, "tools", "layer").await.unwrap().arn.clone();
    let other: AccountId = "111111111111".parse().unwrap();
    let registry = world.registry.of(other);
    let create = async |name: &str, arn: &LayerVersionArn| {
        let code = world.upload(&archive(name)).await;
        registry.create(CreateFunction { layers: vec![arn.clone()], ..function(name) }, code).await
    };
    let told = format!(
        "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} \
         because no resource-based policy allows the lambda:GetLayerVersion action"
    );
    assert_eq!(create("one", &arn).await.unwrap_err().to_string(), told);
    let missing = arn.layer.clone().with_version(9.try_into().unwrap());
    let refused = create("one", &missing).await.unwrap_err();
    assert!(matches!(refused, FunctionError::LayerDenied { .. }), "what is not there is not told: {refused}");

    let allow = async |id: &str, principal: &str, organisation: Option<&str>| {
        let mut add = permission(id);
        add.statement.action = Action::of_layer(Action::GET_LAYER_VERSION).unwrap();
        add.statement.principal = principal.parse().unwrap();
        add.statement.organisation = organisation.map(|organisation| organisation.parse().unwrap());
        world.registry.add_layer_permission(arn.clone(), add).await.unwrap();
    };
    allow("others", "222222222222", None).await;
    allow("organisation", "*", Some("o-1234567890")).await;
    assert_eq!(create("one", &arn).await.unwrap_err().to_string(), told);
    allow("this-one", "111111111111", None).await;
    assert_eq!(create("one", &arn).await.unwrap().latest.layers[0].arn, arn);
    world.registry.remove_layer_permission(arn.clone(), "this-one".parse().unwrap(), None).await.unwrap();
    assert_eq!(create("two", &arn).await.unwrap_err().to_string(), told);
    let kept = registry.resolve(&reference("one"), None).unwrap();
    assert_eq!(kept.layers[0].arn, arn, "what a function has it keeps");
}

#[tokio::test]
async fn code_and_layers_together_have_a_limit() {
    let world = World::new().await;
    let layer = publish_layer(&world, "tools", &"l".repeat(2_000)).await.unwrap();
    world.create("hello", &archive("small")).await.unwrap();
    world
        .configure(UpdateConfiguration { layers: Some(vec![layer.arn.clone()]), ..Default::default() })
        .await;
    let code = world.upload(&archive(&"c".repeat(1_001))).await;
    let error =
        world.registry.update_code(&reference("hello"), UpdateCode::default(), code).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Function code combined with layers exceeds the maximum allowed size of 3000 bytes. The actual size is 3001 \
         bytes."
    );
    let code = world.upload(&archive(&"d".repeat(1_001))).await;
    let layered = CreateFunction { layers: vec![layer.arn.clone()], ..function("other") };
    assert!(world.registry.create(layered, code).await.is_err());
    world.recode(&archive(&"c".repeat(1_000))).await;
}

#[tokio::test]
async fn what_a_killed_deletion_leaves_is_removed_at_the_next_start() {
    let world = World::new().await;
    let left = record::AliasRecord {
        version: Version::Latest,
        routing: None,
        description: Description::default(),
        revision_id: RevisionId::random(),
    };
    world.store.put("000000000000/gone/live", &left).await.unwrap();
    let world = world.reopened().await;
    assert_eq!(world.store.scan_all::<record::AliasRecord>("").count(), 0);
}

#[tokio::test]
async fn a_function_of_the_first_schema_is_there_after_the_daemon_was_replaced() {
    /// What the first schema had.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct First(serde_json::Value);
    impl Record for First {
        const TREE: &'static str = "functions";
        const SCHEMA_VERSION: u16 = 1;
    }
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::at(datetime!(2025-01-02 03:04:05 UTC)));
    let bytes = archive("old");
    {
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let mut writer = store.blobs().writer(100_000).await.unwrap();
        writer.append(bytes.clone().into()).await.unwrap();
        let (package, code_size) = writer.finish().await.unwrap();
        let first = First(serde_json::json!({
            "revision_id": "0d5bd5a1-ce19-4bdd-8f31-4d0a4d1f7d1e",
            "runtime": "python3.13",
            "handler": "app.handler",
            "role": null,
            "description": "old",
            "timeout": 7,
            "memory": 256,
            "ephemeral_storage": 1024,
            "environment": { "KEY": "value" },
            "package": package,
            "code_size": code_size,
            "last_modified": "2025-01-02T03:04:05Z",
        }));
        store.put("000000000000/hello", &first).await.unwrap();
        store.close().await;
    }
    let (store, registry) = open(directory.path(), &clock).await;
    let world = World { registry, store, clock, directory };
    let hello = world.registry.resolve(&reference("hello"), None).unwrap();
    assert_eq!((hello.timeout.get(), hello.memory.get(), &hello.state), (7, 256, &State::Active));
    assert_eq!(hello.variables().collect::<Vec<_>>(), [("KEY", "value")]);
    assert_eq!(publish(&world).await.version.to_string(), "1");
    let changed = world.configure(memory(512)).await;
    let world = world.reopened().await;
    assert_eq!(*world.registry.resolve(&reference("hello"), None).unwrap(), *changed);
}

#[tokio::test]
async fn a_name_alone_is_that_of_whoever_asks() {
    let world = World::new().await;
    let other = world.registry.of("000000000001".parse().unwrap());
    let code = world.upload(&archive("theirs")).await;
    other.create(function("theirs"), code).await.unwrap();
    other.settled(&reference("theirs"), None).await.unwrap();
    assert!(other.resolve(&reference("theirs"), None).is_ok());
    let unknown = world.registry.resolve(&reference("theirs"), None);
    assert!(matches!(unknown, Err(FunctionError::NotFound { .. })), "{unknown:?}");
}
