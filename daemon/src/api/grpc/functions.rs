//! FunctionService.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use thaw_proto::v1::{
    CreateFunctionRequest, CreateFunctionResponse, DeleteFunctionRequest, DeleteFunctionResponse,
    Environment, FunctionConfiguration, GetFunctionRequest, GetFunctionResponse, ListFunctionsRequest,
    ListFunctionsResponse, UpdateFunctionCodeRequest, UpdateFunctionCodeResponse,
    UpdateFunctionConfigurationRequest, UpdateFunctionConfigurationResponse,
    function_service_server::FunctionService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    error::{Refusal, invalid},
    wire::{configuration, parse, parse_optional, parse_reference, parse_size},
};
use crate::{
    functions::{
        self, CreateFunction, FunctionRegistry, FunctionVersion, Region, RevisionId, RuntimeName, Settings,
        Tags, UpdateCode, UpdateConfiguration, UploadedCode,
    },
    runtimes::RuntimeCatalog,
};

/// The most functions of one answer. Source: ListFunctions.
const PAGE_LIMIT: u32 = 50;

#[derive(Debug)]
pub(super) struct Functions {
    pub(super) registry: FunctionRegistry,
    pub(super) runtimes: Arc<RuntimeCatalog>,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl FunctionService for Functions {
    async fn create_function(
        &self,
        request: Request<Streaming<CreateFunctionRequest>>,
    ) -> Result<Response<CreateFunctionResponse>, Status> {
        let mut stream = request.into_inner();
        let first = first(&mut stream).await?;
        let settings = Settings {
            role: parse_optional("role", &first.role)?,
            description: parse("description", &first.description)?,
            timeout: parse_size("timeout", first.timeout)?,
            memory: parse_size("memory_size", first.memory_size)?,
            ephemeral_storage: parse_size("ephemeral_storage", first.ephemeral_storage)?,
            environment: first.environment.map(variables).transpose()?,
            ..Settings::new(parse("runtime", &first.runtime)?, parse("handler", &first.handler)?)
        };
        let function = CreateFunction {
            name: parse("function_name", &first.function_name)?,
            settings,
            layers: Vec::new(),
            tags: Tags::default(),
            publish: false,
        };
        // Everything that can be refused without the package is, before the package is taken in.
        self.registry.check_free(&function.name).map_err(Refusal::from)?;
        self.check_runtime(&function.settings.runtime).await?;
        let code = self.receive(first.chunk, stream, |message| message.chunk).await?;
        let created = self.registry.create(function, code).await.map_err(Refusal::from)?;
        let created = self.settled(&created.latest).await?;
        Ok(Response::new(CreateFunctionResponse { configuration: Some(configuration(&created)) }))
    }

    async fn get_function(
        &self,
        request: Request<GetFunctionRequest>,
    ) -> Result<Response<GetFunctionResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let version = self.registry.resolve(&reference, None).map_err(Refusal::from)?;
        Ok(Response::new(GetFunctionResponse { configuration: Some(configuration(&version)) }))
    }

    async fn list_functions(
        &self,
        request: Request<ListFunctionsRequest>,
    ) -> Result<Response<ListFunctionsResponse>, Status> {
        let ListFunctionsRequest { page_size, page_token } = request.into_inner();
        let limit = match page_size {
            0..=PAGE_LIMIT => page_size as usize,
            _ => return Err(invalid("page_size", format!("must be at most {PAGE_LIMIT}"))),
        };
        let after = parse_optional("page_token", &page_token)?;
        let page = self.registry.list(after.as_ref(), limit);
        Ok(Response::new(ListFunctionsResponse {
            functions: page.functions.iter().map(|version| configuration(version)).collect(),
            next_page_token: page.next.map(|name| name.to_string()).unwrap_or_default(),
        }))
    }

    async fn update_function_code(
        &self,
        request: Request<Streaming<UpdateFunctionCodeRequest>>,
    ) -> Result<Response<UpdateFunctionCodeResponse>, Status> {
        let mut stream = request.into_inner();
        let first = first(&mut stream).await?;
        let reference = parse_reference(&first.function_name, &self.region)?;
        let revision_id = expected(&first.revision_id);
        self.registry.resolve(&reference, None).map_err(Refusal::from)?;
        let code = self.receive(first.chunk, stream, |message| message.chunk).await?;
        let update = UpdateCode { revision_id, dry_run: first.dry_run, ..UpdateCode::default() };
        let updated = self.registry.update_code(&reference, update, code).await.map_err(Refusal::from)?;
        let updated = if update.dry_run { updated.latest } else { self.settled(&updated.latest).await? };
        Ok(Response::new(UpdateFunctionCodeResponse { configuration: Some(configuration(&updated)) }))
    }

