//! Runtimes: the images that functions run in, which are there and how they are built.
//!
//! A runtime is an ordinary Dockerfile on a Debian base, compiled into the daemon so that an installed one needs no
//! checkout. Its entry point is an official runtime client; the handler's name is added when a sandbox starts it. An
//! OS-only runtime has none: its functions bring their own.

mod apt;
mod base;
mod build;
mod error;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{Docker, models::ImageInspect};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Notify;

pub use build::{BuildProgress, BuildStream};
pub use error::RuntimeError;

/// Looking an image up is quick or never.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// What a runtime is made of.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeDefinition {
    /// Lambda's identifier.
    pub name: &'static str,
    /// The Debian release it stands on.
    pub suite: &'static str,
    /// How its image is built.
    pub dockerfile: &'static str,
    /// What the image is built from besides, by name.
    pub files: &'static [(&'static str, &'static str)],
}

/// What Python sandboxes run before they have a function.
const PYTHON_FILES: &[(&str, &str)] =
    &[("thaw_prestart.py", include_str!("../../../runtimes/python/thaw_prestart.py"))];

/// The label that says what an image was built from.
const RECIPE_LABEL: &str = "thaw.recipe";

/// The label with the command, as a JSON array, that a sandbox of this image runs before it has a function. What is asked
/// of such a command is written in runtimes/init/src/runtime.rs.
const PRESTART_LABEL: &str = "thaw.prestart";

/// The label with the paths, as a JSON array, at which an OS-only runtime looks for the function's own: the first that is
/// there is executed. It stands in the place of an entry point.
const BOOTSTRAP_LABEL: &str = "thaw.bootstrap";

/// What both OS-only runtimes are built from.
const PROVIDED: &str = include_str!("../../../runtimes/provided.al2023/Dockerfile");

/// The runtimes this daemon knows, by language, newest first.
const DEFINITIONS: [RuntimeDefinition; 4] = [
    RuntimeDefinition {
        name: "python3.13",
        suite: "trixie",
        dockerfile: include_str!("../../../runtimes/python3.13/Dockerfile"),
        files: PYTHON_FILES,
    },
    RuntimeDefinition {
        name: "python3.11",
        suite: "bookworm",
        dockerfile: include_str!("../../../runtimes/python3.11/Dockerfile"),
        files: PYTHON_FILES,
    },
    RuntimeDefinition { name: "provided.al2023", suite: "bookworm", dockerfile: PROVIDED, files: &[] },
    RuntimeDefinition { name: "provided.al2", suite: "bookworm", dockerfile: PROVIDED, files: &[] },
];

impl RuntimeDefinition {
    /// The base image's name.
    #[must_use]
    pub fn base(&self) -> String {
        format!("debian:{}", self.suite)
    }

