//! A function's settings, as requests have them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::input::Checks;
use crate::functions::{
    DeadLetterArn, Environment, EphemeralStorageMb, InvalidField, KmsKeyArn, LayerVersionArn, LoggingChange,
    MemoryMb, RoleArn, SnapStart, TimeoutSeconds, TracingMode, UpdateConfiguration, VpcConfig,
};

/// The settings in a request that creates a function or changes one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SettingsInput {
    runtime: Option<String>,
    pub(super) role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout: Option<i64>,
    memory_size: Option<i64>,
    vpc_config: Option<VpcInput>,
    dead_letter_config: Option<DeadLetterInput>,
    environment: Option<EnvironmentInput>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    tracing_config: Option<TracingInput>,
    layers: Option<Vec<String>>,
    ephemeral_storage: Option<SizeInput>,
    snap_start: Option<SnapStartInput>,
    logging_config: Option<LoggingInput>,
    file_system_configs: Option<Vec<serde_json::Value>>,
    image_config: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VpcInput {
    subnet_ids: Option<Vec<String>>,
    security_group_ids: Option<Vec<String>>,
    ipv6_allowed_for_dual_stack: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeadLetterInput {
    target_arn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EnvironmentInput {
    variables: Option<Variables>,
}

/// The members of an object in their order, which Lambda keeps where it repeats them.
#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(VariablesVisitor)
    }
}

struct VariablesVisitor;

impl<'de> Visitor<'de> for VariablesVisitor {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Variables, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = members.next_entry()? {
            pairs.push(pair);
        }
        Ok(Variables(pairs))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TracingInput {
    mode: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SizeInput {
    size: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SnapStartInput {
    apply_on: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LoggingInput {
    log_format: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
    log_group: Option<String>,
}

/// The settings that a request names, checked.
pub(super) fn changes(input: SettingsInput, checks: &mut Checks) -> UpdateConfiguration {
    if input.file_system_configs.is_some_and(|configs| !configs.is_empty()) {
        let _ = checks.take::<()>(Err(InvalidField::new(
            "file_system_configs",
            "thawd has no file systems to mount: leave FileSystemConfigs out.",
        )));
    }
    if input.image_config.is_some_and(|config| config.as_object().is_none_or(|config| !config.is_empty())) {
        let _ = checks.take::<()>(Err(InvalidField::new(
            "image_config",
            "ImageConfig is for functions with packageType Image, which thawd does not serve yet.",
        )));
    }
    UpdateConfiguration {
        role: input.role.map(|role| checks.parse::<RoleArn>(&role)),
        runtime: checks.optional(input.runtime.as_deref()),
        handler: checks.optional(input.handler.as_deref()),
        description: checks.optional(input.description.as_deref()),
        timeout: checks.number::<TimeoutSeconds>("timeout", input.timeout),
        memory: checks.number::<MemoryMb>("memorySize", input.memory_size),
        ephemeral_storage: checks.number::<EphemeralStorageMb>(
            "ephemeralStorage.size",
            input.ephemeral_storage.unwrap_or_default().size,
        ),
        environment: input.environment.and_then(|environment| {
            checks.take(Environment::of_pairs(environment.variables.unwrap_or_default().0))
        }),
        tracing: checks.optional::<TracingMode>(input.tracing_config.unwrap_or_default().mode.as_deref()),
        dead_letter: input
            .dead_letter_config
            .and_then(|config| config.target_arn)
            .map(|target| checks.unless_empty::<DeadLetterArn>(Some(&target))),
        vpc: input.vpc_config.and_then(|vpc| {
            checks.take(VpcConfig::new(
                &vpc.subnet_ids.unwrap_or_default(),
                &vpc.security_group_ids.unwrap_or_default(),
                vpc.ipv6_allowed_for_dual_stack.unwrap_or_default(),
            ))
        }),
        logging: input.logging_config.map(|logging| LoggingChange {
            format: checks.optional(logging.log_format.as_deref()),
            application_level: checks.optional(logging.application_log_level.as_deref()),
            system_level: checks.optional(logging.system_log_level.as_deref()),
            group: checks.optional(logging.log_group.as_deref()),
        }),
        snap_start: checks.optional::<SnapStart>(input.snap_start.unwrap_or_default().apply_on.as_deref()),
        kms_key: input.kms_key_arn.map(|key| checks.unless_empty::<KmsKeyArn>(Some(&key))),
        layers: input.layers.and_then(|layers| checks.take(LayerVersionArn::of_list(&layers))),
        revision_id: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(input: Value) -> UpdateConfiguration {
        let mut checks = Checks::default();
        let change = changes(serde_json::from_value(input).unwrap(), &mut checks);
        checks.finish().unwrap();
        change
    }

    #[test]
    fn dead_letters_stay_where_they_go_unless_a_target_is_named() {
        let queue = "arn:aws:sqs:us-east-1:000000000000:dead";
        let target = |config: Value| change(json!({ "DeadLetterConfig": config })).dead_letter;
        assert_eq!(target(json!({ "TargetArn": queue })), Some(Some(queue.parse().unwrap())));
        assert_eq!(target(json!({ "TargetArn": "" })), Some(None), "none from now on");
        assert_eq!(target(json!({})), None);
        assert_eq!(target(Value::Null), None);
    }
}
