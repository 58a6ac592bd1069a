//! `thaw runtime`.

use std::collections::VecDeque;

use clap::Subcommand;
use serde_json::{Value, json};
use thaw_proto::v1::{BuildRuntimeRequest, ListRuntimesRequest, Runtime};

use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

/// How much of a failed build's output is shown.
const SHOWN: usize = 30;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build a runtime's image on this machine.
    Build {
        /// One of `thaw runtime list`, e.g. python3.13.
        name: String,
        /// Build it anew even if it is there.
        #[arg(long)]
        rebuild: bool,
        /// Show the build's own output as it comes.
        #[arg(long, short)]
        verbose: bool,
    },
    /// Show which runtimes there are and which are built.
    List,
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    match command {
        Command::Build { name, rebuild, verbose } => build(name, rebuild, verbose, client, ui).await,
        Command::List => list(client, ui).await,
    }
}

async fn build(name: String, rebuild: bool, verbose: bool, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut steps = client
        .runtimes()
        .await?
        .build_runtime(BuildRuntimeRequest { name: name.clone(), rebuild })
        .await?
        .into_inner();
    let spinner = ui.spinner();
    let mut shown = String::new();
    let mut last = VecDeque::with_capacity(SHOWN);
    loop {
        let step = match steps.message().await {
            Ok(Some(step)) => step,
            Ok(None) => return Err(Failure::Unreachable("the daemon ended during the build".to_owned())),
            Err(status) => {
                spinner.finish_and_clear();
                if !verbose {
                    last.iter().for_each(|line: &String| ui.note(line));
                }
                return Err(status.into());
            }
        };
        if !step.output.is_empty() {
            let line = ui::plain(&step.output);
            if verbose {
                spinner.suspend(|| ui.note(&line));
            }
            if last.len() == SHOWN {
                last.pop_front();
            }
            last.push_back(line);
        }
        let status = format!("[{}/{}] {}", step.step, step.steps, step.status);
        if status != shown && step.runtime.is_none() && !ui.is_watched() {
            ui.note(&status);
        }
        spinner.set_message(status.clone());
        shown = status;
        if let Some(runtime) = step.runtime {
            spinner.finish_and_clear();
            if ui.is_json() {
                return ui.json(&as_json(&runtime));
            }
            return ui.line(&format!(
                "{} is ready: {} ({})",
                runtime.name,
                runtime.image,
                ui::bytes(runtime.image_size)
            ));
        }
    }
}

async fn list(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let runtimes =
        client.runtimes().await?.list_runtimes(ListRuntimesRequest {}).await?.into_inner().runtimes;
    if ui.is_json() {
        return ui.json(&json!({ "Runtimes": runtimes.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let rows = runtimes
        .into_iter()
        .map(|runtime| {
            let (size, created) = if runtime.built && runtime.outdated {
                let advice = format!("out of date; run: thaw runtime build {}", runtime.name);
                (advice, ui::stamp(runtime.created))
            } else if runtime.built {
                (ui::bytes(runtime.image_size), ui::stamp(runtime.created))
            } else {
                (format!("not built; run: thaw runtime build {}", runtime.name), String::new())
            };
            vec![runtime.name, runtime.image, runtime.base, size, created]
        })
        .collect();
    ui.table(&["runtime", "image", "base", "size", "built"], rows)
}

fn as_json(runtime: &Runtime) -> Value {
    json!({
        "Runtime": runtime.name,
        "Image": runtime.image,
        "ImageId": runtime.image_id,
        "ImageSize": runtime.image_size,
        "Base": runtime.base,
        "Built": runtime.built,
        "Outdated": runtime.outdated,
        "Created": ui::stamp(runtime.created),
    })
}
