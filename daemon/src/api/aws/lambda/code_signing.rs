//! Code-signing configurations, and which of them a function has.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    configuration::last_modified,
    functions::LIST_MAX,
    input::{Call, Checks, denied, own, target},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{
        CodeSigningArn, CodeSigningConfig, CodeSigningId, CreateCodeSigning, FunctionName, SigningProfileArn,
        Tags, UntrustedArtifact, UpdateCodeSigning,
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    description: Option<String>,
    allowed_publishers: Option<PublishersInput>,
    code_signing_policies: Option<PoliciesInput>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishersInput {
    signing_profile_version_arns: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PoliciesInput {
    untrusted_artifact_on_deployment: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Whole {
    code_signing_config: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    code_signing_config_id: String,
    code_signing_config_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    allowed_publishers: Publishers,
    code_signing_policies: Policies,
    last_modified: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Publishers {
    signing_profile_version_arns: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    untrusted_artifact_on_deployment: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfFunction {
    code_signing_config_arn: String,
    function_name: String,
}

fn output(config: &CodeSigningConfig) -> Output {
    Output {
        code_signing_config_id: config.arn.id.to_string(),
        code_signing_config_arn: config.arn.to_string(),
        description: config.description.as_ref().map(ToString::to_string),
        allowed_publishers: Publishers {
            signing_profile_version_arns: config.profiles.iter().map(ToString::to_string).collect(),
        },
        code_signing_policies: Policies { untrusted_artifact_on_deployment: config.untrusted.as_str() },
        last_modified: last_modified(config.last_modified),
    }
}

fn whole(status: StatusCode, config: &CodeSigningConfig) -> Result<Answer, AwsError> {
    json(status, &Whole { code_signing_config: output(config) })
}

/// What a request says of a configuration, checked.
fn update(input: &Input, checks: &mut Checks) -> UpdateCodeSigning {
    let profiles = input.allowed_publishers.as_ref().and_then(|publishers| {
        let Some(arns) = &publishers.signing_profile_version_arns else {
            checks.missing("allowedPublishers.signingProfileVersionArns");
            return None;
        };
        checks.take(SigningProfileArn::of_list(arns))
    });
    let policy = input
        .code_signing_policies
        .as_ref()
        .and_then(|policies| policies.untrusted_artifact_on_deployment.as_deref());
    UpdateCodeSigning {
        description: checks.optional(input.description.as_deref()),
        profiles,
        untrusted: checks.optional::<UntrustedArtifact>(policy),
    }
}

/// A configuration's ARN, if it is one of the caller's own.
fn owned(
    lambda: &Lambda,
    call: &Call,
    arn: CodeSigningArn,
    operation: &str,
) -> Result<CodeSigningArn, AwsError> {
    if arn.account == call.identity.account {
        return Ok(arn);
    }
    Err(denied(lambda.registry.region(), call, operation, &arn))
}

/// The configuration of the path.
fn named(
    lambda: &Lambda,
    call: &Call,
    mut checks: Checks,
    operation: &str,
) -> Result<CodeSigningArn, AwsError> {
    let arn = checks.parse(call.label("CodeSigningConfigArn"));
    owned(lambda, call, checks.finish_with(arn)?, operation)
}

/// CreateCodeSigningConfig.
pub(super) async fn create(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    if input.allowed_publishers.is_none() {
        checks.missing("allowedPublishers");
    }
    let UpdateCodeSigning { description, profiles, untrusted } = update(&input, &mut checks);
    let profiles = checks.finish_with(profiles)?;
    let tags = Tags::try_from(input.tags.unwrap_or_default())?;
    let create = CreateCodeSigning { description, profiles, untrusted, tags };
    whole(StatusCode::CREATED, &*lambda.functions(&call).create_code_signing(create).await?)
}

/// UpdateCodeSigningConfig.
pub(super) async fn update_config(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let update = update(&input, &mut checks);
    let arn = named(lambda, &call, checks, "UpdateCodeSigningConfig")?;
    whole(StatusCode::OK, &*lambda.functions(&call).update_code_signing(&arn, update).await?)
}

/// GetCodeSigningConfig.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let arn = named(lambda, &call, Checks::default(), "GetCodeSigningConfig")?;
    whole(StatusCode::OK, &*lambda.functions(&call).code_signing(&arn)?)
}

/// ListCodeSigningConfigs.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        code_signing_configs: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    checks.finish()?;
    let after = call.marker::<CodeSigningId>()?;
    let page = lambda.functions(&call).list_code_signings(after.as_ref(), limit);
    let code_signing_configs = page.items.iter().map(|config| output(config)).collect();
    let next_marker = page.next.map(|id| id.to_string());
    json(StatusCode::OK, &Outputs { code_signing_configs, next_marker })
}

/// DeleteCodeSigningConfig.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let arn = named(lambda, &call, Checks::default(), "DeleteCodeSigningConfig")?;
    lambda.functions(&call).delete_code_signing(&arn).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// ListFunctionsByCodeSigningConfig.
pub(super) async fn list_functions(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        function_arns: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let arn = named(lambda, &call, checks, "ListFunctionsByCodeSigningConfig")?;
    let after = call.marker::<FunctionName>()?;
    let page = lambda.functions(&call).functions_of_code_signing(&arn, after.as_ref(), limit)?;
    let function_arns = page.items.iter().map(ToString::to_string).collect();
    let next_marker = page.next.map(|name| name.to_string());
    json(StatusCode::OK, &Outputs { function_arns, next_marker })
}

/// PutFunctionCodeSigningConfig.
pub(super) async fn put_of_function(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        code_signing_config_arn: Option<String>,
    }
    const OPERATION: &str = "PutFunctionCodeSigningConfig";
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    if input.code_signing_config_arn.is_none() {
        checks.missing("codeSigningConfigArn");
    }
    let arn: Option<CodeSigningArn> = checks.optional(input.code_signing_config_arn.as_deref());
    let (reference, arn) = checks.finish_with(reference.zip(arn))?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, OPERATION)?;
    let arn = owned(lambda, &call, arn, OPERATION)?;
    registry.set_code_signing(&reference, arn.clone()).await?;
    let function_name = reference.name().to_string();
    json(StatusCode::OK, &OfFunction { code_signing_config_arn: arn.to_string(), function_name })
}

/// GetFunctionCodeSigningConfig. Of a function that has none nothing is said, not even its name.
pub(super) async fn get_of_function(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, _) = target(lambda, &call, "GetFunctionCodeSigningConfig")?;
    match lambda.functions(&call).code_signing_of(&reference)? {
        Some(arn) => {
            let function_name = reference.name().to_string();
            json(StatusCode::OK, &OfFunction { code_signing_config_arn: arn.to_string(), function_name })
        }
        None => json(StatusCode::OK, &serde_json::json!({})),
    }
}

/// DeleteFunctionCodeSigningConfig.
pub(super) async fn delete_of_function(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, _) = target(lambda, &call, "DeleteFunctionCodeSigningConfig")?;
    lambda.functions(&call).remove_code_signing(&reference).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
