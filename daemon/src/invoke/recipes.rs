//! Recipes for sandboxes, one for each function version that was called: made once, kept, thrown away when the version's
//! place is taken.
//!
//! A recipe names its version's generation. So a call that resolved to new code can never get a sandbox of the old,
//! whether or not the change's announcement has arrived here. Published versions have recipes of their own, which a
//! change of `$LATEST` does not touch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{InvokeError, environment};
use crate::{
    functions::{FunctionChange, FunctionError, FunctionName, FunctionRegistry, FunctionVersion, Version},
    identity::AccountId,
    logs::GroupKey,
    runtimes::{RuntimeCatalog, RuntimeImage},
    sandbox::{Base, BaseKey, EntryPoint, Pool, SandboxSpec, SandboxSpecParts, SpecKey},
};

/// Tells functions' versions apart.
pub(super) type VersionKey = (AccountId, FunctionName, Version);

/// A version's recipe and what it was made of.
#[derive(Debug)]
struct Recipe {
    version: Arc<FunctionVersion>,
    spec: Arc<SandboxSpec>,
}

/// The recipes of the versions that were called.
#[derive(Debug)]
pub struct Recipes {
    registry: FunctionRegistry,
    runtimes: Arc<RuntimeCatalog>,
    kept: Mutex<HashMap<VersionKey, Recipe>>,
    /// What sandboxes are before they have a function: one for each tenant and image, so that they are interchangeable.
    bases: Mutex<HashMap<BaseKey, Arc<Base>>>,
}

impl Recipes {
    /// None yet.
    #[must_use]
    pub fn new(registry: FunctionRegistry, runtimes: Arc<RuntimeCatalog>) -> Self {
        Self { registry, runtimes, kept: Mutex::default(), bases: Mutex::default() }
    }

    /// The recipe of a version. One of another generation of the same version is retired.
    ///
    /// # Errors
    /// If the runtime's image or the package is not there.
    pub(super) async fn get(
        &self,
        version: &Arc<FunctionVersion>,
        pool: &Pool,
    ) -> Result<Arc<SandboxSpec>, InvokeError> {
        if let Some(spec) = self.kept(version) {
            return Ok(spec);
        }
        let spec = Arc::new(self.make(version).await?);
        if !self.registry.is_current(version) {
            // This call resolved just before a change. Its sandbox serves it and ends.
            spec.retire();
            return Ok(spec);
        }
        let recipe = Recipe { version: Arc::clone(version), spec: Arc::clone(&spec) };
        let older = {
            let mut kept = self.lock();
            match kept.get(&key(version)) {
                // Another call was quicker: its sandboxes are this one's too.
                Some(other) if other.version.generation == version.generation => {
                    return Ok(Arc::clone(&other.spec));
                }
                _ => kept.insert(key(version), recipe),
            }
        };
        if let Some(older) = older {
            pool.retire(&older.spec);
        }
        if !self.registry.is_current(version) {
            // Changed in between, and perhaps announced before the recipe was kept.
            self.remove(version, pool);
        }
        Ok(spec)
    }

    fn kept(&self, version: &FunctionVersion) -> Option<Arc<SandboxSpec>> {
        let kept = self.lock();
        let recipe = kept.get(&key(version))?;
        (recipe.version.generation == version.generation).then(|| Arc::clone(&recipe.spec))
    }

