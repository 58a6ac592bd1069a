//! CodeSigningService.

use thaw_proto::v1::{
    self, CreateCodeSigningConfigRequest, CreateCodeSigningConfigResponse, DeleteCodeSigningConfigRequest,
    DeleteCodeSigningConfigResponse, DeleteFunctionCodeSigningConfigRequest,
    DeleteFunctionCodeSigningConfigResponse, GetCodeSigningConfigRequest, GetCodeSigningConfigResponse,
    GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse, ListCodeSigningConfigsRequest,
    ListCodeSigningConfigsResponse, ListFunctionsByCodeSigningConfigRequest,
    ListFunctionsByCodeSigningConfigResponse, PutFunctionCodeSigningConfigRequest,
    PutFunctionCodeSigningConfigResponse, UpdateCodeSigningConfigRequest, UpdateCodeSigningConfigResponse,
    code_signing_service_server::CodeSigningService,
};
use tonic::{Request, Response, Status};

use super::{
    attributes::tags,
    error::{Refusal, invalid},
    wire::{page_size, parse, parse_optional, parse_reference, timestamp},
};
use crate::functions::{
    CodeSigningArn, CodeSigningConfig, CreateCodeSigning, FunctionRegistry, Region, SigningProfileArn,
    UntrustedArtifact, UpdateCodeSigning,
};

#[derive(Debug)]
pub(super) struct CodeSigning {
    pub(super) registry: FunctionRegistry,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl CodeSigningService for CodeSigning {
    async fn create_code_signing_config(
        &self,
        request: Request<CreateCodeSigningConfigRequest>,
    ) -> Result<Response<CreateCodeSigningConfigResponse>, Status> {
        let request = request.into_inner();
        let create = CreateCodeSigning {
            description: parse_optional("description", &request.description)?,
            profiles: profiles(&request.signing_profile_version_arns)?,
            untrusted: untrusted(request.untrusted_artifact_on_deployment)?,
            tags: tags(request.tags)?,
        };
        let config = self.registry.create_code_signing(create).await.map_err(Refusal::from)?;
        Ok(Response::new(CreateCodeSigningConfigResponse { config: Some(wire(&config)) }))
    }

    async fn update_code_signing_config(
        &self,
        request: Request<UpdateCodeSigningConfigRequest>,
    ) -> Result<Response<UpdateCodeSigningConfigResponse>, Status> {
        let request = request.into_inner();
        let arn = arn(&request.code_signing_config_arn)?;
        let arns = request.signing_profile_version_arns;
        let update = UpdateCodeSigning {
            description: request.description.as_deref().map(|text| parse("description", text)).transpose()?,
            profiles: (!arns.is_empty()).then(|| profiles(&arns)).transpose()?,
            untrusted: untrusted(request.untrusted_artifact_on_deployment)?,
        };
        let config = self.registry.update_code_signing(&arn, update).await.map_err(Refusal::from)?;
        Ok(Response::new(UpdateCodeSigningConfigResponse { config: Some(wire(&config)) }))
    }

    async fn get_code_signing_config(
        &self,
        request: Request<GetCodeSigningConfigRequest>,
    ) -> Result<Response<GetCodeSigningConfigResponse>, Status> {
        let arn = arn(&request.into_inner().code_signing_config_arn)?;
        let config = self.registry.code_signing(&arn).map_err(Refusal::from)?;
        Ok(Response::new(GetCodeSigningConfigResponse { config: Some(wire(&config)) }))
    }

    async fn list_code_signing_configs(
        &self,
        request: Request<ListCodeSigningConfigsRequest>,
    ) -> Result<Response<ListCodeSigningConfigsResponse>, Status> {
        let request = request.into_inner();
        let after = parse_optional("page_token", &request.page_token)?;
        let page = self.registry.list_code_signings(after.as_ref(), page_size(request.page_size)?);
        Ok(Response::new(ListCodeSigningConfigsResponse {
            configs: page.items.iter().map(|config| wire(config)).collect(),
            next_page_token: page.next.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    async fn delete_code_signing_config(
        &self,
        request: Request<DeleteCodeSigningConfigRequest>,
    ) -> Result<Response<DeleteCodeSigningConfigResponse>, Status> {
        let arn = arn(&request.into_inner().code_signing_config_arn)?;
        self.registry.delete_code_signing(&arn).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteCodeSigningConfigResponse {}))
    }

    async fn put_function_code_signing_config(
        &self,
        request: Request<PutFunctionCodeSigningConfigRequest>,
    ) -> Result<Response<PutFunctionCodeSigningConfigResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let arn = arn(&request.code_signing_config_arn)?;
        self.registry.set_code_signing(&reference, arn).await.map_err(Refusal::from)?;
        Ok(Response::new(PutFunctionCodeSigningConfigResponse {}))
    }

    async fn get_function_code_signing_config(
        &self,
        request: Request<GetFunctionCodeSigningConfigRequest>,
    ) -> Result<Response<GetFunctionCodeSigningConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let arn = self.registry.code_signing_of(&reference).map_err(Refusal::from)?;
        Ok(Response::new(GetFunctionCodeSigningConfigResponse {
            code_signing_config_arn: arn.map(|arn| arn.to_string()).unwrap_or_default(),
        }))
    }

    async fn delete_function_code_signing_config(
        &self,
        request: Request<DeleteFunctionCodeSigningConfigRequest>,
    ) -> Result<Response<DeleteFunctionCodeSigningConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        self.registry.remove_code_signing(&reference).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteFunctionCodeSigningConfigResponse {}))
    }

    async fn list_functions_by_code_signing_config(
        &self,
        request: Request<ListFunctionsByCodeSigningConfigRequest>,
    ) -> Result<Response<ListFunctionsByCodeSigningConfigResponse>, Status> {
        let request = request.into_inner();
        let arn = arn(&request.code_signing_config_arn)?;
        let after = parse_optional("page_token", &request.page_token)?;
        let limit = page_size(request.page_size)?;
        let page = self.registry.functions_of_code_signing(&arn, after.as_ref(), limit);
        let page = page.map_err(Refusal::from)?;
        Ok(Response::new(ListFunctionsByCodeSigningConfigResponse {
            function_arns: page.items.iter().map(ToString::to_string).collect(),
            next_page_token: page.next.map(|name| name.to_string()).unwrap_or_default(),
        }))
    }
}

