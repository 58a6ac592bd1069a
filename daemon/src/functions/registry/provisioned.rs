//! Provisioned concurrency of versions and aliases: what is wanted. Whoever keeps sandboxes follows it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use super::{FunctionRegistry, FunctionVersion, Page, index::Entry, page_limit, record};
use crate::{
    functions::{
        Alias, FunctionArn, FunctionError, FunctionName, FunctionReference, InvalidField,
        ProvisionedConcurrency, ProvisionedExecutions, ProvisionedPart, Qualifier, Version,
        provisioned::divide,
    },
    identity::AccountId,
};

/// A configuration, and what it is of.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// The ARN of the version or alias.
    pub arn: FunctionArn,
    /// What is wanted.
    pub config: Arc<ProvisionedConcurrency>,
    /// What that is of which version, now.
    pub parts: Vec<ProvisionedPart>,
}

impl Entry {
    /// What the function's configurations want of its versions, one after another.
    fn parts(&self) -> impl Iterator<Item = (&Qualifier, Vec<ProvisionedPart>)> {
        let mut wanted: BTreeMap<Version, u32> = BTreeMap::new();
        self.provisioned.iter().map(move |(qualifier, config)| {
            let parts = divide(qualifier, config.requested, self.alias_of(qualifier)).into_iter();
            let parts = parts.map(|(version, count)| {
                let all = wanted.entry(version).or_default();
                let before = std::mem::replace(all, all.saturating_add(count));
                ProvisionedPart { version, count, before }
            });
            (qualifier, parts.collect())
        })
    }

    fn alias_of(&self, qualifier: &Qualifier) -> Option<&Alias> {
        match qualifier {
            Qualifier::Alias(alias) => self.aliases.get(alias).map(|alias| &**alias),
            Qualifier::Version(_) | Qualifier::Nothing(_) => None,
        }
    }

    /// How much is wanted of each version in all.
    pub(super) fn provisioned_by_version(&self) -> Vec<(Version, u32)> {
        let mut wanted: BTreeMap<Version, u32> = BTreeMap::new();
        for part in self.parts().flat_map(|(_, parts)| parts) {
            let all = wanted.entry(part.version).or_default();
            *all = all.saturating_add(part.count);
        }
        wanted.into_iter().collect()
    }

    fn look_up(&self, qualifier: &Qualifier) -> Option<Provisioned> {
        let (_, parts) = self.parts().find(|(other, _)| *other == qualifier)?;
        let config = self.provisioned.get(qualifier)?.clone();
        Some(Provisioned { arn: self.latest.arn.with_qualifier(qualifier.clone()), config, parts })
    }

    /// Whether an alias that has provisioned concurrency may lead to this version.
    pub(super) fn check_provisioned_alias(&self, version: Version) -> Result<(), FunctionError> {
        if version == Version::Latest {
            return Err(unpublished());
        }
        if self.provisioned.contains_key(&Qualifier::Version(version)) {
            return Err(FunctionError::VersionIsProvisioned);
        }
        Ok(())
    }
}

