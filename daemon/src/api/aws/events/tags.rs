//! Tags of rules.

use serde::{Deserialize, Serialize};

use super::{
    Caller, Output, json,
    rules::{Tag, tags_of},
    wire::required,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagResource {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagResource {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListTagsForResource {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    tags: Vec<Tag>,
}

/// An answer that has nothing in it.
#[derive(Debug, Serialize)]
struct Nothing {}

impl Caller<'_> {
    pub(super) async fn tag_resource(&self, input: TagResource) -> Output {
        let key = self.rule_of_arn(input.resource_arn)?;
        let tags = tags_of(required("tags", input.tags)?)?;
        self.schedules.tag(key, move |old| Ok(old.with(tags)?)).await?;
        json(&Nothing {})
    }

    pub(super) async fn untag_resource(&self, input: UntagResource) -> Output {
        let key = self.rule_of_arn(input.resource_arn)?;
        let keys = required("tagKeys", input.tag_keys)?;
        self.schedules.tag(key, move |old| Ok(old.without(&keys))).await?;
        json(&Nothing {})
    }

    pub(super) fn list_tags_for_resource(&self, input: ListTagsForResource) -> Output {
        let rule = self.schedules.get(&self.rule_of_arn(input.resource_arn)?)?;
        let tags = rule.definition.tags.iter();
        let tags = tags.map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() }).collect();
        json(&Listed { tags })
    }
}
