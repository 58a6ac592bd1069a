//! Every operation of Lambda's API: the one table that requests are looked up in.

use std::{fmt, pin::Pin};

use super::{
    Lambda, Served, account, aliases, code_signing, events, functions, input::Call, invoke, layers, mappings,
    permissions, provisioned, tags, urls, versions,
};
use crate::{
    api::aws::{answer::Answer, error::AwsError},
    invoke::{EVENT_LIMIT, PAYLOAD_LIMIT},
};

/// The most bytes of a request that brings a package: what Lambda's own message says, 50 MB in base64 and a little.
const CODE_BODY: usize = 70_167_211;

/// The most bytes of any other request. Source: Lambda's quotas have none; a policy or environment has 20 KB at the most.
const SMALL_BODY: usize = 1024 * 1024;

/// An operation's answer, on its way.
type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, AwsError>> + Send + 'a>>;

/// Who answers an operation.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// This function.
    Served(for<'a> fn(&'a Lambda, Call) -> Answering<'a>),
    /// Nobody yet.
    Missing,
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Served(_) => "Served",
            Self::Missing => "Missing",
        })
    }
}

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    /// With `{Label}` for what a request names.
    pub(super) path: &'static str,
    /// A pair of the query that tells it from another operation of this path.
    pub(super) query: Option<&'static str>,
    pub(super) served: Served,
    pub(super) body_limit: usize,
    pub(super) handler: Handler,
}

const fn missing(name: &'static str, method: &'static str, path: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        query: None,
        served: Served::No,
        body_limit: SMALL_BODY,
        handler: Handler::Missing,
    }
}

/// Makes a row for an operation that is served.
macro_rules! served {
    ($name:literal, $method:literal, $path:literal, $served:ident, $limit:expr, $handler:path) => {
        Operation {
            name: $name,
            method: $method,
            path: $path,
            query: None,
            served: Served::$served,
            body_limit: $limit,
            handler: Handler::Served(|lambda, call| Box::pin($handler(lambda, call))),
        }
    };
}