    async fn make(&self, version: &FunctionVersion) -> Result<SandboxSpec, InvokeError> {
        let account = version.account().to_string();
        let log_group = GroupKey::new(&account, &version.logging.group_of(version.name()))?;
        let image = self.runtimes.image(version.runtime.as_str()).await?;
        let base = self.base(version.account(), version.runtime.as_str(), &image);
        let environment = environment::environment(version, &image, &base.environment, log_group.group());
        let packages = self.registry.packages();
        let pinned: Result<Vec<_>, _> = std::iter::once(version.package)
            .chain(version.layers.iter().map(|layer| layer.package))
            .map(|package| packages.pin(package))
            .collect();
        Ok(SandboxSpec::new(SandboxSpecParts {
            key: SpecKey(format!("{}:{}", version.qualified_arn(), version.generation).into()),
            suits_prestart: environment::suits(&base.environment, &environment),
            base,
            function_name: version.name().as_str().into(),
            version: version.version.to_string().into(),
            function_arn: version.arn.to_string().into(),
            environment,
            entrypoint: match image.bootstrap {
                Some(paths) => EntryPoint::Bootstrap(paths),
                None => EntryPoint::Client(image.entrypoint),
            },
            handler: version.handler.to_string(),
            memory_mb: version.memory.get(),
            ephemeral_storage_mb: version.ephemeral_storage.get(),
            timeout: version.timeout.duration(),
            package: packages.path(&version.package),
            layers: version.layers.iter().map(|layer| packages.path(&layer.package)).collect(),
            package_pin: Box::new(pinned.map_err(FunctionError::from)?),
            log_group,
        }))
    }

    fn base(&self, account: AccountId, runtime: &str, image: &RuntimeImage) -> Arc<Base> {
        let account: Arc<str> = account.to_string().into();
        let environment = environment::base(image);
        let base =
            Base::new(account, image.id.as_str().into(), runtime.into(), image.prestart.clone(), environment);
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bases.entry(base.key().clone()).or_insert_with(|| Arc::new(base)))
    }

    /// Waits until an image was built.
    pub(super) async fn images_changed(&self) {
        self.runtimes.changed().await;
    }

    /// What sandboxes of the functions there are would be before they have one, as far as their images are there. Others
    /// are forgotten.
    pub(super) async fn bases_in_use(&self) -> Vec<Arc<Base>> {
        let mut bases = Vec::new();
        for (account, runtime) in self.registry.runtimes_in_use() {
            match self.runtimes.image(runtime.as_str()).await {
                Ok(image) => bases.push(self.base(account, runtime.as_str(), &image)),
                // Whoever calls such a function is told.
                Err(error) => {
                    tracing::debug!(runtime = runtime.as_str(), %error, "no sandboxes stand ready for a runtime")
                }
            }
        }
        let mut kept = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|key, _| bases.iter().any(|base| base.key() == key));
        bases
    }

    /// A recipe turned out to be no good: its image is gone. The next call makes another.
    pub(super) fn forget(&self, version: &FunctionVersion, pool: &Pool) {
        self.runtimes.forget(version.runtime.as_str());
        self.remove(version, pool);
    }

    fn remove(&self, version: &FunctionVersion, pool: &Pool) {
        let removed = {
            let mut kept = self.lock();
            match kept.get(&key(version)) {
                Some(recipe) if recipe.version.generation == version.generation => kept.remove(&key(version)),
                _ => None,
            }
        };
        if let Some(removed) = removed {
            pool.retire(&removed.spec);
        }
    }

    /// A function was changed or deleted: sandboxes of its older generations go.
    pub(super) fn retire(&self, change: &FunctionChange, pool: &Pool) {
        let key = (change.account, change.name.clone(), change.version);
        let retired = {
            let mut kept = self.lock();
            match kept.get(&key) {
                Some(recipe) if Some(recipe.version.generation) != change.generation => kept.remove(&key),
                _ => None,
            }
        };
        if let Some(retired) = retired {
            pool.retire(&retired.spec);
        }
    }

    /// As [`Recipes::retire`], for every function that was called: changes were missed.
    pub(super) fn retire_changed(&self, pool: &Pool) {
        let is_obsolete = |recipe: &Recipe| !self.registry.is_current(&recipe.version);
        let retired: Vec<_> =
            self.lock().extract_if(|_, recipe| is_obsolete(recipe)).map(|(_, recipe)| recipe).collect();
        for recipe in retired {
            pool.retire(&recipe.spec);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<VersionKey, Recipe>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(version: &FunctionVersion) -> VersionKey {
    (version.account(), version.name().clone(), version.version)
}
