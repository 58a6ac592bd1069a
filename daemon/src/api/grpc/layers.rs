//! LayerService.

use std::sync::Arc;

use thaw_proto::v1::{
    self, AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse, DeleteLayerVersionRequest,
    DeleteLayerVersionResponse, GetLayerVersionContentRequest, GetLayerVersionContentResponse,
    GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse, GetLayerVersionRequest,
    GetLayerVersionResponse, ListLayerVersionsRequest, ListLayerVersionsResponse, PublishLayerVersionRequest,
    PublishLayerVersionResponse, RemoveLayerVersionPermissionRequest, RemoveLayerVersionPermissionResponse,
    layer_service_server::LayerService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    download::{Pieces, pieces},
    error::{Refusal, invalid},
    upload::{first, receive},
    wire::{expected, page_size, parse, parse_optional, timestamp},
};
use crate::functions::{
    Action, AddPermission, Architecture, CompatibleRuntime, FunctionRegistry, LayerArn, LayerName,
    LayerVersion, LayerVersionArn, PublishLayer, Statement, VersionNumber,
};

#[derive(Debug)]
pub(super) struct Layers {
    pub(super) registry: FunctionRegistry,
}

#[tonic::async_trait]
impl LayerService for Layers {
    async fn publish_layer_version(
        &self,
        request: Request<Streaming<PublishLayerVersionRequest>>,
    ) -> Result<Response<PublishLayerVersionResponse>, Status> {
        let mut stream = request.into_inner();
        let first = first(&mut stream, "layer_name").await?;
        let runtimes = CompatibleRuntime::of_list(&first.compatible_runtimes)
            .map_err(|error| invalid("compatible_runtimes", error.message))?;
        let architectures = Architecture::of_layer(&first.compatible_architectures)
            .map_err(|error| invalid("compatible_architectures", error.message))?;
        let publish = PublishLayer {
            name: layer_name(&self.registry, &first.layer_name)?,
            description: parse("description", &first.description)?,
            license: parse_optional("license_info", &first.license_info)?,
            runtimes: (!runtimes.is_empty()).then_some(runtimes),
            architectures: (!architectures.is_empty()).then_some(architectures),
        };
        let brought = (first.chunk, first.s3_object);
        let code = receive(&self.registry, brought, stream, |message| message.chunk).await?;
        let version = self.registry.publish_layer(publish, code).await.map_err(Refusal::from)?;
        Ok(Response::new(PublishLayerVersionResponse { layer_version: Some(wire(&version)) }))
    }

    async fn get_layer_version(
        &self,
        request: Request<GetLayerVersionRequest>,
    ) -> Result<Response<GetLayerVersionResponse>, Status> {
        let arn = layer_version(&self.registry, &request.into_inner().layer_version_arn)?;
        let version = self.registry.layer_version(&arn).map_err(Refusal::from)?;
        Ok(Response::new(GetLayerVersionResponse { layer_version: Some(wire(&version)) }))
    }

    async fn list_layer_versions(
        &self,
        request: Request<ListLayerVersionsRequest>,
    ) -> Result<Response<ListLayerVersionsResponse>, Status> {
        let ListLayerVersionsRequest {
            layer_name,
            page_size: size,
            page_token,
            compatible_runtime,
            compatible_architecture,
        } = request.into_inner();
        let runtime: Option<CompatibleRuntime> = parse_optional("compatible_runtime", &compatible_runtime)?;
        let architecture = (!compatible_architecture.is_empty())
            .then(|| Architecture::of_layers_looked_for(&compatible_architecture))
            .transpose()
            .map_err(|error| invalid("compatible_architecture", error.message))?;
        let limit = page_size(size)?;
        let answer = |versions: &[Arc<LayerVersion>], next: Option<String>| {
            Ok(Response::new(ListLayerVersionsResponse {
                layer_versions: versions.iter().map(|version| wire(version)).collect(),
                next_page_token: next.unwrap_or_default(),
            }))
        };
        if layer_name.is_empty() {
            let after = parse_optional("page_token", &page_token)?;
            let page = self.registry.list_layers(runtime.as_ref(), architecture, after.as_ref(), limit);
            return answer(&page.items, page.next.map(|name| name.to_string()));
        }
        let before: Option<VersionNumber> = match page_token.as_str() {
            "" => None,
            token => {
                Some(token.parse().map_err(|_| invalid("page_token", "is no token of an answer before"))?)
            }
        };
        let name = self::layer_name(&self.registry, &layer_name)?;
        let page = self.registry.list_layer_versions(&name, runtime.as_ref(), architecture, before, limit);
        answer(&page.items, page.next.map(|number| number.to_string()))
    }

