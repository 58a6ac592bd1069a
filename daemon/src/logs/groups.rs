//! Groups and streams as such: which there are, and making and removing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::oneshot;

use super::{
    GroupKey, LogError, LogStore, STREAM_NAME_MAX_BYTES,
    catalog::Group,
    change::Change,
    retention::RetentionDays,
    run_blocking,
    summary::{self, StreamLines},
    writer::Job,
};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its account and name.
    pub key: GroupKey,
    /// When it was made, or its first line was written, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What its lines take on disk.
    pub stored_bytes: u64,
    /// How long its lines are kept, if that was set; otherwise as long as the daemon's settings say.
    pub retention: Option<RetentionDays>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Which groups. An empty text is in every name.
#[derive(Clone, Debug, Default)]
pub struct GroupChoice {
    /// What the name begins with.
    pub prefix: String,
    /// What is in the name, whatever its case.
    pub part: String,
}

/// Some of the groups asked for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPage {
    /// In the order of their names.
    pub groups: Vec<GroupInfo>,
    /// For the next page; `None` at the end.
    pub next_page_token: Option<String>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// When it was made, or its first line was written, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What its lines say, if there are any.
    pub lines: Option<StreamTimes>,
}

/// When a stream's lines are of, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTimes {
    /// The first line's.
    pub first_ms: i64,
    /// The last line's.
    pub last_ms: i64,
    /// When the last line came.
    pub ingested_ms: i64,
}

/// How streams are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamOrder {
    /// By name.
    #[default]
    Name,
    /// By their last line's time; those without lines first.
    LastEvent,
}

/// Which streams, and in which order.
#[derive(Clone, Debug, Default)]
pub struct StreamChoice {
    /// What the name begins with.
    pub prefix: String,
    /// What is compared.
    pub order: StreamOrder,
    /// The last one first.
    pub descending: bool,
}

/// Some of the streams asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPage {
    /// In the order asked for.
    pub streams: Vec<StreamInfo>,
    /// For the next page; `None` at the end.
    pub next_page_token: Option<String>,
}

impl LogStore {
    /// A page of at most `limit` groups of an account.
    ///
    /// # Errors
    /// The token is not one that this gave.
    pub fn groups(
        &self,
        account: &str,
        choice: &GroupChoice,
        limit: usize,
        page_token: Option<&str>,
    ) -> Result<GroupPage, LogError> {
        let after = page_token.map(decode::<String>).transpose()?;
        let part = choice.part.to_ascii_lowercase();
        let mut groups = self.0.state.catalog.all();
        groups.retain(|group| {
            let name = group.key.group();
            group.key.account() == account
                && name.starts_with(&choice.prefix)
                && name.to_ascii_lowercase().contains(&part)
                && after.as_deref().is_none_or(|after| name > after)
                && group.exists()
        });
        groups.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let is_end = groups.len() <= limit;
        groups.truncate(limit);
        let groups: Vec<GroupInfo> = groups.iter().map(|group| info(group)).collect();
        let last = groups.last().filter(|_| !is_end);
        let next_page_token = last.map(|last| encode(&last.key.group()));
        Ok(GroupPage { groups, next_page_token })
    }

    /// One group.
    ///
    /// # Errors
    /// It does not exist.
    pub fn group_info(&self, key: &GroupKey) -> Result<GroupInfo, LogError> {
        self.group(key).map(|group| info(&group))
    }

    /// Makes a group without lines.
    ///
    /// # Errors
    /// It exists, there are too many, it has too many tags, or the disk does not take it.
    pub async fn create_group(&self, key: &GroupKey, tags: BTreeMap<String, String>) -> Result<(), LogError> {
        self.change(key, Change::CreateGroup { tags }).await
    }

    /// Removes a group with everything in it. A function that logs to it begins a new one.
    ///
    /// # Errors
    /// It does not exist, or the disk does not let go of it.
    pub async fn delete_group(&self, key: &GroupKey) -> Result<(), LogError> {
        self.change(key, Change::DeleteGroup).await
    }

    /// Sets how long a group's lines are kept; `None` stands for what the daemon's settings say.
    ///
    /// # Errors
    /// It does not exist, or the disk does not take it.
    pub async fn set_retention(
        &self,
        key: &GroupKey,
        retention: Option<RetentionDays>,
    ) -> Result<(), LogError> {
        self.change(key, Change::SetRetention(retention)).await
    }

    /// Adds tags to a group, or changes them.
    ///
    /// # Errors
    /// It does not exist, would have too many tags, or the disk does not take them.
    pub async fn tag(&self, key: &GroupKey, tags: BTreeMap<String, String>) -> Result<(), LogError> {
        self.change(key, Change::Tag(tags)).await
    }

    /// Removes tags from a group.
    ///
    /// # Errors
    /// It does not exist, or the disk does not take it.
    pub async fn untag(&self, key: &GroupKey, names: Vec<String>) -> Result<(), LogError> {
        self.change(key, Change::Untag(names)).await
    }