fn arn(text: &str) -> Result<CodeSigningArn, Status> {
    parse("code_signing_config_arn", text)
}

fn profiles(arns: &[String]) -> Result<Vec<SigningProfileArn>, Status> {
    SigningProfileArn::of_list(arns).map_err(|error| invalid("signing_profile_version_arns", error.message))
}

fn untrusted(number: i32) -> Result<Option<UntrustedArtifact>, Status> {
    match v1::UntrustedArtifact::try_from(number) {
        Ok(v1::UntrustedArtifact::Unspecified) => Ok(None),
        Ok(v1::UntrustedArtifact::Warn) => Ok(Some(UntrustedArtifact::Warn)),
        Ok(v1::UntrustedArtifact::Enforce) => Ok(Some(UntrustedArtifact::Enforce)),
        Err(_) => Err(invalid("untrusted_artifact_on_deployment", "must be WARN or ENFORCE")),
    }
}

fn wire(config: &CodeSigningConfig) -> v1::CodeSigningConfig {
    let untrusted = match config.untrusted {
        UntrustedArtifact::Warn => v1::UntrustedArtifact::Warn,
        UntrustedArtifact::Enforce => v1::UntrustedArtifact::Enforce,
    };
    v1::CodeSigningConfig {
        code_signing_config_arn: config.arn.to_string(),
        code_signing_config_id: config.arn.id.to_string(),
        description: config.description.as_ref().map(ToString::to_string).unwrap_or_default(),
        signing_profile_version_arns: config.profiles.iter().map(ToString::to_string).collect(),
        untrusted_artifact_on_deployment: untrusted.into(),
        last_modified: Some(timestamp(config.last_modified)),
    }
}
