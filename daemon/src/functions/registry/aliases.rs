//! Creating, reading, moving and deleting aliases.

use std::sync::Arc;

use super::{
    FunctionRegistry, Page, check_revision,
    index::Entry,
    page_limit, permissions,
    record::{self, AliasRecord},
    urls::url_key,
};
use crate::functions::{
    Alias, AliasName, EventInvokeConfig, FunctionArn, FunctionError, FunctionReference, FunctionUrlConfig,
    InvalidField, Policy, ProvisionedConcurrency, Qualifier, RevisionId, Version,
    alias::{CreateAlias, Routing, UpdateAlias},
};

impl Alias {
    pub(super) fn of_record(function: &FunctionArn, name: AliasName, record: &AliasRecord) -> Self {
        let AliasRecord { version, routing, description, revision_id } = record.clone();
        Self { arn: Alias::arn(function, &name), name, version, routing, description, revision_id }
    }
}

impl FunctionRegistry {
    /// Creates an alias. Calls by its name are answered from the moment that it is durable.
    ///
    /// # Errors
    /// There is no such function or version; the name is taken; the versions don't go together.
    pub async fn create_alias(
        &self,
        reference: &FunctionReference,
        create: CreateAlias,
    ) -> Result<Arc<Alias>, FunctionError> {
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let CreateAlias { name: alias, version, routing, description } = create;
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name).map_err(|error| match error {
                // Lambda looks for the version, and so names it.
                FunctionError::NotFound { arn } => FunctionError::NotFound { arn: arn.with_version(version) },
                error => error,
            })?;
            check_target(&entry, version, routing)?;
            let arn = &entry.latest.arn;
            if entry.aliases.contains_key(&alias) {
                return Err(FunctionError::AliasExists { arn: Alias::arn(arn, &alias) });
            }
            let record = AliasRecord { version, routing, description, revision_id: RevisionId::random() };
            registry.put_alias(&entry, alias, record).await
        })
        .await
    }

    /// Changes an alias. Calls that run finish on the version that they have; the next one sees the change.
    ///
    /// # Errors
    /// There is no such alias or version; it is at another revision; the versions don't go together.
    pub async fn update_alias(
        &self,
        reference: &FunctionReference,
        alias: AliasName,
        update: UpdateAlias,
    ) -> Result<Arc<Alias>, FunctionError> {
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let not_found =
                |arn: &FunctionArn| FunctionError::NoAliasToUpdate { arn: Alias::arn(arn, &alias) };
            let entry = registry.entry(account, &name).map_err(|error| match error {
                FunctionError::NotFound { arn } => not_found(&arn),
                error => error,
            })?;
            let old = entry.aliases.get(&alias).ok_or_else(|| not_found(&entry.latest.arn))?;
            check_revision(old.revision_id, update.revision_id)?;
            let record = AliasRecord {
                version: update.version.unwrap_or(old.version),
                routing: update.routing.unwrap_or(old.routing),
                description: update.description.unwrap_or_else(|| old.description.clone()),
                revision_id: RevisionId::random(),
            };
            check_target(&entry, record.version, record.routing)?;
            if entry.provisioned.contains_key(&Qualifier::Alias(alias.clone())) {
                entry.check_provisioned_alias(record.version)?;
                if let Some(Routing { version, .. }) = record.routing {
                    entry.check_provisioned_alias(Version::Number(version))?;
                }
            }
            registry.put_alias(&entry, alias.clone(), record).await
        })
        .await
    }

    async fn put_alias(
        &self,
        entry: &Entry,
        alias: AliasName,
        record: AliasRecord,
    ) -> Result<Arc<Alias>, FunctionError> {
        let arn = &entry.latest.arn;
        let mut batch = self.batch(entry)?;
        batch.put(&record::alias_key(arn.account, &arn.name, &alias), &record)?;
        self.write(batch, arn).await?;
        let new = Arc::new(Alias::of_record(arn, alias.clone(), &record));
        if let Some(kept) = self.index_mut().get_mut(arn.account, &arn.name) {
            kept.aliases.insert(alias, new.clone());
        }
        self.provisions_changed(arn.account, &arn.name);
        Ok(new)
    }

    /// Deletes an alias with its policy and its URL; one that is not there has been deleted already.
    ///
    /// # Errors
    /// There is no such function.
    pub async fn delete_alias(
        &self,
        reference: &FunctionReference,
        alias: AliasName,
    ) -> Result<(), FunctionError> {
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            if !entry.aliases.contains_key(&alias) {
                return Ok(());
            }
            let qualifier = Qualifier::Alias(alias.clone());
            let mut batch = registry.batch(&entry)?;
            batch.delete::<AliasRecord>(&record::alias_key(account, &name, &alias))?;
            batch.delete::<Policy>(&permissions::policy_key(account, &name, Some(&qualifier)))?;
            batch.delete::<EventInvokeConfig>(&record::key_of(account, &name, &qualifier))?;
            batch.delete::<ProvisionedConcurrency>(&record::key_of(account, &name, &qualifier))?;
            batch.delete::<FunctionUrlConfig>(&url_key(account, &name, Some(&alias)))?;
            registry.write(batch, &entry.latest.arn).await?;
            let mut index = registry.index_mut();
            index.remove_url(account, &name, &Some(alias.clone()));
            if let Some(kept) = index.get_mut(account, &name) {
                kept.aliases.remove(&alias);
                kept.policies.remove(&Some(qualifier.clone()));
                kept.event_configs.remove(&qualifier);
                kept.provisioned.remove(&qualifier);
            }
            drop(index);
            registry.provisions_changed(account, &name);
            Ok(())
        })
        .await
    }

    /// An alias of a function.
    ///
    /// # Errors
    /// There is no such alias.
    pub fn alias(
        &self,
        reference: &FunctionReference,
        alias: &AliasName,
    ) -> Result<Arc<Alias>, FunctionError> {
        let account = self.account_of(reference)?;
        let found =
            self.index().get(account, reference.name()).and_then(|entry| entry.aliases.get(alias).cloned());
        found.ok_or_else(|| FunctionError::NoAlias {
            arn: Alias::arn(&self.arn(account, reference.name()), alias),
        })
    }

    /// The aliases after `after` in the order of their names, or those of them that lead to a version; at most `limit`,
    /// as for [`FunctionRegistry::list`].
    ///
    /// # Errors
    /// There is no such function.
    pub fn list_aliases(
        &self,
        reference: &FunctionReference,
        version: Option<Version>,
        after: Option<&AliasName>,
        limit: usize,
    ) -> Result<Page<Arc<Alias>, AliasName>, FunctionError> {
        let account = self.account_of(reference)?;
        let index = self.index();
        let entry = index
            .get(account, reference.name())
            .ok_or_else(|| FunctionError::NotFound { arn: self.arn(account, reference.name()) })?;
        let wanted = entry.aliases.values().filter(|alias| {
            version.is_none_or(|version| alias.leads_to(version))
                && after.is_none_or(|after| alias.name > *after)
        });
        Ok(Page::of(wanted.cloned(), page_limit(limit), |last| last.name.clone()))
    }
}

/// Whether an alias may lead to these versions.
fn check_target(entry: &Entry, version: Version, routing: Option<Routing>) -> Result<(), FunctionError> {
    let arn = &entry.latest.arn;
    if let Some(Routing { version: second, .. }) = routing {
        if version == Version::Latest {
            return Err(FunctionError::SplitOfLatest);
        }
        let second = Version::Number(second);
        if second == version {
            return Err(InvalidField::new(
                "routing_config",
                format!(
                    "Invalid function version {second}. Function version {second} is already included in routing \
                     configuration."
                ),
            )
            .into());
        }
        if entry.version(second).is_none() {
            return Err(FunctionError::NotFound { arn: arn.with_version(second) });
        }
    }
    if entry.version(version).is_none() {
        return Err(FunctionError::NotFound { arn: arn.with_version(version) });
    }
    Ok(())
}
