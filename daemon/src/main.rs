//! thawd: reads its settings, takes stock of the machine, puts the layers together, serves, and leaves nothing behind.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use thaw_daemon::{
    api::{
        aws::{AwsDoors, Listener},
        grpc::{self, Doors},
    },
    aws_services::{AwsEndpoint, AwsEndpoints, S3Client},
    clock::{SharedClock, SystemClock},
    config::{CommandLine, Config},
    events::{
        buckets::Buckets,
        mapping::MappingRegistry,
        poller::{Endpoints, Pollers},
        schedules::Schedules,
    },
    functions::{FunctionRegistry, PackageLimits, PackageStore, Region, RegistryOptions, ResultServices},
    identity::{AccountId, Credentials, sigv4::Verifier},
    invoke::{Destinations, EventQueue, Invoker, QueueSettings, Recipes},
    logs::{LogSettings, LogStore},
    process,
    runtimes::{CatalogOptions, RuntimeCatalog},
    sandbox::{Engine, Host, HostParts, Pool, ReadyLimits, SandboxSettings, cgroup::CgroupHost},
    store::{Store, StoreOptions},
    telemetry,
    web_client::WebClient,
};
use thaw_kernel::disk::DiskTemplates;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long connections may take to close once nothing runs any more.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What a thousand sandboxes take, which is seven each, and as much again for connections: see `thaw admin status`.
const OPEN_FILES_FOR_MANY: u64 = 16_384;

