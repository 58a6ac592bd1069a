//! Changes of a function's settings.

use std::sync::Arc;

use super::{FunctionRegistry, FunctionVersion, check_revision, check_settled};
use crate::functions::{FunctionError, FunctionReference, Settings, UpdateConfiguration};

impl FunctionRegistry {
    /// Changes settings of a function. Running calls finish with the old ones; no later call sees them. The update is in
    /// progress when this returns; see [`FunctionRegistry::settled`].
    ///
    /// # Errors
    /// There is no such function; it is at another revision; another change of it has not settled; a setting is refused.
    pub async fn update_configuration(
        &self,
        reference: &FunctionReference,
        update: UpdateConfiguration,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let (account, name) = self.latest_of(reference)?;
        if let Some(runtime) = &update.runtime {
            runtime.check_available()?;
        }
        if let Some(Some(target)) = &update.dead_letter {
            self.check_dead_letter(account, target)?;
        }
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            check_revision(entry.latest.revision_id, update.revision_id)?;
            check_settled(&entry)?;
            let mut record = entry.stored.value().clone();
            let layers = match &update.layers {
                Some(arns) => {
                    let layers = registry.layers_of(account, arns)?;
                    if !layers.is_empty() {
                        registry.check_may_deploy(&entry)?;
                    }
                    layers
                }
                None => record.latest.settings.layers.clone(),
            };
            registry.check_total(record.latest.package, &layers).await?;
            record.latest.settings = Settings { layers, ..record.latest.settings.changed(update)? };
            registry.commit(&entry, record, false).await.map(|changed| changed.latest)
        })
        .await
    }
}
