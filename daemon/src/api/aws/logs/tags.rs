//! Tags of groups: today's operations, which name an ARN, and the old ones, which name a group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, ApiError, Caller, Code, groups::Named, json, nothing, wire::required};
use crate::logs::GroupKey;

/// CloudWatch's limits.
const KEY_MAX_CHARACTERS: usize = 128;
const VALUE_MAX_CHARACTERS: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagResource {
    resource_arn: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UntagResource {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListTagsForResource {
    resource_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagLogGroup {
    log_group_name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UntagLogGroup {
    log_group_name: Option<String>,
    tags: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Tags {
    tags: BTreeMap<String, String>,
}

impl Caller<'_> {
    pub(super) async fn tag_resource(&self, input: TagResource) -> Result<Answer, ApiError> {
        let group = self.resource(input.resource_arn)?;
        self.tag(&group, required("tags", input.tags)?).await
    }

    pub(super) async fn tag_log_group(&self, input: TagLogGroup) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        self.tag(&group, required("tags", input.tags)?).await
    }

    pub(super) async fn untag_resource(&self, input: UntagResource) -> Result<Answer, ApiError> {
        let group = self.resource(input.resource_arn)?;
        self.logs.store.untag(&group, required("tagKeys", input.tag_keys)?).await?;
        Ok(nothing())
    }

    pub(super) async fn untag_log_group(&self, input: UntagLogGroup) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        self.logs.store.untag(&group, required("tags", input.tags)?).await?;
        Ok(nothing())
    }

    pub(super) fn list_tags_for_resource(&self, input: ListTagsForResource) -> Result<Answer, ApiError> {
        self.tags_of(&self.resource(input.resource_arn)?)
    }

    pub(super) fn list_tags_log_group(&self, input: Named) -> Result<Answer, ApiError> {
        self.tags_of(&self.named(input.log_group_name)?)
    }

    fn resource(&self, arn: Option<String>) -> Result<GroupKey, ApiError> {
        self.group_of(&required("resourceArn", arn)?)
    }

    async fn tag(&self, group: &GroupKey, tags: BTreeMap<String, String>) -> Result<Answer, ApiError> {
        check(&tags)?;
        self.logs.store.tag(group, tags).await?;
        Ok(nothing())
    }

    fn tags_of(&self, group: &GroupKey) -> Result<Answer, ApiError> {
        json(&Tags { tags: self.logs.store.group_info(group)?.tags })
    }
}

/// Whether tags are of CloudWatch's sizes.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let fits = tags.iter().all(|(key, value)| {
        (1..=KEY_MAX_CHARACTERS).contains(&key.chars().count())
            && value.chars().count() <= VALUE_MAX_CHARACTERS
    });
    if fits {
        return Ok(());
    }
    Err(Code::InvalidParameter.because(format!(
        "tags: a key has 1 to {KEY_MAX_CHARACTERS} characters and a value at most {VALUE_MAX_CHARACTERS}"
    )))
}
