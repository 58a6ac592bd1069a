//! `thaw events`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json, value::RawValue};
use thaw_proto::v1::{
    Event, EventState, GetEventRequest, ListEventsRequest, PurgeEventsRequest, RetryEventsRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, bytes, function_of, stamp},
};

/// Events that are asked for at once.
const PAGE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show events that wait, that run, and that died.
    #[command(after_help = "Example:\n  thaw events list hello --state dead")]
    List {
        /// Only those of this function.
        #[arg(default_value = "", hide_default_value = true)]
        function: String,
        /// Only those in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one event, what went wrong with it, and what it carries.
    Show {
        /// The event's id, as `thaw invoke --event` and `thaw events list` print it.
        id: String,
    },
    /// Try an event again at once; a dead one as if it were new.
    #[command(after_help = "Example:\n  thaw events retry --function hello")]
    Retry(Which),
    /// Throw an event away.
    #[command(after_help = "Example:\n  thaw events purge --function hello --state waiting")]
    Purge(Which),
}

/// One event, or many.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true)]
pub(crate) struct Which {
    /// The event's id.
    #[arg(conflicts_with_all = ["function", "all"])]
    id: Option<String>,
    /// All of this function's.
    #[arg(long, conflicts_with = "all")]
    function: Option<String>,
    /// All of all functions.
    #[arg(long)]
    all: bool,
    /// In which state, of many: the dead ones if it is not said.
    #[arg(long, value_enum, conflicts_with = "id")]
    state: Option<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Waiting for its function, or running.
    Waiting,
    /// Ended, with a destination that has yet to take the result.
    Delivering,
    /// Given up, with nobody to send it to, or with a result that its destination did not take.
    Dead,
}

impl State {
    fn wire(state: Option<Self>) -> i32 {
        match state {
            None => EventState::Unspecified,
            Some(Self::Waiting) => EventState::Waiting,
            Some(Self::Delivering) => EventState::Delivering,
            Some(Self::Dead) => EventState::Dead,
        }
        .into()
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut service = client.events().await?;
    match command {
        Command::List { function, state, limit } => {
            let (mut events, mut page_token) = (Vec::new(), String::new());
            let more = loop {
                let left = limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
                if left == 0 {
                    break true;
                }
                let request = ListEventsRequest {
                    function_name: function.clone(),
                    state: State::wire(state),
                    page_size: left.min(PAGE),
                    page_token,
                };
                let page = service.list_events(request).await?.into_inner();
                events.extend(page.events);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break false;
                }
            };
            list(&events, more, ui)
        }
        Command::Show { id } => {
            let answer = service.get_event(GetEventRequest { id }).await?.into_inner();
            show(&answer.event.unwrap_or_default(), &answer.payload, ui)
        }
        Command::Retry(Which { id, function, state, .. }) => {
            let request = RetryEventsRequest {
                id: id.unwrap_or_default(),
                function_name: function.unwrap_or_default(),
                state: State::wire(state),
            };
            let count = service.retry_events(request).await?.into_inner().retried;
            told("Retried", "tried again", count, ui)
        }
        Command::Purge(Which { id, function, state, .. }) => {
            let request = PurgeEventsRequest {
                id: id.unwrap_or_default(),
                function_name: function.unwrap_or_default(),
                state: State::wire(state),
            };
            let count = service.purge_events(request).await?.into_inner().purged;
            told("Purged", "thrown away", count, ui)
        }
    }
}

fn told(key: &str, what: &str, count: u64, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ key: count }));
    }
    let events = if count == 1 { "event" } else { "events" };
    ui.line(&format!("{count} {events} {what}"))
}

fn list(events: &[Event], more: bool, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "Events": events.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if events.is_empty() {
        ui.note("no events wait, and none died");
        return Ok(());
    }
    let rows = events
        .iter()
        .map(|event| {
            vec![
                event.id.clone(),
                function_of(&event.function_arn).to_owned(),
                state(event),
                event.failures.to_string(),
                stamp(event.due),
                event.error_type.clone(),
            ]
        })
        .collect();
    ui.table(&["event", "function", "state", "failures", "due or died", "error"], rows)?;
    if more {
        ui.note("there are more; see --limit, --state");
    }
    Ok(())
}

fn show(event: &Event, payload: &[u8], ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        let mut object = as_json(event);
        object["Payload"] =
            serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into());
        return ui.json(&object);
    }
    let mut pairs = vec![
        ("event", event.id.clone()),
        ("function", event.function_arn.clone()),
        ("state", state(event)),
        ("accepted", stamp(event.accepted_at)),
        (if dead(event) { "died" } else { "due" }, stamp(event.due)),
        ("failures", event.failures.to_string()),
    ];
    for (name, value) in [
        ("given up", &event.condition),
        ("destination", &event.destination),
        ("error", &event.error_type),
        ("message", &event.error_message),
    ] {
        if !value.is_empty() {
            pairs.push((name, value.clone()));
        }
    }
    pairs.push(("size", bytes(event.payload_bytes)));
    // What a person can look at; the rest is for --output json.
    let text = match serde_json::from_slice::<&RawValue>(payload) {
        Ok(raw) => raw.get().to_owned(),
        Err(_) => String::from_utf8_lossy(payload).into_owned(),
    };
    pairs.push(("payload", text.chars().take(2_000).collect()));
    ui.list(&pairs)
}

fn dead(event: &Event) -> bool {
    event.state() == EventState::Dead
}

fn state(event: &Event) -> String {
    match event.state() {
        EventState::Waiting if event.running => "running",
        EventState::Waiting => "waiting",
        EventState::Delivering => "delivering",
        EventState::Dead => "dead",
        EventState::Unspecified => "unknown",
    }
    .to_owned()
}

fn as_json(event: &Event) -> Value {
    let optional = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "Id": event.id,
        "State": state(event),
        "FunctionArn": event.function_arn,
        "AcceptedAt": stamp(event.accepted_at),
        "Due": stamp(event.due),
        "Failures": event.failures,
        "ErrorType": optional(&event.error_type),
        "ErrorMessage": optional(&event.error_message),
        "Condition": optional(&event.condition),
        "Destination": optional(&event.destination),
        "PayloadBytes": event.payload_bytes,
    })
}
