//! The environment that a function starts with, but for what names its sandbox.
//!
//! Source: "Defined runtime environment variables" in Lambda's developer guide. Later groups win: the image's own, then
//! Lambda's defaults that a user may change, then the user's, then Lambda's that nobody may change.

use std::collections::BTreeMap;

use crate::functions::FunctionVersion;

/// Defaults that a user may change.
const DEFAULTS: [(&str, &str); 6] = [
    ("LANG", "en_US.UTF-8"),
    ("TZ", ":UTC"),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    (
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    ),
    ("PYTHONPATH", "/var/runtime"),
    ("HOME", "/tmp"),
];

pub(super) fn environment(
    version: &FunctionVersion,
    image: &[(String, String)],
    log_group: &str,
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.extend(image.iter().cloned());
    environment.extend(version.environment.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    let region = version.arn.region.to_string();
    let fixed = [
        ("_HANDLER", version.handler.to_string()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", version.runtime)),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name().to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.to_string()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", version.memory.get().to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group.to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
    ];
    environment.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    environment
}
