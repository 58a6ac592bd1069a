//! Code-signing configurations: creating, changing and deleting them, and which of them a function has.
//!
//! Changes of configurations, and of which one a function has, are made one after another, all together: they are rare, and
//! none is to go while a function is given it. Whoever also holds a function's gate enters that first.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{FunctionRegistry, Page, index::Entry, page_limit, record};
use crate::{
    functions::{
        CodeSigningArn, CodeSigningConfig, CodeSigningId, CreateCodeSigning, Description, FunctionArn,
        FunctionError, FunctionName, FunctionReference, InvalidField, Region, SigningProfileArn, Tags,
        UntrustedArtifact, UpdateCodeSigning,
    },
    identity::AccountId,
    store::{Batch, Record, Store, StoreError},
};

/// A configuration, under `ACCOUNT/ID`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CodeSigningRecord {
    description: Option<Description>,
    profiles: Vec<SigningProfileArn>,
    untrusted: UntrustedArtifact,
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_modified: OffsetDateTime,
    tags: Tags,
}

impl Record for CodeSigningRecord {
    const TREE: &'static str = "code_signing_configs";
    const SCHEMA_VERSION: u16 = 1;
}

/// Which configuration a function has, under the function's key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SigningOfFunction {
    pub(super) config: CodeSigningId,
}

impl Record for SigningOfFunction {
    const TREE: &'static str = "function_code_signing";
    const SCHEMA_VERSION: u16 = 1;
}

/// All configurations in memory.
#[derive(Debug, Default)]
pub(super) struct CodeSignings(BTreeMap<(AccountId, CodeSigningId), Arc<CodeSigningConfig>>);

impl CodeSignings {
    pub(super) fn read(store: &Store, region: &Region) -> Result<Self, FunctionError> {
        let mut all = Self::default();
        for stored in store.scan_all::<CodeSigningRecord>("") {
            let stored = stored?;
            let parsed = stored.key().split_once('/').and_then(|(account, id)| {
                Some(CodeSigningArn {
                    region: region.clone(),
                    account: account.parse().ok()?,
                    id: id.parse().ok()?,
                })
            });
            let arn = parsed.ok_or_else(|| StoreError::DamagedRecord {
                tree: CodeSigningRecord::TREE,
                key: stored.key().to_owned(),
                source: None,
            })?;
            all.insert(of_record(arn, stored.into_value()));
        }
        Ok(all)
    }

    fn get(&self, arn: &CodeSigningArn) -> Option<&Arc<CodeSigningConfig>> {
        // One of another region is not here.
        self.0.get(&(arn.account, arn.id.clone())).filter(|config| config.arn == *arn)
    }

    fn insert(&mut self, config: CodeSigningConfig) -> Arc<CodeSigningConfig> {
        let config = Arc::new(config);
        self.0.insert((config.arn.account, config.arn.id.clone()), config.clone());
        config
    }
}

fn of_record(arn: CodeSigningArn, record: CodeSigningRecord) -> CodeSigningConfig {
    let CodeSigningRecord { description, profiles, untrusted, created, last_modified, tags } = record;
    CodeSigningConfig { arn, description, profiles, untrusted, created, last_modified, tags }
}

fn to_record(config: &CodeSigningConfig) -> CodeSigningRecord {
    let CodeSigningConfig { arn: _, description, profiles, untrusted, created, last_modified, tags } =
        config.clone();
    CodeSigningRecord { description, profiles, untrusted, created, last_modified, tags }
}

fn key(arn: &CodeSigningArn) -> String {
    format!("{}/{}", arn.account, arn.id)
}

