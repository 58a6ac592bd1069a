//! AttributeService.

use std::collections::{BTreeMap, HashMap};

use thaw_proto::v1;
use thaw_proto::v1::{
    AddPermissionRequest, AddPermissionResponse, GetAccountSettingsRequest, GetAccountSettingsResponse,
    GetConcurrencyRequest, GetConcurrencyResponse, GetPolicyRequest, GetPolicyResponse,
    GetRecursionConfigRequest, GetRecursionConfigResponse, GetRuntimeManagementConfigRequest,
    GetRuntimeManagementConfigResponse, GetTagsRequest, GetTagsResponse, PutConcurrencyRequest,
    PutConcurrencyResponse, PutProvisionedConcurrencyRequest, PutProvisionedConcurrencyResponse,
    PutRecursionConfigRequest, PutRecursionConfigResponse, PutRuntimeManagementConfigRequest,
    PutRuntimeManagementConfigResponse, RemovePermissionRequest, RemovePermissionResponse, UpdateTagsRequest,
    UpdateTagsResponse, attribute_service_server::AttributeService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{expected, parse, parse_optional, parse_reference},
};
use crate::{
    events::{TagKeepers, Tagged, mapping::MappingRegistry},
    functions::{
        AddPermission, FunctionRegistry, FunctionVersion, Provisioned, ProvisionedExecutions, RecursiveLoop,
        Region, RuntimeManagement, Statement, Tags, UpdateRuntimeOn,
    },
    identity::AccountId,
    invoke::{Invoker, ProvisionedStatus},
};

#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) registry: FunctionRegistry,
    pub(super) mappings: MappingRegistry,
    pub(super) invoker: Invoker,
    pub(super) region: Region,
}

