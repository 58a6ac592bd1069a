//! Layers: publishing, reading and deleting their versions, who else may use them, and which of them a function has.
//!
//! Changes of layers are made one after another, all layers together: they are rare, and each is one write.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AddPermission, FunctionRegistry, Page, UploadedCode, page_limit};
use crate::{
    functions::{
        Architecture, CompatibleRuntime, Description, FunctionError, InvalidField, LayerArn, LayerName,
        LayerReference, LayerVersion, LayerVersionArn, LicenseInfo, PackageStore, Policy, PublishLayer,
        RevisionId, StatementId, VersionNumber, policy::MAX_POLICY_BYTES,
    },
    identity::AccountId,
    store::{Batch, Record, Sha256Digest, Store, StoreError},
};

/// Layers that a function may have. Source: Lambda quotas.
const MAX_LAYERS: usize = 5;

const OF_LAYER_POLICY: &str = "GetLayerPolicy";

/// What is never forgotten of a layer, under `ACCOUNT/NAME`: a number is never given twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    last_version: u64,
}

impl Record for LayerRecord {
    const TREE: &'static str = "layers";
    const SCHEMA_VERSION: u16 = 1;
}

/// A layer version, under `ACCOUNT/NAME/NUMBER`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LayerVersionRecord {
    description: Description,
    license: Option<LicenseInfo>,
    runtimes: Option<Vec<CompatibleRuntime>>,
    architectures: Option<Vec<Architecture>>,
    package: Sha256Digest,
    code_size: u64,
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
}

impl Record for LayerVersionRecord {
    const TREE: &'static str = "layer_versions";
    const SCHEMA_VERSION: u16 = 1;
}

/// A layer version's policy, under the version's key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LayerPolicy(Policy);

impl Record for LayerPolicy {
    const TREE: &'static str = "layer_policies";
    const SCHEMA_VERSION: u16 = 1;
}

type LayerKey = (AccountId, LayerName);

/// All layer versions in memory.
#[derive(Debug, Default)]
pub(super) struct Layers {
    versions: BTreeMap<LayerKey, BTreeMap<VersionNumber, Arc<LayerVersion>>>,
    policies: HashMap<LayerVersionArn, Arc<Policy>>,
    /// How many layer versions have each package.
    packages: HashMap<Sha256Digest, usize>,
    /// Bytes of all archives of an account's layers.
    code_bytes: HashMap<AccountId, u64>,
}

impl Layers {
    pub(super) fn read(store: &Store, region: &crate::functions::Region) -> Result<Self, FunctionError> {
        let mut layers = Self::default();
        for stored in store.scan_all::<LayerVersionRecord>("") {
            let stored = stored?;
            let arn =
                parse_key(stored.key(), region).ok_or_else(|| damaged::<LayerVersionRecord>(stored.key()))?;
            layers.insert(of_record(arn, stored.into_value()));
        }
        for stored in store.scan_all::<LayerPolicy>("") {
            let stored = stored?;
            let arn = parse_key(stored.key(), region).ok_or_else(|| damaged::<LayerPolicy>(stored.key()))?;
            layers.policies.insert(arn, Arc::new(stored.into_value().0));
        }
        Ok(layers)
    }

    pub(super) fn uses(&self, package: &Sha256Digest) -> bool {
        self.packages.contains_key(package)
    }

    pub(super) fn packages(&self) -> Vec<Sha256Digest> {
        self.packages.keys().copied().collect()
    }

    pub(super) fn code_bytes(&self, account: AccountId) -> u64 {
        self.code_bytes.get(&account).copied().unwrap_or_default()
    }

    fn get(&self, arn: &LayerVersionArn) -> Option<&Arc<LayerVersion>> {
        let version = self.versions.get(&(arn.layer.account, arn.layer.name.clone()))?.get(&arn.version);
        // One of another region is not here.
        version.filter(|version| version.arn == *arn)
    }

    fn insert(&mut self, version: LayerVersion) -> Arc<LayerVersion> {
        let version = Arc::new(version);
        let LayerVersionArn { layer, version: number } = version.arn.clone();
        *self.packages.entry(version.package).or_default() += 1;
        *self.code_bytes.entry(layer.account).or_default() += version.code_size;
        self.versions.entry((layer.account, layer.name)).or_default().insert(number, version.clone());
        version
    }

