//! `thaw layer`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use thaw_proto::v1::{
    AddLayerVersionPermissionRequest, DeleteLayerVersionRequest, GetLayerVersionContentRequest,
    GetLayerVersionPolicyRequest, GetLayerVersionRequest, LayerVersion, ListLayerVersionsRequest,
    PublishLayerVersionRequest, RemoveLayerVersionPermissionRequest,
};

use super::{
    download::Target,
    package::{Source, upload},
    permissions::show_policy,
};
use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a zip archive, a directory or an object in S3 as the next version of a layer.
    #[command(
        after_help = "What is in it appears under /opt of the functions that have it; Python looks in /opt/python.\n\n\
        Example:\n  thaw layer publish tools --source ./tools\n  \
        thaw function update-config hello --layer tools:1"
    )]
    Publish(Publish),
    /// Show the newest version of every layer.
    List {
        #[command(flatten)]
        filter: Filter,
    },
    /// Show all versions of a layer.
    Versions {
        /// The layer's name or ARN.
        name: String,
        #[command(flatten)]
        filter: Filter,
    },
    /// Show one layer version.
    Get(Which),
    /// Write the archive of a layer version to a file.
    GetContent {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
    /// Allow other accounts to use a layer version: their functions may have it by --layer ARN.
    #[command(
        after_help = "Example:\n  thaw layer allow tools:1 --statement-id team --principal 111111111111"
    )]
    Allow(Allow),
    /// Take back what was allowed.
    Disallow {
        #[command(flatten)]
        which: Which,
        /// What `allow` was given.
        #[arg(long, value_name = "ID")]
        statement_id: String,
        /// Refuse unless this is the policy's current revision.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
        revision_id: String,
    },
    /// Show what is allowed to whom, as JSON.
    Policy(Which),
    /// Delete a layer version. Functions that have it keep it.
    Delete(Which),
}

/// One layer version.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The layer version: NAME:VERSION, or its ARN. With --version the layer, by name or ARN.
    layer: String,
    /// The version, where LAYER does not say it.
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
}

impl Which {
    /// As the daemon is told of it, which knows what is left out.
    fn reference(self) -> String {
        match self.version {
            Some(version) => format!("{}:{version}", self.layer),
            None => self.layer,
        }
    }
}

/// Which layer versions are meant.
#[derive(Args, Debug)]
pub(crate) struct Filter {
    /// Only those that say that they are for this runtime.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "RUNTIME")]
    compatible_runtime: String,
    /// Only those that say that they are for this processor: x86_64 or arm64.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ARCHITECTURE")]
    compatible_architecture: String,
}

#[derive(Args, Debug)]
pub(crate) struct Allow {
    #[command(flatten)]
    which: Which,
    /// Names what is allowed, to take it back by.
    #[arg(long, value_name = "ID")]
    statement_id: String,
    /// An account's 12 digits, the ARN of its root, or *.
    #[arg(long)]
    principal: String,
    /// With --principal '*': only accounts of this organisation.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    organization_id: String,
    /// Refuse unless this is the policy's current revision.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    revision_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// 1 to 140 letters, digits, hyphens and underscores.
    name: String,
    #[command(flatten)]
    source: Source,
    /// A sentence for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The licence of what is in it.
    #[arg(long, default_value = "", hide_default_value = true)]
    license_info: String,
    /// A runtime that it is for; may be given several times.
    #[arg(long = "compatible-runtime", value_name = "RUNTIME")]
    runtimes: Vec<String>,
    /// A processor that it is for, x86_64 or arm64; may be given twice.
    #[arg(long = "compatible-architecture", value_name = "ARCHITECTURE")]
    architectures: Vec<String>,
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    match command {
        Command::Publish(publish) => self::publish(publish, client, ui).await,
        Command::List { filter } => list(String::new(), filter, client, ui).await,
        Command::Versions { name, filter } => list(name, filter, client, ui).await,
        Command::Get(which) => {
            let request = GetLayerVersionRequest { layer_version_arn: which.reference() };
            show(client.layers().await?.get_layer_version(request).await?.into_inner().layer_version, ui)
        }
        Command::GetContent { which, target } => {
            let request = GetLayerVersionContentRequest { layer_version_arn: which.reference() };
            let pieces = client.layers().await?.get_layer_version_content(request).await?.into_inner();
            target.receive(pieces, |message| message.chunk, ui).await
        }
        Command::Allow(allow) => {
            let request = AddLayerVersionPermissionRequest {
                layer_version_arn: allow.which.reference(),
                statement_id: allow.statement_id,
                principal: allow.principal,
                action: String::new(),
                organization_id: allow.organization_id,
                revision_id: allow.revision_id,
            };
            let answer = client.layers().await?.add_layer_version_permission(request).await?.into_inner();
            ui.line(&answer.statement)
        }
        Command::Disallow { which, statement_id, revision_id } => {
            let request = RemoveLayerVersionPermissionRequest {
                layer_version_arn: which.reference(),
                statement_id: statement_id.clone(),
                revision_id,
            };
            client.layers().await?.remove_layer_version_permission(request).await?;
            ui.done(&json!({ "Removed": statement_id }), &format!("removed {statement_id}"))
        }
        Command::Policy(which) => {
            let request = GetLayerVersionPolicyRequest { layer_version_arn: which.reference() };
            show_policy(
                &client.layers().await?.get_layer_version_policy(request).await?.into_inner().policy,
                ui,
            )
        }
        Command::Delete(which) => {
            let deleted = which.reference();
            let request = DeleteLayerVersionRequest { layer_version_arn: deleted.clone() };
            client.layers().await?.delete_layer_version(request).await?;
            ui.done(&json!({ "Deleted": deleted }), &format!("deleted {deleted}"))
        }
    }
}