    /// A page of at most `limit` streams of a group.
    ///
    /// # Errors
    /// The group does not exist, the token is not one that this gave for the same order, or the disk cannot be read.
    pub async fn streams(
        &self,
        key: &GroupKey,
        choice: StreamChoice,
        limit: usize,
        page_token: Option<&str>,
    ) -> Result<StreamPage, LogError> {
        self.catch_up().await;
        let group = self.group(key)?;
        let after = page_token.map(decode::<Position>).transpose()?;
        run_blocking(move || {
            let mut streams = all_streams(&group)?;
            streams.retain(|stream| stream.name.starts_with(&choice.prefix));
            let position = |stream: &StreamInfo| Position::of(stream, choice.order);
            streams.sort_by_cached_key(position);
            if choice.descending {
                streams.reverse();
            }
            if let Some(after) = after {
                streams.retain(|stream| match choice.descending {
                    false => position(stream) > after,
                    true => position(stream) < after,
                });
            }
            let is_end = streams.len() <= limit;
            streams.truncate(limit);
            let next_page_token = streams.last().filter(|_| !is_end).map(|last| encode(&position(last)));
            Ok(StreamPage { streams, next_page_token })
        })
        .await
    }

    /// Makes a stream without lines.
    ///
    /// # Errors
    /// The name is not one, the group does not exist or has it or too many, or the disk does not take it.
    pub async fn create_stream(&self, key: &GroupKey, name: &str) -> Result<(), LogError> {
        let is_allowed = (1..=STREAM_NAME_MAX_BYTES).contains(&name.len()) && !name.contains([':', '*']);
        if !is_allowed {
            return Err(LogError::StreamName(name.chars().take(STREAM_NAME_MAX_BYTES).collect()));
        }
        self.look_for(key, name).await?;
        self.change(key, Change::CreateStream(name.to_owned())).await
    }

    /// Removes a stream: its lines are shown no more, and their disk is free when their segments go.
    ///
    /// # Errors
    /// Group or stream does not exist, or the disk does not take it.
    pub async fn delete_stream(&self, key: &GroupKey, name: &str) -> Result<(), LogError> {
        self.look_for(key, name).await?;
        self.change(key, Change::DeleteStream(name.to_owned())).await
    }

    /// Whether every one of these streams is in the group.
    ///
    /// # Errors
    /// The group or one of the streams does not exist, or the disk cannot be read.
    pub async fn require_streams(&self, key: &GroupKey, names: Vec<String>) -> Result<(), LogError> {
        self.catch_up().await;
        let group = self.group(key)?;
        run_blocking(move || {
            names.into_iter().try_for_each(|name| match has_stream(&group, &name)? {
                true => Ok(()),
                false => Err(LogError::StreamMissing(name)),
            })
        })
        .await
    }

    /// Looks for a stream's lines here, so that the writer's thread, which has to know too, need not read old segments.
    async fn look_for(&self, key: &GroupKey, name: &str) -> Result<(), LogError> {
        let (group, name) = (self.group(key)?, name.to_owned());
        run_blocking(move || has_stream(&group, &name)).await?;
        Ok(())
    }

    /// The group, if it exists.
    pub(super) fn group(&self, key: &GroupKey) -> Result<Arc<Group>, LogError> {
        let group = self.0.state.catalog.existing(key).filter(|group| group.exists());
        group.ok_or_else(|| LogError::GroupMissing(key.clone()))
    }

    async fn change(&self, key: &GroupKey, change: Change) -> Result<(), LogError> {
        let (reply, answer) = oneshot::channel();
        self.0.jobs.send(Job::Change { key: key.clone(), change, reply }).map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)?
    }
}

/// Whether the stream was made, or has lines. Blocking.
pub(super) fn has_stream(group: &Group, name: &str) -> Result<bool, LogError> {
    let file = group.file();
    let was_made = file
        .as_ref()
        .and_then(|file| file.streams.get(name))
        .is_some_and(|stream| stream.created_ms.is_some());
    Ok(was_made || summary::has_stream(group, file.as_deref(), name)?)
}

fn all_streams(group: &Group) -> Result<Vec<StreamInfo>, LogError> {
    let file = group.file();
    let mut streams: BTreeMap<String, StreamInfo> = BTreeMap::new();
    for (name, lines) in summary::streams(group, file.as_deref())? {
        let StreamLines { first_ms, last_ms, ingested_ms } = lines;
        let lines = Some(StreamTimes { first_ms, last_ms, ingested_ms });
        streams.insert(name.clone(), StreamInfo { name, created_ms: first_ms, lines });
    }
    for (name, stream) in file.iter().flat_map(|file| &file.streams) {
        if let Some(created_ms) = stream.created_ms {
            let empty = || StreamInfo { name: name.clone(), created_ms, lines: None };
            streams.entry(name.clone()).or_insert_with(empty).created_ms = created_ms;
        }
    }
    Ok(streams.into_values().collect())
}

fn info(group: &Group) -> GroupInfo {
    let file = group.file();
    GroupInfo {
        key: group.key.clone(),
        created_ms: file.as_ref().map_or(0, |file| file.created_ms),
        stored_bytes: group.bytes(),
        retention: file.as_ref().and_then(|file| file.retention),
        tags: file.map(|file| file.tags.clone()).unwrap_or_default(),
    }
}

/// Where a stream is among others.
#[derive(Clone, Debug, serde::Deserialize, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
struct Position {
    /// When ordered by it.
    last_ms: Option<i64>,
    name: String,
}

impl Position {
    fn of(stream: &StreamInfo, order: StreamOrder) -> Self {
        let last_ms = match order {
            StreamOrder::Name => None,
            StreamOrder::LastEvent => stream.lines.map(|lines| lines.last_ms),
        };
        Self { last_ms, name: stream.name.clone() }
    }
}

fn encode<T: serde::Serialize>(place: &T) -> String {
    // A name and a number are always JSON; an empty token is refused when it comes back.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

fn decode<T: serde::de::DeserializeOwned>(token: &str) -> Result<T, LogError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| LogError::PageToken)?;
    serde_json::from_slice(&bytes).map_err(|_| LogError::PageToken)
}
