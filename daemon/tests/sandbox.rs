//! The pool against the real Docker Engine, without any front door: what a sandbox promises whoever invokes.
//!
//! Needs root, a Docker Engine, the image thaw/python3.13 and the static init; `tests/run` prepares all of them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use thaw_daemon::{
    clock::SystemClock,
    config::KeepAlive,
    logs::{Filter, GroupKey, LogSettings, LogStore},
    runtime_api::RequestId,
    runtimes::{CatalogOptions, RuntimeCatalog},
    sandbox::{
        Base, Engine, EntryPoint, Host, HostParts, Job, JobError, Outcome, Phase, Pool, ReadyLimits,
        SandboxSettings, SandboxSpec, SandboxSpecParts, SpecKey, cgroup::CgroupHost,
    },
};
use thaw_kernel::disk::DiskTemplates;

const HANDLER: &str = r#"
import os, time
count = 0
def handler(event, context):
    global count
    count += 1
    print("call", count)
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {"count": count, "event": event, "pid": os.getpid()}
"#;

struct World {
    directory: tempfile::TempDir,
    pool: Pool,
    logs: LogStore,
    spec: Arc<SandboxSpec>,
}

fn init() -> PathBuf {
    let path = std::env::var_os("THAW_TEST_INIT").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/thaw-init"),
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "no static thaw-init at {}: run ./tests/run, or name it in THAW_TEST_INIT",
        path.display()
    );
    path.canonicalize().unwrap()
}

impl World {
    async fn start(memory_budget_mb: u64) -> Self {
        let directory = tempfile::Builder::new().prefix("pool-").tempdir().unwrap();
        let root = directory.path();
        let clock = Arc::new(SystemClock);
        let settings = LogSettings {
            retention: Duration::from_secs(3600),
            group_max_bytes: 1 << 26,
            segment_bytes: 1 << 20,
            queue_max_bytes: 1 << 22,
            sweep_every: Duration::from_secs(3600),
        };
        let logs = LogStore::open(root.join("logs"), settings, clock.clone()).unwrap();
        let engine = Engine::new(Path::new("/var/run/docker.sock")).unwrap().negotiate().await.unwrap();
        let info = engine.info().await.unwrap();
        let runtimes = RuntimeCatalog::new(engine.docker().clone(), CatalogOptions::default());
        let image = runtimes.image("python3.13").await.unwrap();
        let host = Arc::new(Host::new(HostParts {
            engine: Arc::new(engine),
            cgroup_driver: info.cgroup_driver,
            cgroups: CgroupHost::detect().unwrap(),
            disks: Arc::new(DiskTemplates::open(&root.join("disks")).unwrap()),
            logs: logs.clone(),
            clock,
            instance: uuid::Uuid::new_v4().to_string().into(),
            run_dir: root.join("run"),
            init: init(),
            settings: SandboxSettings {
                memory_budget_mb,
                keep_alive: KeepAlive::Fixed,
                idle_timeout: Duration::from_secs(60),
                freeze_grace: Duration::ZERO,
                reclaim_after: None,
                ready: ReadyLimits { least: 0, most: 0 },
                init_timeout: Duration::from_secs(10),
                concurrent_starts: 2,
                pids_limit: 256,
                log_invocation_limit: 1 << 20,
            },
        }));
        host.sweep().await.unwrap();
        let package = root.join("package");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(package.join("app.py"), HANDLER).unwrap();
        let mut environment: BTreeMap<String, String> = image.environment.into_iter().collect();
        environment.insert("PYTHONPATH".to_owned(), "/var/runtime".to_owned());
        environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), "127.0.0.1:9001".to_owned());
        let spec = Arc::new(SandboxSpec::new(SandboxSpecParts {
            key: SpecKey("one".into()),
            base: Arc::new(Base::new(
                "000000000000".into(),
                image.id.into(),
                "python3.13".into(),
                image.prestart,
                environment.clone(),
            )),
            suits_prestart: true,
            function_name: "one".into(),
            version: "$LATEST".into(),
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:one".into(),
            entrypoint: EntryPoint::Client(image.entrypoint),
            handler: "app.handler".to_owned(),
            memory_mb: 256,
            ephemeral_storage_mb: 512,
            timeout: Duration::from_secs(3),
            package,
            layers: Vec::new(),
            package_pin: Box::new(()),
            environment,
            log_group: GroupKey::of_function("000000000000", "one").unwrap(),
        }));
        Self { directory, pool: Pool::new(host), logs, spec }
    }

    async fn call(&self, payload: &str) -> Result<Outcome, JobError> {
        let lease = self.pool.acquire(&self.spec).await.expect("a sandbox");
        lease
            .run(|reply| Job {
                function_arn: Arc::clone(&self.spec.function_arn),
                request_id: RequestId::random(),
                payload: Bytes::copy_from_slice(payload.as_bytes()),
                client_context: None,
                trace_id: "Root=1-00000000-000000000000000000000000".to_owned(),
                tail: true,
                stream: None,
                reply,
            })
            .await
    }

    async fn answer(&self, payload: &str) -> serde_json::Value {
        let outcome = self.call(payload).await.expect("an outcome");
        let (Ok(answer) | Err(answer)) = outcome.result.map_err(|error| error.payload);
        serde_json::from_slice(&answer).expect("JSON")
    }

    async fn end(self) {
        self.pool.drain(Duration::from_secs(5)).await;
        self.pool.close().await;
        self.pool.host().remove_cgroup_parents();
        self.logs.shutdown().await;
        let left = std::fs::read_dir(self.directory.path().join("run/sandboxes")).unwrap().count();
        assert_eq!(left, 0, "directories of sandboxes were left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_reused_frozen_in_between_and_gone_in_the_end() {
    let world = World::start(1024).await;
    for count in 1..=3 {
        assert_eq!(world.answer("{}").await["count"], count);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let list = world.pool.list();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].phase, Phase::Idle);
    }
    world.logs.flush().await.unwrap();
    let page = world.logs.read(&world.spec.log_group, Filter::default(), 1000, None).await.unwrap();
    let messages: Vec<_> = page.events.iter().map(|event| event.message.as_str()).collect();
    assert!(messages.contains(&"call 3"), "{messages:?}");
    assert_eq!(messages.iter().filter(|line| line.contains("Init Duration")).count(), 1, "{messages:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_have_a_sandbox_each() {
    let world = World::start(1024).await;
    let payload = r#"{"sleep": 0.5}"#;
    let (one, two) = tokio::join!(world.answer(payload), world.answer(payload));
    assert_eq!((&one["count"], &two["count"]), (&1.into(), &1.into()));
    assert_eq!(world.pool.list().len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_ended_and_its_sandbox_replaced() {
    let world = World::start(1024).await;
    let answer = world.answer(r#"{"sleep": 30}"#).await;
    assert_eq!(answer["errorType"], "Sandbox.Timedout", "{answer}");
    assert_eq!(world.answer("{}").await["count"], 1);
    world.end().await;
}