async fn publish(publish: Publish, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let code = publish.source.open()?;
    let first = PublishLayerVersionRequest {
        layer_name: publish.name,
        description: publish.description,
        license_info: publish.license_info,
        compatible_runtimes: publish.runtimes,
        compatible_architectures: publish.architectures,
        chunk: bytes::Bytes::new(),
        s3_object: code.object(),
    };
    let bar = code.bar(ui);
    let messages = upload(first, code, bar.clone(), |chunk| PublishLayerVersionRequest {
        chunk,
        ..PublishLayerVersionRequest::default()
    });
    let answer = client.layers().await?.publish_layer_version(messages).await;
    bar.finish_and_clear();
    show(answer?.into_inner().layer_version, ui)
}

async fn list(layer_name: String, filter: Filter, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut layers = client.layers().await?;
    let mut versions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListLayerVersionsRequest {
            layer_name: layer_name.clone(),
            page_size: 0,
            page_token,
            compatible_runtime: filter.compatible_runtime.clone(),
            compatible_architecture: filter.compatible_architecture.clone(),
        };
        let page = layers.list_layer_versions(request).await?.into_inner();
        versions.extend(page.layer_versions);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if ui.is_json() {
        return ui.json(&json!({ "LayerVersions": versions.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if versions.is_empty() {
        ui.note("there are no such layers; see `thaw layer publish --help`");
        return Ok(());
    }
    let rows = versions
        .into_iter()
        .map(|version| {
            vec![
                version.layer_name,
                version.version.to_string(),
                ui::bytes(version.code_size),
                ui::stamp(version.created),
                version.layer_version_arn,
            ]
        })
        .collect();
    ui.table(&["layer", "version", "code", "created", "arn"], rows)
}

fn show(version: Option<LayerVersion>, ui: &Ui) -> Result<(), Failure> {
    let version = version.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&version));
    }
    let mut pairs = vec![
        ("layer", version.layer_name),
        ("version", version.version.to_string()),
        ("arn", version.layer_version_arn),
        ("code", format!("{}, SHA-256 {}", ui::bytes(version.code_size), version.code_sha256)),
        ("created", ui::stamp(version.created)),
    ];
    for (name, value) in [
        ("description", version.description),
        ("license", version.license_info),
        ("runtimes", version.compatible_runtimes.join(", ")),
        ("architectures", version.compatible_architectures.join(", ")),
    ] {
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    ui.list(&pairs)
}

/// Lambda's answer to GetLayerVersion.
fn as_json(version: &LayerVersion) -> Value {
    json!({
        "LayerVersionArn": version.layer_version_arn,
        "LayerName": version.layer_name,
        "Version": version.version,
        "Description": version.description,
        "LicenseInfo": version.license_info,
        "CompatibleRuntimes": version.compatible_runtimes,
        "CompatibleArchitectures": version.compatible_architectures,
        "CreatedDate": ui::stamp(version.created),
        "Content": { "CodeSize": version.code_size, "CodeSha256": version.code_sha256 },
    })
}
