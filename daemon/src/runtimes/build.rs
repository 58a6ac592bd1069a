//! Builds a runtime's image: its base first, then its Dockerfile, by the engine's own builder.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::{sync::mpsc, task::JoinSet};

use super::{Building, RECIPE_LABEL, RuntimeCatalog, RuntimeDefinition, RuntimeError, RuntimeStatus, base};

/// How long a whole build may take: a slow mirror is slow, but not for ever.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Messages that wait for whoever watches a build; a watcher that doesn't read holds the build up.
const MESSAGES: usize = 64;

/// The steps of every build.
const STEPS: u32 = 3;

/// Where a host keeps its certificates. Source: the package ca-certificates.
const HOST_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a build goes.
#[derive(Clone, Debug, Default)]
pub struct BuildProgress {
    /// Which step this is about, 1 to `steps`.
    pub step: u32,
    /// How many there are.
    pub steps: u32,
    /// What is being done.
    pub status: String,
    /// A line of the build's own output, or empty.
    pub output: String,
    /// The runtime as built, in the last message.
    pub runtime: Option<RuntimeStatus>,
}

/// A build under way. Dropped, it ends the build.
#[derive(Debug)]
pub struct BuildStream {
    messages: mpsc::Receiver<Result<BuildProgress, RuntimeError>>,
    _task: JoinSet<()>,
}

impl Stream for BuildStream {
    type Item = Result<BuildProgress, RuntimeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(context)
    }
}

/// Tells a build's watcher how it goes.
#[derive(Debug)]
pub(super) struct Progress {
    messages: mpsc::Sender<Result<BuildProgress, RuntimeError>>,
    step: u32,
    status: String,
}

impl Progress {
    async fn begin(&mut self, status: String) {
        self.step += 1;
        self.status = status;
        self.output(String::new()).await;
    }

    /// Passes a line of output on.
    pub(super) async fn output(&self, output: String) {
        let message = BuildProgress {
            step: self.step,
            steps: STEPS,
            status: self.status.clone(),
            output,
            runtime: None,
        };
        // A watcher that went away takes this task with it.
        let _ = self.messages.send(Ok(message)).await;
    }
}

impl RuntimeCatalog {
    /// Builds a runtime's image, if it isn't there or `rebuild` is set.
    pub fn build(self: Arc<Self>, name: &str, rebuild: bool) -> BuildStream {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let mut task = JoinSet::new();
        let building = self.definition(name).and_then(|definition| self.begin_build(definition));
        task.spawn(async move {
            let progress = Progress { messages: sender.clone(), step: 0, status: String::new() };
            let built = match building {
                Err(error) => Err(error),
                Ok(building) => tokio::time::timeout(BUILD_LIMIT, building.run(progress, rebuild))
                    .await
                    .unwrap_or(Err(RuntimeError::TimedOut { limit: BUILD_LIMIT })),
            };
            let last = built.map(|runtime| BuildProgress {
                step: STEPS,
                steps: STEPS,
                status: "done".to_owned(),
                output: String::new(),
                runtime: Some(runtime),
            });
            let _ = sender.send(last).await;
        });
        BuildStream { messages, _task: task }
    }
}

impl Building {
    async fn run(self, mut progress: Progress, rebuild: bool) -> Result<RuntimeStatus, RuntimeError> {
        let (catalog, definition) = (&self.catalog, self.definition);
        progress.begin(format!("looking for {}", catalog.tag(definition))).await;
        let status = catalog.status(definition).await?;
        if status.built && !status.outdated && !rebuild {
            return Ok(status);
        }
        progress.begin(format!("getting the base {}", definition.base())).await;
        if catalog.inspect(&definition.base()).await?.is_none()
            && !base::pull(&catalog.docker, definition, &progress).await
        {
            base::bootstrap(&catalog.docker, definition, &progress).await?;
        }
        progress.begin(format!("building {}", catalog.tag(definition))).await;
        self.image(&progress, rebuild).await?;
        catalog.forget(definition.name);
        catalog.status(definition).await
    }

    async fn image(&self, progress: &Progress, rebuild: bool) -> Result<(), RuntimeError> {
        let (catalog, definition) = (&self.catalog, self.definition);
        let context = self.context(definition).await?;
        let options = BuildImageOptionsBuilder::new()
            .t(&catalog.tag(definition))
            .nocache(rebuild)
            .labels(&HashMap::from([(RECIPE_LABEL, definition.recipe())]))
            .rm(true)
            .forcerm(true)
            // Where the host reaches its packages, the build does.
            .networkmode("host")
            .build();
        let mut building =
            Box::pin(catalog.docker.build_image(options, None, Some(bollard::body_full(context))));
        while let Some(info) = building.next().await {
            let info = info.map_err(|source| match source {
                bollard::errors::Error::DockerStreamError { error } => RuntimeError::Build(error),
                source => RuntimeError::Engine { what: "build the image", source },
            })?;
            if let Some(detail) = info.error_detail {
                return Err(RuntimeError::Build(detail.message.unwrap_or_default()));
            }
            for line in info.stream.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
                progress.output(line.to_owned()).await;
            }
        }
        Ok(())
    }

    /// What the engine builds from: the Dockerfile, its files and the host's certificates.
    async fn context(&self, definition: &RuntimeDefinition) -> Result<Bytes, RuntimeError> {
        let bundle = self.catalog.options.ca_bundle.clone().unwrap_or_else(|| HOST_BUNDLE.into());
        let certificates = tokio::fs::read(&bundle)
            .await
            .map_err(|source| RuntimeError::File { path: bundle.display().to_string(), source })?;
        let mut tar = tar::Builder::new(Vec::new());
        let texts =
            [("Dockerfile", definition.dockerfile)].into_iter().chain(definition.files.iter().copied());
        let files =
            texts.map(|(name, text)| (name, text.as_bytes())).chain([("host-ca.crt", &*certificates)]);
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            // The same context each time: the engine's cache looks at everything but the time.
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, name, content)
                .map_err(|source| RuntimeError::File { path: name.to_owned(), source })?;
        }
        let tar =
            tar.into_inner().map_err(|source| RuntimeError::File { path: "context".to_owned(), source })?;
        Ok(tar.into())
    }
}
