//! The environment of a sandbox: what it starts with before it has a function, and with one, but for what names it.
//!
//! Source: "Defined runtime environment variables" in Lambda's developer guide. Later groups win: the image's own (its search paths stay beside), then
//! Lambda's defaults that a user may change, then the user's, then Lambda's that nobody may change.

use std::collections::BTreeMap;

use crate::{
    functions::{FunctionVersion, LogFormat},
    runtime_api,
    runtimes::RuntimeImage,
};

/// Defaults that a user may change.
const DEFAULTS: [(&str, &str); 6] = [
    // The SDK of X-Ray is not to fail where nobody traces.
    ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ("LANG", "en_US.UTF-8"),
    ("TZ", ":UTC"),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    (
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    ),
    ("HOME", "/tmp"),
];

/// More where the image has a runtime.
const OF_RUNTIMES: [(&str, &str); 2] = [
    ("PYTHONPATH", "/var/runtime"),
    // Python sets it by itself where there is no locale of LANG's name, as on Lambda. So it is there in any case, also in a
    // process that was started before it got its function.
    ("LC_CTYPE", "C.UTF-8"),
];

/// Of these an image's own entries come first: its entry point may be found by them alone.
const SEARCH_PATHS: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH"];

/// What Docker gives an image that says nothing of it, which is nobody's wish. Source: moby, `system.DefaultPathEnv`.
const DOCKERS_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What interpreters, their libraries and the dynamic linker read once, when a process starts: names, or beginnings of
/// names. A function that sets one of these to something else gets a new process.
const READ_AT_START: [&str; 18] = [
    "LD_",
    "PYTHON",
    "LC_",
    "LANG",
    "LOCPATH",
    "GCONV_PATH",
    "GLIBC_",
    "MALLOC_",
    "NODE_",
    "RUBY",
    "JAVA_",
    "JDK_",
    "OPENSSL_",
    "SSL_CERT_",
    "PATH",
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_LEVEL",
];

/// What a sandbox of an image starts with before it has a function.
pub(super) fn base(image: &RuntimeImage) -> BTreeMap<String, String> {
    let of_runtime = image.bootstrap.is_none().then_some(&OF_RUNTIMES).into_iter().flatten();
    let defaults = DEFAULTS.iter().chain(of_runtime);
    let mut environment: BTreeMap<String, String> = image.environment.iter().cloned().collect();
    for (name, lambdas) in defaults {
        let of_image = environment.get(*name).filter(|_| SEARCH_PATHS.contains(name));
        let value = of_image.map_or_else(|| (*lambdas).to_owned(), |path| path_of(path, lambdas));
        environment.insert((*name).to_owned(), value);
    }
    // The official clients read it when they are imported. It is the same in every sandbox.
    environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api::ADDRESS.to_owned());
    environment
}

/// A search path: what the image has put on it, then Lambda's.
fn path_of(image: &str, lambdas: &str) -> String {
    let is_known =
        |entry: &&str| lambdas.split(':').chain(DOCKERS_PATH.split(':')).any(|known| known == *entry);
    let of_image = image.split(':').filter(|entry| !entry.is_empty() && !is_known(entry));
    of_image.chain([lambdas]).collect::<Vec<_>>().join(":")
}

/// Whether a process that was started with `base` can go on as one with `environment`.
pub(super) fn suits(base: &BTreeMap<String, String>, environment: &BTreeMap<String, String>) -> bool {
    let is_read_at_start = |name: &&String| READ_AT_START.iter().any(|start| name.starts_with(start));
    base.keys()
        .chain(environment.keys())
        .filter(is_read_at_start)
        .all(|name| base.get(name) == environment.get(name))
}

