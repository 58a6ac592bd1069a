//! VersionService.

use std::collections::HashMap;

use thaw_proto::v1::{
    self, CreateAliasRequest, CreateAliasResponse, DeleteAliasRequest, DeleteAliasResponse, GetAliasRequest,
    GetAliasResponse, ListAliasesRequest, ListAliasesResponse, ListVersionsRequest, ListVersionsResponse,
    PublishVersionRequest, PublishVersionResponse, UpdateAliasRequest, UpdateAliasResponse,
    version_service_server::VersionService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{configuration, expected, page_size, parse, parse_optional, parse_reference},
};
use crate::functions::{
    Alias, CreateAlias, FunctionRegistry, PublishVersion, Region, Routing, UpdateAlias, Version,
};

#[derive(Debug)]
pub(super) struct Versions {
    pub(super) registry: FunctionRegistry,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl VersionService for Versions {
    async fn publish_version(
        &self,
        request: Request<PublishVersionRequest>,
    ) -> Result<Response<PublishVersionResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let publish = PublishVersion {
            description: request.description.as_deref().map(|text| parse("description", text)).transpose()?,
            code_sha256: (!request.code_sha256.is_empty()).then_some(request.code_sha256),
            revision_id: expected(&request.revision_id),
        };
        let version = self.registry.publish(&reference, publish).await.map_err(Refusal::from)?;
        Ok(Response::new(PublishVersionResponse { configuration: Some(configuration(&version)) }))
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let after: Option<Version> = parse_optional("page_token", &request.page_token)?;
        let limit = page_size(request.page_size)?;
        let page = self.registry.list_versions(&reference, after, limit).map_err(Refusal::from)?;
        Ok(Response::new(ListVersionsResponse {
            versions: page.items.iter().map(|version| configuration(version)).collect(),
            next_page_token: page.next.map(|version| version.to_string()).unwrap_or_default(),
        }))
    }

    async fn create_alias(
        &self,
        request: Request<CreateAliasRequest>,
    ) -> Result<Response<CreateAliasResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let create = CreateAlias {
            name: parse("name", &request.name)?,
            version: parse("function_version", &request.function_version)?,
            routing: routing(request.additional_version_weights)?,
            description: parse("description", &request.description)?,
        };
        let alias = self.registry.create_alias(&reference, create).await.map_err(Refusal::from)?;
        Ok(Response::new(CreateAliasResponse { alias: Some(wire(&alias)) }))
    }

    async fn update_alias(
        &self,
        request: Request<UpdateAliasRequest>,
    ) -> Result<Response<UpdateAliasResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        if !request.set_weights && !request.additional_version_weights.is_empty() {
            return Err(invalid("set_weights", "must be set for weights to be taken"));
        }
        let weights = request.set_weights.then_some(request.additional_version_weights);
        let update = UpdateAlias {
            version: parse_optional("function_version", &request.function_version)?,
            routing: weights.map(routing).transpose()?,
            description: request.description.as_deref().map(|text| parse("description", text)).transpose()?,
            revision_id: expected(&request.revision_id),
        };
        let name = parse("name", &request.name)?;
        let alias = self.registry.update_alias(&reference, name, update).await.map_err(Refusal::from)?;
        Ok(Response::new(UpdateAliasResponse { alias: Some(wire(&alias)) }))
    }

    async fn get_alias(
        &self,
        request: Request<GetAliasRequest>,
    ) -> Result<Response<GetAliasResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let alias = self.registry.alias(&reference, &parse("name", &request.name)?).map_err(Refusal::from)?;
        Ok(Response::new(GetAliasResponse { alias: Some(wire(&alias)) }))
    }

    async fn list_aliases(
        &self,
        request: Request<ListAliasesRequest>,
    ) -> Result<Response<ListAliasesResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let version = parse_optional("function_version", &request.function_version)?;
        let after = parse_optional("page_token", &request.page_token)?;
        let limit = page_size(request.page_size)?;
        let page =
            self.registry.list_aliases(&reference, version, after.as_ref(), limit).map_err(Refusal::from)?;
        Ok(Response::new(ListAliasesResponse {
            aliases: page.items.iter().map(|alias| wire(alias)).collect(),
            next_page_token: page.next.map(|name| name.to_string()).unwrap_or_default(),
        }))
    }

    async fn delete_alias(
        &self,
        request: Request<DeleteAliasRequest>,
    ) -> Result<Response<DeleteAliasResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let name = parse("name", &request.name)?;
        self.registry.delete_alias(&reference, name).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteAliasResponse {}))
    }
}

fn routing(weights: HashMap<String, f64>) -> Result<Option<Routing>, Status> {
    Routing::of_weights(&weights.into_iter().collect())
        .map_err(|error| invalid("additional_version_weights", error.message))
}

fn wire(alias: &Alias) -> v1::Alias {
    let weights = alias.routing.map(|Routing { version, weight }| (version.to_string(), weight.into()));
    v1::Alias {
        name: alias.name.to_string(),
        alias_arn: alias.arn.to_string(),
        function_version: alias.version.to_string(),
        additional_version_weights: weights.into_iter().collect(),
        description: alias.description.to_string(),
        revision_id: alias.revision_id.to_string(),
    }
}