fn main() -> ExitCode {
    let command_line = CommandLine::of_process();
    let check_only = command_line.check_only();
    let config = match command_line.config() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("thawd: {error}");
            return ExitCode::from(2);
        }
    };
    if check_only {
        return match config.to_toml() {
            Ok(settings) => {
                print!("{settings}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("thawd: {error}");
                ExitCode::from(2)
            }
        };
    }
    if let Err(error) = telemetry::start(config.log_format, &config.log_level) {
        eprintln!("thawd: {error}");
        return ExitCode::from(2);
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever the log's format is: this is what a person or an init system shows.
            eprintln!("thawd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "thawd makes namespaces, mounts and cgroups, for which it must be root: start it with sudo or as a service"
        );
    }
    let open_files = process::raise_open_files_limit().context("raising the limit of open files")?;
    if open_files < OPEN_FILES_FOR_MANY {
        tracing::warn!(
            open_files,
            "few files may be open; a thousand sandboxes need some {OPEN_FILES_FOR_MANY} (LimitNOFILE)"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.worker_threads as usize)
        .enable_all()
        .build()
        .context("starting the executor")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let clock: SharedClock = Arc::new(SystemClock);
    let started = clock.now();
    if !config.init.is_file() {
        bail!(
            "the sandboxes' first process is not at {}: build it with `cargo rustc -p thaw-init --release -- -C \
             target-feature=+crt-static`, or name it with the setting `init`",
            config.init.display()
        );
    }
    std::fs::create_dir_all(&config.run_dir)
        .with_context(|| format!("making {}", config.run_dir.display()))?;

    // The store's lock comes first: whoever holds it may remove what carries its instance id.
    let store = Store::open(&StoreOptions {
        cache_bytes: config.store_cache_bytes(),
        ..StoreOptions::new(&config.data_dir)
    })?;
    let packages = PackageStore::open(
        config.data_dir.join("packages"),
        PackageLimits {
            max_zip_bytes: config.package_max_zip_bytes(),
            max_unpacked_bytes: config.package_max_unpacked_bytes(),
            max_entries: u64::from(config.package_max_entries),
        },
    )?;
    let region: Region = config.region.parse()?;
    let aws = aws_endpoints(&config)?;
    let registry = FunctionRegistry::open(
        store.clone(),
        packages.clone(),
        Arc::clone(&clock),
        RegistryOptions {
            region: region.clone(),
            account: AccountId::DEFAULT,
            concurrency: config.account_concurrency,
            results: ResultServices {
                sqs: config.sqs_endpoint.is_some(),
                sns: config.sns_endpoint.is_some(),
                s3: config.s3_endpoint.is_some(),
            },
            s3: aws.s3.clone(),
        },
    )
    .await?;
    let schedules = Schedules::open(store.clone(), registry.clone(), Arc::clone(&clock))?;
    let buckets = Buckets::open(store.clone(), registry.clone(), Arc::clone(&clock))?;
    let logs = LogStore::open(config.data_dir.join("logs"), LogSettings::from(&config), Arc::clone(&clock))?;

    let credentials = match &config.aws_credentials {
        Some(path) => Credentials::read(path)?,
        None => Credentials::development(),
    };
    let verifier = Arc::new(Verifier::new(credentials, region.as_str()));
    let endpoints = Endpoints {
        redis_url: config.redis_url.clone(),
        nats: config.nats_url.as_deref().map(str::parse).transpose()?,
        aws,
    };
    let mappings = MappingRegistry::open(
        store.clone(),
        registry.clone(),
        Arc::new(endpoints.clone()),
        Arc::clone(&clock),
    )?;
    // Bound before anything is made, so that a port that is taken is told at once.
    let aws_listener = match config.aws_address() {
        Some(address) => Some(Listener::bind(address).await?),
        None => None,
    };
    let aws_address = aws_listener.as_ref().map(Listener::address);

    let engine = Arc::new(Engine::new(&config.docker_socket)?.negotiate().await?);
    let info = engine.info().await?;
    let cgroups = CgroupHost::detect()?;
    let runtimes = Arc::new(RuntimeCatalog::new(
        engine.docker().clone(),
        CatalogOptions { ca_bundle: config.ca_bundle.clone(), ..CatalogOptions::default() },
    ));
    let wall_clock = Arc::clone(&clock);
    let host = Arc::new(Host::new(HostParts {
        engine,
        cgroup_driver: info.cgroup_driver,
        cgroups,
        disks: Arc::new(DiskTemplates::open(&config.data_dir.join("disks"))?),
        logs: logs.clone(),
        clock,
        instance: store.instance_id().to_string().into(),
        run_dir: config.run_dir.clone(),
        init: config.init.clone(),
        settings: SandboxSettings {
            memory_budget_mb: u64::from(config.memory_budget_mb),
            keep_alive: config.keep_alive,
            idle_timeout: config.idle_timeout(),
            freeze_grace: config.freeze_grace(),
            reclaim_after: config.reclaim_after(),
            ready: ReadyLimits { least: *config.ready().start(), most: *config.ready().end() },
            init_timeout: config.init_timeout(),
            concurrent_starts: config.concurrent_starts as usize,
            pids_limit: config.pids_limit,
            log_invocation_limit: usize::try_from(config.log_invocation_max_bytes()).unwrap_or(usize::MAX),
        },
    }));
    let swept = host.sweep().await.context("removing what an earlier life of this daemon left")?;
    tracing::info!(
        docker = info.version,
        cgroup = host.cgroups.version().number(),
        freezer = %host.freezer,
        swept.containers,
        swept.directories,
        swept.loop_devices,
        functions = registry.len(),
        "thawd starts"
    );
    tell_missing_images(&runtimes).await;

    let pool = Pool::new(Arc::clone(&host));
    let recipes = Recipes::new(registry.clone(), Arc::clone(&runtimes));
    let settings = QueueSettings {
        max_bytes: config.event_queue_max_bytes(),
        retry_delay: config.event_retry_delay(),
        concurrency: config.event_concurrency as usize,
        function_concurrency: config.event_function_concurrency as usize,
        dead_retention: config.event_dead_retention(),
    };
    let queue = EventQueue::open(store.clone(), &*wall_clock, settings).await?;
    let hosts = config.event_http_hosts();
    let destinations = Destinations::new(logs.clone(), Arc::clone(&wall_clock), hosts, &endpoints.aws);
    let invoker = Invoker::new(registry.clone(), recipes, pool.clone(), queue.clone(), destinations);
    let (pause, stop, abandon) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let events = tokio::spawn(invoker.clone().deliver_events(pause.clone()));
    let results = tokio::spawn(invoker.clone().deliver_results(pause.clone()));
    let time = tokio::spawn(queue.clone().keep_time(stop.clone()));
    let forgetting = tokio::spawn(queue.clone().forget_dead(stop.clone()));
    let changes = tokio::spawn(invoker.clone().follow_changes(stop.clone()));
    let stock = tokio::spawn(pool.clone().keep_stocked(stop.clone()));
    let ahead = tokio::spawn(pool.clone().look_ahead(stop.clone()));
    let provisioned = tokio::spawn(invoker.clone().keep_provisioned(stop.clone()));
    let scheduled = tokio::spawn(schedules.clone().follow(invoker.clone(), stop.clone()));
    let pollers = Pollers::new(
        mappings.clone(),
        endpoints,
        store.clone(),
        invoker.clone(),
        pool.clone(),
        Arc::clone(&wall_clock),
        abandon.clone(),
    );
    let mut pollers = tokio::spawn(pollers.follow(stop.clone()));
    let url_base = config.url_base(aws_address);
    let doors = Doors {
        invoker: invoker.clone(),
        schedules: schedules.clone(),
        buckets: buckets.clone(),
        registry: registry.clone(),
        mappings: mappings.clone(),
        pool: pool.clone(),
        logs: logs.clone(),
        runtimes,
        region,
        data_dir: config.data_dir.clone(),
        started,
        drain_limit: config.drain_limit(),
        aws_address,
        url_base: url_base.clone(),
    };
    let serving_aws = aws_listener.map(|listener| {
        let doors = AwsDoors {
            registry: registry.clone(),
            mappings: mappings.clone(),
            invoker: invoker.clone(),
            logs: logs.clone(),
            verifier,
            schedules: schedules.clone(),
            buckets: buckets.clone(),
            clock: wall_clock,
            url_base,
        };
        tokio::spawn(listener.serve(doors, stop.clone()))
    });
    let mut serving = {
        let (socket, group, stop) = (config.socket.clone(), config.socket_group.clone(), stop.clone());
        tokio::spawn(async move { grpc::serve(doors, &socket, group.as_deref(), stop).await })
    };
    let mut early = None;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        reason = store.failed() => early = Some(anyhow::Error::new(reason)),
        ended = &mut serving => early = Some(match ended {
            Ok(Ok(())) => anyhow::anyhow!("the gRPC server ended by itself"),
            Ok(Err(error)) => error.into(),
            Err(error) => error.into(),
        }),
    }

    // Events wait from now on, those that run excepted.
    pause.cancel();
    let mut drained_by = Instant::now() + config.drain_limit();
    // Running calls first, while their callers are still connected; then the connections.
    let drained = tokio::select! {
        drained = pool.drain(config.drain_limit()) => Some(drained),
        // Who asks twice does not want to wait.
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let (aborted, removed) = match drained {
        Some(drained) => drained,
        None => {
            drained_by = Instant::now();
            pool.drain(Duration::ZERO).await
        }
    };
    invoker.close().await;
    stop.cancel();
    if !serving.is_finished() && tokio::time::timeout(CLOSE_LIMIT, &mut serving).await.is_err() {
        tracing::info!("connections that were still open are closed");
        serving.abort();
    }
    if let Some(mut serving_aws) = serving_aws
        && tokio::time::timeout(CLOSE_LIMIT, &mut serving_aws).await.is_err()
    {
        serving_aws.abort();
    }
    events.await.context("delivering events")?;
    results.await.context("sending results of events")?;
    time.await.context("keeping the queue's time")?;
    forgetting.await.context("throwing away events that died long ago")?;
    changes.await.context("following changes")?;
    stock.await.context("keeping sandboxes ready")?;
    ahead.await.context("making sandboxes ahead of calls")?;
    provisioned.await.context("keeping what is provisioned")?;
    scheduled.await.context("running schedules")?;
    schedules.close().await;
    buckets.close().await;
    // Queues may have to be waited for, until they have back what no function was called with.
    let ended = tokio::select! {
        ended = &mut pollers => Some(ended),
        () = tokio::time::sleep_until(drained_by) => None,
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            abandon.cancel();
            pollers.await
        }
    };
    ended.context("following event source mappings")?;
    queue.close().await;
    pool.close().await;
    mappings.close().await;
    registry.close().await;
    host.remove_cgroup_parents();
    logs.shutdown().await;
    store.close().await;
    // The next start would replace it; a socket that nobody serves only puzzles people.
    let _ = std::fs::remove_file(&config.socket);
    tracing::info!(aborted, removed, "thawd ends");
    early.map_or(Ok(()), Err)
}