impl FunctionRegistry {
    /// Creates a configuration.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn create_code_signing(
        &self,
        create: CreateCodeSigning,
    ) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        let CreateCodeSigning { description, profiles, untrusted, tags } = create;
        let now = self.0.clock.now();
        let arn = self.code_signing_arn(self.account(), CodeSigningId::random());
        let config = CodeSigningConfig {
            arn,
            description,
            profiles,
            untrusted: untrusted.unwrap_or(UntrustedArtifact::Warn),
            created: now,
            last_modified: now,
            tags,
        };
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.signing_gate.lock().await;
            registry.put_code_signing(config).await
        })
        .await
    }

    /// Changes a configuration. Packages that functions have already are not looked at again.
    ///
    /// # Errors
    /// There is no such configuration.
    pub async fn update_code_signing(
        &self,
        arn: &CodeSigningArn,
        update: UpdateCodeSigning,
    ) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        self.change_code_signing(arn, move |old| {
            Ok(CodeSigningConfig {
                description: update.description.or_else(|| old.description.clone()),
                profiles: update.profiles.unwrap_or_else(|| old.profiles.clone()),
                untrusted: update.untrusted.unwrap_or(old.untrusted),
                ..old.clone()
            })
        })
        .await
    }

    /// Changes what tags a configuration has.
    ///
    /// # Errors
    /// There is no such configuration; there are too many tags.
    pub async fn tag_code_signing(
        &self,
        arn: &CodeSigningArn,
        change: impl FnOnce(&Tags) -> Result<Tags, InvalidField> + Send + 'static,
    ) -> Result<(), FunctionError> {
        let changed = self.change_code_signing(arn, move |old| {
            Ok(CodeSigningConfig { tags: change(&old.tags)?, ..old.clone() })
        });
        changed.await.map(drop)
    }

    async fn change_code_signing(
        &self,
        arn: &CodeSigningArn,
        change: impl FnOnce(&CodeSigningConfig) -> Result<CodeSigningConfig, FunctionError> + Send + 'static,
    ) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        let (registry, arn) = (self.clone(), arn.clone());
        self.run(async move {
            let _gate = registry.0.signing_gate.lock().await;
            let old = registry.code_signing(&arn)?;
            let new = CodeSigningConfig { last_modified: registry.0.clock.now(), ..change(&old)? };
            registry.put_code_signing(new).await
        })
        .await
    }

    /// The gate is held.
    async fn put_code_signing(
        &self,
        config: CodeSigningConfig,
    ) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        let mut batch = Batch::new();
        batch.put(&key(&config.arn), &to_record(&config))?;
        self.0.store.batch(batch).await?;
        Ok(self.index_mut().code_signings.insert(config))
    }

    /// A configuration.
    ///
    /// # Errors
    /// There is none of this ARN.
    pub fn code_signing(&self, arn: &CodeSigningArn) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        let found = self.index().code_signings.get(arn).cloned();
        found.ok_or_else(|| FunctionError::NoCodeSigningConfig { arn: arn.clone() })
    }

    /// The account's configurations after `after`, the oldest first; at most `limit`, as for [`FunctionRegistry::list`].
    #[must_use]
    pub fn list_code_signings(
        &self,
        after: Option<&CodeSigningId>,
        limit: usize,
    ) -> Page<Arc<CodeSigningConfig>, CodeSigningId> {
        let (index, account) = (self.index(), self.account());
        let mut configs: Vec<_> =
            index.code_signings.0.values().filter(|config| config.arn.account == account).collect();
        configs.sort_unstable_by_key(|config| (config.created, &config.arn.id));
        let begin = after.map_or(0, |after| {
            configs.iter().position(|config| config.arn.id == *after).map_or(configs.len(), |at| at + 1)
        });
        Page::of(configs.into_iter().skip(begin).cloned(), page_limit(limit), |last| last.arn.id.clone())
    }

    /// Deletes a configuration.
    ///
    /// # Errors
    /// There is no such configuration, or a function has it.
    pub async fn delete_code_signing(&self, arn: &CodeSigningArn) -> Result<(), FunctionError> {
        let (registry, arn) = (self.clone(), arn.clone());
        self.run(async move {
            let _gate = registry.0.signing_gate.lock().await;
            registry.code_signing(&arn)?;
            if !registry.functions_of_code_signing(&arn, None, 1)?.items.is_empty() {
                return Err(FunctionError::CodeSigningConfigInUse { arn });
            }
            let mut batch = Batch::new();
            batch.delete::<CodeSigningRecord>(&key(&arn))?;
            registry.0.store.batch(batch).await?;
            registry.index_mut().code_signings.0.remove(&(arn.account, arn.id));
            Ok(())
        })
        .await
    }

    /// The functions that have a configuration, in the order of their names, after `after`; at most `limit`.
    ///
    /// # Errors
    /// There is no such configuration.
    pub fn functions_of_code_signing(
        &self,
        arn: &CodeSigningArn,
        after: Option<&FunctionName>,
        limit: usize,
    ) -> Result<Page<FunctionArn, FunctionName>, FunctionError> {
        self.code_signing(arn)?;
        let index = self.index();
        let functions = index.sorted(arn.account, after).into_iter().filter(|entry| {
            entry.code_signing.as_ref() == Some(&arn.id)
                && after.is_none_or(|after| entry.latest.name() != after)
        });
        let arns = functions.map(|entry| entry.latest.arn.clone());
        Ok(Page::of(arns, page_limit(limit), |last| last.name.clone()))
    }

    /// The configuration that a function has.
    ///
    /// # Errors
    /// There is no such function.
    pub fn code_signing_of(
        &self,
        reference: &FunctionReference,
    ) -> Result<Option<CodeSigningArn>, FunctionError> {
        let id = self.look(reference, |entry| entry.code_signing.clone())?;
        let account = self.account_of(reference)?;
        Ok(id.map(|id| self.code_signing_arn(account, id)))
    }

    /// Gives a function a configuration, in place of any that it has. What code it has stays.
    ///
    /// # Errors
    /// There is no such configuration, which is told first, or no such function.
    pub async fn set_code_signing(
        &self,
        reference: &FunctionReference,
        arn: CodeSigningArn,
    ) -> Result<(), FunctionError> {
        self.change_code_signing_of(reference, Some(arn)).await
    }

    /// Takes a function's configuration away, if it has one.
    ///
    /// # Errors
    /// There is no such function.
    pub async fn remove_code_signing(&self, reference: &FunctionReference) -> Result<(), FunctionError> {
        self.change_code_signing_of(reference, None).await
    }

    async fn change_code_signing_of(
        &self,
        reference: &FunctionReference,
        config: Option<CodeSigningArn>,
    ) -> Result<(), FunctionError> {
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let _gate = registry.0.signing_gate.lock().await;
            if let Some(arn) = &config {
                registry.known_code_signing(account, arn)?;
            }
            let entry = registry.entry(account, &name)?;
            let key = record::key(account, &name);
            let mut batch = registry.batch(&entry)?;
            let config = config.map(|arn| arn.id);
            match &config {
                Some(id) => batch.put(&key, &SigningOfFunction { config: id.clone() })?,
                None => batch.delete::<SigningOfFunction>(&key)?,
            }
            registry.write(batch, &entry.latest.arn).await?;
            if let Some(kept) = registry.index_mut().get_mut(account, &name) {
                kept.code_signing = config;
            }
            Ok(())
        })
        .await
    }

    /// The configuration that a function of this account is to have.
    ///
    /// # Errors
    /// The account has none of this ARN.
    pub(super) fn known_code_signing(
        &self,
        account: AccountId,
        arn: &CodeSigningArn,
    ) -> Result<Arc<CodeSigningConfig>, FunctionError> {
        let found = self.index().code_signings.get(arn).filter(|_| arn.account == account).cloned();
        found.ok_or_else(|| FunctionError::CodeSigningConfigNotFound { arn: arn.clone() })
    }

    /// Refuses a package or layer for a function whose configuration takes none that is not signed.
    pub(super) fn check_may_deploy(&self, entry: &Entry) -> Result<(), FunctionError> {
        let Some(id) = entry.code_signing.clone() else { return Ok(()) };
        let account = entry.latest.account();
        let arn = self.code_signing_arn(account, id);
        // One that is gone can't be asked, so that it counts as the stricter.
        self.known_code_signing(account, &arn)
            .and_then(|config| check_untrusted(&config, entry.latest.name()))
    }

    fn code_signing_arn(&self, account: AccountId, id: CodeSigningId) -> CodeSigningArn {
        CodeSigningArn { region: self.region().clone(), account, id }
    }
}

/// Refuses a package, which is never signed by somebody who is trusted.
pub(super) fn check_untrusted(config: &CodeSigningConfig, name: &FunctionName) -> Result<(), FunctionError> {
    match config.untrusted {
        UntrustedArtifact::Warn => {
            tracing::warn!(function = %name, config = %config.arn, "a package is not signed by a trusted publisher");
            Ok(())
        }
        UntrustedArtifact::Enforce => Err(FunctionError::CodeVerificationFailed { name: name.clone() }),
    }
}