    fn remove(&mut self, arn: &LayerVersionArn) {
        let key = (arn.layer.account, arn.layer.name.clone());
        let Some(versions) = self.versions.get_mut(&key) else { return };
        let Some(removed) = versions.remove(&arn.version) else { return };
        if versions.is_empty() {
            self.versions.remove(&key);
        }
        self.policies.remove(arn);
        if let Some(bytes) = self.code_bytes.get_mut(&key.0) {
            *bytes -= removed.code_size;
        }
        if let Some(count) = self.packages.get_mut(&removed.package) {
            *count -= 1;
            if *count == 0 {
                self.packages.remove(&removed.package);
            }
        }
    }
}

fn of_record(arn: LayerVersionArn, record: LayerVersionRecord) -> LayerVersion {
    let LayerVersionRecord { description, license, runtimes, architectures, package, code_size, created } =
        record;
    LayerVersion { arn, description, license, runtimes, architectures, package, code_size, created }
}

fn key(arn: &LayerVersionArn) -> String {
    format!("{}/{}/{}", arn.layer.account, arn.layer.name, arn.version)
}

fn parse_key(key: &str, region: &crate::functions::Region) -> Option<LayerVersionArn> {
    let mut parts = key.split('/');
    let (account, name) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let version = parts.next()?.parse().ok()?;
    Some(LayerArn { region: region.clone(), account, name }.with_version(version))
}

fn damaged<R: Record>(key: &str) -> StoreError {
    StoreError::DamagedRecord { tree: R::TREE, key: key.to_owned(), source: None }
}

