//! What is set on a function as a whole, beside its code and settings: tags, its share of the account's concurrency,
//! what becomes of circles, how its runtime is managed.

use std::sync::Arc;

use super::{
    FunctionRegistry,
    index::Entry,
    record::{self, FunctionRecord, VersionRecord},
};
use crate::{
    functions::{
        FunctionArn, FunctionError, FunctionName, FunctionReference, FunctionVersion, InvalidField,
        Qualifier, RecursiveLoop, RevisionId, RuntimeManagement, Tags, Version,
    },
    identity::AccountId,
    store::Stored,
};

impl FunctionRegistry {
    /// A function's tags.
    ///
    /// # Errors
    /// There is no such function; a version or alias is named.
    pub fn tags(&self, arn: &FunctionArn) -> Result<Tags, FunctionError> {
        self.tagged(arn)?;
        self.tags_of(&FunctionReference::from(arn.clone()))
    }

    /// Adds tags to a function, or replaces some.
    ///
    /// # Errors
    /// There is no such function; a version or alias is named; there are none to add, or too many with those it has.
    pub async fn tag(&self, arn: &FunctionArn, tags: Tags) -> Result<(), FunctionError> {
        if tags.is_empty() {
            return Err(
                InvalidField::new("tags", "An error occurred and the request cannot be processed.").into()
            );
        }
        self.change_tags(arn, |old| old.with(tags)).await
    }

    /// Removes tags from a function; those that it does not have are removed already.
    ///
    /// # Errors
    /// There is no such function; a version or alias is named.
    pub async fn untag(&self, arn: &FunctionArn, keys: Vec<String>) -> Result<(), FunctionError> {
        self.change_tags(arn, move |old| Ok(old.without(&keys))).await
    }

    async fn change_tags(
        &self,
        arn: &FunctionArn,
        change: impl FnOnce(&Tags) -> Result<Tags, InvalidField> + Send + 'static,
    ) -> Result<(), FunctionError> {
        let (account, name) = self.tagged(arn)?;
        self.change_record(account, name, |record| {
            record.tags = change(&record.tags)?;
            // Lambda counts tags as a change of the function.
            record.latest.revision_id = RevisionId::random();
            Ok(())
        })
        .await
    }

    fn tagged(&self, arn: &FunctionArn) -> Result<(AccountId, FunctionName), FunctionError> {
        if arn.qualifier.is_some() {
            let told =
                "Tags on function aliases and versions are not supported. Please specify a function ARN.";
            return Err(InvalidField::new("resource", told).into());
        }
        let version = self.resolve(&FunctionReference::from(arn.clone()), None)?;
        Ok((version.account(), version.name().clone()))
    }

    /// Tags of the function that a reference means.
    ///
    /// # Errors
    /// There is no such function.
    pub fn tags_of(&self, reference: &FunctionReference) -> Result<Tags, FunctionError> {
        self.look(reference, |entry| entry.stored.tags.clone())
    }

    /// The function's own share of the account's concurrency, if it has one.
    ///
    /// # Errors
    /// There is no such function.
    pub fn reserved_concurrency(&self, reference: &FunctionReference) -> Result<Option<u32>, FunctionError> {
        self.look(reference, |entry| entry.stored.reserved_concurrency)
    }

    /// Gives a function a share of the account's concurrency of its own, which no other function has and which it can't
    /// exceed; 0 stops it. `None` takes it away. Running calls go on.
    ///
    /// # Errors
    /// There is no such function; a version or alias is named; too little would be left for the other functions.
    pub async fn reserve_concurrency(
        &self,
        reference: &FunctionReference,
        share: Option<u32>,
    ) -> Result<(), FunctionError> {
        if reference.qualifier().is_some() {
            return Err(InvalidField::new(
                "function_name",
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )
            .into());
        }
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name).map_err(|error| match error {
                // Lambda looks for the function's code here.
                FunctionError::NotFound { arn } => {
                    FunctionError::NotFound { arn: arn.with_version(Version::Latest) }
                }
                error => error,
            })?;
            // Two functions must not be given the last of it at the same moment.
            let _shares = registry.0.shares.lock().await;
            if let Some(share) = share {
                registry.0.concurrency.check(account, &name, share)?;
                let provisioned =
                    entry.provisioned.values().map(|config| u64::from(config.requested.get())).sum();
                if provisioned > u64::from(share) {
                    return Err(FunctionError::ReservedBelowProvisioned { share, provisioned });
                }
            }
            let mut record = entry.stored.value().clone();
            record.reserved_concurrency = share;
            let mut batch = registry.batch(&entry)?;
            batch.put(entry.stored.key(), &record)?;
            let stored = registry.write_record(batch, &entry.latest.arn).await?;
            registry.show_record(&entry, stored);
            registry.0.concurrency.reserve(account, &name, share);
            Ok(())
        })
        .await
    }

    /// What becomes of a function that calls itself in a circle.
    ///
    /// # Errors
    /// There is no such function.
    pub fn recursive_loop(&self, reference: &FunctionReference) -> Result<RecursiveLoop, FunctionError> {
        self.look(reference, |entry| entry.stored.recursive_loop)
    }

    /// Sets what becomes of a function that calls itself in a circle.
    ///
    /// # Errors
    /// There is no such function.
    pub async fn set_recursive_loop(
        &self,
        reference: &FunctionReference,
        recursive_loop: RecursiveLoop,
    ) -> Result<(), FunctionError> {
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        self.change_record(account, name, move |record| {
            record.recursive_loop = recursive_loop;
            Ok(())
        })
        .await
    }

    /// Sets how a version's runtime is managed. Returns the version.
    ///
    /// # Errors
    /// There is no such version; an alias is named.
    pub async fn set_runtime_management(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        management: RuntimeManagement,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let version = self.resolve(reference, qualifier)?;
        let (account, name) = (version.account(), version.name().clone());
        let Version::Number(number) = version.version else {
            self.change_record(account, name, move |record| {
                record.latest.runtime_management = management;
                Ok(())
            })
            .await?;
            return self.resolve(reference, qualifier);
        };
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            let key = record::version_key(account, &name, number);
            let stored = registry.0.store.get::<VersionRecord>(&key)?;
            let stored = stored.ok_or_else(|| FunctionError::NotFound { arn: version.qualified_arn() })?;
            let record = VersionRecord { runtime_management: management, ..stored.into_value() };
            let mut batch = registry.batch(&entry)?;
            batch.put(&key, &record)?;
            registry.write(batch, &entry.latest.arn).await?;
            let (_, version) = registry.published(&entry.latest.arn, number, &record);
            registry.index_mut().set_version(number, version.clone());
            Ok(version)
        })
        .await
    }

    /// Changes a function's record in a way that its code and settings don't depend on.
    async fn change_record(
        &self,
        account: AccountId,
        name: FunctionName,
        change: impl FnOnce(&mut FunctionRecord) -> Result<(), FunctionError> + Send + 'static,
    ) -> Result<(), FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            let mut record = entry.stored.value().clone();
            change(&mut record)?;
            let mut batch = registry.batch(&entry)?;
            batch.put(entry.stored.key(), &record)?;
            let stored = registry.write_record(batch, &entry.latest.arn).await?;
            registry.show_record(&entry, stored);
            Ok(())
        })
        .await
    }

    /// Shows a record whose code and settings are those of `entry`.
    pub(super) fn show_record(&self, entry: &Entry, stored: Stored<FunctionRecord>) {
        let latest = self.latest(&entry.latest.arn, stored.value(), entry.latest.state.failure());
        self.index_mut().set_latest(stored, latest);
    }
}