impl FunctionRegistry {
    /// Sets how many sandboxes of a version or alias are kept initialised. It returns when that is durable; they come up
    /// afterwards.
    ///
    /// # Errors
    /// There is no such thing; it is `$LATEST` or leads there; the version and an alias that leads to it can't both have
    /// such a configuration; the function or the account may not run so many calls.
    pub async fn provision(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        requested: ProvisionedExecutions,
    ) -> Result<Provisioned, FunctionError> {
        let qualifier = reference.qualifier_with(qualifier)?.cloned().unwrap_or(Qualifier::LATEST);
        if qualifier == Qualifier::LATEST {
            return Err(unpublished());
        }
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.provisionable(account, &name, &qualifier)?;
            // Two functions must not be given the last of it at the same moment.
            let _shares = registry.0.shares.lock().await;
            let others = entry.provisioned.iter().filter(|(other, _)| **other != qualifier);
            let others: u64 = others.map(|(_, config)| u64::from(config.requested.get())).sum();
            registry.0.concurrency.check_provisioned(
                account,
                &name,
                entry.stored.reserved_concurrency,
                requested.get(),
                others + u64::from(requested.get()),
            )?;
            check_conflicts(&entry, &qualifier)?;
            let config = ProvisionedConcurrency { requested, last_modified: registry.0.clock.now() };
            let mut batch = registry.batch(&entry)?;
            batch.put(&record::key_of(account, &name, &qualifier), &config)?;
            registry.write(batch, &entry.latest.arn).await?;
            if let Some(kept) = registry.index_mut().get_mut(account, &name) {
                kept.provisioned.insert(qualifier.clone(), Arc::new(config));
            }
            registry.provisions_changed(account, &name);
            let shown = registry.index().get(account, &name).and_then(|entry| entry.look_up(&qualifier));
            shown.ok_or(FunctionError::NoProvisionedConcurrency)
        })
        .await
    }

    /// What is wanted of a version or alias.
    ///
    /// # Errors
    /// There is no such thing, or nothing is wanted of it; it is `$LATEST`.
    pub fn provisioned(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Provisioned, FunctionError> {
        let qualifier = published(reference.qualifier_with(qualifier)?)?;
        let entry = self.provisionable(self.account_of(reference)?, reference.name(), &qualifier)?;
        entry.look_up(&qualifier).ok_or(FunctionError::NoProvisionedConcurrency)
    }

    /// Takes such a configuration away; one that is not there has been taken away already.
    ///
    /// # Errors
    /// There is no such version or alias; it is `$LATEST`.
    pub async fn unprovision(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), FunctionError> {
        let qualifier = published(reference.qualifier_with(qualifier)?)?;
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.provisionable(account, &name, &qualifier)?;
            if !entry.provisioned.contains_key(&qualifier) {
                return Ok(());
            }
            let mut batch = registry.batch(&entry)?;
            batch.delete::<ProvisionedConcurrency>(&record::key_of(account, &name, &qualifier))?;
            registry.write(batch, &entry.latest.arn).await?;
            if let Some(kept) = registry.index_mut().get_mut(account, &name) {
                kept.provisioned.remove(&qualifier);
            }
            registry.provisions_changed(account, &name);
            Ok(())
        })
        .await
    }

    /// The configurations of a function's versions and aliases after `after`; at most `limit`, as for
    /// [`FunctionRegistry::list`].
    ///
    /// # Errors
    /// There is no such function.
    pub fn list_provisioned(
        &self,
        reference: &FunctionReference,
        after: Option<&Qualifier>,
        limit: usize,
    ) -> Result<Page<Provisioned, Qualifier>, FunctionError> {
        self.look(reference, |entry| {
            let later =
                entry.provisioned.keys().filter(|qualifier| after.is_none_or(|after| *qualifier > after));
            let configs = later.filter_map(|qualifier| entry.look_up(qualifier));
            Page::of(configs, page_limit(limit), |last| {
                last.arn.qualifier.clone().unwrap_or(Qualifier::LATEST)
            })
        })
    }

    /// Every version that something is wanted of, and how much.
    #[must_use]
    pub fn all_provisioned(&self) -> Vec<(Arc<FunctionVersion>, u32)> {
        let index = self.index();
        let entries = index.all().filter(|entry| !entry.provisioned.is_empty());
        let wanted = entries.flat_map(|entry| {
            let wanted = entry.provisioned_by_version().into_iter();
            wanted.filter_map(|(version, count)| Some((entry.version(version)?.clone(), count)))
        });
        wanted.collect()
    }

    /// Tells of every change of what is wanted.
    #[must_use]
    pub fn watch_provisioned(&self) -> watch::Receiver<()> {
        self.0.provisions.subscribe()
    }

    /// What is wanted of a function's versions is another now, or the versions are.
    pub(super) fn provisions_changed(&self, account: AccountId, name: &FunctionName) {
        let wanted = self.index().get(account, name).map(Entry::provisioned_by_version);
        self.0.concurrency.provision(account, name, &wanted.unwrap_or_default());
        self.0.provisions.send_replace(());
    }

    /// The function, if it has this version or alias.
    fn provisionable(
        &self,
        account: AccountId,
        name: &FunctionName,
        qualifier: &Qualifier,
    ) -> Result<Entry, FunctionError> {
        let entry = self.index().get(account, name).cloned();
        match entry {
            Some(entry) if entry.has(qualifier) => Ok(entry),
            _ => {
                let arn = self.arn(account, name).with_qualifier(qualifier.clone());
                Err(match qualifier {
                    Qualifier::Version(_) => FunctionError::NotFound { arn },
                    Qualifier::Alias(_) | Qualifier::Nothing(_) => FunctionError::NoAlias { arn },
                })
            }
        }
    }
}

fn check_conflicts(entry: &Entry, qualifier: &Qualifier) -> Result<(), FunctionError> {
    let Some(alias) = entry.alias_of(qualifier) else {
        let Qualifier::Version(version) = qualifier else { return Ok(()) };
        let aliases = entry.provisioned.keys().filter_map(|other| entry.alias_of(other));
        return if aliases.into_iter().any(|alias| alias.leads_to(*version)) {
            Err(FunctionError::VersionOfProvisionedAlias)
        } else {
            Ok(())
        };
    };
    if alias.routing.is_some() {
        let told = "Alias with weights can not be used with Provisioned Concurrency";
        return Err(InvalidField::new("qualifier", told).into());
    }
    entry.check_provisioned_alias(alias.version)
}

fn published(qualifier: Option<&Qualifier>) -> Result<Qualifier, FunctionError> {
    match qualifier {
        None | Some(Qualifier::Version(Version::Latest)) => {
            let told = "The function resource provided must be an alias or a published version.";
            Err(InvalidField::new("qualifier", told).into())
        }
        Some(qualifier) => Ok(qualifier.clone()),
    }
}

fn unpublished() -> FunctionError {
    let told = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    InvalidField::new("qualifier", told).into()
}
