//! FunctionUrlService.

use thaw_proto::v1::{
    self, CreateFunctionUrlRequest, CreateFunctionUrlResponse, DeleteFunctionUrlRequest,
    DeleteFunctionUrlResponse, GetFunctionUrlRequest, GetFunctionUrlResponse, ListFunctionUrlsRequest,
    ListFunctionUrlsResponse, UpdateFunctionUrlRequest, UpdateFunctionUrlResponse,
    function_url_service_server::FunctionUrlService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{page_size, parse_optional, parse_reference, timestamp},
};
use crate::functions::{
    Cors, CorsSettings, FunctionRegistry, FunctionUrl, FunctionUrlSettings, InvokeMode, Region, UrlAuthType,
    UrlBase,
};

#[derive(Debug)]
pub(super) struct Urls {
    pub(super) registry: FunctionRegistry,
    pub(super) region: Region,
    pub(super) base: UrlBase,
}

impl Urls {
    fn shown(&self, url: &FunctionUrl) -> v1::FunctionUrl {
        let FunctionUrl { arn, config } = url;
        let auth_type = match config.auth_type {
            UrlAuthType::None => v1::UrlAuthType::None,
            UrlAuthType::AwsIam => v1::UrlAuthType::AwsIam,
        };
        let invoke_mode = match config.invoke_mode {
            None | Some(InvokeMode::Buffered) => v1::InvokeMode::Buffered,
            Some(InvokeMode::ResponseStream) => v1::InvokeMode::ResponseStream,
        };
        v1::FunctionUrl {
            url: self.base.url(config.id, &self.region),
            path: UrlBase::path(config.id),
            function_arn: arn.to_string(),
            auth_type: auth_type.into(),
            invoke_mode: invoke_mode.into(),
            cors: config.cors.as_ref().map(shown_cors),
            creation_time: Some(timestamp(config.created)),
            last_modified: Some(timestamp(config.last_modified)),
        }
    }
}

fn shown_cors(cors: &Cors) -> v1::Cors {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    v1::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: list(&cors.allow_headers),
        allow_methods: list(&cors.allow_methods),
        allow_origins: list(&cors.allow_origins),
        expose_headers: list(&cors.expose_headers),
        max_age: cors.max_age,
    }
}

/// Whom a URL lets in, if it is said.
pub(super) fn auth_type(number: i32) -> Result<Option<UrlAuthType>, Status> {
    match v1::UrlAuthType::try_from(number) {
        Ok(v1::UrlAuthType::Unspecified) => Ok(None),
        Ok(v1::UrlAuthType::None) => Ok(Some(UrlAuthType::None)),
        Ok(v1::UrlAuthType::AwsIam) => Ok(Some(UrlAuthType::AwsIam)),
        Err(_) => Err(invalid("auth_type", "must be NONE or AWS_IAM")),
    }
}

fn settings(auth: i32, mode: i32, cors: Option<v1::Cors>) -> Result<FunctionUrlSettings, Status> {
    let invoke_mode = match v1::InvokeMode::try_from(mode) {
        Ok(v1::InvokeMode::Unspecified) => None,
        Ok(v1::InvokeMode::Buffered) => Some(InvokeMode::Buffered),
        Ok(v1::InvokeMode::ResponseStream) => Some(InvokeMode::ResponseStream),
        Err(_) => return Err(invalid("invoke_mode", "must be BUFFERED or RESPONSE_STREAM")),
    };
    let cors = cors.map(|cors| {
        let list = |list: Vec<String>| (!list.is_empty()).then_some(list);
        Cors::try_from(CorsSettings {
            allow_credentials: cors.allow_credentials,
            allow_headers: list(cors.allow_headers),
            allow_methods: list(cors.allow_methods),
            allow_origins: list(cors.allow_origins),
            expose_headers: list(cors.expose_headers),
            max_age: cors.max_age,
        })
    });
    let cors = cors.transpose().map_err(|error| invalid("cors", error.message))?;
    Ok(FunctionUrlSettings { auth_type: auth_type(auth)?, cors, invoke_mode })
}

#[tonic::async_trait]
impl FunctionUrlService for Urls {
    async fn create_function_url(
        &self,
        request: Request<CreateFunctionUrlRequest>,
    ) -> Result<Response<CreateFunctionUrlResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let settings = settings(request.auth_type, request.invoke_mode, request.cors)?;
        let url =
            self.registry.create_function_url(&reference, None, settings).await.map_err(Refusal::from)?;
        Ok(Response::new(CreateFunctionUrlResponse { url: Some(self.shown(&url)) }))
    }

    async fn get_function_url(
        &self,
        request: Request<GetFunctionUrlRequest>,
    ) -> Result<Response<GetFunctionUrlResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let url = self.registry.function_url(&reference, None).map_err(Refusal::from)?;
        Ok(Response::new(GetFunctionUrlResponse { url: Some(self.shown(&url)) }))
    }

    async fn update_function_url(
        &self,
        request: Request<UpdateFunctionUrlRequest>,
    ) -> Result<Response<UpdateFunctionUrlResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let settings = settings(request.auth_type, request.invoke_mode, request.cors)?;
        let url =
            self.registry.update_function_url(&reference, None, settings).await.map_err(Refusal::from)?;
        Ok(Response::new(UpdateFunctionUrlResponse { url: Some(self.shown(&url)) }))
    }

    async fn delete_function_url(
        &self,
        request: Request<DeleteFunctionUrlRequest>,
    ) -> Result<Response<DeleteFunctionUrlResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        self.registry.delete_function_url(&reference, None).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteFunctionUrlResponse {}))
    }

    async fn list_function_urls(
        &self,
        request: Request<ListFunctionUrlsRequest>,
    ) -> Result<Response<ListFunctionUrlsResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let after = parse_optional("page_token", &request.page_token)?;
        let limit = page_size(request.page_size)?;
        let page =
            self.registry.list_function_urls(&reference, after.as_ref(), limit).map_err(Refusal::from)?;
        Ok(Response::new(ListFunctionUrlsResponse {
            urls: page.items.iter().map(|url| self.shown(url)).collect(),
            next_page_token: page.next.map(|qualifier| qualifier.to_string()).unwrap_or_default(),
        }))
    }
}
