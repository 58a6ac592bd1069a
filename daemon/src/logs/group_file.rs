//! `group.json`: what is kept of a group besides its lines.
//!
//! The writer's thread alone writes it. What it says is durable before anybody is told so: written beside, synced,
//! renamed, and the directory synced.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{LogError, retention::RetentionDays, token::Place};

/// Its name in the group's directory.
pub(super) const NAME: &str = "group.json";

/// What it is written as before it is whole.
pub(super) const NEW_NAME: &str = "group.json.new";

/// Of what is written now. A file of a newer one is left alone.
const VERSION: u32 = 1;

/// The content.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupFile {
    pub(super) version: u32,
    pub(super) created_ms: i64,
    /// Somebody made the group or set something of it, so it stays when its last line has gone.
    #[serde(default)]
    pub(super) kept: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<RetentionDays>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    /// Streams that somebody made or deleted. Others are known by their lines alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) streams: BTreeMap<String, StreamFile>,
}

/// What is kept of a stream besides its lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamFile {
    /// When somebody made it; so it is there without lines too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_ms: Option<i64>,
    /// Its lines before this place were deleted: they are still in their segments, and are shown to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deleted_before: Option<Place>,
}

impl GroupFile {
    /// Of a group that begins now.
    pub(super) fn new(created_ms: i64) -> Self {
        Self {
            version: VERSION,
            created_ms,
            kept: false,
            retention: None,
            tags: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// The one in `directory`, if there is one.
    pub(super) fn load(directory: &Path) -> Result<Option<Self>, LogError> {
        let path = directory.join(NAME);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LogError::Disk { action: "read", path, source }),
        };
        match serde_json::from_slice::<Self>(&content) {
            Ok(file) if file.version == VERSION => Ok(Some(file)),
            Ok(_) | Err(_) => Err(LogError::GroupFile { path }),
        }
    }

    /// Writes it into `directory`, which is made if it isn't there. Not durable until [`sync_directory`].
    pub(super) fn save(&self, directory: &Path) -> Result<(), LogError> {
        let (new, path) = (directory.join(NEW_NAME), directory.join(NAME));
        let content = serde_json::to_vec(self).map_err(io::Error::from);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .and_then(|()| {
                let mut file = File::create(&new)?;
                file.write_all(&content?)?;
                file.sync_data()
            })
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|source| LogError::Disk { action: "write", path, source })
    }

    /// Whether a line of `stream` at `place` was deleted with an earlier life of its stream.
    pub(super) fn is_deleted(&self, stream: &str, place: Place) -> bool {
        !self.streams.is_empty()
            && self
                .streams
                .get(stream)
                .and_then(|stream| stream.deleted_before)
                .is_some_and(|before| place < before)
    }

    /// Forgets what was deleted in segments that are there no more, of which `oldest` is the first that is.
    pub(super) fn forget_before(&mut self, oldest: Option<u64>) {
        for stream in self.streams.values_mut() {
            stream.deleted_before =
                stream.deleted_before.filter(|before| oldest.is_some_and(|oldest| before.segment >= oldest));
        }
        self.streams.retain(|_, stream| *stream != StreamFile::default());
    }
}

/// Makes what was made, renamed or removed in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), LogError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|source| LogError::Disk {
        action: "sync",
        path: PathBuf::from(directory),
        source,
    })
}