#[tonic::async_trait]
impl AttributeService for Attributes {
    async fn add_permission(
        &self,
        request: Request<AddPermissionRequest>,
    ) -> Result<Response<AddPermissionResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let statement = Statement {
            id: parse("statement_id", &request.statement_id)?,
            principal: parse("principal", &request.principal)?,
            action: parse("action", &request.action)?,
            source_arn: parse_optional("source_arn", &request.source_arn)?,
            source_account: account("source_account", &request.source_account)?,
            event_source_token: parse_optional("event_source_token", &request.event_source_token)?,
            organisation: parse_optional("principal_org_id", &request.principal_org_id)?,
            url_auth_type: super::urls::auth_type(request.function_url_auth_type)?,
            via_url: request.invoked_via_function_url,
        };
        let add = AddPermission { statement, revision_id: expected(&request.revision_id) };
        let statement = self.registry.add_permission(&reference, None, add).await.map_err(Refusal::from)?;
        Ok(Response::new(AddPermissionResponse { statement }))
    }

    async fn remove_permission(
        &self,
        request: Request<RemovePermissionRequest>,
    ) -> Result<Response<RemovePermissionResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let id = parse("statement_id", &request.statement_id)?;
        let revision = expected(&request.revision_id);
        self.registry.remove_permission(&reference, None, id, revision).await.map_err(Refusal::from)?;
        Ok(Response::new(RemovePermissionResponse {}))
    }

    async fn get_policy(
        &self,
        request: Request<GetPolicyRequest>,
    ) -> Result<Response<GetPolicyResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let (policy, arn) = self.registry.policy(&reference, None).map_err(Refusal::from)?;
        Ok(Response::new(GetPolicyResponse {
            policy: policy.document(&arn.to_string()),
            revision_id: policy.revision_id.to_string(),
        }))
    }

    async fn put_concurrency(
        &self,
        request: Request<PutConcurrencyRequest>,
    ) -> Result<Response<PutConcurrencyResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let share = request.reserved_concurrent_executions;
        self.registry.reserve_concurrency(&reference, share).await.map_err(Refusal::from)?;
        Ok(Response::new(PutConcurrencyResponse {}))
    }

    async fn get_concurrency(
        &self,
        request: Request<GetConcurrencyRequest>,
    ) -> Result<Response<GetConcurrencyResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let reserved = self.registry.reserved_concurrency(&reference).map_err(Refusal::from)?;
        let account = reference.account_or(self.registry.account());
        let provisioned = self.registry.list_provisioned(&reference, None, 0).map_err(Refusal::from)?;
        Ok(Response::new(GetConcurrencyResponse {
            provisioned: provisioned.items.iter().map(|provisioned| self.state(provisioned)).collect(),
            reserved_concurrent_executions: reserved,
            running: self.registry.concurrency().running(account, reference.name()),
        }))
    }

    async fn put_provisioned_concurrency(
        &self,
        request: Request<PutProvisionedConcurrencyRequest>,
    ) -> Result<Response<PutProvisionedConcurrencyResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        match request.provisioned_concurrent_executions {
            None => self.registry.unprovision(&reference, None).await.map_err(Refusal::from)?,
            Some(number) => {
                let requested = ProvisionedExecutions::try_from(number)
                    .map_err(|error| invalid("provisioned_concurrent_executions", error.message))?;
                self.registry.provision(&reference, None, requested).await.map_err(Refusal::from)?;
            }
        }
        Ok(Response::new(PutProvisionedConcurrencyResponse {}))
    }

    async fn update_tags(
        &self,
        request: Request<UpdateTagsRequest>,
    ) -> Result<Response<UpdateTagsResponse>, Status> {
        let UpdateTagsRequest { resource, set, remove } = request.into_inner();
        let tagged = self.tagged(&resource)?;
        let set = tags(set)?;
        if set.is_empty() && remove.is_empty() {
            return Err(invalid("set", "name tags to set or to remove"));
        }
        if !remove.is_empty() {
            self.keepers().untag(&tagged, remove).await.map_err(Refusal::from)?;
        }
        if !set.is_empty() {
            self.keepers().tag(&tagged, set).await.map_err(Refusal::from)?;
        }
        Ok(Response::new(UpdateTagsResponse {}))
    }

    async fn get_tags(&self, request: Request<GetTagsRequest>) -> Result<Response<GetTagsResponse>, Status> {
        let tagged = self.tagged(&request.into_inner().resource)?;
        let tags = self.keepers().tags(&tagged).map_err(Refusal::from)?;
        let tags = tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Response::new(GetTagsResponse { tags }))
    }

    async fn put_recursion_config(
        &self,
        request: Request<PutRecursionConfigRequest>,
    ) -> Result<Response<PutRecursionConfigResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let recursive_loop = match request.recursive_loop() {
            v1::RecursiveLoop::Terminate => RecursiveLoop::Terminate,
            v1::RecursiveLoop::Allow => RecursiveLoop::Allow,
            v1::RecursiveLoop::Unspecified => {
                return Err(invalid("recursive_loop", "must be TERMINATE or ALLOW"));
            }
        };
        self.registry.set_recursive_loop(&reference, recursive_loop).await.map_err(Refusal::from)?;
        Ok(Response::new(PutRecursionConfigResponse {}))
    }

    async fn get_recursion_config(
        &self,
        request: Request<GetRecursionConfigRequest>,
    ) -> Result<Response<GetRecursionConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let recursive_loop = match self.registry.recursive_loop(&reference).map_err(Refusal::from)? {
            RecursiveLoop::Terminate => v1::RecursiveLoop::Terminate,
            RecursiveLoop::Allow => v1::RecursiveLoop::Allow,
        };
        Ok(Response::new(GetRecursionConfigResponse { recursive_loop: recursive_loop.into() }))
    }

    async fn put_runtime_management_config(
        &self,
        request: Request<PutRuntimeManagementConfigRequest>,
    ) -> Result<Response<PutRuntimeManagementConfigResponse>, Status> {
        let request = request.into_inner();
        let reference = parse_reference(&request.function_name, &self.region)?;
        let update_on = match request.update_runtime_on() {
            v1::UpdateRuntimeOn::Auto => UpdateRuntimeOn::Auto,
            v1::UpdateRuntimeOn::Manual => UpdateRuntimeOn::Manual,
            v1::UpdateRuntimeOn::FunctionUpdate => UpdateRuntimeOn::FunctionUpdate,
            v1::UpdateRuntimeOn::Unspecified => {
                return Err(invalid("update_runtime_on", "must be AUTO, MANUAL or FUNCTION_UPDATE"));
            }
        };
        let runtime_version = parse_optional("runtime_version_arn", &request.runtime_version_arn)?;
        let management = RuntimeManagement::new(update_on, runtime_version)
            .map_err(|error| invalid(error.field, error.message))?;
        let set = self.registry.set_runtime_management(&reference, None, management).await;
        let config = Some(runtime_management(&*set.map_err(Refusal::from)?));
        Ok(Response::new(PutRuntimeManagementConfigResponse { config }))
    }

    async fn get_runtime_management_config(
        &self,
        request: Request<GetRuntimeManagementConfigRequest>,
    ) -> Result<Response<GetRuntimeManagementConfigResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let version = self.registry.resolve(&reference, None).map_err(Refusal::from)?;
        let config = Some(runtime_management(&version));
        Ok(Response::new(GetRuntimeManagementConfigResponse { config }))
    }

    async fn get_account_settings(
        &self,
        _: Request<GetAccountSettingsRequest>,
    ) -> Result<Response<GetAccountSettingsResponse>, Status> {
        let (account, concurrency) = (self.registry.account(), self.registry.concurrency());
        let (usage, limits) = (self.registry.usage(account), self.registry.packages().limits());
        Ok(Response::new(GetAccountSettingsResponse {
            concurrent_executions: concurrency.limit(),
            unreserved_concurrent_executions: concurrency.unreserved(account),
            code_size_zipped: limits.max_zip_bytes,
            code_size_unzipped: limits.max_unpacked_bytes,
            function_count: usage.functions,
            total_code_size: usage.code_bytes,
        }))
    }
}