    /// Names what the image is built from: another one means that an image which is there is out of date.
    fn recipe(&self) -> String {
        let mut hash = Sha256::new();
        for (name, content) in [("Dockerfile", self.dockerfile)].iter().chain(self.files) {
            for part in [name, content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// How images are named and built here.
#[derive(Clone, Debug)]
pub struct CatalogOptions {
    /// The repository that built images go to.
    pub repository: String,
    /// Certificates that builds and functions trust; if none, the host's usual bundle.
    pub ca_bundle: Option<PathBuf>,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self { repository: "thaw".to_owned(), ca_bundle: None }
    }
}

/// A runtime and its image, if there is one.
#[derive(Clone, Debug)]
pub struct RuntimeStatus {
    /// Lambda's identifier.
    pub name: String,
    /// The image's name.
    pub image: String,
    /// Whether it is on this machine.
    pub built: bool,
    /// Whether it was built from something else than this daemon would build it from.
    pub outdated: bool,
    /// Its id; empty if it is not built.
    pub image_id: String,
    /// Its size in bytes.
    pub image_size: u64,
    /// When it was built.
    pub created: Option<OffsetDateTime>,
    /// What it is built on.
    pub base: String,
}

/// What a sandbox has to know of an image.
#[derive(Clone, Debug)]
pub struct RuntimeImage {
    /// The image's id. A name can come to mean another image; this can't.
    pub id: String,
    /// The runtime client and its arguments.
    pub entrypoint: Vec<String>,
    /// The environment that the image sets.
    pub environment: Vec<(String, String)>,
    /// What brings the runtime up before there is a function, if the image has such a thing.
    pub prestart: Option<Vec<String>>,
    /// Where a function's own runtime is looked for, if the image has none.
    pub bootstrap: Option<Vec<String>>,
}

/// The runtimes of this daemon.
#[derive(Debug)]
pub struct RuntimeCatalog {
    docker: Docker,
    options: CatalogOptions,
    /// What was looked up: a first call of a function asks for it, and the engine need not be asked every time.
    images: Mutex<HashMap<&'static str, RuntimeImage>>,
    asking: tokio::sync::Mutex<()>,
    building: Mutex<HashSet<&'static str>>,
    changed: Notify,
}

impl RuntimeCatalog {
    /// The runtimes that are compiled in.
    #[must_use]
    pub fn new(docker: Docker, options: CatalogOptions) -> Self {
        Self {
            docker,
            options,
            images: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            building: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// A runtime by its name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn definition(&self, name: &str) -> Result<&'static RuntimeDefinition, RuntimeError> {
        DEFINITIONS.iter().find(|definition| definition.name == name).ok_or_else(|| RuntimeError::NotKnown {
            name: name.to_owned(),
            known: DEFINITIONS.iter().map(|definition| definition.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn tag(&self, definition: &RuntimeDefinition) -> String {
        format!("{}/{}:latest", self.options.repository, definition.name)
    }

    /// Every runtime.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn list(&self) -> Result<Vec<RuntimeStatus>, RuntimeError> {
        let mut list = Vec::new();
        for definition in &DEFINITIONS {
            list.push(self.status(definition).await?);
        }
        Ok(list)
    }

    async fn status(&self, definition: &RuntimeDefinition) -> Result<RuntimeStatus, RuntimeError> {
        let image = self.tag(definition);
        let found = self.inspect(&image).await?;
        let found = found.as_ref();
        Ok(RuntimeStatus {
            name: definition.name.to_owned(),
            built: found.is_some(),
            outdated: found
                .is_some_and(|image| label(image, RECIPE_LABEL) != Some(definition.recipe().as_str())),
            image_id: found.and_then(|image| image.id.clone()).unwrap_or_default(),
            image_size: found
                .and_then(|image| image.size)
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0),
            created: found.and_then(|image| OffsetDateTime::parse(image.created.as_deref()?, &Rfc3339).ok()),
            base: definition.base(),
            image,
        })
    }

    /// The image of a runtime.
    ///
    /// # Errors
    /// If there is no such runtime, its image is not built, or the engine does not answer.
    pub async fn image(&self, name: &str) -> Result<RuntimeImage, RuntimeError> {
        let definition = self.definition(name)?;
        if let Some(image) = self.images().get(definition.name) {
            return Ok(image.clone());
        }
        // Who comes second waits for the answer that the first gets.
        let _asking = self.asking.lock().await;
        if let Some(image) = self.images().get(definition.name) {
            return Ok(image.clone());
        }
        let tag = self.tag(definition);
        let inspected = self.inspect(&tag).await?.ok_or(RuntimeError::NotBuilt { name: definition.name })?;
        // Without the first it works, only slower; without the second its functions are told that there is no entry point.
        let (prestart, bootstrap) = (list(&inspected, PRESTART_LABEL), list(&inspected, BOOTSTRAP_LABEL));
        let config = inspected.config.unwrap_or_default();
        let image = RuntimeImage {
            prestart,
            bootstrap,
            id: inspected.id.unwrap_or(tag),
            entrypoint: config.entrypoint.unwrap_or_default(),
            environment: config
                .env
                .unwrap_or_default()
                .into_iter()
                .filter_map(|variable| {
                    variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
                })
                .collect(),
        };
        self.images().insert(definition.name, image.clone());
        Ok(image)
    }

    /// What was known of a runtime's image may not be true any more.
    pub fn forget(&self, name: &str) {
        self.images().remove(name);
        self.changed.notify_one();
    }

    /// Waits until what was known of an image may not be true any more. For one who waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn inspect(&self, image: &str) -> Result<Option<ImageInspect>, RuntimeError> {
        let inspected = tokio::time::timeout(LOOK_LIMIT, self.docker.inspect_image(image)).await;
        match inspected.map_err(|_| RuntimeError::EngineSilent { limit: LOOK_LIMIT })? {
            Ok(found) => Ok(Some(found)),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(source) => Err(RuntimeError::Engine { what: "look an image up", source }),
        }
    }

    fn images(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, RuntimeImage>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the right to build a runtime, until it is dropped.
    fn begin_build(
        self: &Arc<Self>,
        definition: &'static RuntimeDefinition,
    ) -> Result<Building, RuntimeError> {
        let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if !building.insert(definition.name) {
            return Err(RuntimeError::Building { name: definition.name });
        }
        Ok(Building { catalog: Arc::clone(self), definition })
    }
}

fn label<'a>(image: &'a ImageInspect, name: &str) -> Option<&'a str> {
    image.config.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
}

/// A label that is a JSON array of strings.
fn list(image: &ImageInspect, name: &str) -> Option<Vec<String>> {
    serde_json::from_str(label(image, name)?)
        .inspect_err(|error| {
            tracing::warn!(image = image.id, label = name, %error, "a label is no JSON array of strings");
        })
        .ok()
}

/// The right to build one runtime.
#[derive(Debug)]
struct Building {
    catalog: Arc<RuntimeCatalog>,
    definition: &'static RuntimeDefinition,
}

impl Drop for Building {
    fn drop(&mut self) {
        self.catalog.building.lock().unwrap_or_else(PoisonError::into_inner).remove(self.definition.name);
    }
}