/// What a function's sandbox starts with, on top of its image's `base`.
pub(super) fn environment(
    version: &FunctionVersion,
    image: &RuntimeImage,
    base: &BTreeMap<String, String>,
    log_group: &str,
) -> BTreeMap<String, String> {
    let mut environment = base.clone();
    environment.extend(version.variables().map(|(name, value)| (name.to_string(), value.to_string())));
    let region = version.arn.region.to_string();
    let fixed = [
        ("_HANDLER", version.handler.to_string()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name().to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.to_string()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", version.memory.get().to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group.to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
    ];
    environment.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    // Not defined for OS-only runtimes.
    if image.bootstrap.is_none() {
        environment.insert("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", version.runtime));
    }
    if !version.layers.is_empty() {
        find_layers(version.runtime.as_str(), &mut environment);
    }
    // Only where they are not what a client does without them, so that the others need no new process.
    if version.logging.format == LogFormat::Json {
        environment.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), version.logging.format.to_string());
        if let Some(level) = version.logging.application_level {
            environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.to_string());
        }
    }
    environment
}

/// Lets an interpreter find what layers bring. /opt/bin and /opt/lib are in the defaults already. Python reads its path
/// when it starts, so that a function with layers gets a new process; without layers there is nothing to find.
///
/// Source: "Layer paths for each Lambda runtime" in Lambda's developer guide.
fn find_layers(runtime: &str, environment: &mut BTreeMap<String, String>) {
    let Some(version) = runtime.strip_prefix("python") else { return };
    let layers = format!("/opt/python/lib/python{version}/site-packages:/opt/python");
    let path = environment.entry("PYTHONPATH".to_owned()).or_default();
    *path = if path.is_empty() { layers } else { format!("{layers}:{path}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bootstrap: Option<Vec<String>>) -> RuntimeImage {
        RuntimeImage {
            id: "sha256:1".to_owned(),
            entrypoint: Vec::new(),
            environment: [
                ("PYTHON_VERSION", "3"),
                ("PATH", "/opt/venv/bin:/usr/sbin:/usr/bin::/bin"),
                ("LANG", "C.UTF-8"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            prestart: None,
            bootstrap,
        }
    }

    #[test]
    fn an_os_only_runtime_is_told_of_no_language() {
        assert!(base(&image(None)).contains_key("PYTHONPATH"));
        assert!(!base(&image(Some(vec!["/var/task/bootstrap".to_owned()]))).contains_key("PYTHONPATH"));
    }

    #[test]
    fn what_lambda_defines_wins_over_the_image() {
        let base = base(&image(None));
        assert!(base["PATH"].ends_with(":/opt/bin"), "what layers bring is found: {base:?}");
        assert!(base["PATH"].starts_with("/opt/venv/bin:/var/lang/bin:"), "and what the image has: {base:?}");
        assert_eq!((&*base["LANG"], &*base["PYTHON_VERSION"]), ("en_US.UTF-8", "3"));
    }

    fn with(name: &str, value: &str) -> BTreeMap<String, String> {
        let mut environment = base(&image(None));
        environment.insert(name.to_owned(), value.to_owned());
        environment
    }

    #[test]
    fn a_process_goes_on_unless_it_would_have_started_otherwise() {
        let base = base(&image(None));
        assert!(suits(&base, &base));
        assert!(suits(&base, &with("TABLE_NAME", "orders")));
        assert!(suits(&base, &with("TZ", "Europe/Berlin")), "the runtime reads it again");
        assert!(suits(&base, &with("PYTHONPATH", "/var/runtime")), "that is what it has");
        assert!(suits(&base, &with("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/a")), "every function has one");
        for (name, value) in [
            ("PYTHONPATH", "/opt/python"),
            ("PYTHONHASHSEED", "0"),
            ("LD_PRELOAD", "/opt/lib/x.so"),
            ("LANG", "de_DE.UTF-8"),
            ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrapper"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ] {
            assert!(!suits(&base, &with(name, value)), "{name}");
        }
        let mut layered = base.clone();
        find_layers("python3.13", &mut layered);
        assert_eq!(
            layered["PYTHONPATH"],
            "/opt/python/lib/python3.13/site-packages:/opt/python:/var/runtime"
        );
        assert!(!suits(&base, &layered));
        let without: BTreeMap<_, _> =
            base.clone().into_iter().filter(|(name, _)| name != "PYTHONPATH").collect();
        assert!(!suits(&base, &without));
    }
}