impl FunctionRegistry {
    /// Publishes an archive that was uploaded as the next version of a layer.
    ///
    /// # Errors
    /// The package is refused. Nothing of it then stays.
    pub async fn publish_layer(
        &self,
        publish: PublishLayer,
        code: UploadedCode,
    ) -> Result<Arc<LayerVersion>, FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let digest = code.digest();
            let published = registry.publish_layer_with(publish, code).await;
            if published.is_err() {
                registry.discard(digest).await;
            }
            published
        })
        .await
    }

    async fn publish_layer_with(
        &self,
        publish: PublishLayer,
        code: UploadedCode,
    ) -> Result<Arc<LayerVersion>, FunctionError> {
        let PublishLayer { name, description, license, runtimes, architectures } = publish;
        self.keep_archive(&code).await?;
        let _gate = self.0.layer_gate.lock().await;
        let layer = self.layer_arn(name);
        let layer_key = format!("{}/{}", layer.account, layer.name);
        let old = self.0.store.get::<LayerRecord>(&layer_key)?;
        let number = VersionNumber::MIN.saturating_add(old.as_ref().map_or(0, |old| old.last_version));
        let arn = layer.with_version(number);
        let record = LayerVersionRecord {
            description,
            license,
            runtimes,
            architectures,
            package: code.digest(),
            code_size: code.size(),
            created: self.0.clock.now(),
        };
        let mut batch = Batch::new();
        batch.compare_and_swap(&layer_key, old.as_ref(), &LayerRecord { last_version: number.get() })?;
        batch.put(&key(&arn), &record)?;
        self.0.store.batch(batch).await?;
        // `code` holds its pin until the version is shown, and with it the reference.
        Ok(self.index_mut().layers.insert(of_record(arn, record)))
    }

    /// The ARN of a layer of this name here.
    #[must_use]
    pub fn layer_arn(&self, name: LayerName) -> LayerArn {
        LayerArn { region: self.region().clone(), account: self.account(), name }
    }

    /// A layer version.
    ///
    /// # Errors
    /// There is none.
    pub fn layer_version(&self, arn: &LayerVersionArn) -> Result<Arc<LayerVersion>, FunctionError> {
        self.index().layers.get(arn).cloned().ok_or(FunctionError::NoSuchResource)
    }

    /// The versions of a layer, the newest first, before `before`; those that are for a runtime and a processor, if these
    /// are named. At most `limit`, as for [`FunctionRegistry::list`].
    #[must_use]
    pub fn list_layer_versions(
        &self,
        name: &LayerName,
        runtime: Option<&CompatibleRuntime>,
        architecture: Option<Architecture>,
        before: Option<VersionNumber>,
        limit: usize,
    ) -> Page<Arc<LayerVersion>, VersionNumber> {
        let index = self.index();
        let versions = index.layers.versions.get(&(self.account(), name.clone()));
        let wanted = versions.into_iter().flat_map(BTreeMap::values).rev().filter(|version| {
            is_for(version, runtime, architecture) && before.is_none_or(|before| version.arn.version < before)
        });
        Page::of(wanted.cloned(), page_limit(limit), |last| last.arn.version)
    }

    /// The newest version of each layer after `after`, in the order of their names, as for
    /// [`FunctionRegistry::list_layer_versions`].
    #[must_use]
    pub fn list_layers(
        &self,
        runtime: Option<&CompatibleRuntime>,
        architecture: Option<Architecture>,
        after: Option<&LayerName>,
        limit: usize,
    ) -> Page<Arc<LayerVersion>, LayerName> {
        let (index, account) = (self.index(), self.account());
        let layers = index
            .layers
            .versions
            .iter()
            .filter(|((owner, name), _)| *owner == account && after.is_none_or(|after| name > after));
        let newest = layers.filter_map(|(_, versions)| {
            versions.values().rev().find(|version| is_for(version, runtime, architecture))
        });
        Page::of(newest.cloned(), page_limit(limit), |last| last.arn.layer.name.clone())
    }

    /// Deletes a layer version; one that is not there has been deleted already. Functions that have it keep it.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn delete_layer_version(&self, arn: LayerVersionArn) -> Result<(), FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.layer_gate.lock().await;
            if registry.index().layers.get(&arn).is_none() {
                return Ok(());
            }
            let mut batch = Batch::new();
            batch.delete::<LayerVersionRecord>(&key(&arn))?;
            batch.delete::<LayerPolicy>(&key(&arn))?;
            registry.0.store.batch(batch).await?;
            registry.index_mut().layers.remove(&arn);
            Ok(())
        })
        .await
    }

    /// Allows somebody to use a layer version. Returns the statement's document and the policy's new revision.
    ///
    /// # Errors
    /// There is no such version; its policy has such a statement, is at another revision, or would be too long.
    pub async fn add_layer_permission(
        &self,
        arn: LayerVersionArn,
        add: AddPermission,
    ) -> Result<(String, RevisionId), FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.layer_gate.lock().await;
            let old = registry.layer_policy_of(&arn)?;
            let AddPermission { statement, revision_id } = add;
            check_policy_revision(old.as_deref(), revision_id)?;
            let mut statements = old.map(|policy| policy.statements.clone()).unwrap_or_default();
            if statements.iter().any(|other| other.id == statement.id) {
                return Err(FunctionError::StatementExists { id: statement.id });
            }
            let resource = arn.to_string();
            let document = statement.document(&resource);
            statements.push(statement);
            let policy = Policy { revision_id: RevisionId::random(), statements };
            let size = policy.document(&resource).len();
            if size > MAX_POLICY_BYTES {
                return Err(FunctionError::PolicyTooLong { size, limit: MAX_POLICY_BYTES });
            }
            let revision = policy.revision_id;
            registry.put_layer_policy(arn, policy).await?;
            Ok((document, revision))
        })
        .await
    }

    /// No longer allows something.
    ///
    /// # Errors
    /// There is no such version, policy or statement; the policy is at another revision.
    pub async fn remove_layer_permission(
        &self,
        arn: LayerVersionArn,
        id: StatementId,
        revision_id: Option<RevisionId>,
    ) -> Result<(), FunctionError> {
        let registry = self.clone();
        self.run(async move {
            let _gate = registry.0.layer_gate.lock().await;
            let old = registry.layer_policy_of(&arn)?.ok_or(FunctionError::NoPolicy)?;
            check_policy_revision(Some(&*old), revision_id)?;
            let mut statements = old.statements.clone();
            statements.retain(|statement| statement.id != id);
            if statements.len() == old.statements.len() {
                return Err(FunctionError::NoStatement { id });
            }
            registry.put_layer_policy(arn, Policy { revision_id: RevisionId::random(), statements }).await
        })
        .await
    }

    /// A layer version's policy.
    ///
    /// # Errors
    /// There is no such version, or it has none.
    pub fn layer_policy(&self, arn: &LayerVersionArn) -> Result<Arc<Policy>, FunctionError> {
        let policy = self.layer_policy_of(arn)?.filter(|policy| !policy.statements.is_empty());
        policy.ok_or(FunctionError::NoPolicy)
    }

    fn layer_policy_of(&self, arn: &LayerVersionArn) -> Result<Option<Arc<Policy>>, FunctionError> {
        let index = self.index();
        if index.layers.get(arn).is_none() {
            return Err(FunctionError::NoLayerVersion { arn: arn.clone() });
        }
        Ok(index.layers.policies.get(arn).cloned())
    }

    async fn put_layer_policy(&self, arn: LayerVersionArn, policy: Policy) -> Result<(), FunctionError> {
        let policy = LayerPolicy(policy);
        let mut batch = Batch::new();
        batch.put(&key(&arn), &policy)?;
        self.0.store.batch(batch).await?;
        self.index_mut().layers.policies.insert(arn, Arc::new(policy.0));
        Ok(())
    }

    /// The layer versions that a function of an account is to have.
    ///
    /// # Errors
    /// One of them is not there or elsewhere, or is another account's that does not allow it; there are too many, or two of
    /// one layer.
    pub(super) fn layers_of(
        &self,
        account: AccountId,
        arns: &[LayerVersionArn],
    ) -> Result<Vec<LayerReference>, FunctionError> {
        let refuse = |message: String| Err(InvalidField::new("layers", message).into());
        if arns.len() > MAX_LAYERS {
            return refuse(format!("Cannot reference more than {MAX_LAYERS} layers."));
        }
        let here = self.region();
        if arns.iter().any(|arn| arn.layer.region != *here) {
            return refuse(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {here}."
            ));
        }
        let mut references = Vec::new();
        let index = self.index();
        for (position, arn) in arns.iter().enumerate() {
            if let Some(other) = arns.iter().take(position).find(|other| other.layer == arn.layer) {
                return refuse(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \
                     {other} and {arn} are versions of the same layer."
                ));
            }
            let is_allowed =
                || index.layers.policies.get(arn).is_some_and(|policy| policy.lets_use_layer(account));
            if arn.layer.account != account && !is_allowed() {
                return Err(FunctionError::LayerDenied { account, arn: arn.clone() });
            }
            let Some(version) = index.layers.get(arn) else {
                return refuse(format!("Layer version {arn} does not exist."));
            };
            references.push(LayerReference {
                arn: arn.clone(),
                code_size: version.code_size,
                package: version.package,
            });
        }
        Ok(references)
    }

    /// Refuses code and layers that are too large together. Nothing is counted twice or too little: the packages are
    /// unpacked, so their files are looked at.
    pub(super) async fn check_total(
        &self,
        package: Sha256Digest,
        layers: &[LayerReference],
    ) -> Result<(), FunctionError> {
        if layers.is_empty() {
            return Ok(());
        }
        let packages = self.0.packages.clone();
        let limit = packages.limits().max_unpacked_bytes;
        let digests: Vec<Sha256Digest> =
            std::iter::once(package).chain(layers.iter().map(|layer| layer.package)).collect();
        let measured = tokio::task::spawn_blocking(move || total(&packages, &digests)).await;
        let Ok(measured) = measured else { return Err(FunctionError::Interrupted) };
        let size = measured?;
        if size > limit {
            return Err(InvalidField::new(
                "layers",
                format!(
                    "Function code combined with layers exceeds the maximum allowed size of {limit} bytes. The actual \
                     size is {size} bytes."
                ),
            )
            .into());
        }
        Ok(())
    }
}

fn total(packages: &PackageStore, digests: &[Sha256Digest]) -> Result<u64, FunctionError> {
    digests.iter().try_fold(0, |sum, digest| Ok(sum + packages.content_bytes(digest)?))
}

fn check_policy_revision(policy: Option<&Policy>, expected: Option<RevisionId>) -> Result<(), FunctionError> {
    match expected {
        Some(expected) if policy.is_none_or(|policy| policy.revision_id != expected) => {
            Err(FunctionError::PreconditionFailed { call: OF_LAYER_POLICY })
        }
        _ => Ok(()),
    }
}

/// Whether a layer version is for these, as far as it says.
fn is_for(
    version: &LayerVersion,
    runtime: Option<&CompatibleRuntime>,
    architecture: Option<Architecture>,
) -> bool {
    let says = |runtime| version.runtimes.as_ref().is_some_and(|runtimes| runtimes.contains(runtime));
    let runs = |architecture| version.architectures.as_ref().is_some_and(|all| all.contains(&architecture));
    runtime.is_none_or(says) && architecture.is_none_or(runs)
}
