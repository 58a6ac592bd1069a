//! Layers and their versions.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Lambda,
    code::CodeInput,
    input::{Call, Checks, revision},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json as json_answer},
        error::AwsError,
        packages,
    },
    functions::{
        Action, AddPermission, Architecture, CompatibleRuntime, FunctionRegistry, InvalidField, LayerArn,
        LayerName, LayerVersion, LayerVersionArn, LicenseInfo, PublishLayer, Statement, VersionNumber,
    },
};

use super::configuration::last_modified;

/// MaxItems of lists of layers.
const LIST_MAX: u32 = 50;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    layer_version_arn: String,
    version: u64,
    description: String,
    created_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    compatible_runtimes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compatible_architectures: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_info: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Whole {
    #[serde(flatten)]
    listed: Listed,
    layer_arn: String,
    content: Content,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    code_sha256: String,
    code_size: u64,
}

fn listed(layer: &LayerVersion) -> Listed {
    Listed {
        layer_version_arn: layer.arn.to_string(),
        version: layer.arn.version.get(),
        description: layer.description.to_string(),
        created_date: last_modified(layer.created),
        compatible_runtimes: layer
            .runtimes
            .as_ref()
            .map(|runtimes| runtimes.iter().map(ToString::to_string).collect()),
        compatible_architectures: layer
            .architectures
            .as_ref()
            .map(|architectures| architectures.iter().map(|architecture| architecture.as_str()).collect()),
        license_info: layer.license.as_ref().map(ToString::to_string),
    }
}

fn whole(lambda: &Lambda, call: &Call, layer: &LayerVersion) -> Whole {
    let location =
        packages::layer_location(&lambda.verifier, &call.identity, call.host(), layer, lambda.clock.now());
    Whole {
        listed: listed(layer),
        layer_arn: layer.arn.layer.to_string(),
        content: Content { location, code_sha256: layer.package.base64(), code_size: layer.code_size },
    }
}

/// The layer of the path: by name, or by an ARN of the caller's own.
fn layer(call: &Call, registry: &FunctionRegistry) -> Result<LayerName, AwsError> {
    let text = call.label("LayerName");
    if !text.starts_with("arn:") {
        let mut checks = Checks::default();
        let name = checks.parse(text);
        return checks.finish_with(name);
    }
    let mut checks = Checks::default();
    let arn: Option<LayerArn> = checks.parse(text);
    let arn = checks.finish_with(arn)?;
    if registry.layer_arn(arn.name.clone()) != arn {
        return Err(AwsError::new(
            "AccessDeniedException",
            format!("User is not authorized to perform this on resource: {arn}"),
        ));
    }
    Ok(arn.name)
}

/// The layer version of the path.
fn layer_version(call: &Call, registry: &FunctionRegistry) -> Result<LayerVersionArn, AwsError> {
    let name = layer(call, registry)?;
    let number: i64 = call.label("VersionNumber").parse().map_err(|_| {
        AwsError::new("SerializationException", "VersionNumber: STRING_VALUE can not be converted to a Long")
    })?;
    let number = u64::try_from(number).ok().and_then(VersionNumber::new);
    let number = number.ok_or_else(|| {
        AwsError::new("InvalidParameterValueException", "Layer Version Cannot be less than 1")
    })?;
    Ok(registry.layer_arn(name).with_version(number))
}

/// PublishLayerVersion.
pub(super) async fn publish(lambda: &Lambda, mut call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        content: Option<CodeInput>,
        description: Option<String>,
        compatible_runtimes: Option<Vec<String>>,
        compatible_architectures: Option<Vec<String>>,
        license_info: Option<String>,
    }
    let input: Input = call.json()?;
    let registry = lambda.functions(&call);
    let mut checks = Checks::default();
    if input.content.is_none() {
        checks.missing("content");
    }
    let runtimes =
        input.compatible_runtimes.and_then(|words| checks.take(CompatibleRuntime::of_list(&words)));
    let architectures =
        input.compatible_architectures.and_then(|words| checks.take(Architecture::of_layer(&words)));
    let description = checks.optional(input.description.as_deref());
    let license: Option<LicenseInfo> = checks.optional(input.license_info.as_deref());
    let code = input.content.map(|content| content.checked("content.", &mut checks)).unwrap_or_default();
    checks.finish()?;
    let name = layer(&call, &registry)?;
    let code = code.receive(&registry, &mut call).await?;
    let publish =
        PublishLayer { name, description: description.unwrap_or_default(), license, runtimes, architectures };
    let published = registry.publish_layer(publish, code).await?;
    json_answer(StatusCode::CREATED, &whole(lambda, &call, &published))
}

/// GetLayerVersion.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let registry = lambda.functions(&call);
    let found = registry.layer_version(&layer_version(&call, &registry)?)?;
    json_answer(StatusCode::OK, &whole(lambda, &call, &found))
}

