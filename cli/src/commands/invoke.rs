//! `thaw invoke`.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
};

use anyhow::Context;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use thaw_proto::v1::{InvocationType, InvokeRequest, InvokeResponse, LogType, invoke_stream_response::Part};

use crate::{
    client::Client,
    failure::Failure,
    ui::{self, Ui},
};

/// The most bytes of an event. Source: Lambda quotas.
const PAYLOAD_LIMIT: u64 = 6_291_456;

/// Prints the function's answer on standard output as it is, and everything else on standard error.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The function's name or ARN.
    name: String,
    /// The event: JSON, @FILE, or - for standard input.
    #[arg(long, short, default_value = "{}", value_name = "JSON|@FILE|-")]
    payload: String,
    /// Whether to show the end of the invocation's log.
    #[arg(long, value_enum, default_value_t = Log::None)]
    log: Log,
    /// The version to call.
    #[arg(long, default_value = "", hide_default_value = true)]
    qualifier: String,
    /// A JSON object for the handler's context.client_context.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "JSON")]
    client_context: String,
    /// Do not wait for the answer: the event is kept until the function has taken it, see `thaw events`.
    #[arg(long, conflicts_with_all = ["dry_run", "log"])]
    event: bool,
    /// Check that the call could be made, and make none.
    #[arg(long)]
    dry_run: bool,
    /// Print the answer as the function sends it, if it sends it in pieces.
    #[arg(long, conflicts_with_all = ["dry_run", "event"])]
    stream: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    None,
    Tail,
}

pub(crate) async fn run(arguments: Arguments, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let payload = payload(&arguments.payload, "--payload", ui)?;
    let invocation_type = match (arguments.dry_run, arguments.event) {
        (true, _) => InvocationType::DryRun,
        (false, true) => InvocationType::Event,
        (false, false) => InvocationType::RequestResponse,
    };
    let log_type = if arguments.log == Log::Tail { LogType::Tail } else { LogType::None };
    let request = InvokeRequest {
        function_name: arguments.name,
        qualifier: arguments.qualifier,
        invocation_type: invocation_type.into(),
        log_type: log_type.into(),
        payload,
        client_context: arguments.client_context,
    };
    if arguments.stream {
        return stream(request, client, ui).await;
    }
    let answer = client.invocations().await?.invoke(request).await?.into_inner();
    if ui.is_json() {
        ui.line(&as_json(&answer)?)?;
    } else {
        note_log(&answer.log_result, ui);
        if answer.status_code == 204 {
            ui.note("the call could be made");
        } else if answer.status_code == 202 {
            // On standard output, for `thaw events show`.
            ui.line(&answer.request_id)?;
        } else {
            ui.raw(&answer.payload)?;
            if !answer.payload.ends_with(b"\n") {
                ui.raw(b"\n")?;
            }
        }
    }
    failed(&answer.function_error, &answer.request_id)
}

/// Prints pieces as they come.
async fn stream(request: InvokeRequest, client: &Client, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        let told = "--stream prints what the function sends as it comes, which is no one JSON object; leave out one of \
                    --stream and --output json";
        return Err(Failure::Usage(told.to_owned()));
    }
    let mut parts = client.invocations().await?.invoke_stream(request).await?.into_inner();
    let (mut request_id, mut last) = (String::new(), b'\n');
    while let Some(part) = parts.message().await? {
        match part.part {
            Some(Part::Started(started)) => request_id = started.request_id,
            Some(Part::Piece(piece)) => {
                ui.raw(&piece)?;
                last = piece.last().copied().unwrap_or(last);
            }
            Some(Part::Ended(ended)) => {
                if last != b'\n' {
                    ui.raw(b"\n")?;
                }
                note_log(&ended.log_result, ui);
                if !ended.error.is_empty() {
                    ui.note(&String::from_utf8_lossy(&ended.error));
                }
                return failed(&ended.function_error, &request_id);
            }
            // What a later thawd may tell beside these.
            None => {}
        }
    }
    Err(Failure::Function(format!("the answer broke off; request {request_id}")))
}

/// The end of an invocation's log.
fn note_log(log: &[u8], ui: &Ui) {
    for line in String::from_utf8_lossy(log).lines() {
        ui.note(&super::logs::message(line));
    }
}

fn failed(function_error: &str, request_id: &str) -> Result<(), Failure> {
    if function_error.is_empty() {
        return Ok(());
    }
    Err(Failure::Function(format!("the function failed ({function_error}); request {request_id}")))
}

/// The event that a flag gives as JSON, @FILE, or - for standard input. Checked here: a typing error should not need a
/// daemon to be found.
pub(crate) fn payload(text: &str, flag: &str, ui: &Ui) -> Result<Bytes, Failure> {
    let bytes = match text.strip_prefix('@') {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("reading the payload from {path}"))?;
            read(file, path, flag)?
        }
        None if text == "-" => {
            if io::stdin().is_terminal() {
                ui.note("reading the payload from the terminal; end it with Ctrl-D");
            }
            read(io::stdin(), "standard input", flag)?
        }
        None => text.as_bytes().to_vec(),
    };
    serde_json::from_slice::<Value>(&bytes).map_err(|error| {
        Failure::Usage(format!("{flag} is not JSON: {error}. A string needs quotes: '\"text\"'"))
    })?;
    Ok(bytes.into())
}

/// Reads at most one byte more than a payload may have: a device or a pipe may have no end.
fn read(source: impl Read, name: &str, flag: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(PAYLOAD_LIMIT + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading the payload from {name}"))?;
    if bytes.len() as u64 > PAYLOAD_LIMIT {
        return Err(Failure::Usage(format!(
            "{flag}: {name} has more than {PAYLOAD_LIMIT} bytes, the most that a call takes"
        )));
    }
    Ok(bytes)
}

/// The whole answer as one JSON object. The function's part of it is put in as it is: read and written anew, long
/// numbers would lose digits and keys their order.
fn as_json(answer: &InvokeResponse) -> Result<String, Failure> {
    let payload = match serde_json::from_slice::<&RawValue>(&answer.payload) {
        Ok(payload) => payload.to_owned(),
        Err(_) if answer.payload.is_empty() => RawValue::NULL.to_owned(),
        Err(_) => to_raw_value(&String::from_utf8_lossy(&answer.payload)).context("printing the answer")?,
    };
    let log_result = String::from_utf8_lossy(&answer.log_result);
    let whole = Answer {
        status_code: answer.status_code,
        executed_version: &answer.executed_version,
        request_id: &answer.request_id,
        function_error: Some(answer.function_error.as_str()).filter(|error| !error.is_empty()),
        log_result: Some(ui::plain_lines(&log_result)).filter(|log| !log.is_empty()),
        payload,
    };
    Ok(serde_json::to_string_pretty(&whole).context("printing the answer")?)
}

/// Lambda's names.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status_code: u32,
    executed_version: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_result: Option<String>,
    payload: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_keeps_its_digits_and_its_order() {
        let payload = r#"{"z":12345678901234567890123,"a":1}"#;
        let answer =
            InvokeResponse { payload: payload.into(), status_code: 200, ..InvokeResponse::default() };
        assert!(as_json(&answer).unwrap().contains(payload));
    }

    #[test]
    fn a_payload_without_an_end_is_not_read_for_ever() {
        let failure = read(io::repeat(b' '), "a pipe", "--payload").unwrap_err();
        assert_eq!(failure.code(), 2);
    }
}
