//! `thaw alias`.

use std::collections::HashMap;

use clap::Subcommand;
use serde_json::{Value, json};
use thaw_proto::v1::{
    Alias, CreateAliasRequest, DeleteAliasRequest, GetAliasRequest, ListAliasesRequest, UpdateAliasRequest,
};

use crate::{client::Client, failure::Failure, ui::Ui};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create an alias that leads to a version.
    #[command(after_help = "Example:\n  thaw alias create hello live --version 3\n  \
        thaw alias create hello canary --version 3 --weight 4=0.1")]
    Create {
        /// The function's name or ARN.
        function: String,
        /// 1 to 128 letters, digits, hyphens and underscores, not digits alone.
        alias: String,
        /// The version to lead to: a number or $LATEST.
        #[arg(long)]
        version: String,
        /// Another version and its share of the calls, 0 to 1, e.g. 4=0.1.
        #[arg(long, value_parser = weight, value_name = "VERSION=SHARE")]
        weight: Option<(String, f64)>,
        /// A sentence for people.
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Move an alias, or change its weights. Running calls finish on the version that they have.
    Update {
        /// The function's name or ARN.
        function: String,
        /// The alias.
        alias: String,
        /// The version to lead to from now on.
        #[arg(long, default_value = "", hide_default_value = true)]
        version: String,
        /// Another version and its share of the calls.
        #[arg(long, value_parser = weight, value_name = "VERSION=SHARE", conflicts_with = "no_weight")]
        weight: Option<(String, f64)>,
        /// Send all calls to one version again.
        #[arg(long)]
        no_weight: bool,
        /// A sentence for people.
        #[arg(long)]
        description: Option<String>,
        /// Refuse unless this is the alias's current revision.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
        revision_id: String,
    },
    /// Show one alias.
    Get {
        /// The function's name or ARN.
        function: String,
        /// The alias.
        alias: String,
    },
    /// Show a function's aliases.
    List {
        /// The function's name or ARN.
        function: String,
        /// Only those that lead to this version.
        #[arg(long, default_value = "", hide_default_value = true)]
        version: String,
    },
    /// Delete an alias. The version that it leads to stays.
    Delete {
        /// The function's name or ARN.
        function: String,
        /// The alias.
        alias: String,
    },
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut versions = client.versions().await?;
    match command {
        Command::Create { function, alias, version, weight, description } => {
            let request = CreateAliasRequest {
                function_name: function,
                name: alias,
                function_version: version,
                additional_version_weights: weight.into_iter().collect(),
                description,
            };
            show(versions.create_alias(request).await?.into_inner().alias, ui)
        }
        Command::Update { function, alias, version, weight, no_weight, description, revision_id } => {
            let request = UpdateAliasRequest {
                function_name: function,
                name: alias,
                function_version: version,
                set_weights: no_weight || weight.is_some(),
                additional_version_weights: weight.into_iter().collect(),
                description,
                revision_id,
            };
            show(versions.update_alias(request).await?.into_inner().alias, ui)
        }
        Command::Get { function, alias } => {
            let request = GetAliasRequest { function_name: function, name: alias };
            show(versions.get_alias(request).await?.into_inner().alias, ui)
        }
        Command::List { function, version } => {
            let mut aliases = Vec::new();
            let mut page_token = String::new();
            loop {
                let request = ListAliasesRequest {
                    function_name: function.clone(),
                    function_version: version.clone(),
                    page_size: 0,
                    page_token,
                };
                let page = versions.list_aliases(request).await?.into_inner();
                aliases.extend(page.aliases);
                if page.next_page_token.is_empty() {
                    break;
                }
                page_token = page.next_page_token;
            }
            list(aliases, &function, ui)
        }
        Command::Delete { function, alias } => {
            let request = DeleteAliasRequest { function_name: function, name: alias.clone() };
            versions.delete_alias(request).await?;
            ui.done(&json!({ "Deleted": alias }), &format!("deleted {alias}"))
        }
    }
}

fn list(aliases: Vec<Alias>, function: &str, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "Aliases": aliases.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if aliases.is_empty() {
        ui.note(&format!("{function} has no aliases; see `thaw alias create --help`"));
        return Ok(());
    }
    let rows = aliases
        .into_iter()
        .map(|alias| {
            let weights = shares(&alias.additional_version_weights);
            vec![alias.name, alias.function_version, weights, alias.description]
        })
        .collect();
    ui.table(&["alias", "version", "also", "description"], rows)
}

fn show(alias: Option<Alias>, ui: &Ui) -> Result<(), Failure> {
    let alias = alias.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&alias));
    }
    let weights = shares(&alias.additional_version_weights);
    let mut pairs =
        vec![("alias", alias.name), ("arn", alias.alias_arn), ("version", alias.function_version)];
    if !weights.is_empty() {
        pairs.push(("also", weights));
    }
    if !alias.description.is_empty() {
        pairs.push(("description", alias.description));
    }
    pairs.push(("revision", alias.revision_id));
    ui.list(&pairs)
}

/// E.g. `version 4: 10 %`.
fn shares(weights: &HashMap<String, f64>) -> String {
    let told: Vec<String> =
        weights.iter().map(|(version, share)| format!("version {version}: {} %", share * 100.0)).collect();
    told.join(", ")
}

/// Lambda's AliasConfiguration.
fn as_json(alias: &Alias) -> Value {
    let mut object = json!({
        "AliasArn": alias.alias_arn,
        "Name": alias.name,
        "FunctionVersion": alias.function_version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    if !alias.additional_version_weights.is_empty() {
        object["RoutingConfig"] = json!({ "AdditionalVersionWeights": alias.additional_version_weights });
    }
    object
}

fn weight(text: &str) -> Result<(String, f64), String> {
    text.split_once('=')
        .and_then(|(version, share)| Some((version.to_owned(), share.parse().ok()?)))
        .ok_or_else(|| "give VERSION=SHARE, e.g. 4=0.1".to_owned())
}
