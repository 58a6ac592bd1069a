//! What a data directory says of itself, before the database is opened: its format and whose it is.
//!
//! Both are files and not records, so that a later format may keep its records in another way altogether.

use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{StoreError, disk};

/// The layout of the data directory. Raised when an older thawd would misread or harm what a newer one wrote.
pub const FORMAT_VERSION: u32 = 1;

/// This program's version, as it signs what it writes.
pub(super) const THAWD_VERSION: &str = env!("CARGO_PKG_VERSION");

const FORMAT_FILE: &str = "format";
const INSTANCE_FILE: &str = "instance";

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
    /// The version of thawd that brought the directory to this format.
    written_by: String,
}

/// Refuses a directory of a newer format; marks a new one with this program's.
///
/// `has_state` says whether there is a database already: then a directory without a format is not one of ours.
pub(super) fn check(directory: &Path, has_state: bool) -> Result<(), StoreError> {
    let path = directory.join(FORMAT_FILE);
    let damaged = |reason| StoreError::DamagedFile { path: path.clone(), reason };
    let Some(content) = disk::read_file(&path)? else {
        if has_state {
            return Err(damaged("it is missing, though there is a database beside it"));
        }
        let format = Format { format: FORMAT_VERSION, written_by: THAWD_VERSION.to_owned() };
        let json = serde_json::to_vec(&format).map_err(|_| damaged("it cannot be encoded"))?;
        return disk::write_file(&path, &json);
    };
    let found: Format =
        serde_json::from_slice(&content).map_err(|_| damaged("it is not what a thawd writes"))?;
    if found.format > FORMAT_VERSION {
        return Err(StoreError::NewerFormat {
            directory: directory.to_owned(),
            found: found.format,
            supported: FORMAT_VERSION,
            written_by: found.written_by,
        });
    }
    Ok(())
}

/// The directory's own id, made up the first time: what this daemon's containers are labelled with.
pub(super) fn instance_id(directory: &Path) -> Result<Uuid, StoreError> {
    let path = directory.join(INSTANCE_FILE);
    if let Some(content) = disk::read_file(&path)? {
        return std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok()).ok_or(
            StoreError::DamagedFile {
                path,
                reason: "it should hold the UUID that containers are labelled with",
            },
        );
    }
    let id = Uuid::new_v4();
    disk::write_file(&path, format!("{id}\n").as_bytes())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_id() {
        let directory = tempfile::tempdir().unwrap();
        let id = instance_id(directory.path()).unwrap();
        assert_eq!(instance_id(directory.path()).unwrap(), id);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(instance_id(other.path()).unwrap(), id);
    }

    #[test]
    fn a_damaged_instance_id_is_refused_rather_than_replaced() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(INSTANCE_FILE), "not a uuid").unwrap();
        let error = instance_id(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::DamagedFile { .. }), "{error}");
    }

    #[test]
    fn a_newer_format_is_refused_with_the_version_to_run() {
        let directory = tempfile::tempdir().unwrap();
        check(directory.path(), false).unwrap();
        check(directory.path(), true).unwrap();
        std::fs::write(directory.path().join(FORMAT_FILE), r#"{"format":2,"written_by":"7.1.0"}"#).unwrap();
        let error = check(directory.path(), true).unwrap_err().to_string();
        assert!(error.contains("newer thawd") && error.contains("run version 7.1.0 or later"), "{error}");
    }

    #[test]
    fn a_database_without_a_format_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(check(directory.path(), true), Err(StoreError::DamagedFile { .. })));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
