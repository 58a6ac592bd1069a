//! FunctionService.

use std::{collections::BTreeMap, sync::Arc};

use thaw_proto::v1::{
    CreateFunctionRequest, CreateFunctionResponse, DeleteFunctionRequest, DeleteFunctionResponse,
    Environment, FunctionConfiguration, GetFunctionCodeRequest, GetFunctionCodeResponse, GetFunctionRequest,
    GetFunctionResponse, ListFunctionsRequest, ListFunctionsResponse, UpdateFunctionCodeRequest,
    UpdateFunctionCodeResponse, UpdateFunctionConfigurationRequest, UpdateFunctionConfigurationResponse,
    function_service_server::FunctionService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    attributes::tags,
    download::{Pieces, pieces},
    error::{Refusal, invalid},
    layers::{NO_LAYER_VERSION, spelled_out},
    upload::{first, receive},
    wire::{self, configuration, expected, parse, parse_optional, parse_reference, parse_size},
};
use crate::{
    functions::{
        self, CreateFunction, FunctionName, FunctionRegistry, FunctionVersion, LayerVersionArn,
        LoggingChange, Region, RuntimeName, Settings, UpdateCode, UpdateConfiguration, Version,
    },
    runtimes::RuntimeCatalog,
};

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
        let first = first(&mut stream, "function_name").await?;
        let settings = Settings {
            role: parse_optional("role", &first.role)?,
            description: parse("description", &first.description)?,
            timeout: parse_size("timeout", first.timeout)?,
            memory: parse_size("memory_size", first.memory_size)?,
            ephemeral_storage: parse_size("ephemeral_storage", first.ephemeral_storage)?,
            environment: given(first.environment).map(variables).transpose()?,
            dead_letter: parse_optional("dead_letter_target_arn", &first.dead_letter_target_arn)?,
            ..Settings::new(parse("runtime", &first.runtime)?, parse("handler", &first.handler)?)
        };
        let function = CreateFunction {
            name: parse("function_name", &first.function_name)?,
            settings,
            layers: layers(&self.registry, &first.layers)?,
            tags: tags(first.tags)?,
            code_signing: parse_optional("code_signing_config_arn", &first.code_signing_config_arn)?,
            publish: first.publish,
        };
        // Before the package is taken in, which may be large.
        self.registry.check_free(&function.name).map_err(Refusal::from)?;
        self.check_runtime(&function.settings.runtime).await?;
        let brought = (first.chunk, first.s3_object);
        let code = receive(&self.registry, brought, stream, |message| message.chunk).await?;
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

    type GetFunctionCodeStream = Pieces<GetFunctionCodeResponse>;

    async fn get_function_code(
        &self,
        request: Request<GetFunctionCodeRequest>,
    ) -> Result<Response<Self::GetFunctionCodeStream>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let package = self.registry.resolve(&reference, None).map_err(Refusal::from)?.package;
        let archive = self.registry.archive(package).await.map_err(Refusal::from)?;
        Ok(Response::new(pieces(archive, |chunk| GetFunctionCodeResponse { chunk })))
    }

    async fn list_functions(
        &self,
        request: Request<ListFunctionsRequest>,
    ) -> Result<Response<ListFunctionsResponse>, Status> {
        let ListFunctionsRequest { page_size, page_token, all_versions } = request.into_inner();
        let limit = wire::page_size(page_size)?;
        if all_versions {
            let after = version_after(&page_token)?;
            let page = self.registry.list_all_versions(after.as_ref(), limit);
            let next = page.next.map(|(name, version)| format!("{name}:{version}"));
            return Ok(Response::new(ListFunctionsResponse {
                functions: page.items.iter().map(|version| configuration(version)).collect(),
                next_page_token: next.unwrap_or_default(),
            }));
        }
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
        let first = first(&mut stream, "function_name").await?;
        let reference = parse_reference(&first.function_name, &self.region)?;
        let revision_id = expected(&first.revision_id);
        let account = self.registry.resolve(&reference, None).map_err(Refusal::from)?.account();
        self.registry.check_update_code(&reference, revision_id).map_err(Refusal::from)?;
        let brought = (first.chunk, first.s3_object);
        let code = receive(&self.registry.of(account), brought, stream, |message| message.chunk).await?;
        let update =
            UpdateCode { revision_id, dry_run: first.dry_run, publish: first.publish, architecture: None };
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
            ..changes(&self.registry, &mask.paths, request.configuration.unwrap_or_default())?
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
}

/// Where a list of all versions goes on: `NAME:VERSION`.
fn version_after(token: &str) -> Result<Option<(FunctionName, Version)>, Status> {
    let Some((name, version)) = token.split_once(':') else {
        return if token.is_empty() {
            Ok(None)
        } else {
            Err(invalid("page_token", "is not of a page before"))
        };
    };
    Ok(Some((parse("page_token", name)?, parse("page_token", version)?)))
}

/// No variables are the same as no environment here.
fn given(environment: Option<Environment>) -> Option<Environment> {
    environment.filter(|environment| !environment.variables.is_empty())
}

fn variables(environment: Environment) -> Result<functions::Environment, Status> {
    functions::Environment::try_from(environment.variables.into_iter().collect::<BTreeMap<_, _>>())
        .map_err(|error| invalid("environment", error.message))
}

fn layers<T: AsRef<str>>(registry: &FunctionRegistry, named: &[T]) -> Result<Vec<LayerVersionArn>, Status> {
    let arns: Vec<String> = named.iter().map(|named| spelled_out(registry, named.as_ref())).collect();
    // What begins as an ARN is told in AWS's words what it lacks.
    if arns.iter().any(|arn| !arn.starts_with("arn:")) {
        return Err(invalid("layers", NO_LAYER_VERSION));
    }
    LayerVersionArn::of_list(&arns).map_err(|error| invalid("layers", error.message))
}

/// What is to change of how a function logs.
fn logging(update: &mut UpdateConfiguration) -> &mut LoggingChange {
    update.logging.get_or_insert_default()
}

/// What a mask takes from a configuration.
fn changes(
    registry: &FunctionRegistry,
    paths: &[String],
    from: FunctionConfiguration,
) -> Result<UpdateConfiguration, Status> {
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
            "dead_letter_target_arn" => {
                let target = parse_optional("dead_letter_target_arn", &from.dead_letter_target_arn)?;
                update.dead_letter = Some(target);
            }
            "log_group" => logging(&mut update).group = Some(parse("log_group", &from.log_group)?),
            "log_format" => logging(&mut update).format = Some(parse("log_format", &from.log_format)?),
            "application_log_level" => {
                let level = parse("application_log_level", &from.application_log_level)?;
                logging(&mut update).application_level = Some(level);
            }
            "system_log_level" => {
                let level = parse("system_log_level", &from.system_log_level)?;
                logging(&mut update).system_level = Some(level);
            }
            "layers" => {
                let arns: Vec<&str> = from.layers.iter().map(|layer| layer.arn.as_str()).collect();
                update.layers = Some(layers(registry, &arns)?);
            }
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
