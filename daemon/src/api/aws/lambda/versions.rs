//! Published versions.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Lambda,
    configuration::Configuration,
    functions::LIST_MAX,
    input::{Call, Checks, own, revision},
};
use crate::{
    api::aws::{
        answer::{Answer, json},
        error::AwsError,
    },
    functions::{PublishVersion, Version},
};

/// PublishVersion.
pub(super) async fn publish(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        code_sha256: Option<String>,
        description: Option<String>,
        revision_id: Option<String>,
    }
    let input: Input = call.json()?;
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let description = checks.optional(input.description.as_deref());
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "PublishVersion")?;
    let publish = PublishVersion {
        description,
        code_sha256: input.code_sha256.filter(|digest| !digest.is_empty()),
        revision_id: revision(input.revision_id.as_deref()),
    };
    let version = registry.publish(&reference, publish).await?;
    json(StatusCode::CREATED, &Configuration::of(&version, &version.qualified_arn()))
}

/// ListVersionsByFunction.
pub(super) async fn list(lambda: &Lambda, call: Call) -> Result<Answer, AwsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output<'a> {
        versions: Vec<Configuration<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_marker: Option<String>,
    }
    let mut checks = Checks::default();
    let (reference, _) = call.function(&mut checks);
    let limit = call.max_items(&mut checks, LIST_MAX)?;
    let reference = checks.finish_with(reference)?;
    let registry = lambda.functions(&call);
    let reference = own(reference, &call, &registry, "ListVersionsByFunction")?;
    let page = registry.list_versions(&reference, call.marker::<Version>()?, limit)?;
    let versions =
        page.items.iter().map(|version| Configuration::listed(version, &version.qualified_arn())).collect();
    json(StatusCode::OK, &Output { versions, next_marker: page.next.map(|version| version.to_string()) })
}
