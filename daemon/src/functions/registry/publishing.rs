//! Versions: publishing what `$LATEST` is, and listing what was published.

use std::sync::Arc;

use super::{
    FunctionRegistry, FunctionVersion, Page, check_revision, check_settled,
    index::Entry,
    page_limit,
    record::{self, FunctionRecord, LastPublish, Progress, VersionRecord},
};
use crate::functions::{
    Description, FunctionArn, FunctionError, FunctionReference, InvalidField, RevisionId, Version,
    VersionNumber,
};

/// How to publish a version.
#[derive(Clone, Debug, Default)]
pub struct PublishVersion {
    /// The version's own description, if it is to have another than `$LATEST`.
    pub description: Option<Description>,
    /// If set, nothing is published unless `$LATEST` has the archive of this SHA-256, in base64.
    pub code_sha256: Option<String>,
    /// If set, nothing is published unless the function is at this revision.
    pub revision_id: Option<RevisionId>,
}

/// The version that a record's `$LATEST` is published as; the record notes it.
pub(super) fn next_version(
    record: &mut FunctionRecord,
    description: Option<Description>,
    progress: Progress,
) -> Result<(VersionNumber, VersionRecord), FunctionError> {
    let number = VersionNumber::MIN.saturating_add(record.last_version);
    let mut version = VersionRecord { revision_id: RevisionId::random(), progress, ..record.latest.clone() };
    version.generation = version.revision_id;
    record.last_version = number.get();
    record.last_publish =
        Some(LastPublish { version: number, description: record.latest.settings.description.clone() });
    if let Some(description) = description {
        version.settings.description = description;
    }
    Ok((number, version))
}

/// The version that was published last, if `$LATEST` is still what it was then.
fn unchanged(entry: &Entry) -> Option<&Arc<FunctionVersion>> {
    let LastPublish { version, description } = entry.stored.last_publish.as_ref()?;
    let published = entry.versions.get(version)?;
    let mut settings = published.settings.clone();
    settings.description = description.clone();
    let same = settings == entry.latest.settings && published.package == entry.latest.package;
    same.then_some(published)
}

impl FunctionRegistry {
    /// Publishes what `$LATEST` is as a version. Nothing new comes of it if nothing has changed since the last time.
    ///
    /// # Errors
    /// There is no such function; its code or revision is not the expected one; a change of it has not settled.
    pub async fn publish(
        &self,
        reference: &FunctionReference,
        publish: PublishVersion,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let (account, name) = self.latest_of(reference)?;
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            let latest = &entry.latest;
            check_revision(latest.revision_id, publish.revision_id)?;
            check_settled(&entry)?;
            let current = latest.package.base64();
            if let Some(expected) = publish.code_sha256.filter(|expected| *expected != current) {
                let shown: String = expected.chars().filter(|c| !c.is_control()).take(256).collect();
                return Err(InvalidField::new(
                    "code_sha256",
                    format!(
                        "CodeSHA256 ({shown}) is different from current CodeSHA256 in $LATEST ({current}). Please try \
                         again with the CodeSHA256 in $LATEST."
                    ),
                )
                .into());
            }
            if let Some(version) = unchanged(&entry) {
                return Ok(version.clone());
            }
            let mut record = entry.stored.value().clone();
            let (number, version) = next_version(&mut record, publish.description, Progress::Settled)?;
            record.latest.revision_id = RevisionId::random();
            let mut batch = registry.batch(&entry)?;
            batch.put(&record::version_key(account, &name, number), &version)?;
            batch.put(entry.stored.key(), &record)?;
            let stored = registry.write_record(batch, &latest.arn).await?;
            let (_, version) = registry.published(&latest.arn, number, &version);
            registry.show_record(&entry, stored);
            registry.index_mut().set_version(number, version.clone());
            Ok(version)
        })
        .await
    }

    /// A published version as it is recorded.
    pub(super) fn published(
        &self,
        arn: &FunctionArn,
        number: VersionNumber,
        record: &VersionRecord,
    ) -> (VersionNumber, Arc<FunctionVersion>) {
        let version = FunctionVersion::of_record(arn.clone(), Version::Number(number), record, None);
        (number, Arc::new(version))
    }

    /// `$LATEST` and the published versions after `after`, in this order; at most `limit`, as for
    /// [`FunctionRegistry::list`].
    ///
    /// # Errors
    /// There is no such function.
    pub fn list_versions(
        &self,
        reference: &FunctionReference,
        after: Option<Version>,
        limit: usize,
    ) -> Result<Page<Arc<FunctionVersion>, Version>, FunctionError> {
        let account = self.account_of(reference)?;
        let index = self.index();
        let entry = index
            .get(account, reference.name())
            .ok_or_else(|| FunctionError::NotFound { arn: self.arn(account, reference.name()) })?;
        let later = entry.all_versions().filter(|version| after.is_none_or(|after| version.version > after));
        Ok(Page::of(later.cloned(), page_limit(limit), |last| last.version))
    }
}
