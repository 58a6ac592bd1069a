//! `thaw admin keep-alive`.

use std::time::Duration;

use serde_json::{Value, json};
use thaw_proto::v1::{KeepAlive, ListKeepAliveResponse};

use super::name_in;
use crate::{
    failure::Failure,
    ui::{self, Ui},
};

pub(super) fn show(answer: &ListKeepAliveResponse, ui: &Ui) -> Result<(), Failure> {
    let ListKeepAliveResponse { policy, functions } = answer;
    if ui.is_json() {
        let functions: Vec<_> = functions.iter().map(as_json).collect();
        return ui.json(&json!({ "Policy": policy, "Functions": functions }));
    }
    if functions.is_empty() {
        return ui.line(&format!("no function was called since thawd started (keep_alive is {policy})"));
    }
    let heading = [
        "function",
        "version",
        "decided by",
        "stays",
        "made ahead after",
        "gaps",
        "calls lately",
        "cold start",
    ];
    ui.table(&heading, functions.iter().map(row).collect())
}

fn row(function: &KeepAlive) -> Vec<String> {
    let none = || "-".to_owned();
    vec![
        name_in(&function.function_arn).to_owned(),
        version(function).to_owned(),
        decided_by(function).to_owned(),
        ui::span(function.keep),
        function.made_ahead_after.map_or_else(none, |span| ui::span(Some(span))),
        function.gaps.to_string(),
        format!("{:.1}", function.calls),
        seconds(function.cold_start).map_or_else(none, |seconds| format!("{:.0} ms", seconds * 1e3)),
    ]
}

fn as_json(function: &KeepAlive) -> Value {
    json!({
        "FunctionArn": function.function_arn,
        "DecidedBy": decided_by(function),
        "KeepSeconds": seconds(function.keep),
        "MadeAheadAfterSeconds": seconds(function.made_ahead_after),
        "Gaps": function.gaps,
        "Calls": function.calls,
        "ColdStartSeconds": seconds(function.cold_start),
    })
}

fn version(function: &KeepAlive) -> &str {
    function.function_arn.split(':').nth(7).unwrap_or_default()
}

fn decided_by(function: &KeepAlive) -> &'static str {
    if function.by_gaps { "gaps" } else { "fixed time" }
}

/// None of a span that is none, or negative.
fn seconds(span: Option<prost_types::Duration>) -> Option<f64> {
    Some(Duration::try_from(span?).ok()?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_decided_what() {
        let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let mut function = KeepAlive {
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:report:$LATEST".to_owned(),
            by_gaps: true,
            keep: span(2200, 0),
            made_ahead_after: span(1500, 0),
            gaps: 7,
            calls: 3.25,
            cold_start: span(0, 61_400_000),
        };
        let line = ["report", "$LATEST", "gaps", "36m40s", "25m0s", "7", "3.2", "61 ms"];
        assert_eq!(row(&function), line);
        assert_eq!(as_json(&function)["MadeAheadAfterSeconds"], json!(1500.0));

        function = KeepAlive { by_gaps: false, made_ahead_after: None, cold_start: None, ..function };
        let line = ["report", "$LATEST", "fixed time", "36m40s", "-", "7", "3.2", "-"];
        assert_eq!(row(&function), line);
        assert_eq!(as_json(&function)["ColdStartSeconds"], Value::Null);
    }
}