impl Attributes {
    fn keepers(&self) -> TagKeepers<'_> {
        TagKeepers { functions: &self.registry, mappings: &self.mappings }
    }

    /// What a request names whose tags are meant.
    fn tagged(&self, resource: &str) -> Result<Tagged, Status> {
        let account = self.registry.account();
        if let Some(tagged) = self.keepers().by_arn(resource, account).map_err(Refusal::from)? {
            return Ok(tagged);
        }
        Ok(Tagged::Function(parse_reference(resource, &self.region)?.arn_for(&self.region, account)))
    }

    fn state(&self, provisioned: &Provisioned) -> v1::ProvisionedConcurrency {
        let state = self.invoker.provisioned_state(provisioned);
        let status = match state.status {
            ProvisionedStatus::InProgress => v1::ProvisionedStatus::InProgress,
            ProvisionedStatus::Ready => v1::ProvisionedStatus::Ready,
            ProvisionedStatus::Failed { .. } => v1::ProvisionedStatus::Failed,
        };
        v1::ProvisionedConcurrency {
            qualifier: provisioned.arn.qualifier.as_ref().map(ToString::to_string).unwrap_or_default(),
            requested: provisioned.config.requested.get(),
            available: state.available,
            status: status.into(),
            status_reason: state.status.reason().unwrap_or_default().to_owned(),
        }
    }
}

fn runtime_management(version: &FunctionVersion) -> v1::RuntimeManagementConfig {
    let RuntimeManagement { update_on, runtime_version_arn } = &version.runtime_management;
    let update_on = match update_on {
        UpdateRuntimeOn::Auto => v1::UpdateRuntimeOn::Auto,
        UpdateRuntimeOn::Manual => v1::UpdateRuntimeOn::Manual,
        UpdateRuntimeOn::FunctionUpdate => v1::UpdateRuntimeOn::FunctionUpdate,
    };
    v1::RuntimeManagementConfig {
        function_arn: version.qualified_arn().to_string(),
        update_runtime_on: update_on.into(),
        runtime_version_arn: runtime_version_arn.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Tags as a caller sent them.
pub(super) fn tags(tags: HashMap<String, String>) -> Result<Tags, Status> {
    let tags: BTreeMap<_, _> = tags.into_iter().collect();
    tags.try_into().map_err(|error: crate::functions::InvalidField| invalid("tags", error.message))
}

fn account(field: &'static str, text: &str) -> Result<Option<AccountId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: crate::identity::InvalidAccountId| invalid(field, error.to_string()))
}
