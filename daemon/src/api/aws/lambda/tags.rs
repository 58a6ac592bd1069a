//! Tags of functions, code-signing configurations and event source mappings. Those of other resources are not served.

use std::{collections::BTreeMap, sync::LazyLock};

use http::StatusCode;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    input::{Call, Checks, denied, own},
};
use crate::{
    api::aws::{
        answer::{Answer, empty, json},
        error::AwsError,
    },
    events::{TagKeepers, Tagged, mapping::MappingError},
    functions::{FunctionReference, FunctionRegistry, Tags},
};

/// The model's pattern for what can have tags.
const TAGGABLE: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

/// Characters of such an ARN. Source: the model.
const TAGGABLE_MAX: usize = 256;

/// Who keeps tags, as the caller's account sees them.
fn keepers<'a>(lambda: &'a Lambda, functions: &'a FunctionRegistry) -> TagKeepers<'a> {
    TagKeepers { functions, mappings: &lambda.mappings }
}

/// What the path is the ARN of.
fn tagged(lambda: &Lambda, call: &Call, mut checks: Checks, operation: &str) -> Result<Tagged, AwsError> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^(?:{TAGGABLE})$")).ok());
    let text = call.label("Resource");
    if text.len() > TAGGABLE_MAX {
        checks.refuse(
            "resource",
            text,
            &format!("Member must have length less than or equal to {TAGGABLE_MAX}"),
        );
    } else if !PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        checks.refuse(
            "resource",
            text,
            &format!("Member must satisfy regular expression pattern: {TAGGABLE}"),
        );
    }
    checks.finish()?;
    let registry = lambda.functions(call);
    let found = match keepers(lambda, &registry).by_arn(text, call.identity.account) {
        Err(MappingError::NotFound) => return Err(not_found("Event source mapping", text)),
        found => found?,
    };
    match found {
        Some(Tagged::CodeSigning(arn)) if arn.account != call.identity.account => {
            return Err(denied(registry.region(), call, operation, &arn));
        }
        Some(tagged) => return Ok(tagged),
        None => {}
    }
    // There are none here to have any.
    if text.contains(":capacity-provider:") {
        return Err(not_found("Capacity provider", text));
    }
    let reference: FunctionReference = text.parse().map_err(|_| {
        let told = "thawd keeps no tags of resources of this kind";
        AwsError::new("NotImplementedException", told)
    })?;
    let reference = own(reference, call, &registry, operation)?;
    Ok(Tagged::Function(reference.arn_for(registry.region(), call.identity.account)))
}

/// What Lambda says here of a resource that is not there: its ARN, where other operations name none.
fn not_found(kind: &str, arn: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", format!("{kind} not found: {arn}"))
}

/// ListTags.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output<'a> {
        tags: BTreeMap<&'a str, &'a str>,
    }
    let registry = lambda.functions(&call);
    let tagged = tagged(lambda, &call, Checks::default(), "ListTags")?;
    let tags = keepers(lambda, &registry).tags(&tagged)?;
    json(StatusCode::OK, &Output { tags: tags.iter().collect() })
}

/// TagResource.
pub(super) async fn tag(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        tags: Option<BTreeMap<String, String>>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    if input.tags.is_none() {
        checks.missing("tags");
    }
    let tagged = tagged(lambda, &call, checks, "TagResource")?;
    let (registry, tags) = (lambda.functions(&call), Tags::try_from(input.tags.unwrap_or_default())?);
    keepers(lambda, &registry).tag(&tagged, tags).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// UntagResource.
pub(super) async fn untag(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    let keys = call.parameters("tagKeys");
    let mut checks = Checks::default();
    if keys.is_empty() {
        checks.missing("tagKeys");
    }
    let registry = lambda.functions(&call);
    let tagged = tagged(lambda, &call, checks, "UntagResource")?;
    keepers(lambda, &registry).untag(&tagged, keys).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
