//! Groups: making, listing, keeping, deleting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Answer, ApiError, Caller, Code, json, nothing, tags,
    wire::{limit, required, time},
};
use crate::logs::{GroupChoice, GroupInfo};

/// The most groups of one answer.
const MOST: usize = 50;

/// The only class there is here.
const CLASS: &str = "STANDARD";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateLogGroup {
    log_group_name: Option<String>,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
}

/// Of operations that need nothing but a group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) log_group_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRetentionPolicy {
    log_group_name: Option<String>,
    retention_in_days: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    log_group_class: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroups {
    log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroup {
    log_group_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<u16>,
    metric_filter_count: u32,
    arn: String,
    stored_bytes: u64,
    log_group_class: &'static str,
    log_group_arn: String,
}

impl Caller<'_> {
    pub(super) async fn create_log_group(&self, input: CreateLogGroup) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        if input.kms_key_id.is_some() {
            return Err(
                Code::InvalidParameter.because("kmsKeyId: logs are not encrypted by a key; leave it out")
            );
        }
        if input.log_group_class.is_some_and(|class| class != CLASS) {
            return Err(
                Code::InvalidParameter.because("logGroupClass: there is no other class than STANDARD")
            );
        }
        tags::check(&input.tags)?;
        self.logs.store.create_group(&group, input.tags).await?;
        Ok(nothing())
    }

    pub(super) async fn delete_log_group(&self, input: Named) -> Result<Answer, ApiError> {
        self.logs.store.delete_group(&self.named(input.log_group_name)?).await?;
        Ok(nothing())
    }

    pub(super) async fn put_retention_policy(&self, input: PutRetentionPolicy) -> Result<Answer, ApiError> {
        let group = self.named(input.log_group_name)?;
        let retention = required("retentionInDays", input.retention_in_days)?.try_into()?;
        self.logs.store.set_retention(&group, Some(retention)).await?;
        Ok(nothing())
    }

    pub(super) async fn delete_retention_policy(&self, input: Named) -> Result<Answer, ApiError> {
        self.logs.store.set_retention(&self.named(input.log_group_name)?, None).await?;
        Ok(nothing())
    }

    pub(super) fn describe_log_groups(&self, input: DescribeLogGroups) -> Result<Answer, ApiError> {
        let limit = limit(input.limit, MOST)?;
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(Code::InvalidParameter.because(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        if input.log_group_class.is_some_and(|class| class != CLASS) {
            return json(&LogGroups { log_groups: Vec::new(), next_token: None });
        }
        if let Some(identifiers) = input.log_group_identifiers {
            return self.describe_these(&identifiers);
        }
        let choice = GroupChoice {
            prefix: input.log_group_name_prefix.unwrap_or_default(),
            part: input.log_group_name_pattern.unwrap_or_default(),
        };
        let account = self.account.to_string();
        let page = self.logs.store.groups(&account, &choice, limit, input.next_token.as_deref())?;
        let log_groups = page.groups.into_iter().map(|group| self.log_group(group)).collect();
        json(&LogGroups { log_groups, next_token: page.next_page_token })
    }

    fn describe_these(&self, identifiers: &[String]) -> Result<Answer, ApiError> {
        if !(1..=MOST).contains(&identifiers.len()) {
            return Err(Code::InvalidParameter.because(format!("logGroupIdentifiers: give 1 to {MOST}")));
        }
        let mut log_groups = Vec::with_capacity(identifiers.len());
        for identifier in identifiers {
            // One that does not exist is left out, as it would be of a list.
            if let Ok(info) = self.logs.store.group_info(&self.group_of(identifier)?) {
                log_groups.push(self.log_group(info));
            }
        }
        json(&LogGroups { log_groups, next_token: None })
    }

    fn log_group(&self, info: GroupInfo) -> LogGroup {
        let log_group_arn = self.arn(&info.key);
        LogGroup {
            log_group_name: info.key.group().to_owned(),
            creation_time: time(info.created_ms),
            retention_in_days: info.retention.map(|retention| retention.days()),
            metric_filter_count: 0,
            arn: format!("{log_group_arn}:*"),
            stored_bytes: info.stored_bytes,
            log_group_class: CLASS,
            log_group_arn,
        }
    }
}