/// GetLayerVersionByArn.
pub(super) async fn get_by_arn(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let registry = lambda.functions(&call);
    let text = call.parameter("Arn").unwrap_or_default();
    let arn = text.parse::<LayerVersionArn>().map_err(|_| {
        InvalidField::constraint(
            "arn",
            "arn",
            text,
            r"Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)",
        )
    })?;
    if arn.layer != registry.layer_arn(arn.layer.name.clone()) {
        return Err(AwsError::new(
            "AccessDeniedException",
            format!("User is not authorized to perform: lambda:GetLayerVersion on resource: {arn}"),
        ));
    }
    let found = registry.layer_version(&arn)?;
    json_answer(StatusCode::OK, &whole(lambda, &call, &found))
}

/// What lists of layers are cut down to.
fn filters(call: &Call, checks: &mut Checks) -> (Option<CompatibleRuntime>, Option<Architecture>) {
    let runtime = checks.optional(call.parameter("CompatibleRuntime"));
    let architecture = call
        .parameter("CompatibleArchitecture")
        .and_then(|word| checks.take(Architecture::of_layers_looked_for(word)));
    (runtime, architecture)
}

/// ListLayers.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let (runtime, architecture) = filters(&call, &mut checks);
    checks.finish()?;
    let registry = lambda.functions(&call);
    let after = call.marker::<LayerName>()?;
    let page = registry.list_layers(runtime.as_ref(), architecture, after.as_ref(), limit);
    let layers: Vec<_> = page
        .items
        .iter()
        .map(|layer| {
            json!({
                "LayerName": layer.arn.layer.name.to_string(),
                "LayerArn": layer.arn.layer.to_string(),
                "LatestMatchingVersion": listed(layer),
            })
        })
        .collect();
    let mut output = json!({ "Layers": layers });
    if let Some(next) = page.next {
        output["NextMarker"] = next.to_string().into();
    }
    json_answer(StatusCode::OK, &output)
}

/// ListLayerVersions.
pub(super) async fn list_versions(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let (runtime, architecture) = filters(&call, &mut checks);
    checks.finish()?;
    let registry = lambda.functions(&call);
    let name = layer(&call, &registry)?;
    let before = call.marker::<VersionNumber>()?;
    let page = registry.list_layer_versions(&name, runtime.as_ref(), architecture, before, limit);
    let versions: Vec<_> = page.items.iter().map(|layer| listed(layer)).collect();
    let mut output = json!({ "LayerVersions": versions });
    if let Some(next) = page.next {
        output["NextMarker"] = next.to_string().into();
    }
    json_answer(StatusCode::OK, &output)
}

/// DeleteLayerVersion.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let registry = lambda.functions(&call);
    registry.delete_layer_version(layer_version(&call, &registry)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// AddLayerVersionPermission.
pub(super) async fn add_permission(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        statement_id: Option<String>,
        action: Option<String>,
        principal: Option<String>,
        organization_id: Option<String>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    for (member, value) in
        [("statementId", &input.statement_id), ("action", &input.action), ("principal", &input.principal)]
    {
        if value.is_none() {
            checks.missing(member);
        }
    }
    let id = checks.optional(input.statement_id.as_deref());
    let action = input.action.as_deref().and_then(|action| checks.take(Action::of_layer(action)));
    let principal = checks.optional(input.principal.as_deref());
    let organisation = checks.optional(input.organization_id.as_deref());
    let ((id, action), principal) = checks.finish_with(id.zip(action).zip(principal))?;
    let registry = lambda.functions(&call);
    let arn = layer_version(&call, &registry)?;
    let statement = Statement {
        id,
        principal,
        action,
        source_arn: None,
        source_account: None,
        event_source_token: None,
        organisation,
        url_auth_type: None,
        via_url: None,
    };
    let add = AddPermission { statement, revision_id: revision(call.parameter("RevisionId")) };
    let (statement, revision_id) = registry.add_layer_permission(arn, add).await?;
    let output = json!({ "Statement": statement, "RevisionId": revision_id.to_string() });
    json_answer(StatusCode::CREATED, &output)
}

/// GetLayerVersionPolicy.
pub(super) async fn get_policy(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let registry = lambda.functions(&call);
    let arn = layer_version(&call, &registry)?;
    let policy = registry.layer_policy(&arn)?;
    let output =
        json!({ "Policy": policy.document(&arn.to_string()), "RevisionId": policy.revision_id.to_string() });
    json_answer(StatusCode::OK, &output)
}

/// RemoveLayerVersionPermission.
pub(super) async fn remove_permission(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let registry = lambda.functions(&call);
    let arn = layer_version(&call, &registry)?;
    let mut checks = Checks::default();
    let id = checks.parse(call.label("StatementId"));
    let id = checks.finish_with(id)?;
    registry.remove_layer_permission(arn, id, revision(call.parameter("RevisionId"))).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
