//! Opening the registry: reading all functions, and making sure that their packages are there.

use std::sync::{Arc, RwLock};

use tokio::sync::{Semaphore, broadcast};
use tokio_util::task::TaskTracker;

use super::{
    FunctionRegistry, FunctionVersion, MAX_UNPACKING, MAX_WAITING_CHANGES, RegistryOptions, Shared, State,
    index::{Entry, Index},
    record::{FunctionRecord, parse_key},
    upload::Uploads,
};
use crate::{
    clock::SharedClock,
    functions::{FunctionArn, FunctionError, PackageError, PackageStore},
    store::{Sha256Digest, Store, StoreError, Stored},
};

impl FunctionRegistry {
    /// Reads all functions. A package that is missing is unpacked from its archive again; a function whose package can't
    /// be had is there, but [`State::Failed`].
    ///
    /// # Errors
    /// The store can't be read, or holds a record that this program does not understand.
    pub async fn open(
        store: Store,
        packages: PackageStore,
        clock: SharedClock,
        options: RegistryOptions,
    ) -> Result<Self, FunctionError> {
        let mut index = Index::default();
        for stored in store.scan_all::<FunctionRecord>("") {
            let stored = stored?;
            let arn = arn_of(&stored, &options)?;
            let state = match restore(&store, &packages, stored.package).await {
                Ok(()) => State::Active,
                Err(error) => {
                    let source: &dyn std::error::Error = &error;
                    tracing::error!(function = %arn, package = %stored.package, error = source, "a function has no code");
                    State::Failed {
                        reason: format!("The function's package is missing ({error}). Update its code."),
                    }
                }
            };
            let version = Arc::new(FunctionVersion::latest(arn, stored.value(), state));
            index.put(Entry { stored, version });
        }
        tracing::info!(functions = index.len(), "functions loaded");
        let (changes, _) = broadcast::channel(MAX_WAITING_CHANGES);
        Ok(Self(Arc::new(Shared {
            options,
            store,
            packages,
            clock,
            index: RwLock::new(index),
            changes,
            uploads: Uploads::default(),
            unpacking: Semaphore::new(MAX_UNPACKING),
            tasks: TaskTracker::new(),
        })))
    }
}

fn arn_of(stored: &Stored<FunctionRecord>, options: &RegistryOptions) -> Result<FunctionArn, StoreError> {
    let damaged =
        || StoreError::DamagedRecord { tree: "functions", key: stored.key().to_owned(), source: None };
    let (account, name) = parse_key(stored.key()).ok_or_else(damaged)?;
    Ok(FunctionArn::new(options.region.clone(), account, name))
}

/// Makes sure that a package is unpacked.
async fn restore(store: &Store, packages: &PackageStore, digest: Sha256Digest) -> Result<(), PackageError> {
    if packages.contains(&digest) {
        return Ok(());
    }
    tracing::warn!(package = %digest, "a package is missing and is unpacked again");
    // Read whole, so that it is checked to be what its digest says: after a loss, damage is likely too.
    let content = store.blobs().read(digest, packages.limits().max_zip_bytes).await?;
    let archive = store.blobs().open_blob(digest).await?;
    drop(content);
    let (packages, pin) = (packages.clone(), packages.reserve(digest));
    match tokio::task::spawn_blocking(move || packages.unpack(&pin, archive.file)).await {
        Ok(unpacked) => unpacked,
        Err(_) => Err(PackageError::Missing { digest }),
    }
}
