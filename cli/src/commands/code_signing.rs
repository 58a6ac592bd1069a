//! `thaw code-signing`.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use thaw_proto::v1::{
    CodeSigningConfig, CreateCodeSigningConfigRequest, DeleteCodeSigningConfigRequest,
    DeleteFunctionCodeSigningConfigRequest, GetCodeSigningConfigRequest, GetFunctionCodeSigningConfigRequest,
    ListCodeSigningConfigsRequest, ListFunctionsByCodeSigningConfigRequest,
    PutFunctionCodeSigningConfigRequest, UntrustedArtifact, UpdateCodeSigningConfigRequest,
};

use super::attributes::{self, TagChanges};
use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, stamp},
};

/// What people have to know before they write `enforce`.
const NO_SIGNATURES: &str = "No signature can be checked here, so that no package counts as signed: a function whose \
    configuration says `enforce` takes no new code and no layers.";

#[derive(Debug, Subcommand)]
#[command(after_help = NO_SIGNATURES)]
pub(crate) enum Command {
    /// Create a configuration.
    #[command(after_help = "Example:\n  \
        thaw code-signing create --untrusted enforce \\\n      \
        --profile arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/0123456789")]
    Create {
        /// The ARN of a version of a signing profile that is trusted; may be given up to twenty times.
        #[arg(long = "profile", value_name = "ARN", required = true)]
        profiles: Vec<String>,
        /// What becomes of packages and layers that are not signed by one of them.
        #[arg(long, value_enum, default_value_t = Untrusted::Warn)]
        untrusted: Untrusted,
        /// A sentence for people.
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
        /// A tag; may be given several times.
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::function::variable)]
        tags: Vec<(String, String)>,
    },
    /// Change a configuration; what is not said stays. What functions have already is not looked at again.
    Update {
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
        /// A signing profile's version that is trusted. Those that are not named any more are not.
        #[arg(long = "profile", value_name = "ARN")]
        profiles: Vec<String>,
        /// What becomes of packages and layers that are not signed by one of them.
        #[arg(long, value_enum)]
        untrusted: Option<Untrusted>,
        /// A sentence for people.
        #[arg(long)]
        description: Option<String>,
    },
    /// Show one configuration.
    Get {
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
    },
    /// Show all configurations.
    List,
    /// Delete a configuration that no function has.
    Delete {
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
    },
    /// Give a function a configuration, in place of any. The code that it has stays.
    Attach {
        /// The function's name or ARN.
        name: String,
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
    },
    /// Take a function's configuration away.
    Detach {
        /// The function's name or ARN.
        name: String,
    },
    /// Show which configuration a function has.
    Of {
        /// The function's name or ARN.
        name: String,
    },
    /// Show the functions that have a configuration.
    Functions {
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
    },
    /// Show a configuration's tags, and change them.
    Tags {
        /// The configuration's ARN.
        #[arg(value_name = "CONFIG_ARN")]
        arn: String,
        #[command(flatten)]
        changes: TagChanges,
    },
}

/// What becomes of packages and layers that are not signed by somebody who is trusted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Untrusted {
    /// They are taken, and the daemon's log tells of them.
    Warn,
    /// They are refused.
    Enforce,
}

