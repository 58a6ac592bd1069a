//! `thaw function`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use thaw_proto::v1::{
    CreateFunctionRequest, DeleteFunctionRequest, Environment, FunctionConfiguration, FunctionLayer,
    GetFunctionCodeRequest, GetFunctionRequest, ListFunctionsRequest, ListVersionsRequest,
    PublishVersionRequest, UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest,
};

use super::{
    attributes,
    configuration::{as_json, show},
    download::Target,
    package::{Source, upload},
    permissions, provision,
};
use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

/// The role that a function has where nobody cares: Thaw hands it through and looks at nothing in it.
const ROLE: &str = "arn:aws:iam::000000000000:role/thaw";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a function from a zip archive, a directory or an object in S3.
    #[command(after_help = "Example:\n  thaw function create hello --source ./hello --runtime python3.13 \
        --handler app.handler --memory-size 256 --env GREETING=hello\n  \
        thaw function create hello --s3 s3://builds/hello.zip --runtime python3.13 --handler app.handler")]
    Create(Box<Create>),
    /// Show one function, or a version of it.
    Get {
        /// The function's name or ARN; NAME:VERSION or NAME:ALIAS for a version.
        name: String,
    },
    /// Write the archive of a function's code, or of a version's, to a file.
    GetCode {
        /// The function's name or ARN; NAME:VERSION or NAME:ALIAS for a version.
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Show all functions.
    List {
        /// Show their published versions, too.
        #[arg(long)]
        all_versions: bool,
    },
    /// Replace a function's code. Running calls finish on the old.
    UpdateCode(UpdateCode),
    /// Change a function's configuration; what is not given stays.
    UpdateConfig(Box<UpdateConfig>),
    /// Publish what the function is now as a version, which never changes.
    Publish(Publish),
    /// Show a function's versions.
    Versions {
        /// The function's name or ARN.
        name: String,
    },
    /// Show how many calls run and what is provisioned, and give the function a share of its own.
    Concurrency(attributes::Concurrency),
    /// Keep sandboxes of a version or alias initialised, whether or not anybody calls.
    Provision(provision::Provision),
    /// Show a function's tags, and change them.
    Tags(attributes::Tags),
    /// Allow somebody to call the function, a version or an alias.
    Allow(permissions::Allow),
    /// Take back what was allowed.
    Disallow(permissions::Disallow),
    /// Show what is allowed to whom, as JSON.
    Policy {
        /// The function's name or ARN, with or without a version or alias.
        name: String,
    },
    /// Show what becomes of the function if it calls itself in a circle, and change it.
    Recursion(attributes::Recursion),
    /// Show when the function takes a newer runtime, and change it.
    RuntimeManagement(attributes::RuntimeManagement),
    /// Delete a function with all its versions, or one version. Running calls finish; logs stay until their retention
    /// ends.
    Delete {
        /// The function's name or ARN; NAME:VERSION for one version.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The function's name or ARN.
    name: String,
    /// The version's own description.
    #[arg(long)]
    description: Option<String>,
    /// Refuse unless the function has the code of this SHA-256, in base64.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "SHA256")]
    code_sha256: String,
    /// Refuse unless this is the function's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// 1 to 64 letters, digits, hyphens and underscores.
    name: String,
    #[command(flatten)]
    source: Source,
    /// One of `thaw runtime list`, e.g. python3.13.
    #[arg(long)]
    runtime: String,
    /// Where the runtime finds the handler, e.g. app.handler.
    #[arg(long)]
    handler: String,
    /// Seconds one call may take: 1 to 900.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: u32,
    /// MB of memory: 128 to 10240. CPU follows: 1769 MB is one CPU.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory_size: u32,
    /// MB of /tmp: 512 to 10240.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(512..=10_240))]
    ephemeral_storage: u32,
    /// A variable for the function's environment; may be given many times.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// The execution role's ARN, handed through as it is.
    #[arg(long, default_value = ROLE, value_name = "ARN")]
    role: String,
    /// A sentence for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// A layer version: NAME:VERSION or its ARN; may be given up to five times. A later one hides what an earlier one has under the same
    /// name.
    #[arg(long = "layer", value_name = "LAYER")]
    layers: Vec<String>,
    /// A tag; may be given several times.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = variable)]
    tags: Vec<(String, String)>,
    /// A queue of SQS or a topic of SNS that gets the events that were given up.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ARN")]
    dead_letter: String,
    /// The code-signing configuration that it is to have; see `thaw code-signing`.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CONFIG_ARN")]
    code_signing: String,
    /// Publish it as a version, too.
    #[arg(long)]
    publish: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateCode {
    /// The function's name or ARN.
    name: String,
    #[command(flatten)]
    source: Source,
    /// Refuse unless this is the function's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
    /// Check everything, change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Publish it as a version, too.
    #[arg(long, conflicts_with = "dry_run")]
    publish: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateConfig {
    /// The function's name or ARN.
    name: String,
    /// One of `thaw runtime list`.
    #[arg(long)]
    runtime: Option<String>,
    /// Where the runtime finds the handler.
    #[arg(long)]
    handler: Option<String>,
    /// Seconds one call may take: 1 to 900.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: Option<u32>,
    /// MB of memory: 128 to 10240.
    #[arg(long, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory_size: Option<u32>,
    /// MB of /tmp: 512 to 10240.
    #[arg(long, value_parser = clap::value_parser!(u32).range(512..=10_240))]
    ephemeral_storage: Option<u32>,
    /// The whole new environment, a variable each; what is not named here is gone.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable, conflicts_with = "no_env")]
    environment: Vec<(String, String)>,
    /// Take every variable away.
    #[arg(long)]
    no_env: bool,
    /// All layer versions, by NAME:VERSION or ARN; what is not named here is gone.
    #[arg(long = "layer", value_name = "LAYER", conflicts_with = "no_layers")]
    layers: Vec<String>,
    /// Take every layer away.
    #[arg(long)]
    no_layers: bool,
    /// The group to log to. `thaw logs` reads the group that the function logs to now.
    #[arg(long, value_name = "NAME")]
    log_group: Option<String>,
    /// The form of its log lines.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// With JSON, the least level of its own lines that is kept: TRACE, DEBUG, INFO, WARN, ERROR or FATAL.
    #[arg(long, value_name = "LEVEL")]
    application_log_level: Option<String>,
    /// With JSON, the least level of START, END and REPORT that is kept: DEBUG, INFO or WARN.
    #[arg(long, value_name = "LEVEL")]
    system_log_level: Option<String>,
    /// A queue of SQS or a topic of SNS that gets the events that were given up.
    #[arg(long, value_name = "ARN", conflicts_with = "no_dead_letter")]
    dead_letter: Option<String>,
    /// Send those events nowhere.
    #[arg(long)]
    no_dead_letter: bool,
    /// The execution role's ARN.
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// A sentence for people.
    #[arg(long)]
    description: Option<String>,
    /// Refuse unless this is the function's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// As the function prints them.
    Text,
    /// A JSON object each.
    Json,
}

impl LogFormat {
    /// Lambda's word for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
        }
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    match command {
        Command::Create(create) => self::create(*create, client, ui).await,
        Command::Get { name } => {
            let request = GetFunctionRequest { function_name: name };
            let answer = client.functions().await?.get_function(request).await?.into_inner();
            show(answer.configuration, ui)
        }
        Command::GetCode { name, target } => {
            let request = GetFunctionCodeRequest { function_name: name };
            let pieces = client.functions().await?.get_function_code(request).await?.into_inner();
            target.receive(pieces, |message| message.chunk, ui).await
        }
        Command::List { all_versions } => list(all_versions, client, ui).await,
        Command::UpdateCode(update) => update_code(update, client, ui).await,
        Command::UpdateConfig(update) => update_config(*update, client, ui).await,
        Command::Publish(publish) => {
            let request = PublishVersionRequest {
                function_name: publish.name,
                description: publish.description,
                code_sha256: publish.code_sha256,
                revision_id: publish.revision_id,
            };
            show(client.versions().await?.publish_version(request).await?.into_inner().configuration, ui)
        }
        Command::Versions { name } => versions(name, client, ui).await,
        Command::Concurrency(arguments) => attributes::concurrency(arguments, client, ui).await,
        Command::Provision(arguments) => provision::provision(arguments, client, ui).await,
        Command::Tags(arguments) => attributes::tags(arguments, client, ui).await,
        Command::Allow(arguments) => permissions::allow(arguments, client, ui).await,
        Command::Disallow(arguments) => permissions::disallow(arguments, client, ui).await,
        Command::Policy { name } => permissions::policy(name, client, ui).await,
        Command::Recursion(arguments) => attributes::recursion(arguments, client, ui).await,
        Command::RuntimeManagement(arguments) => attributes::runtime_management(arguments, client, ui).await,
        Command::Delete { name } => {
            client
                .functions()
                .await?
                .delete_function(DeleteFunctionRequest { function_name: name.clone() })
                .await?;
            ui.done(&json!({ "Deleted": name }), &format!("deleted {name}"))
        }
    }
}

async fn create(create: Create, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let code = create.source.open()?;
    let first = CreateFunctionRequest {
        function_name: create.name,
        runtime: create.runtime,
        handler: create.handler,
        role: create.role,
        description: create.description,
        timeout: create.timeout,
        memory_size: create.memory_size,
        ephemeral_storage: create.ephemeral_storage,
        environment: Some(Environment { variables: create.environment.into_iter().collect() }),
        chunk: bytes::Bytes::new(),
        publish: create.publish,
        tags: create.tags.into_iter().collect(),
        layers: create.layers,
        s3_object: code.object(),
        code_signing_config_arn: create.code_signing,
        dead_letter_target_arn: create.dead_letter,
    };
    let bar = code.bar(ui);
    let messages = upload(first, code, bar.clone(), |chunk| CreateFunctionRequest {
        chunk,
        ..CreateFunctionRequest::default()
    });
    let answer = client.functions().await?.create_function(messages).await;
    bar.finish_and_clear();
    show(answer?.into_inner().configuration, ui)
}

async fn update_code(update: UpdateCode, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let code = update.source.open()?;
    let first = UpdateFunctionCodeRequest {
        function_name: update.name,
        revision_id: update.revision_id,
        dry_run: update.dry_run,
        chunk: bytes::Bytes::new(),
        publish: update.publish,
        s3_object: code.object(),
    };
    let bar = code.bar(ui);
    let messages = upload(first, code, bar.clone(), |chunk| UpdateFunctionCodeRequest {
        chunk,
        ..UpdateFunctionCodeRequest::default()
    });
    let answer = client.functions().await?.update_function_code(messages).await;
    bar.finish_and_clear();
    show(answer?.into_inner().configuration, ui)
}

async fn update_config(update: UpdateConfig, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut paths = Vec::new();
    let mut take = |name: &str, given: bool| {
        if given {
            paths.push(name.to_owned());
        }
    };
    take("runtime", update.runtime.is_some());
    take("handler", update.handler.is_some());
    take("timeout", update.timeout.is_some());
    take("memory_size", update.memory_size.is_some());
    take("ephemeral_storage", update.ephemeral_storage.is_some());
    take("environment", update.no_env || !update.environment.is_empty());
    take("role", update.role.is_some());
    take("description", update.description.is_some());
    take("log_group", update.log_group.is_some());
    take("log_format", update.log_format.is_some());
    take("application_log_level", update.application_log_level.is_some());
    take("system_log_level", update.system_log_level.is_some());
    take("dead_letter_target_arn", update.no_dead_letter || update.dead_letter.is_some());
    take("layers", update.no_layers || !update.layers.is_empty());
    if paths.is_empty() {
        return Err(Failure::Usage(
            "say what to change; see `thaw function update-config --help`".to_owned(),
        ));
    }
    let configuration = FunctionConfiguration {
        runtime: update.runtime.unwrap_or_default(),
        handler: update.handler.unwrap_or_default(),
        role: update.role.unwrap_or_default(),
        description: update.description.unwrap_or_default(),
        timeout: update.timeout.unwrap_or_default(),
        memory_size: update.memory_size.unwrap_or_default(),
        ephemeral_storage: update.ephemeral_storage.unwrap_or_default(),
        environment: Some(Environment { variables: update.environment.into_iter().collect() }),
        log_group: update.log_group.unwrap_or_default(),
        log_format: update.log_format.map(LogFormat::as_str).unwrap_or_default().to_owned(),
        application_log_level: update.application_log_level.unwrap_or_default(),
        system_log_level: update.system_log_level.unwrap_or_default(),
        dead_letter_target_arn: update.dead_letter.unwrap_or_default(),
        layers: update.layers.into_iter().map(|arn| FunctionLayer { arn, code_size: 0 }).collect(),
        ..FunctionConfiguration::default()
    };
    let request = UpdateFunctionConfigurationRequest {
        function_name: update.name,
        revision_id: update.revision_id,
        update_mask: Some(prost_types::FieldMask { paths }),
        configuration: Some(configuration),
    };
    let answer = client.functions().await?.update_function_configuration(request).await?.into_inner();
    show(answer.configuration, ui)
}

async fn list(all_versions: bool, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut client = client.functions().await?;
    let mut functions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListFunctionsRequest { page_size: 0, page_token, all_versions };
        let page = client.list_functions(request).await?.into_inner();
        functions.extend(page.functions);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if ui.is_json() {
        return ui.json(&json!({ "Functions": functions.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if functions.is_empty() {
        ui.note("there are no functions yet; see `thaw function create --help`");
        return Ok(());
    }
    let rows = functions
        .into_iter()
        .map(|function| {
            let mut row = vec![
                function.function_name,
                function.runtime,
                function.handler,
                format!("{} MB", function.memory_size),
                format!("{} s", function.timeout),
                ui::bytes(function.code_size),
                ui::stamp(function.last_modified),
            ];
            if all_versions {
                row.insert(1, function.version);
            }
            row
        })
        .collect();
    let mut heading = vec!["name", "runtime", "handler", "memory", "timeout", "code", "modified"];
    if all_versions {
        heading.insert(1, "version");
    }
    ui.table(&heading, rows)
}

async fn versions(name: String, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut client = client.versions().await?;
    let mut versions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListVersionsRequest { function_name: name.clone(), page_size: 0, page_token };
        let page = client.list_versions(request).await?.into_inner();
        versions.extend(page.versions);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if ui.is_json() {
        return ui.json(&json!({ "Versions": versions.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let rows = versions
        .into_iter()
        .map(|version| {
            vec![
                version.version,
                version.runtime,
                format!("{} MB", version.memory_size),
                version.code_sha256,
                ui::stamp(version.last_modified),
                version.description,
            ]
        })
        .collect();
    ui.table(&["version", "runtime", "memory", "code", "modified", "description"], rows)
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "give NAME=VALUE".to_owned())
}
