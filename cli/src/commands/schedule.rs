//! `thaw schedule`.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use thaw_proto::v1::{
    DeleteScheduleRequest, GetScheduleRequest, ListSchedulesRequest, MissedRuns, PutScheduleRequest,
    RunOutcome, RunScheduleRequest, Schedule, ScheduleRun, SetScheduleEnabledRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, stamp},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a schedule, or set one anew.
    #[command(after_help = "Examples:\n  \
        thaw schedule put nightly --expression 'cron(30 2 * * ? *)' --time-zone Europe/Berlin --function report\n  \
        thaw schedule put poll --expression 'rate(5 minutes)' --function poll:live --input '{\"all\": true}' --missed skip\n  \
        thaw schedule put once --expression 'at(2030-01-31T12:00:00)' --function hello")]
    Put {
        /// 1 to 64 letters, digits, dots, hyphens and underscores.
        name: String,
        /// rate(N minutes|hours|days), cron(minutes hours day-of-month month day-of-week year) or at(yyyy-mm-ddThh:mm:ss).
        #[arg(long)]
        expression: String,
        /// A time zone of the IANA database.
        #[arg(long, default_value = "UTC", value_name = "ZONE")]
        time_zone: String,
        /// The function's name or ARN, with or without :QUALIFIER.
        #[arg(long)]
        function: String,
        /// JSON for the function. Without it, it gets EventBridge's Scheduled Event.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "JSON")]
        input: String,
        /// What becomes of runs that were missed while the daemon was away.
        #[arg(long, value_enum, default_value_t = Missed::Once)]
        missed: Missed,
        /// A sentence for people.
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
        /// Do not switch it on yet.
        #[arg(long)]
        disabled: bool,
    },
    /// Show schedules and EventBridge rules: the next run of each, and the last with what came of it.
    List,
    /// Show one. A rule is rule/NAME.
    Get {
        /// The schedule, or rule/NAME.
        name: String,
    },
    /// Switch one on again. What would have run in between is not made up for.
    Enable {
        /// The schedule, or rule/NAME.
        name: String,
    },
    /// Switch one off.
    Disable {
        /// The schedule, or rule/NAME.
        name: String,
    },
    /// Delete one. A rule must have no targets.
    Delete {
        /// The schedule, or rule/NAME.
        name: String,
    },
    /// Call its function now. Its next run stays as it is.
    Run {
        /// The schedule, or rule/NAME.
        name: String,
    },
}

/// What becomes of missed runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Missed {
    /// The last of them is run, late.
    Once,
    /// None is run.
    Skip,
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut schedules = client.schedules().await?;
    match command {
        Command::Put { name, expression, time_zone, function, input, missed, description, disabled } => {
            let missed = match missed {
                Missed::Once => MissedRuns::Once,
                Missed::Skip => MissedRuns::Skip,
            };
            let request = PutScheduleRequest {
                name,
                expression,
                time_zone,
                function_name: function,
                input,
                missed: missed.into(),
                description,
                disabled,
            };
            show(schedules.put_schedule(request).await?.into_inner().schedule, ui)
        }
        Command::List => {
            let answer = schedules.list_schedules(ListSchedulesRequest {}).await?.into_inner();
            list(answer.schedules, ui)
        }
        Command::Get { name } => {
            show(schedules.get_schedule(GetScheduleRequest { name }).await?.into_inner().schedule, ui)
        }
        Command::Enable { name } => {
            let request = SetScheduleEnabledRequest { name, enabled: true };
            show(schedules.set_schedule_enabled(request).await?.into_inner().schedule, ui)
        }
        Command::Disable { name } => {
            let request = SetScheduleEnabledRequest { name, enabled: false };
            show(schedules.set_schedule_enabled(request).await?.into_inner().schedule, ui)
        }
        Command::Delete { name } => {
            schedules.delete_schedule(DeleteScheduleRequest { name: name.clone() }).await?;
            ui.done(&json!({ "Deleted": name }), &format!("deleted {name}"))
        }
        Command::Run { name } => {
            let run = schedules.run_schedule(RunScheduleRequest { name }).await?.into_inner().run;
            let run = run.unwrap_or_default();
            if ui.is_json() { ui.json(&run_json(&run)) } else { ui.line(&told(Some(&run))) }
        }
    }
}

fn list(schedules: Vec<Schedule>, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "Schedules": schedules.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if schedules.is_empty() {
        ui.note("there are no schedules; see `thaw schedule put --help`");
        return Ok(());
    }
    let rows = schedules
        .into_iter()
        .map(|schedule| {
            let (next, last) = (next(&schedule), told(schedule.last.as_ref()));
            vec![schedule.name, schedule.expression, schedule.time_zone, next, last]
        })
        .collect();
    ui.table(&["name", "expression", "zone", "next", "last"], rows)
}

fn show(schedule: Option<Schedule>, ui: &Ui) -> Result<(), Failure> {
    let schedule = schedule.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&schedule));
    }
    let mut pairs = vec![
        ("next", next(&schedule)),
        ("last", told(schedule.last.as_ref())),
        ("missed", missed(&schedule).to_owned()),
        ("name", schedule.name),
        ("arn", schedule.arn),
        ("expression", schedule.expression),
        ("zone", schedule.time_zone),
    ];
    pairs.rotate_left(3);
    if !schedule.description.is_empty() {
        pairs.push(("description", schedule.description));
    }
    for target in schedule.targets {
        pairs.push(("calls", target.function_arn));
        if !target.input.is_empty() {
            pairs.push(("with", target.input));
        }
    }
    ui.list(&pairs)
}

fn next(schedule: &Schedule) -> String {
    match schedule.next {
        Some(next) => stamp(Some(next)),
        None if !schedule.enabled => "disabled".to_owned(),
        None => "never".to_owned(),
    }
}

fn missed(schedule: &Schedule) -> &'static str {
    match schedule.missed() {
        MissedRuns::Skip => "skip",
        MissedRuns::Once | MissedRuns::Unspecified => "once",
    }
}

fn outcome(run: &ScheduleRun) -> &'static str {
    match run.outcome() {
        RunOutcome::Accepted => "accepted",
        RunOutcome::Refused => "refused",
        RunOutcome::Skipped => "skipped",
        RunOutcome::Unspecified => "",
    }
}

/// E.g. `2026-03-01T12:00:00.000+0000 accepted: 7a…`.
fn told(run: Option<&ScheduleRun>) -> String {
    run.map_or_else(
        || "never".to_owned(),
        |run| format!("{} {}: {}", stamp(run.scheduled), outcome(run), run.detail),
    )
}

fn run_json(run: &ScheduleRun) -> Value {
    json!({
        "Scheduled": stamp(run.scheduled),
        "At": stamp(run.at),
        "Outcome": outcome(run),
        "Detail": run.detail,
    })
}

fn as_json(schedule: &Schedule) -> Value {
    let targets = schedule.targets.iter();
    json!({
        "Name": schedule.name,
        "Arn": schedule.arn,
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.time_zone,
        "Missed": missed(schedule),
        "State": if schedule.enabled { "ENABLED" } else { "DISABLED" },
        "Description": schedule.description,
        "Targets": targets
            .map(|target| json!({ "Arn": target.function_arn, "Input": target.input }))
            .collect::<Vec<_>>(),
        "Next": schedule.next.map(|next| stamp(Some(next))),
        "Last": schedule.last.as_ref().map(run_json),
    })
}
