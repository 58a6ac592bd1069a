//! Function URLs: which there are. Requests to them are served by `api::aws::urls`.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{
    Lambda,
    input::{Call, Checks, own, target},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    functions::{Cors, CorsSettings, FunctionUrl, FunctionUrlSettings, InvokeMode, Qualifier, UrlAuthType},
};

/// MaxItems of the list.
const LIST_MAX: u32 = 50;

/// `2025-11-25T02:43:27.123456Z`.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    auth_type: Option<String>,
    cors: Option<CorsInput>,
    invoke_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CorsInput {
    allow_credentials: Option<bool>,
    allow_headers: Option<Vec<String>>,
    allow_methods: Option<Vec<String>>,
    allow_origins: Option<Vec<String>>,
    expose_headers: Option<Vec<String>>,
    max_age: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    function_url: String,
    function_arn: String,
    auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cors: Option<CorsOutput>,
    creation_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoke_mode: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CorsOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expose_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u32>,
}

impl From<&Cors> for CorsOutput {
    fn from(cors: &Cors) -> Self {
        let CorsSettings {
            allow_credentials,
            allow_headers,
            allow_methods,
            allow_origins,
            expose_headers,
            max_age,
        } = CorsSettings::clone(cors);
        Self { allow_credentials, allow_headers, allow_methods, allow_origins, expose_headers, max_age }
    }
}

/// A URL as it was set: an invoke mode that was never said is not told.
fn as_set(lambda: &Lambda, url: &FunctionUrl) -> Output {
    let FunctionUrl { arn, config } = url;
    Output {
        function_url: lambda.url_base.url(config.id, lambda.registry.region()),
        function_arn: arn.to_string(),
        auth_type: config.auth_type.as_str(),
        cors: config.cors.as_ref().map(CorsOutput::from),
        creation_time: stamp(config.created),
        last_modified_time: Some(stamp(config.last_modified)),
        invoke_mode: config.invoke_mode.map(InvokeMode::as_str),
    }
}

/// A URL as it takes effect.
fn as_it_is(lambda: &Lambda, url: &FunctionUrl) -> Output {
    let mode = url.config.invoke_mode.unwrap_or(InvokeMode::Buffered);
    Output { invoke_mode: Some(mode.as_str()), ..as_set(lambda, url) }
}

fn stamp(time: OffsetDateTime) -> String {
    // The form has no component that a time could lack.
    time.to_offset(time::UtcOffset::UTC).format(STAMP).unwrap_or_default()
}

fn settings(input: Input, checks: &mut Checks) -> FunctionUrlSettings {
    let Input { auth_type, cors, invoke_mode } = input;
    let auth_type = auth_type.and_then(|text| {
        let known = text.parse().ok();
        if known.is_none() {
            let words = [UrlAuthType::None, UrlAuthType::AwsIam].map(UrlAuthType::as_str).join(", ");
            checks.refuse("authType", &text, &format!("Member must satisfy enum value set: [{words}]"));
        }
        known
    });
    let invoke_mode = checks.optional(invoke_mode.as_deref());
    let cors = cors.and_then(|cors| {
        let CorsInput {
            allow_credentials,
            allow_headers,
            allow_methods,
            allow_origins,
            expose_headers,
            max_age,
        } = cors;
        let max_age = max_age.and_then(|age| {
            let checked = u32::try_from(age).ok();
            if checked.is_none() {
                let told = match age {
                    ..0 => "Member must have value greater than or equal to 0",
                    _ => "Member must have value less than or equal to 86400",
                };
                checks.refuse("cors.maxAge", &age.to_string(), told);
            }
            checked
        });
        let settings = CorsSettings {
            allow_credentials,
            allow_headers,
            allow_methods,
            allow_origins,
            expose_headers,
            max_age,
        };
        Cors::new(settings)
            .map_err(|broken| {
                for error in broken {
                    checks.take::<()>(Err(error));
                }
            })
            .ok()
    });
    FunctionUrlSettings { auth_type, cors, invoke_mode }
}

/// CreateFunctionUrlConfig.
pub(super) async fn create(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    if input.auth_type.is_none() {
        checks.missing("authType");
    }
    let settings = settings(input, &mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "CreateFunctionUrlConfig")?;
    let url = registry.create_function_url(&reference, qualifier.as_ref(), settings).await?;
    // What is new was not changed yet.
    let output = Output { last_modified_time: None, ..as_set(lambda, &url) };
    json(StatusCode::CREATED, &output)
}

/// UpdateFunctionUrlConfig.
pub(super) async fn update(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let settings = settings(input, &mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "UpdateFunctionUrlConfig")?;
    let url = registry.update_function_url(&reference, qualifier.as_ref(), settings).await?;
    json(StatusCode::OK, &as_set(lambda, &url))
}

/// GetFunctionUrlConfig.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = target(lambda, &call, "GetFunctionUrlConfig")?;
    let url = lambda.functions(&call).function_url(&reference, qualifier.as_ref())?;
    json(StatusCode::OK, &as_it_is(lambda, &url))
}

/// DeleteFunctionUrlConfig.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let (reference, qualifier) = target(lambda, &call, "DeleteFunctionUrlConfig")?;
    lambda.functions(&call).delete_function_url(&reference, qualifier.as_ref()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// ListFunctionUrlConfigs.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outputs {
        function_url_configs: Vec<Output>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "ListFunctionUrlConfigs")?;
    let page = registry.list_function_urls(&reference, call.marker::<Qualifier>()?.as_ref(), limit)?;
    let function_url_configs = page.items.iter().map(|url| as_it_is(lambda, url)).collect();
    let next_marker = page.next.map(|qualifier| qualifier.to_string());
    json(StatusCode::OK, &Outputs { function_url_configs, next_marker })
}
