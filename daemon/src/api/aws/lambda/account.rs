//! What is small: the account's settings, reserved concurrency, and configurations of a function that are kept and
//! handed back.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Lambda,
    input::{Call, Checks, own, target},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json as json_answer},
        error::AwsError,
    },
    functions::{FunctionVersion, RecursiveLoop, RuntimeManagement, UpdateRuntimeOn},
};

/// Bytes that all packages of an account may have on Lambda. Here the disk is the limit; tools show this one.
const TOTAL_CODE_SIZE: u64 = 80_530_636_800;

/// GetAccountSettings.
pub(super) async fn settings(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let account = call.identity.account;
    let limits = lambda.registry.packages().limits();
    let concurrency = lambda.registry.concurrency();
    let usage = lambda.registry.usage(account);
    let settings = json!({
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_SIZE,
            "CodeSizeUnzipped": limits.max_unpacked_bytes,
            "CodeSizeZipped": limits.max_zip_bytes,
            "ConcurrentExecutions": concurrency.limit(),
            "UnreservedConcurrentExecutions": concurrency.unreserved(account),
        },
        "AccountUsage": { "TotalCodeSize": usage.code_bytes, "FunctionCount": usage.functions },
    });
    json_answer(StatusCode::OK, &settings)
}

/// PutFunctionConcurrency.
pub(super) async fn put_concurrency(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        reserved_concurrent_executions: Option<i64>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let share = match input.reserved_concurrent_executions {
        None => {
            checks.missing("reservedConcurrentExecutions");
            None
        }
        Some(number) if number < 0 => {
            let constraint = "Member must have value greater than or equal to 0";
            checks.refuse("reservedConcurrentExecutions", &number.to_string(), constraint);
            None
        }
        Some(number) => Some(u32::try_from(number).unwrap_or(u32::MAX)),
    };
    let (reference, share) = checks.finish_with(reference.zip(share))?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "PutFunctionConcurrency")?;
    registry.reserve_concurrency(&reference, Some(share)).await?;
    json_answer(StatusCode::OK, &json!({ "ReservedConcurrentExecutions": share }))
}

/// GetFunctionConcurrency.
pub(super) async fn get_concurrency(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, _) = target(lambda, &call, "GetFunctionConcurrency")?;
    match lambda.functions(&call).reserved_concurrency(&reference)? {
        Some(share) => json_answer(StatusCode::OK, &json!({ "ReservedConcurrentExecutions": share })),
        None => json_answer(StatusCode::OK, &json!({})),
    }
}

/// DeleteFunctionConcurrency.
pub(super) async fn delete_concurrency(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, _) = target(lambda, &call, "DeleteFunctionConcurrency")?;
    lambda.functions(&call).reserve_concurrency(&reference, None).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Management {
    update_runtime_on: &'static str,
    function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_version_arn: Option<String>,
}

fn management(version: &FunctionVersion) -> Management {
    let RuntimeManagement { update_on, runtime_version_arn } = &version.runtime_management;
    Management {
        update_runtime_on: update_on.as_str(),
        function_arn: version.qualified_arn().to_string(),
        runtime_version_arn: runtime_version_arn.as_ref().map(ToString::to_string),
    }
}

/// GetRuntimeManagementConfig.
pub(super) async fn get_runtime_management(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = target(lambda, &call, "GetRuntimeManagementConfig")?;
    let version = lambda.functions(&call).resolve(&reference, qualifier.as_ref())?;
    json_answer(StatusCode::OK, &management(&version))
}

/// PutRuntimeManagementConfig.
pub(super) async fn put_runtime_management(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        update_runtime_on: Option<String>,
        runtime_version_arn: Option<String>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    if input.update_runtime_on.is_none() {
        checks.missing("updateRuntimeOn");
    }
    let update_on: Option<UpdateRuntimeOn> = checks.optional(input.update_runtime_on.as_deref());
    let runtime_version_arn = checks.unless_empty(input.runtime_version_arn.as_deref());
    let (reference, update_on) = checks.finish_with(reference.zip(update_on))?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "PutRuntimeManagementConfig")?;
    let new = RuntimeManagement::new(update_on, runtime_version_arn)?;
    let version = registry.set_runtime_management(&reference, qualifier.as_ref(), new).await?;
    json_answer(StatusCode::OK, &management(&version))
}

/// GetFunctionRecursionConfig.
pub(super) async fn get_recursion(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, _) = target(lambda, &call, "GetFunctionRecursionConfig")?;
    let recursive_loop = lambda.functions(&call).recursive_loop(&reference)?;
    json_answer(StatusCode::OK, &json!({ "RecursiveLoop": recursive_loop.as_str() }))
}

/// PutFunctionRecursionConfig.
pub(super) async fn put_recursion(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        recursive_loop: Option<String>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    if input.recursive_loop.is_none() {
        checks.missing("recursiveLoop");
    }
    let recursive_loop: Option<RecursiveLoop> = checks.optional(input.recursive_loop.as_deref());
    let (reference, recursive_loop) = checks.finish_with(reference.zip(recursive_loop))?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "PutFunctionRecursionConfig")?;
    registry.set_recursive_loop(&reference, recursive_loop).await?;
    json_answer(StatusCode::OK, &json!({ "RecursiveLoop": recursive_loop.as_str() }))
}
