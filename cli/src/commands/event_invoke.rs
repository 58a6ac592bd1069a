//! `thaw event-invoke`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use thaw_proto::v1::{
    DeleteEventInvokeConfigRequest, EventInvokeConfig, EventInvokeSettings, GetEventInvokeConfigRequest,
    ListEventInvokeConfigsRequest, PutEventInvokeConfigRequest, UpdateEventInvokeConfigRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, function_of, stamp},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set how events are taken, in place of what was set. What is not said is Lambda's way: two retries, six hours.
    #[command(after_help = "Examples:\n  \
        thaw event-invoke put thumbnail --retries 0 --max-age 3600\n  \
        thaw event-invoke put thumbnail:live --on-success arn:aws:lambda:us-east-1:000000000000:function:index \\\n      \
        --on-failure arn:aws:sqs:us-east-1:000000000000:failed")]
    Put {
        /// The function's name or ARN, with or without a version or alias: each has its own.
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change what is set; what is not said stays.
    Update {
        /// The function's name or ARN, with or without a version or alias.
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show what is set.
    Get {
        /// The function's name or ARN, with or without a version or alias.
        name: String,
    },
    /// Show what is set of a function, its versions and its aliases.
    List {
        /// The function's name or ARN.
        name: String,
    },
    /// Take away what is set.
    Delete {
        /// The function's name or ARN, with or without a version or alias.
        name: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// How often an event is tried again whose function failed: 0 to 2.
    #[arg(long, value_name = "TIMES")]
    retries: Option<u32>,
    /// Seconds that an event may wait: 60 to 21600.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
    /// ARN or URL of what gets the results of events that the function took; empty for nobody.
    #[arg(long, value_name = "ARN")]
    on_success: Option<String>,
    /// ARN or URL of what gets the events that were given up; empty for nobody.
    #[arg(long, value_name = "ARN")]
    on_failure: Option<String>,
}

impl Settings {
    fn into_wire(self) -> EventInvokeSettings {
        EventInvokeSettings {
            maximum_retry_attempts: self.retries,
            maximum_event_age: self.max_age,
            on_success: self.on_success,
            on_failure: self.on_failure,
        }
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    if let Command::Update { settings, .. } = &command
        && settings.retries.is_none()
        && settings.max_age.is_none()
        && settings.on_success.is_none()
        && settings.on_failure.is_none()
    {
        return Err(Failure::Usage("say what to change; see `thaw event-invoke update --help`".to_owned()));
    }
    let mut configs = client.event_invoke_configs().await?;
    match command {
        Command::Put { name, settings } => {
            let settings = Some(settings.into_wire());
            let request = PutEventInvokeConfigRequest { function_name: name, settings };
            show(configs.put_event_invoke_config(request).await?.into_inner().config, ui)
        }
        Command::Update { name, settings } => {
            let settings = Some(settings.into_wire());
            let request = UpdateEventInvokeConfigRequest { function_name: name, settings };
            show(configs.update_event_invoke_config(request).await?.into_inner().config, ui)
        }
        Command::Get { name } => {
            let request = GetEventInvokeConfigRequest { function_name: name };
            show(configs.get_event_invoke_config(request).await?.into_inner().config, ui)
        }
        Command::List { name } => {
            let mut found = Vec::new();
            let mut page_token = String::new();
            loop {
                let request =
                    ListEventInvokeConfigsRequest { function_name: name.clone(), page_size: 0, page_token };
                let page = configs.list_event_invoke_configs(request).await?.into_inner();
                found.extend(page.configs);
                if page.next_page_token.is_empty() {
                    break;
                }
                page_token = page.next_page_token;
            }
            list(&found, &name, ui)
        }
        Command::Delete { name } => {
            let request = DeleteEventInvokeConfigRequest { function_name: name.clone() };
            configs.delete_event_invoke_config(request).await?;
            ui.done(&json!({ "Deleted": name }), &format!("nothing is set of {name} any more"))
        }
    }
}

fn list(configs: &[EventInvokeConfig], name: &str, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        let configs: Vec<Value> = configs.iter().map(as_json).collect();
        return ui.json(&json!({ "FunctionEventInvokeConfigs": configs }));
    }
    if configs.is_empty() {
        ui.note(&format!("nothing is set of {name}; see `thaw event-invoke put --help`"));
        return Ok(());
    }
    let rows = configs.iter().map(|config| {
        let settings = config.settings.clone().unwrap_or_default();
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            function_of(&config.function_arn).to_owned(),
            number(settings.maximum_retry_attempts),
            number(settings.maximum_event_age),
            settings.on_success.unwrap_or_default(),
            settings.on_failure.unwrap_or_default(),
        ]
    });
    ui.table(&["function", "retries", "max age", "on success", "on failure"], rows.collect())
}

fn show(config: Option<EventInvokeConfig>, ui: &Ui) -> Result<(), Failure> {
    let config = config.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&config));
    }
    let settings = config.settings.unwrap_or_default();
    let mut pairs = vec![("arn", config.function_arn)];
    pairs.extend(settings.maximum_retry_attempts.map(|times| ("retries", times.to_string())));
    pairs.extend(settings.maximum_event_age.map(|seconds| ("max age", format!("{seconds} s"))));
    pairs.extend(settings.on_success.map(|target| ("on success", target)));
    pairs.extend(settings.on_failure.map(|target| ("on failure", target)));
    pairs.push(("modified", stamp(config.last_modified)));
    ui.list(&pairs)
}

/// Lambda's FunctionEventInvokeConfig.
fn as_json(config: &EventInvokeConfig) -> Value {
    let settings = config.settings.clone().unwrap_or_default();
    let destination = |target: Option<String>| match target {
        Some(target) => json!({ "Destination": target }),
        None => json!({}),
    };
    let mut object = json!({
        "FunctionArn": config.function_arn,
        "LastModified": stamp(config.last_modified),
        "DestinationConfig": {
            "OnSuccess": destination(settings.on_success),
            "OnFailure": destination(settings.on_failure),
        },
    });
    for (member, number) in [
        ("MaximumRetryAttempts", settings.maximum_retry_attempts),
        ("MaximumEventAgeInSeconds", settings.maximum_event_age),
    ] {
        if let Some(number) = number {
            object[member] = number.into();
        }
    }
    object
}