impl Untrusted {
    fn into_wire(self) -> UntrustedArtifact {
        match self {
            Self::Warn => UntrustedArtifact::Warn,
            Self::Enforce => UntrustedArtifact::Enforce,
        }
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    match command {
        Command::Create { profiles, untrusted, description, tags } => {
            let request = CreateCodeSigningConfigRequest {
                description,
                signing_profile_version_arns: profiles,
                untrusted_artifact_on_deployment: untrusted.into_wire().into(),
                tags: tags.into_iter().collect(),
            };
            let made = client.code_signing().await?.create_code_signing_config(request).await?;
            show(made.into_inner().config, ui)
        }
        Command::Update { arn, profiles, untrusted, description } => {
            if profiles.is_empty() && untrusted.is_none() && description.is_none() {
                return Err(Failure::Usage(
                    "say what to change; see `thaw code-signing update --help`".to_owned(),
                ));
            }
            let request = UpdateCodeSigningConfigRequest {
                code_signing_config_arn: arn,
                description,
                signing_profile_version_arns: profiles,
                untrusted_artifact_on_deployment: untrusted
                    .map_or(UntrustedArtifact::Unspecified, Untrusted::into_wire)
                    .into(),
            };
            let changed = client.code_signing().await?.update_code_signing_config(request).await?;
            show(changed.into_inner().config, ui)
        }
        Command::Get { arn } => {
            let request = GetCodeSigningConfigRequest { code_signing_config_arn: arn };
            let found = client.code_signing().await?.get_code_signing_config(request).await?;
            show(found.into_inner().config, ui)
        }
        Command::List => list(client, ui).await,
        Command::Delete { arn } => {
            let request = DeleteCodeSigningConfigRequest { code_signing_config_arn: arn.clone() };
            client.code_signing().await?.delete_code_signing_config(request).await?;
            ui.done(&json!({ "Deleted": arn }), &format!("deleted {arn}"))
        }
        Command::Attach { name, arn } => {
            let request = PutFunctionCodeSigningConfigRequest {
                function_name: name.clone(),
                code_signing_config_arn: arn.clone(),
            };
            client.code_signing().await?.put_function_code_signing_config(request).await?;
            ui.done(
                &json!({ "CodeSigningConfigArn": arn, "FunctionName": name }),
                &format!("{name} has {arn}"),
            )
        }
        Command::Detach { name } => {
            let request = DeleteFunctionCodeSigningConfigRequest { function_name: name.clone() };
            client.code_signing().await?.delete_function_code_signing_config(request).await?;
            ui.done(&json!({ "Detached": name }), &format!("{name} has no code-signing configuration"))
        }
        Command::Of { name } => {
            let request = GetFunctionCodeSigningConfigRequest { function_name: name.clone() };
            let found = client.code_signing().await?.get_function_code_signing_config(request).await?;
            let arn = found.into_inner().code_signing_config_arn;
            match arn.is_empty() {
                true if ui.is_json() => ui.json(&json!({})),
                true => {
                    ui.note(&format!("{name} has no code-signing configuration"));
                    Ok(())
                }
                false if ui.is_json() => {
                    ui.json(&json!({ "CodeSigningConfigArn": arn, "FunctionName": name }))
                }
                false => ui.line(&arn),
            }
        }
        Command::Functions { arn } => functions(arn, client, ui).await,
        Command::Tags { arn, changes } => {
            // A function's name is no configuration, though it has tags.
            let request = GetCodeSigningConfigRequest { code_signing_config_arn: arn.clone() };
            client.code_signing().await?.get_code_signing_config(request).await?;
            attributes::tags_of(arn, changes, client, ui).await
        }
    }
}

async fn list(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut client = client.code_signing().await?;
    let mut configs = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListCodeSigningConfigsRequest { page_size: 0, page_token };
        let page = client.list_code_signing_configs(request).await?.into_inner();
        configs.extend(page.configs);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if ui.is_json() {
        let configs: Vec<Value> = configs.iter().map(as_json).collect();
        return ui.json(&json!({ "CodeSigningConfigs": configs }));
    }
    if configs.is_empty() {
        ui.note("there are no code-signing configurations; see `thaw code-signing create --help`");
        return Ok(());
    }
    let rows = configs.into_iter().map(|config| {
        let untrusted = untrusted(&config).to_owned();
        let profiles = config.signing_profile_version_arns.len().to_string();
        vec![config.code_signing_config_arn, untrusted, profiles, config.description]
    });
    ui.table(&["arn", "untrusted", "profiles", "description"], rows.collect())
}

async fn functions(arn: String, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut client = client.code_signing().await?;
    let mut arns = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListFunctionsByCodeSigningConfigRequest {
            code_signing_config_arn: arn.clone(),
            page_size: 0,
            page_token,
        };
        let page = client.list_functions_by_code_signing_config(request).await?.into_inner();
        arns.extend(page.function_arns);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if ui.is_json() {
        return ui.json(&json!({ "FunctionArns": arns }));
    }
    if arns.is_empty() {
        ui.note("no function has it");
    }
    arns.iter().try_for_each(|arn| ui.line(arn))
}

fn show(config: Option<CodeSigningConfig>, ui: &Ui) -> Result<(), Failure> {
    let config = config.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&config));
    }
    let mut pairs =
        vec![("arn", config.code_signing_config_arn.clone()), ("untrusted", untrusted(&config).to_owned())];
    pairs.extend(config.signing_profile_version_arns.into_iter().map(|arn| ("profile", arn)));
    if !config.description.is_empty() {
        pairs.push(("description", config.description));
    }
    pairs.push(("modified", stamp(config.last_modified)));
    ui.list(&pairs)
}

fn untrusted(config: &CodeSigningConfig) -> &'static str {
    match config.untrusted_artifact_on_deployment() {
        UntrustedArtifact::Warn => "Warn",
        UntrustedArtifact::Enforce => "Enforce",
        UntrustedArtifact::Unspecified => "",
    }
}

/// Lambda's CodeSigningConfig.
fn as_json(config: &CodeSigningConfig) -> Value {
    json!({
        "CodeSigningConfigId": config.code_signing_config_id,
        "CodeSigningConfigArn": config.code_signing_config_arn,
        "Description": config.description,
        "AllowedPublishers": { "SigningProfileVersionArns": config.signing_profile_version_arns },
        "CodeSigningPolicies": { "UntrustedArtifactOnDeployment": untrusted(config) },
        "LastModified": stamp(config.last_modified),
    })
}