    async fn delete_layer_version(
        &self,
        request: Request<DeleteLayerVersionRequest>,
    ) -> Result<Response<DeleteLayerVersionResponse>, Status> {
        let arn = layer_version(&self.registry, &request.into_inner().layer_version_arn)?;
        self.registry.delete_layer_version(arn).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteLayerVersionResponse {}))
    }

    type GetLayerVersionContentStream = Pieces<GetLayerVersionContentResponse>;

    async fn get_layer_version_content(
        &self,
        request: Request<GetLayerVersionContentRequest>,
    ) -> Result<Response<Self::GetLayerVersionContentStream>, Status> {
        let arn = layer_version(&self.registry, &request.into_inner().layer_version_arn)?;
        let package = self.registry.layer_version(&arn).map_err(Refusal::from)?.package;
        let archive = self.registry.archive(package).await.map_err(Refusal::from)?;
        Ok(Response::new(pieces(archive, |chunk| GetLayerVersionContentResponse { chunk })))
    }

    async fn add_layer_version_permission(
        &self,
        request: Request<AddLayerVersionPermissionRequest>,
    ) -> Result<Response<AddLayerVersionPermissionResponse>, Status> {
        let request = request.into_inner();
        let arn = layer_version(&self.registry, &request.layer_version_arn)?;
        let action = match request.action.as_str() {
            "" => Action::GET_LAYER_VERSION,
            action => action,
        };
        let statement = Statement {
            id: parse("statement_id", &request.statement_id)?,
            principal: parse("principal", &request.principal)?,
            action: Action::of_layer(action).map_err(|error| invalid("action", error.message))?,
            source_arn: None,
            source_account: None,
            event_source_token: None,
            organisation: parse_optional("organization_id", &request.organization_id)?,
            url_auth_type: None,
            via_url: None,
        };
        let add = AddPermission { statement, revision_id: expected(&request.revision_id) };
        let added = self.registry.add_layer_permission(arn, add).await;
        let (statement, revision_id) = added.map_err(Refusal::from)?;
        let revision_id = revision_id.to_string();
        Ok(Response::new(AddLayerVersionPermissionResponse { statement, revision_id }))
    }

    async fn remove_layer_version_permission(
        &self,
        request: Request<RemoveLayerVersionPermissionRequest>,
    ) -> Result<Response<RemoveLayerVersionPermissionResponse>, Status> {
        let request = request.into_inner();
        let arn = layer_version(&self.registry, &request.layer_version_arn)?;
        let id = parse("statement_id", &request.statement_id)?;
        let revision_id = expected(&request.revision_id);
        self.registry.remove_layer_permission(arn, id, revision_id).await.map_err(Refusal::from)?;
        Ok(Response::new(RemoveLayerVersionPermissionResponse {}))
    }

    async fn get_layer_version_policy(
        &self,
        request: Request<GetLayerVersionPolicyRequest>,
    ) -> Result<Response<GetLayerVersionPolicyResponse>, Status> {
        let arn = layer_version(&self.registry, &request.into_inner().layer_version_arn)?;
        let policy = self.registry.layer_policy(&arn).map_err(Refusal::from)?;
        Ok(Response::new(GetLayerVersionPolicyResponse {
            policy: policy.document(&arn.to_string()),
            revision_id: policy.revision_id.to_string(),
        }))
    }
}

/// The ARN of a layer version that a caller names by `NAME:VERSION`, which is one of his own; anything else as it is.
pub(super) fn spelled_out(registry: &FunctionRegistry, text: &str) -> String {
    let own = || {
        let (name, version) = text.split_once(':')?;
        let name: LayerName = name.parse().ok()?;
        let version: VersionNumber =
            version.bytes().all(|byte| byte.is_ascii_digit()).then(|| version.parse().ok())??;
        Some(registry.layer_arn(name).with_version(version).to_string())
    };
    own().unwrap_or_else(|| text.to_owned())
}

/// What is said where no layer version is named.
pub(super) const NO_LAYER_VERSION: &str = "must name a layer version: NAME:VERSION, such as tools:1, or its ARN; \
                                           `thaw layer versions NAME` shows which there are";

/// The layer version that a caller names.
fn layer_version(registry: &FunctionRegistry, text: &str) -> Result<LayerVersionArn, Status> {
    spelled_out(registry, text).parse().map_err(|_| invalid("layer_version_arn", NO_LAYER_VERSION))
}

/// The layer that a caller names: by its name, or by the ARN of one of his own.
fn layer_name(registry: &FunctionRegistry, text: &str) -> Result<LayerName, Status> {
    if !text.starts_with("arn:") {
        return parse("layer_name", text);
    }
    let arn: LayerArn = parse("layer_name", text)?;
    if registry.layer_arn(arn.name.clone()) != arn {
        let told = format!("must be a layer of account {} in {}", registry.account(), registry.region());
        return Err(invalid("layer_name", told));
    }
    Ok(arn.name)
}

fn wire(version: &LayerVersion) -> v1::LayerVersion {
    let words = |architectures: &Vec<Architecture>| architectures.iter().map(ToString::to_string).collect();
    v1::LayerVersion {
        layer_version_arn: version.arn.to_string(),
        layer_name: version.arn.layer.name.to_string(),
        version: version.arn.version.get(),
        description: version.description.to_string(),
        license_info: version.license.as_ref().map(ToString::to_string).unwrap_or_default(),
        compatible_runtimes: version.runtimes.iter().flatten().map(ToString::to_string).collect(),
        compatible_architectures: version.architectures.as_ref().map(words).unwrap_or_default(),
        code_size: version.code_size,
        code_sha256: version.package.base64(),
        created: Some(timestamp(version.created)),
    }
}
