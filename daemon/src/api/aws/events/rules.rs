//! Rules: making, reading, switching, deleting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Caller, Code, Output, json,
    wire::{page, required},
};
use crate::{
    events::schedules::{Definition, Expression, Kind, Missed, Schedule, Zone},
    functions::Tags,
};

/// Characters of a description. Source: PutRule.
const DESCRIPTION: usize = 512;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRule {
    name: Option<String>,
    schedule_expression: Option<String>,
    event_pattern: Option<String>,
    state: Option<String>,
    description: Option<String>,
    event_bus_name: Option<String>,
    tags: Option<Vec<Tag>>,
}

/// A tag as this service writes it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

/// Of operations that need nothing but a rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRules {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuleArn {
    rule_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    name: String,
    arn: String,
    schedule_expression: String,
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    event_bus_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rules {
    rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Caller<'_> {
    pub(super) async fn put_rule(&self, input: PutRule) -> Output {
        let key = self.rule(input.name, input.event_bus_name.as_deref())?;
        if input.event_pattern.is_some() {
            return Err(Code::Validation.because(
                "EventPattern: no events reach the event bus here, so a rule runs by its ScheduleExpression only",
            ));
        }
        let Some(text) = input.schedule_expression.filter(|text| !text.is_empty()) else {
            return Err(Code::Validation
                .because("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        };
        let expression: Expression = text
            .parse()
            .ok()
            // A rule has no single time; that is EventBridge Scheduler's.
            .filter(|expression: &Expression| !expression.is_once())
            .ok_or_else(|| Code::Validation.because("Parameter ScheduleExpression is not valid."))?;
        let enabled = match input.state.as_deref() {
            None | Some("ENABLED") => true,
            Some("DISABLED") => false,
            Some(other) => {
                return Err(Code::Validation.because(format!(
                    "1 validation error detected: Value '{other}' at 'state' failed to satisfy constraint: Member must \
                     satisfy enum value set: [ENABLED, DISABLED]"
                )));
            }
        };
        let description = input.description.unwrap_or_default();
        if description.chars().count() > DESCRIPTION {
            return Err(Code::Validation.because(format!(
                "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have \
                 length less than or equal to {DESCRIPTION}"
            )));
        }
        let tags = tags_of(input.tags.unwrap_or_default())?;
        let arn = key.arn(self.schedules.region());
        self.schedules
            .put(key, move |old, _| {
                let (targets, tags) = match old {
                    // Tags of a rule that is there are left alone, as EventBridge does.
                    Some(old) => (old.targets.clone(), old.tags.clone()),
                    None => (Vec::new(), tags),
                };
                let (zone, missed) = (Zone::utc(), Missed::Once);
                Ok(Definition { expression, zone, missed, enabled, description, targets, tags })
            })
            .await?;
        json(&RuleArn { rule_arn: arn })
    }

    pub(super) fn describe_rule(&self, input: Named) -> Output {
        let key = self.rule(input.name, input.event_bus_name.as_deref())?;
        let rule = self.shown(&self.schedules.get(&key)?);
        json(&Rule { created_by: Some(self.account.to_string()), ..rule })
    }

    pub(super) fn list_rules(&self, input: ListRules) -> Output {
        self.check_bus(input.event_bus_name.as_deref())?;
        let prefix = input.name_prefix.unwrap_or_default();
        let all = self.schedules.list(self.account, Kind::Rule);
        let rules = all
            .iter()
            .filter(|rule| rule.key.name.as_str().starts_with(&prefix))
            .map(|rule| (rule.key.name.to_string(), self.shown(rule)));
        let (rules, next_token) = page(rules, input.limit, input.next_token)?;
        json(&Rules { rules, next_token })
    }

    pub(super) async fn set_enabled(&self, input: Named, enabled: bool) -> Output {
        let key = self.rule(input.name, input.event_bus_name.as_deref())?;
        self.schedules.set_enabled(key, enabled).await?;
        Ok(Vec::new())
    }

    pub(super) async fn delete_rule(&self, input: Named) -> Output {
        let key = self.rule(input.name, input.event_bus_name.as_deref())?;
        self.schedules.delete(key).await?;
        Ok(Vec::new())
    }

    fn shown(&self, rule: &Schedule) -> Rule {
        Rule {
            name: rule.key.name.to_string(),
            arn: rule.key.arn(self.schedules.region()),
            schedule_expression: rule.definition.expression.to_string(),
            state: if rule.definition.enabled { "ENABLED" } else { "DISABLED" },
            description: rule.definition.description.clone(),
            event_bus_name: "default",
            created_by: None,
        }
    }
}

pub(super) fn tags_of(tags: Vec<Tag>) -> Result<Tags, super::ApiError> {
    let tags: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    Ok(tags.try_into()?)
}

/// Which rule a request of targets is about.
pub(super) fn rule_name(name: Option<String>) -> Result<Option<String>, super::ApiError> {
    required("rule", name).map(Some)
}
