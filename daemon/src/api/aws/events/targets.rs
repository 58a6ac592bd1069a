//! What rules call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

use super::{
    ApiError, Caller, Code, Output, json,
    rules::rule_name,
    wire::{page, required},
};
use crate::{
    events::schedules::{Kind, Target, TargetInput},
    functions::FunctionArn,
};

/// Targets in one request. Source: PutTargets.
const AT_ONCE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutTargets {
    rule: Option<String>,
    event_bus_name: Option<String>,
    targets: Option<Vec<WireTarget>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveTargets {
    rule: Option<String>,
    event_bus_name: Option<String>,
    ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTargetsByRule {
    rule: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRuleNamesByTarget {
    target_arn: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireTarget {
    id: Option<String>,
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_transformer: Option<Transformer>,
    /// Members of other kinds of targets, or of settings that are not acted on.
    #[serde(flatten, skip_serializing)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Transformer {
    #[serde(default)]
    input_paths_map: BTreeMap<String, String>,
    input_template: String,
}

impl Caller<'_> {
    pub(super) async fn put_targets(&self, input: PutTargets) -> Output {
        let key = self.rule(rule_name(input.rule)?, input.event_bus_name.as_deref())?;
        let targets = required("targets", input.targets)?;
        if !(1..=AT_ONCE).contains(&targets.len()) {
            return Err(Code::Validation.because(format!("targets: give 1 to {AT_ONCE}")));
        }
        let targets: Vec<Target> =
            targets.into_iter().map(|target| self.target(target)).collect::<Result<_, _>>()?;
        self.schedules
            .update(key, move |definition| {
                for target in targets {
                    match definition.targets.iter_mut().find(|old| old.id == target.id) {
                        Some(old) => *old = target,
                        None => definition.targets.push(target),
                    }
                }
                Ok(())
            })
            .await?;
        all_went_well()
    }

    pub(super) async fn remove_targets(&self, input: RemoveTargets) -> Output {
        let key = self.rule(rule_name(input.rule)?, input.event_bus_name.as_deref())?;
        let ids = required("ids", input.ids)?;
        self.schedules
            .update(key, move |definition| {
                definition.targets.retain(|target| !ids.iter().any(|id| id == target.id.as_str()));
                Ok(())
            })
            .await?;
        all_went_well()
    }

    pub(super) fn list_targets_by_rule(&self, input: ListTargetsByRule) -> Output {
        let key = self.rule(rule_name(input.rule)?, input.event_bus_name.as_deref())?;
        let rule = self.schedules.get(&key)?;
        let mut targets: Vec<&Target> = rule.definition.targets.iter().collect();
        targets.sort_by(|a, b| a.id.cmp(&b.id));
        let targets = targets.into_iter().map(|target| (target.id.to_string(), shown(target)));
        let (targets, next) = page(targets, input.limit, input.next_token)?;
        listed("Targets", object!(targets), next)
    }

    pub(super) fn list_rule_names_by_target(&self, input: ListRuleNamesByTarget) -> Output {
        self.check_bus(input.event_bus_name.as_deref())?;
        let arn = required("targetArn", input.target_arn)?;
        let rules = self.schedules.list(self.account, Kind::Rule);
        let names = rules
            .iter()
            .filter(|rule| rule.definition.targets.iter().any(|target| target.function.to_string() == arn))
            .map(|rule| (rule.key.name.to_string(), rule.key.name.to_string()));
        let (names, next) = page(names, input.limit, input.next_token)?;
        listed("RuleNames", object!(names), next)
    }

    fn target(&self, target: WireTarget) -> Result<Target, ApiError> {
        let id = required("id", target.id)?.parse()?;
        let arn = required("arn", target.arn)?;
        let function: FunctionArn = arn.parse().map_err(|_| {
            Code::Validation.because(format!(
                "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format; a rule calls functions here."
            ))
        })?;
        if function.region != *self.schedules.region() || function.account != self.account {
            return Err(Code::Validation.because(format!(
                "Parameter {arn} is not valid. Reason: the function is of another region or account."
            )));
        }
        if let Some(other) = target.others.iter().find(|(_, value)| !value.is_null()).map(|(name, _)| name) {
            return Err(
                Code::Validation.because(format!("Target {id}: {other} is not served here; leave it out."))
            );
        }
        let input = match (target.input, target.input_path, target.input_transformer) {
            (None, None, None) => TargetInput::Event,
            (Some(text), None, None) => TargetInput::Text(text),
            (None, Some(path), None) => TargetInput::Part(path.parse()?),
            (None, None, Some(Transformer { input_paths_map, input_template })) => {
                let parts = input_paths_map.into_iter().map(|(name, path)| Ok((name, path.parse()?)));
                TargetInput::Template { parts: parts.collect::<Result<_, ApiError>>()?, text: input_template }
            }
            _ => {
                return Err(Code::Validation.because(format!(
                    "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
                )));
            }
        };
        input.check()?;
        Ok(Target { id, function, input })
    }
}

fn shown(target: &Target) -> WireTarget {
    let wire = WireTarget {
        id: Some(target.id.to_string()),
        arn: Some(target.function.to_string()),
        ..WireTarget::default()
    };
    match &target.input {
        TargetInput::Event => wire,
        TargetInput::Text(text) => WireTarget { input: Some(text.clone()), ..wire },
        TargetInput::Part(path) => WireTarget { input_path: Some(path.to_string()), ..wire },
        TargetInput::Template { parts, text } => {
            let parts = parts.iter().map(|(name, path)| (name.clone(), path.to_string()));
            let transformer = Transformer { input_paths_map: parts.collect(), input_template: text.clone() };
            WireTarget { input_transformer: Some(transformer), ..wire }
        }
    }
}

fn all_went_well() -> Output {
    json(&object!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

fn listed(what: &str, items: Value, next: Option<String>) -> Output {
    let mut output = object!({ what: items });
    if let Some(next) = next {
        output["NextToken"] = next.into();
    }
    json(&output)
}
