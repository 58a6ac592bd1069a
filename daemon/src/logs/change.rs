//! Changes of groups and streams, as the writer's thread makes them: in turn with lines, and durable before they are
//! acknowledged.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    GroupKey, LogError,
    catalog::Group,
    group_file::{GroupFile, StreamFile, sync_directory},
    retention::RetentionDays,
    summary,
    token::Place,
    writer::{Writer, remove_directory},
};

/// Groups of all accounts. Each takes a little memory, and names come from requests.
pub(super) const GROUPS_MAX: usize = 10_000;

/// Streams of one group that somebody made. Each takes a little of a file that is written for every change.
pub(super) const STREAMS_MAX: usize = 10_000;

/// CloudWatch's limit.
pub(super) const TAGS_MAX: usize = 50;

/// What to change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    CreateGroup { tags: BTreeMap<String, String> },
    DeleteGroup,
    SetRetention(Option<RetentionDays>),
    Tag(BTreeMap<String, String>),
    Untag(Vec<String>),
    CreateStream(String),
    DeleteStream(String),
}

impl Writer {
    /// Changes a group. What was written before is in its files by now.
    pub(super) fn change(&mut self, key: &GroupKey, change: Change) -> Result<(), LogError> {
        let group = self.state.catalog.group(key);
        let now_ms = self.state.clock.now_millis();
        if let Change::CreateGroup { tags } = change {
            if group.exists() {
                return Err(LogError::GroupExists(key.clone()));
            }
            if self.state.catalog.existing_groups() >= GROUPS_MAX {
                return Err(LogError::TooMany { what: "log groups", most: GROUPS_MAX });
            }
            return save(
                &group,
                GroupFile { kept: true, tags: within_limit(tags)?, ..GroupFile::new(now_ms) },
            );
        }
        if !group.exists() {
            return Err(LogError::GroupMissing(key.clone()));
        }
        let known = group.file();
        let mut file = known.as_deref().cloned().unwrap_or_else(|| GroupFile::new(now_ms));
        match change {
            // Above.
            Change::CreateGroup { .. } => {}
            Change::DeleteGroup => return self.delete_group(&group),
            Change::SetRetention(retention) => file.retention = retention,
            Change::Tag(tags) => {
                file.tags.extend(tags);
                file.tags = within_limit(file.tags)?;
            }
            Change::Untag(keys) => file.tags.retain(|key, _| !keys.contains(key)),
            Change::CreateStream(name) => create_stream(&group, &mut file, name, now_ms)?,
            Change::DeleteStream(name) => {
                let stream = file.streams.get(&name).copied().unwrap_or_default();
                if stream.created_ms.is_none() && !summary::has_stream(&group, Some(&file), &name)? {
                    return Err(LogError::StreamMissing(name));
                }
                let newest = group.newest();
                let place = Place { segment: newest.number, offset: newest.bytes };
                file.streams.insert(name, StreamFile { created_ms: None, deleted_before: Some(place) });
                file.forget_before(group.list().first().map(|segment| segment.number));
            }
        }
        file.kept = true;
        save(&group, file)
    }

    /// Removes everything of a group. Whoever still writes to it begins a new one, as a function's sandbox does.
    fn delete_group(&mut self, group: &Group) -> Result<(), LogError> {
        self.close(&group.key);
        self.remove(group, &group.list())?;
        group.set_file(None);
        remove_directory(&group.directory)?;
        group.directory.parent().map_or(Ok(()), sync_directory)
    }
}

fn create_stream(group: &Group, file: &mut GroupFile, name: String, now_ms: i64) -> Result<(), LogError> {
    let mut stream = file.streams.get(&name).copied().unwrap_or_default();
    if stream.created_ms.is_some() || summary::has_stream(group, Some(file), &name)? {
        return Err(LogError::StreamExists(name));
    }
    if file.streams.len() >= STREAMS_MAX {
        return Err(LogError::TooMany { what: "log streams made by hand in a group", most: STREAMS_MAX });
    }
    stream.created_ms = Some(now_ms);
    file.streams.insert(name, stream);
    Ok(())
}

fn within_limit(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, LogError> {
    if tags.len() > TAGS_MAX {
        return Err(LogError::TooManyTags { most: TAGS_MAX });
    }
    Ok(tags)
}

/// Makes the file durable, then lets everybody see what it says.
fn save(group: &Group, file: GroupFile) -> Result<(), LogError> {
    file.save(&group.directory)?;
    sync_directory(&group.directory)?;
    for parent in group.directory.ancestors().skip(1).take(2) {
        sync_directory(parent)?;
    }
    group.set_file(Some(Arc::new(file)));
    Ok(())
}
