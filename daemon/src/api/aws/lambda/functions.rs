//! Functions: creating, reading, listing, changing and deleting them.

use std::{collections::BTreeMap, sync::LazyLock};

use http::StatusCode;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    code::CodeInput,
    configuration::Configuration,
    input::{Call, Checks, own, revision},
    settings::{SettingsInput, changes},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
        packages,
    },
    functions::{
        Architecture, Changed, CodeSigningArn, CreateFunction, Found, FunctionArn, FunctionError,
        FunctionName, FunctionRegistry, InvalidField, Page, Qualifier, Settings, Tags, UpdateCode,
        UpdateConfiguration, Version,
    },
};

/// CreateFunction's own pattern for a name: narrower than that of every other operation.
const NEW_NAME: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";

/// Characters that it may have.
const NEW_NAME_MAX: usize = 140;

/// MaxItems of lists of functions and versions.
pub(super) const LIST_MAX: u32 = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    function_name: Option<String>,
    code: Option<CodeInput>,
    #[serde(default)]
    publish: Option<bool>,
    package_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    architectures: Option<Vec<String>>,
    code_signing_config_arn: Option<String>,
    #[serde(flatten)]
    settings: SettingsInput,
}

/// CreateFunction.
pub(super) async fn create(lambda: &Lambda, mut call: Call) -> Result<Answer, AwsError> {
    let input: CreateInput = call.json()?;
    let registry = lambda.functions(&call);
    let mut checks = Checks::default();
    match input.function_name.as_deref() {
        Some(name) => check_new_name(name, &mut checks),
        None => checks.missing("functionName"),
    }
    if input.code.is_none() {
        checks.missing("code");
    }
    if input.settings.role.is_none() {
        checks.missing("role");
    }
    let architecture =
        input.architectures.as_deref().and_then(|words| checks.take(Architecture::of_list(words)));
    let code_signing: Option<CodeSigningArn> = checks.unless_empty(input.code_signing_config_arn.as_deref());
    let change = changes(input.settings, &mut checks);
    let code = input.code.map(|code| code.checked("code.", &mut checks)).unwrap_or_default();
    let is_image = match input.package_type.as_deref() {
        None | Some("Zip") => false,
        Some("Image") => true,
        Some(other) => {
            checks.refuse("packageType", other, "Member must satisfy enum value set: [Image, Zip]");
            false
        }
    };
    checks.finish()?;
    let name = new_name(&input.function_name.unwrap_or_default(), &call, &registry)?;
    let tags = Tags::try_from(input.tags.unwrap_or_default())?;
    if is_image || code.is_image() {
        return Err(invalid("thawd runs zip packages only; PackageType Image is not served yet."));
    }
    let (Some(runtime), Some(handler)) = (change.runtime.clone(), change.handler.clone()) else {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    let layers = change.layers.clone().unwrap_or_default();
    let mut settings = Settings::new(runtime, handler);
    settings.architecture = architecture.unwrap_or_default();
    let settings = settings.changed(change)?;
    settings.runtime.check_available()?;
    // Before the package is taken in, which may be large.
    registry.check_free(&name)?;
    let code = code.receive(&registry, &mut call).await?;
    let publish = input.publish.unwrap_or_default();
    let create = CreateFunction { name, settings, layers, tags, code_signing, publish };
    let Changed { latest, published } = registry.create(create, code).await?;
    // Lambda shows the version that was published with it under the function's own ARN, here and nowhere else.
    json(StatusCode::CREATED, &Configuration::of(published.as_ref().unwrap_or(&latest), &latest.arn))
}

fn check_new_name(name: &str, checks: &mut Checks) {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^(?:{NEW_NAME})$")).ok());
    if name.is_empty() {
        checks.refuse("functionName", name, "Member must have length greater than or equal to 1");
    }
    if name.len() > NEW_NAME_MAX {
        checks.refuse(
            "functionName",
            name,
            &format!("Member must have length less than or equal to {NEW_NAME_MAX}"),
        );
    }
    // Its length bounds what the pattern has to look at.
    if !PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(name)) {
        checks.refuse(
            "functionName",
            name,
            &format!("Member must satisfy regular expression pattern: {NEW_NAME}"),
        );
    }
}

/// The name in what CreateFunction takes for one: a name, or an ARN of the caller's own.
fn new_name(text: &str, call: &Call, registry: &FunctionRegistry) -> Result<FunctionName, AwsError> {
    let Some((before, name)) = split_name(text) else {
        return Err(invalid("Unsupported format for functionName."));
    };
    let name: FunctionName = name.parse().map_err(InvalidField::as_value)?;
    for part in before.split(':') {
        let is_region = part.ends_with(|last: char| last.is_ascii_digit()) && part.contains('-');
        if is_region && part != registry.region().as_str() {
            let region = part.parse().map_err(InvalidField::as_value)?;
            return Err(FunctionError::OtherRegion { region, here: registry.region().clone() }.into());
        }
        let is_account = part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_account && part != call.identity.account.to_string() {
            return Err(AwsError::access_denied());
        }
    }
    Ok(name)
}

/// What stands before a function's name, and the name without a qualifier.
fn split_name(text: &str) -> Option<(&str, &str)> {
    if let Some(at) = text.find("function:") {
        let rest = &text[at + "function:".len()..];
        return Some((&text[..at], rest.split(':').next()?));
    }
    Some(("", text.split(':').next()?))
}

pub(super) fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