/// Calls of functions whose image is missing are refused with the same words; this is for whoever reads the log first.
async fn tell_missing_images(runtimes: &RuntimeCatalog) {
    match runtimes.list().await {
        Ok(list) if list.iter().any(|runtime| runtime.built) => {}
        Ok(list) => {
            let example = list.first().map_or("python3.13", |runtime| runtime.name.as_str());
            tracing::warn!("no runtime image is built yet; run: thaw runtime build {example}");
        }
        Err(error) => tracing::warn!(%error, "the runtime images could not be listed"),
    }
}

/// The services of AWS that settings say where they are.
fn aws_endpoints(config: &Config) -> anyhow::Result<AwsEndpoints> {
    let endpoint = |url: &Option<String>, credentials: &Option<PathBuf>| {
        let Some(url) = url else { return Ok(None) };
        let credentials = match credentials {
            Some(path) => Credentials::read(path)?,
            None => Credentials::development(),
        };
        Ok::<_, anyhow::Error>(Some(AwsEndpoint::new(url.clone(), credentials)))
    };
    let web = WebClient::new();
    let s3 = endpoint(&config.s3_endpoint, &config.s3_credentials)?;
    Ok(AwsEndpoints {
        sqs: endpoint(&config.sqs_endpoint, &config.sqs_credentials)?,
        sns: endpoint(&config.sns_endpoint, &config.sns_credentials)?,
        s3: s3.map(|endpoint| S3Client::new(endpoint, web.clone())),
        kinesis: endpoint(&config.kinesis_endpoint, &config.kinesis_credentials)?,
        dynamodb: endpoint(&config.dynamodb_endpoint, &config.dynamodb_credentials)?,
        web,
    })
}
