//! Deleting functions and versions.

use super::{
    FunctionRegistry,
    code_signing::SigningOfFunction,
    index::Entry,
    permissions::policy_key,
    record::{self, AliasRecord, FormerFunction, VersionRecord},
    urls::url_key,
};
use crate::{
    functions::{
        EventInvokeConfig, FunctionError, FunctionReference, FunctionUrlConfig, InvalidField, Policy,
        ProvisionedConcurrency, Qualifier, Version, VersionNumber,
    },
    store::{Batch, StoreError},
};

/// Records that one batch deletes: with the longest keys there are, a quarter of what it may weigh.
const DELETED_AT_ONCE: usize = 1000;

/// The key of something that is to be deleted.
enum Doomed {
    Version(String),
    Alias(String),
    Policy(String),
    EventConfig(String),
    Provisioned(String),
    CodeSigning(String),
    Url(String),
}

impl Doomed {
    fn delete(&self, batch: &mut Batch) -> Result<(), StoreError> {
        match self {
            Self::Version(key) => batch.delete::<VersionRecord>(key),
            Self::Alias(key) => batch.delete::<AliasRecord>(key),
            Self::Policy(key) => batch.delete::<Policy>(key),
            Self::EventConfig(key) => batch.delete::<EventInvokeConfig>(key),
            Self::Provisioned(key) => batch.delete::<ProvisionedConcurrency>(key),
            Self::CodeSigning(key) => batch.delete::<SigningOfFunction>(key),
            Self::Url(key) => batch.delete::<FunctionUrlConfig>(key),
        }
    }
}

impl FunctionRegistry {
    /// Deletes a function with all its versions and whatever belongs to it, or one published version. Running calls
    /// finish; packages stay until garbage collection. A version that is not there has been deleted already.
    ///
    /// # Errors
    /// There is no such function; an alias leads to the version; what is named is `$LATEST` or an alias.
    pub async fn delete(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), FunctionError> {
        let number = match reference.qualifier_with(qualifier)? {
            None | Some(Qualifier::Nothing(_)) => None,
            Some(Qualifier::Version(Version::Number(number))) => Some(*number),
            Some(Qualifier::Version(Version::Latest)) => {
                let told = "$LATEST version cannot be deleted without deleting the function.";
                return Err(InvalidField::new("function_name", told).into());
            }
            Some(Qualifier::Alias(_)) => {
                return Err(InvalidField::new(
                    "function_name",
                    "Deletion of aliases is not currently supported.",
                )
                .into());
            }
        };
        // Names nothing that can be, so that it is gone already; but not if there is no such function.
        let names_nothing = matches!(reference.qualifier_with(qualifier)?, Some(Qualifier::Nothing(_)));
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            match number {
                _ if names_nothing => Ok(()),
                Some(number) => registry.delete_version(&entry, number).await,
                None => registry.delete_all(&entry).await,
            }
        })
        .await
    }

    async fn delete_version(&self, entry: &Entry, number: VersionNumber) -> Result<(), FunctionError> {
        let Some(version) = entry.versions.get(&number) else { return Ok(()) };
        let aliases: Vec<&str> = entry
            .aliases
            .values()
            .filter(|alias| alias.leads_to(version.version))
            .map(|alias| alias.name.as_str())
            .collect();
        if !aliases.is_empty() {
            return Err(FunctionError::VersionInUse {
                version: version.version,
                aliases: aliases.join(", "),
            });
        }
        let (account, name) = (version.account(), version.name());
        let qualifier = Qualifier::Version(version.version);
        let key = record::key_of(account, name, &qualifier);
        let mut batch = self.batch(entry)?;
        batch.delete::<VersionRecord>(&key)?;
        batch.delete::<Policy>(&key)?;
        batch.delete::<EventInvokeConfig>(&key)?;
        batch.delete::<ProvisionedConcurrency>(&key)?;
        self.write(batch, &version.arn).await?;
        let mut index = self.index_mut();
        if let Some(kept) = index.get_mut(account, name) {
            kept.policies.remove(&Some(qualifier.clone()));
            kept.event_configs.remove(&qualifier);
            kept.provisioned.remove(&qualifier);
        }
        index.remove_version(account, name, number);
        self.announce(version, None);
        drop(index);
        self.provisions_changed(account, name);
        Ok(())
    }

    /// A function may have more versions than one batch can hold. The first batch removes the function itself, and with
    /// it whatever belongs to it from everybody's sight; what later ones leave when the daemon dies, its next start
    /// removes.
    async fn delete_all(&self, entry: &Entry) -> Result<(), FunctionError> {
        let (account, name) = (entry.latest.account(), entry.latest.name());
        let mut doomed = Vec::new();
        doomed.extend(
            entry.versions.keys().map(|number| Doomed::Version(record::version_key(account, name, *number))),
        );
        doomed
            .extend(entry.aliases.keys().map(|alias| Doomed::Alias(record::alias_key(account, name, alias))));
        let policies = entry.policies.keys();
        doomed.extend(policies.map(|resource| Doomed::Policy(policy_key(account, name, resource.as_ref()))));
        let configs = entry.event_configs.keys();
        doomed.extend(configs.map(|qualifier| Doomed::EventConfig(record::key_of(account, name, qualifier))));
        let provisioned = entry.provisioned.keys();
        doomed.extend(
            provisioned.map(|qualifier| Doomed::Provisioned(record::key_of(account, name, qualifier))),
        );
        let urls = entry.urls.keys();
        doomed.extend(urls.map(|alias| Doomed::Url(url_key(account, name, alias.as_ref()))));
        doomed.extend(entry.code_signing.iter().map(|_| Doomed::CodeSigning(record::key(account, name))));
        let mut batch = Batch::new();
        batch.compare_and_delete(&entry.stored)?;
        if entry.stored.last_version > 0 {
            let former = FormerFunction { last_version: entry.stored.last_version };
            batch.put(entry.stored.key(), &former)?;
        }
        let mut chunks = doomed.chunks(DELETED_AT_ONCE);
        for doomed in chunks.next().unwrap_or_default() {
            doomed.delete(&mut batch)?;
        }
        self.write(batch, &entry.latest.arn).await?;
        {
            let mut index = self.index_mut();
            index.remove(account, name);
            self.0.concurrency.reserve(account, name, None);
            for version in entry.all_versions() {
                self.announce(version, None);
            }
        }
        self.provisions_changed(account, name);
        for chunk in chunks {
            let mut batch = Batch::new();
            for doomed in chunk {
                doomed.delete(&mut batch)?;
            }
            self.write(batch, &entry.latest.arn).await?;
        }
        Ok(())
    }
}
