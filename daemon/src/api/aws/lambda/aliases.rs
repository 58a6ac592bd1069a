//! Aliases.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    functions::LIST_MAX,
    input::{Call, Checks, own, revision},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{Alias, AliasName, CreateAlias, FunctionReference, Routing, UpdateAlias, Version},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingInput>,
    revision_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RoutingInput {
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    alias_arn: String,
    name: String,
    function_version: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_config: Option<RoutingOutput>,
    revision_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingOutput {
    additional_version_weights: BTreeMap<String, f64>,
}

fn output(alias: &Alias) -> Output {
    Output {
        alias_arn: alias.arn.to_string(),
        name: alias.name.to_string(),
        function_version: alias.version.to_string(),
        description: alias.description.to_string(),
        routing_config: alias.routing.map(|routing| RoutingOutput {
            additional_version_weights: BTreeMap::from([(
                routing.version.to_string(),
                routing.weight.into(),
            )]),
        }),
        revision_id: alias.revision_id.to_string(),
    }
}

fn routing(input: Option<RoutingInput>, checks: &mut Checks) -> Option<Option<Routing>> {
    let weights = input?.additional_version_weights.unwrap_or_default();
    checks.take(Routing::of_weights(&weights))
}

/// CreateAlias.
pub(super) async fn create(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let (name, version) = (input.name.as_deref(), input.function_version.as_deref());
    if name.is_none() {
        checks.missing("name");
    }
    if version.is_none() {
        checks.missing("functionVersion");
    }
    let name: Option<AliasName> = checks.optional(name);
    let version: Option<Version> = checks.optional(version);
    let description = checks.optional(input.description.as_deref());
    let routing = routing(input.routing_config, &mut checks).flatten();
    let all = reference.zip(name).zip(version);
    let ((reference, name), version) = checks.finish_with(all)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "CreateAlias")?;
    let create = CreateAlias { name, version, routing, description: description.unwrap_or_default() };
    let alias = registry.create_alias(&reference, create).await?;
    json(StatusCode::CREATED, &output(&alias))
}

/// The function and alias of the path.
fn named(call: &Call, checks: &mut Checks) -> Option<(FunctionReference, AliasName)> {
    let (reference, _) = call.function(checks);
    let name = checks.parse(call.label("Name"));
    reference.zip(name)
}

/// GetAlias.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let named = named(&call, &mut checks);
    let (reference, name) = checks.finish_with(named)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "GetAlias")?;
    json(StatusCode::OK, &output(&*registry.alias(&reference, &name)?))
}

/// ListAliases.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        aliases: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let version: Option<Version> = checks.unless_empty(call.parameter("FunctionVersion"));
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "ListAliases")?;
    let page = registry.list_aliases(&reference, version, call.marker::<AliasName>()?.as_ref(), limit)?;
    let aliases = page.items.iter().map(|alias| output(alias)).collect();
    json(StatusCode::OK, &Outputs { aliases, next_marker: page.next.map(|name| name.to_string()) })
}

/// UpdateAlias.
pub(super) async fn update(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let named = named(&call, &mut checks);
    let update = UpdateAlias {
        version: checks.optional(input.function_version.as_deref()),
        routing: routing(input.routing_config, &mut checks),
        description: checks.optional(input.description.as_deref()),
        revision_id: revision(input.revision_id.as_deref()),
    };
    let (reference, name) = checks.finish_with(named)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "UpdateAlias")?;
    let alias = registry.update_alias(&reference, name, update).await?;
    json(StatusCode::OK, &output(&alias))
}

/// DeleteAlias.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let named = named(&call, &mut checks);
    let (reference, name) = checks.finish_with(named)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "DeleteAlias")?;
    registry.delete_alias(&reference, name).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
