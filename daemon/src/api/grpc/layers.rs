//! LayerService.

use std::sync::Arc;

use thaw_proto::v1::{
    self, DeleteLayerVersionRequest, DeleteLayerVersionResponse, GetLayerVersionRequest,
    GetLayerVersionResponse, ListLayerVersionsRequest, ListLayerVersionsResponse, PublishLayerVersionRequest,
    PublishLayerVersionResponse, layer_service_server::LayerService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    error::{Refusal, invalid},
    upload::{first, receive},
    wire::{page_size, parse, parse_optional, timestamp},
};
use crate::functions::{
    Architecture, CompatibleRuntime, FunctionRegistry, LayerVersion, LayerVersionArn, PublishLayer,
    VersionNumber,
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
            name: parse("layer_name", &first.layer_name)?,
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
        let arn = parse("layer_version_arn", &request.into_inner().layer_version_arn)?;
        let version = self.registry.layer_version(&arn).map_err(Refusal::from)?;
        Ok(Response::new(GetLayerVersionResponse { layer_version: Some(wire(&version)) }))
    }

    async fn list_layer_versions(
        &self,
        request: Request<ListLayerVersionsRequest>,
    ) -> Result<Response<ListLayerVersionsResponse>, Status> {
        let ListLayerVersionsRequest { layer_name, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let answer = |versions: &[Arc<LayerVersion>], next: Option<String>| {
            Ok(Response::new(ListLayerVersionsResponse {
                layer_versions: versions.iter().map(|version| wire(version)).collect(),
                next_page_token: next.unwrap_or_default(),
            }))
        };
        if layer_name.is_empty() {
            let after = parse_optional("page_token", &page_token)?;
            let page = self.registry.list_layers(None, None, after.as_ref(), limit);
            return answer(&page.items, page.next.map(|name| name.to_string()));
        }
        let before: Option<VersionNumber> = match page_token.as_str() {
            "" => None,
            token => {
                Some(token.parse().map_err(|_| invalid("page_token", "is no token of an answer before"))?)
            }
        };
        let name = parse("layer_name", &layer_name)?;
        let page = self.registry.list_layer_versions(&name, None, None, before, limit);
        answer(&page.items, page.next.map(|number| number.to_string()))
    }

    async fn delete_layer_version(
        &self,
        request: Request<DeleteLayerVersionRequest>,
    ) -> Result<Response<DeleteLayerVersionResponse>, Status> {
        let arn: LayerVersionArn = parse("layer_version_arn", &request.into_inner().layer_version_arn)?;
        self.registry.delete_layer_version(arn).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteLayerVersionResponse {}))
    }
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