    async fn update_function_configuration(
        &self,
        request: Request<UpdateFunctionConfigurationRequest>,
    ) -> Result<Response<UpdateFunctionConfigurationResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let revision_id = expected(&request.revision_id);
        let mask = request.update_mask.unwrap_or_default();
        if mask.paths.is_empty() {
            return Err(invalid("update_mask", "name the fields to change"));
        }
        let update = UpdateConfiguration {
            revision_id,
            ..changes(&mask.paths, request.configuration.unwrap_or_default())?
        };
        if let Some(runtime) = &update.runtime {
            self.check_runtime(runtime).await?;
        }
        let updated = self.registry.update_configuration(&reference, update).await.map_err(Refusal::from)?;
        let updated = self.settled(&updated).await?;
        Ok(Response::new(UpdateFunctionConfigurationResponse {
            configuration: Some(configuration(&updated)),
        }))
    }

    async fn delete_function(
        &self,
        request: Request<DeleteFunctionRequest>,
    ) -> Result<Response<DeleteFunctionResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        self.registry.delete(&reference, None).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteFunctionResponse {}))
    }
}

impl Functions {
    /// What a call answers with is done when it answers.
    async fn settled(&self, version: &FunctionVersion) -> Result<Arc<FunctionVersion>, Status> {
        let settled = self.registry.settled(&version.qualified_arn().into(), None).await;
        Ok(settled.map_err(Refusal::from)?)
    }

    /// A function whose runtime can't run is refused when it is made, not when it is called.
    async fn check_runtime(&self, runtime: &RuntimeName) -> Result<(), Status> {
        self.runtimes.definition(runtime.as_str()).map_err(|error| invalid("runtime", error.to_string()))?;
        self.runtimes.image(runtime.as_str()).await.map_err(Refusal::from)?;
        Ok(())
    }

    /// Takes a package in, piece by piece. An upload that breaks off leaves nothing.
    async fn receive<M>(
        &self,
        first: Bytes,
        mut stream: Streaming<M>,
        chunk: impl Fn(M) -> Bytes,
    ) -> Result<UploadedCode, Status> {
        let mut upload = self.registry.begin_upload().await.map_err(Refusal::from)?;
        upload.append(first).await.map_err(Refusal::from)?;
        while let Some(message) = stream.message().await? {
            upload.append(chunk(message)).await.map_err(Refusal::from)?;
        }
        // Before it is finished, so that nothing of it is stored.
        if upload.is_empty() {
            return Err(invalid("chunk", "the package is missing: send the bytes of a zip archive"));
        }
        Ok(upload.finish().await.map_err(Refusal::from)?)
    }
}

async fn first<M>(stream: &mut Streaming<M>) -> Result<M, Status> {
    stream
        .message()
        .await?
        .ok_or_else(|| invalid("function_name", "the first message, with the configuration, is missing"))
}

/// The revision that a caller expects, if he does.
fn expected(text: &str) -> Option<RevisionId> {
    (!text.is_empty()).then(|| RevisionId::expected(text))
}

fn variables(environment: Environment) -> Result<functions::Environment, Status> {
    functions::Environment::try_from(environment.variables.into_iter().collect::<BTreeMap<_, _>>())
        .map_err(|error| invalid("environment", error.message))
}

/// What a mask takes from a configuration.
fn changes(paths: &[String], from: FunctionConfiguration) -> Result<UpdateConfiguration, Status> {
    let mut update = UpdateConfiguration::default();
    let mut environment = from.environment;
    for path in paths {
        match path.as_str() {
            "runtime" => update.runtime = Some(parse("runtime", &from.runtime)?),
            "handler" => update.handler = Some(parse("handler", &from.handler)?),
            "role" => update.role = Some(parse_optional("role", &from.role)?),
            "description" => update.description = Some(parse("description", &from.description)?),
            "timeout" => update.timeout = Some(parse_size("timeout", from.timeout)?),
            "memory_size" => update.memory = Some(parse_size("memory_size", from.memory_size)?),
            "ephemeral_storage" => {
                update.ephemeral_storage = Some(parse_size("ephemeral_storage", from.ephemeral_storage)?);
            }
            "environment" => update.environment = Some(variables(environment.take().unwrap_or_default())?),
            other => {
                return Err(invalid(
                    "update_mask",
                    format!("{} is not a field that can be changed", other.escape_debug()),
                ));
            }
        }
    }
    Ok(update)
}