/// Lambda's operations in the order of their names, those first that a query tells from another.
#[rustfmt::skip]
pub(super) static OPERATIONS: &[Operation] = &[
    Operation { query: Some("find=LayerVersion"), ..served!("GetLayerVersionByArn", "GET", "/2018-10-31/layers", Partly, SMALL_BODY, layers::get_by_arn) },
    Operation { query: Some("List=ALL"), ..served!("ListProvisionedConcurrencyConfigs", "GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", Yes, SMALL_BODY, provisioned::list) },
    served!("AddLayerVersionPermission", "POST", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", Yes, SMALL_BODY, layers::add_permission),
    served!("AddPermission", "POST", "/2015-03-31/functions/{FunctionName}/policy", Partly, SMALL_BODY, permissions::add),
    missing("CheckpointDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint"),
    served!("CreateAlias", "POST", "/2015-03-31/functions/{FunctionName}/aliases", Yes, SMALL_BODY, aliases::create),
    missing("CreateCapacityProvider", "POST", "/2025-11-30/capacity-providers"),
    served!("CreateCodeSigningConfig", "POST", "/2020-04-22/code-signing-configs", Yes, SMALL_BODY, code_signing::create),
    served!("CreateEventSourceMapping", "POST", "/2015-03-31/event-source-mappings", Partly, SMALL_BODY, mappings::create),
    served!("CreateFunction", "POST", "/2015-03-31/functions", Partly, CODE_BODY, functions::create),
    served!("CreateFunctionUrlConfig", "POST", "/2021-10-31/functions/{FunctionName}/url", Yes, SMALL_BODY, urls::create),
    served!("DeleteAlias", "DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Yes, SMALL_BODY, aliases::delete),
    missing("DeleteCapacityProvider", "DELETE", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    served!("DeleteCodeSigningConfig", "DELETE", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", Yes, SMALL_BODY, code_signing::delete),
    missing("DeleteDurableExecution", "DELETE", "/2025-12-01/durable-executions/{DurableExecutionArn}"),
    served!("DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/{UUID}", Yes, SMALL_BODY, mappings::delete),
    served!("DeleteFunction", "DELETE", "/2015-03-31/functions/{FunctionName}", Yes, SMALL_BODY, functions::delete),
    served!("DeleteFunctionCodeSigningConfig", "DELETE", "/2020-06-30/functions/{FunctionName}/code-signing-config", Yes, SMALL_BODY, code_signing::delete_of_function),
    served!("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", Yes, SMALL_BODY, account::delete_concurrency),
    served!("DeleteFunctionEventInvokeConfig", "DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Yes, SMALL_BODY, events::delete),
    served!("DeleteFunctionUrlConfig", "DELETE", "/2021-10-31/functions/{FunctionName}/url", Yes, SMALL_BODY, urls::delete),
    served!("DeleteLayerVersion", "DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", Yes, SMALL_BODY, layers::delete),
    served!("DeleteProvisionedConcurrencyConfig", "DELETE", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", Yes, SMALL_BODY, provisioned::delete),
    missing("DeleteResourcePolicy", "DELETE", "/2026-07-09/resource-policy/{ResourceArn}"),
    served!("GetAccountSettings", "GET", "/2016-08-19/account-settings", Yes, SMALL_BODY, account::settings),
    served!("GetAlias", "GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Yes, SMALL_BODY, aliases::get),
    missing("GetCapacityProvider", "GET", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    served!("GetCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", Yes, SMALL_BODY, code_signing::get),
    missing("GetDurableExecution", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}"),
    missing("GetDurableExecutionHistory", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/history"),
    missing("GetDurableExecutionState", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/state"),
    served!("GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/{UUID}", Yes, SMALL_BODY, mappings::get),
    served!("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}", Yes, SMALL_BODY, functions::get),
    served!("GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", Yes, SMALL_BODY, code_signing::get_of_function),
    served!("GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency", Yes, SMALL_BODY, account::get_concurrency),
    served!("GetFunctionConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration", Yes, SMALL_BODY, functions::get_configuration),
    served!("GetFunctionEventInvokeConfig", "GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Yes, SMALL_BODY, events::get),
    served!("GetFunctionRecursionConfig", "GET", "/2024-08-31/functions/{FunctionName}/recursion-config", Yes, SMALL_BODY, account::get_recursion),
    missing("GetFunctionScalingConfig", "GET", "/2025-11-30/functions/{FunctionName}/function-scaling-config"),
    served!("GetFunctionUrlConfig", "GET", "/2021-10-31/functions/{FunctionName}/url", Yes, SMALL_BODY, urls::get),
    served!("GetLayerVersion", "GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", Partly, SMALL_BODY, layers::get),
    served!("GetLayerVersionPolicy", "GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", Yes, SMALL_BODY, layers::get_policy),
    served!("GetPolicy", "GET", "/2015-03-31/functions/{FunctionName}/policy", Yes, SMALL_BODY, permissions::get),
    served!("GetProvisionedConcurrencyConfig", "GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", Yes, SMALL_BODY, provisioned::get),
    missing("GetResourcePolicy", "GET", "/2026-07-09/resource-policy/{ResourceArn}"),
    served!("GetRuntimeManagementConfig", "GET", "/2021-07-20/functions/{FunctionName}/runtime-management-config", Partly, SMALL_BODY, account::get_runtime_management),
    served!("Invoke", "POST", "/2015-03-31/functions/{FunctionName}/invocations", Yes, PAYLOAD_LIMIT, invoke::invoke),
    served!("InvokeAsync", "POST", "/2014-11-13/functions/{FunctionName}/invoke-async", Yes, EVENT_LIMIT, invoke::invoke_async),
    served!("InvokeWithResponseStream", "POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", Yes, PAYLOAD_LIMIT, invoke::invoke_with_response_stream),
    served!("ListAliases", "GET", "/2015-03-31/functions/{FunctionName}/aliases", Yes, SMALL_BODY, aliases::list),
    missing("ListCapacityProviders", "GET", "/2025-11-30/capacity-providers"),
    served!("ListCodeSigningConfigs", "GET", "/2020-04-22/code-signing-configs", Yes, SMALL_BODY, code_signing::list),
    missing("ListDurableExecutionsByFunction", "GET", "/2025-12-01/functions/{FunctionName}/durable-executions"),
    served!("ListEventSourceMappings", "GET", "/2015-03-31/event-source-mappings", Yes, SMALL_BODY, mappings::list),
    served!("ListFunctionEventInvokeConfigs", "GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", Yes, SMALL_BODY, events::list),
    served!("ListFunctionUrlConfigs", "GET", "/2021-10-31/functions/{FunctionName}/urls", Yes, SMALL_BODY, urls::list),
    missing("ListFunctionVersionsByCapacityProvider", "GET", "/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions"),
    served!("ListFunctions", "GET", "/2015-03-31/functions", Yes, SMALL_BODY, functions::list),
    served!("ListFunctionsByCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions", Yes, SMALL_BODY, code_signing::list_functions),
    served!("ListLayerVersions", "GET", "/2018-10-31/layers/{LayerName}/versions", Yes, SMALL_BODY, layers::list_versions),
    served!("ListLayers", "GET", "/2018-10-31/layers", Yes, SMALL_BODY, layers::list),
    served!("ListTags", "GET", "/2017-03-31/tags/{Resource}", Partly, SMALL_BODY, tags::list),
    served!("ListVersionsByFunction", "GET", "/2015-03-31/functions/{FunctionName}/versions", Yes, SMALL_BODY, versions::list),
    missing("PauseDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/pause"),
    served!("PublishLayerVersion", "POST", "/2018-10-31/layers/{LayerName}/versions", Partly, CODE_BODY, layers::publish),
    served!("PublishVersion", "POST", "/2015-03-31/functions/{FunctionName}/versions", Yes, SMALL_BODY, versions::publish),
    served!("PutFunctionCodeSigningConfig", "PUT", "/2020-06-30/functions/{FunctionName}/code-signing-config", Partly, SMALL_BODY, code_signing::put_of_function),
    served!("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency", Yes, SMALL_BODY, account::put_concurrency),
    served!("PutFunctionEventInvokeConfig", "PUT", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Partly, SMALL_BODY, events::put),
    served!("PutFunctionRecursionConfig", "PUT", "/2024-08-31/functions/{FunctionName}/recursion-config", Yes, SMALL_BODY, account::put_recursion),
    missing("PutFunctionScalingConfig", "PUT", "/2025-11-30/functions/{FunctionName}/function-scaling-config"),
    served!("PutProvisionedConcurrencyConfig", "PUT", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", Yes, SMALL_BODY, provisioned::put),
    missing("PutResourcePolicy", "PUT", "/2026-07-09/resource-policy/{ResourceArn}"),
    served!("PutRuntimeManagementConfig", "PUT", "/2021-07-20/functions/{FunctionName}/runtime-management-config", Partly, SMALL_BODY, account::put_runtime_management),
    served!("RemoveLayerVersionPermission", "DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}", Yes, SMALL_BODY, layers::remove_permission),
    served!("RemovePermission", "DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", Yes, SMALL_BODY, permissions::remove),
    missing("ResumeDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/resume"),
    missing("SendDurableExecutionCallbackFailure", "POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail"),
    missing("SendDurableExecutionCallbackHeartbeat", "POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat"),
    missing("SendDurableExecutionCallbackSuccess", "POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed"),
    missing("StopDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/stop"),
    served!("TagResource", "POST", "/2017-03-31/tags/{Resource}", Partly, SMALL_BODY, tags::tag),
    served!("UntagResource", "DELETE", "/2017-03-31/tags/{Resource}", Partly, SMALL_BODY, tags::untag),
    served!("UpdateAlias", "PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Yes, SMALL_BODY, aliases::update),
    missing("UpdateCapacityProvider", "PUT", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    served!("UpdateCodeSigningConfig", "PUT", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", Yes, SMALL_BODY, code_signing::update_config),
    served!("UpdateEventSourceMapping", "PUT", "/2015-03-31/event-source-mappings/{UUID}", Partly, SMALL_BODY, mappings::update),
    served!("UpdateFunctionCode", "PUT", "/2015-03-31/functions/{FunctionName}/code", Partly, CODE_BODY, functions::update_code),
    served!("UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/{FunctionName}/configuration", Partly, SMALL_BODY, functions::update_configuration),
    served!("UpdateFunctionEventInvokeConfig", "POST", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Partly, SMALL_BODY, events::update),
    served!("UpdateFunctionUrlConfig", "PUT", "/2021-10-31/functions/{FunctionName}/url", Yes, SMALL_BODY, urls::update),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_tells_of_every_operation_what_is_true() {
        let readme = include_str!("../../../../../README.md");
        for operation in OPERATIONS {
            let told = match operation.served {
                Served::Yes => "served",
                Served::Partly => "partly",
                Served::No => "missing",
            };
            let row = format!("| {} | {told} |", operation.name);
            assert!(readme.contains(&row), "the README has no row that begins with: {row}");
        }
    }

    #[test]
    fn no_two_operations_are_found_by_the_same_request() {
        let mut seen = std::collections::HashSet::new();
        for Operation { method, path, query, name, .. } in OPERATIONS {
            assert!(seen.insert((method, path, query)), "{name}");
        }
    }
}