/// GetFunction.
pub(super) async fn get(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output<'a> {
        configuration: Configuration<'a>,
        code: Code,
        #[serde(skip_serializing_if = "Option::is_none")]
        tags: Option<BTreeMap<&'a str, &'a str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        concurrency: Option<Concurrency>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Code {
        repository_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Concurrency {
        reserved_concurrent_executions: u32,
    }
    let Found { version, arn } = find(lambda, &call, "GetFunction")?;
    let registry = lambda.functions(&call);
    let reference = version.arn.clone().into();
    let tags = registry.tags_of(&reference)?;
    let now = lambda.clock.now();
    let output = Output {
        configuration: Configuration::of(&version, &arn),
        code: Code {
            repository_type: "S3",
            location: packages::location(&lambda.verifier, &call.identity, call.host(), &version, now),
        },
        tags: (!tags.is_empty()).then(|| tags.iter().collect()),
        concurrency: registry
            .reserved_concurrency(&reference)?
            .map(|reserved| Concurrency { reserved_concurrent_executions: reserved }),
    };
    json(StatusCode::OK, &output)
}

/// GetFunctionConfiguration.
pub(super) async fn get_configuration(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let Found { version, arn } = find(lambda, &call, "GetFunctionConfiguration")?;
    json(StatusCode::OK, &Configuration::of(&version, &arn))
}

fn find(lambda: &Lambda, call: &Call, operation: &str) -> Result<Found, AwsError> {
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(call);
    let reference = own(reference, call, &registry, operation)?;
    Ok(registry.find(&reference, qualifier.as_ref())?)
}

/// ListFunctions.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output<'a> {
        functions: Vec<Configuration<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let all_versions = match call.parameter("FunctionVersion") {
        None => false,
        Some("ALL") => true,
        Some(other) => {
            checks.refuse("functionVersion", other, "Member must satisfy enum value set: [ALL]");
            false
        }
    };
    checks.finish()?;
    let registry = lambda.functions(&call);
    if all_versions {
        let marker: Option<String> = call.marker()?;
        let bad_marker = || AwsError::new("InvalidParameterValueException", "Invalid Marker");
        let after = match marker
            .as_deref()
            .map(|marker| marker.split_once(':').ok_or_else(bad_marker))
            .transpose()?
        {
            None => None,
            Some((name, version)) => Some((
                name.parse::<FunctionName>().map_err(|_| bad_marker())?,
                version.parse::<Version>().map_err(|_| bad_marker())?,
            )),
        };
        let Page { items, next } = registry.list_all_versions(after.as_ref(), limit);
        let functions =
            items.iter().map(|version| Configuration::listed(version, &version.qualified_arn())).collect();
        let next_marker = next.map(|(name, version)| format!("{name}:{version}"));
        return json(StatusCode::OK, &Output { functions, next_marker });
    }
    let page = registry.list(call.marker::<FunctionName>()?.as_ref(), limit);
    let functions =
        page.functions.iter().map(|version| Configuration::listed(version, &version.arn)).collect();
    let next_marker = page.next.map(|name| name.to_string());
    json(StatusCode::OK, &Output { functions, next_marker })
}

/// DeleteFunction.
pub(super) async fn delete(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "DeleteFunction")?;
    registry.delete(&reference, qualifier.as_ref()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateCodeInput {
    #[serde(flatten)]
    code: CodeInput,
    publish: Option<bool>,
    dry_run: Option<bool>,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
}

/// UpdateFunctionCode.
pub(super) async fn update_code(lambda: &Lambda, mut call: Call) -> Result<Answer, AwsError> {
    let input: UpdateCodeInput = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let architecture =
        input.architectures.as_deref().and_then(|words| checks.take(Architecture::of_list(words)));
    let code = input.code.checked("", &mut checks);
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "UpdateFunctionCode")?;
    registry.resolve(&reference, None)?;
    if code.is_image() {
        return Err(invalid("Please don't provide ImageUri when updating a function with packageType Zip."));
    }
    let revision_id = revision(input.revision_id.as_deref());
    registry.check_update_code(&reference, revision_id)?;
    let code = code.receive(&registry, &mut call).await?;
    let update = UpdateCode {
        revision_id,
        dry_run: input.dry_run.unwrap_or_default(),
        architecture,
        publish: input.publish.unwrap_or_default(),
    };
    let Changed { latest, published } = registry.update_code(&reference, update, code).await?;
    match published {
        Some(version) => json(StatusCode::OK, &Configuration::of(&version, &version.qualified_arn())),
        None => json(StatusCode::OK, &Configuration::of(&latest, &latest.arn)),
    }
}

/// UpdateFunctionConfiguration.
pub(super) async fn update_configuration(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        revision_id: Option<String>,
        #[serde(flatten)]
        settings: SettingsInput,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let change = changes(input.settings, &mut checks);
    let reference = checks.finish_with(reference)?;
    if let Some(runtime) = &change.runtime {
        runtime.check_available()?;
    }
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "UpdateFunctionConfiguration")?;
    let update = UpdateConfiguration { revision_id: revision(input.revision_id.as_deref()), ..change };
    let updated = registry.update_configuration(&reference, update).await?;
    let arn: FunctionArn = match reference.qualifier() {
        Some(Qualifier::Version(_)) => updated.qualified_arn(),
        _ => updated.arn.clone(),
    };
    json(StatusCode::OK, &Configuration::of(&updated, &arn))
}
