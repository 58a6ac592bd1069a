//! AttributeService.

use std::collections::{BTreeMap, HashMap};

use thaw_proto::v1;
use thaw_proto::v1::{
    AddPermissionRequest, AddPermissionResponse, GetAccountSettingsRequest, GetAccountSettingsResponse,
    GetConcurrencyRequest, GetConcurrencyResponse, GetPolicyRequest, GetPolicyResponse, GetTagsRequest,
    GetTagsResponse, PutConcurrencyRequest, PutConcurrencyResponse, PutProvisionedConcurrencyRequest,
    PutProvisionedConcurrencyResponse, RemovePermissionRequest, RemovePermissionResponse, UpdateTagsRequest,
    UpdateTagsResponse, attribute_service_server::AttributeService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{expected, parse, parse_optional, parse_reference},
};
use crate::{
    functions::{
        AddPermission, FunctionRegistry, Provisioned, ProvisionedExecutions, Region, Statement, Tags,
    },
    identity::AccountId,
    invoke::{Invoker, ProvisionedStatus},
};

#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) registry: FunctionRegistry,
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
            event_source_token: None,
            organisation: None,
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
        let UpdateTagsRequest { function_name, set, remove } = request.into_inner();
        let arn =
            parse_reference(&function_name, &self.region)?.arn_for(&self.region, self.registry.account());
        let set = tags(set)?;
        if set.is_empty() && remove.is_empty() {
            return Err(invalid("set", "name tags to set or to remove"));
        }
        if !remove.is_empty() {
            self.registry.untag(&arn, remove).await.map_err(Refusal::from)?;
        }
        if !set.is_empty() {
            self.registry.tag(&arn, set).await.map_err(Refusal::from)?;
        }
        Ok(Response::new(UpdateTagsResponse {}))
    }

    async fn get_tags(&self, request: Request<GetTagsRequest>) -> Result<Response<GetTagsResponse>, Status> {
        let reference = parse_reference(&request.into_inner().function_name, &self.region)?;
        let tags = self.registry.tags_of(&reference).map_err(Refusal::from)?;
        let tags = tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Response::new(GetTagsResponse { tags }))
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
