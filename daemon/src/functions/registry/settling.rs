//! The second half of a change of code or settings: from `Pending` or `InProgress` to settled.
//!
//! What a caller was told is durable by then and its package is unpacked, so this only has to be noted, and can't be
//! refused. A daemon that dies in between settles the rest when it starts again.

use std::sync::Arc;

use super::{
    FunctionRegistry, FunctionVersion,
    record::{self, FunctionRecord, Progress, VersionRecord},
};
use crate::{
    functions::{
        FunctionArn, FunctionError, FunctionName, FunctionReference, Qualifier, RevisionId, Version,
        VersionNumber,
    },
    identity::AccountId,
};

impl FunctionRegistry {
    /// Waits until the function's last change has settled, and returns it as it is then.
    ///
    /// # Errors
    /// There is no such function, or no more; the daemon is stopping.
    pub async fn settled(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<FunctionVersion>, FunctionError> {
        let mut shown = self.0.shown.subscribe();
        loop {
            let version = self.resolve(reference, qualifier)?;
            if !version.is_changing() {
                return Ok(version);
            }
            if self.0.tasks.is_closed() && self.0.tasks.is_empty() {
                return Err(FunctionError::Interrupted);
            }
            // The registry has the sender, so that this can't end by itself.
            let _ = shown.changed().await;
        }
    }

    /// Settles a function in a task of the registry's own.
    pub(super) fn settle_soon(&self, arn: &FunctionArn) {
        let (registry, account, name) = (self.clone(), arn.account, arn.name.clone());
        self.0.tasks.spawn(async move {
            if let Err(error) = registry.settle(account, &name).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(function = %name, error, "a change was made and could not be settled");
            }
        });
    }

    /// Settles a function and its versions, if something of them has not been.
    pub(super) async fn settle(&self, account: AccountId, name: &FunctionName) -> Result<(), FunctionError> {
        let _pass = self.0.gates.enter(account, name).await;
        let entry = match self.entry(account, name) {
            // Deleted meanwhile.
            Err(FunctionError::NotFound { .. }) => return Ok(()),
            entry => entry?,
        };
        let arn = &entry.latest.arn;
        let mut record = entry.stored.value().clone();
        let mut batch = self.batch(&entry)?;
        let latest_settles = record.latest.progress != Progress::Settled;
        if latest_settles {
            // Lambda counts this as a change: of the function, and of a version that was published with it.
            record.latest.progress = Progress::Settled;
            record.latest.revision_id = RevisionId::random();
            batch.put(entry.stored.key(), &record)?;
        }
        let mut versions: Vec<(VersionNumber, VersionRecord)> = Vec::new();
        for (number, version) in entry.versions.iter().filter(|(_, version)| version.is_changing()) {
            let key = record::version_key(account, name, *number);
            let Some(stored) = self.0.store.get::<VersionRecord>(&key)? else { continue };
            let settled = VersionRecord {
                progress: Progress::Settled,
                revision_id: RevisionId::random(),
                ..stored.into_value()
            };
            batch.put(&key, &settled)?;
            versions.push((*number, settled));
            tracing::debug!(function = %arn, version = %version.version, "a version has settled");
        }
        if !latest_settles && versions.is_empty() {
            return Ok(());
        }
        let stored = self.write_record(batch, arn).await?;
        let mut index = self.index_mut();
        if latest_settles {
            let latest = self.latest(arn, stored.value(), entry.latest.state.failure());
            index.set_latest(stored, latest);
        }
        for (number, settled) in versions {
            let version = FunctionVersion::of_record(arn.clone(), Version::Number(number), &settled, None);
            index.set_version(number, Arc::new(version));
        }
        drop(index);
        self.0.shown.send_replace(());
        Ok(())
    }

    /// `$LATEST` of a record.
    pub(super) fn latest(
        &self,
        arn: &FunctionArn,
        record: &FunctionRecord,
        failed: Option<String>,
    ) -> Arc<FunctionVersion> {
        Arc::new(FunctionVersion::of_record(arn.clone(), Version::Latest, &record.latest, failed))
    }
}
