//! ScheduleService.

use thaw_proto::v1::{
    self, DeleteScheduleRequest, DeleteScheduleResponse, GetScheduleRequest, GetScheduleResponse,
    ListSchedulesRequest, ListSchedulesResponse, MissedRuns, PutScheduleRequest, PutScheduleResponse,
    RunOutcome, RunScheduleRequest, RunScheduleResponse, ScheduleRun, ScheduleTarget,
    SetScheduleEnabledRequest, SetScheduleEnabledResponse, schedule_service_server::ScheduleService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{parse, parse_optional, parse_reference, timestamp},
};
use crate::{
    events::schedules::{
        Definition, Expression, Key, Kind, LastRun, Missed, Outcome, Schedule, Schedules, Target,
        TargetInput, Zone,
    },
    functions::{InvalidField, Tags},
    identity::AccountId,
    invoke::Invoker,
};

/// What the names of rules begin with here.
const RULE: &str = "rule/";

/// What the one target of a schedule is called.
const ONLY: &str = "1";

/// Characters of a description.
const DESCRIPTION: usize = 512;

#[derive(Debug)]
pub(super) struct ScheduleDoor {
    pub(super) schedules: Schedules,
    pub(super) invoker: Invoker,
    pub(super) account: AccountId,
}

impl ScheduleDoor {
    fn key(&self, text: &str) -> Result<Key, Status> {
        let (kind, name) = match text.strip_prefix(RULE) {
            Some(name) => (Kind::Rule, name),
            None => (Kind::Own, text),
        };
        Ok(Key { account: self.account, kind, name: parse("name", name)? })
    }

    fn shown(&self, schedule: &Schedule) -> v1::Schedule {
        let Schedule { key, definition, last, next } = schedule;
        let missed = match definition.missed {
            Missed::Once => MissedRuns::Once,
            Missed::Skip => MissedRuns::Skip,
        };
        v1::Schedule {
            name: match key.kind {
                Kind::Rule => format!("{RULE}{}", key.name),
                Kind::Own => key.name.to_string(),
            },
            arn: key.arn(self.schedules.region()),
            expression: definition.expression.to_string(),
            time_zone: definition.zone.to_string(),
            missed: missed.into(),
            enabled: definition.enabled,
            description: definition.description.clone(),
            targets: definition.targets.iter().map(shown_target).collect(),
            next: next.map(timestamp),
            last: last.as_ref().map(shown_run),
        }
    }
}

fn shown_target(target: &Target) -> ScheduleTarget {
    let input = match &target.input {
        TargetInput::Event => String::new(),
        TargetInput::Text(text) | TargetInput::Template { text, .. } => text.clone(),
        TargetInput::Part(path) => path.to_string(),
    };
    ScheduleTarget { function_arn: target.function.to_string(), input }
}

fn shown_run(run: &LastRun) -> ScheduleRun {
    let outcome = match run.outcome {
        Outcome::Accepted => RunOutcome::Accepted,
        Outcome::Refused => RunOutcome::Refused,
        Outcome::Skipped => RunOutcome::Skipped,
    };
    ScheduleRun {
        scheduled: Some(timestamp(run.scheduled)),
        at: Some(timestamp(run.at)),
        outcome: outcome.into(),
        detail: run.detail.clone(),
    }
}

#[tonic::async_trait]
impl ScheduleService for ScheduleDoor {
    async fn put_schedule(
        &self,
        request: Request<PutScheduleRequest>,
    ) -> Result<Response<PutScheduleResponse>, Status> {
        let request = request.into_inner();
        let key = self.key(&request.name)?;
        if key.kind == Kind::Rule {
            return Err(invalid("name", "rules are made by the AWS API: aws events put-rule"));
        }
        let expression: Expression = parse("expression", &request.expression)?;
        let zone = parse_optional("time_zone", &request.time_zone)?.unwrap_or_else(Zone::utc);
        let missed = match MissedRuns::try_from(request.missed) {
            Ok(MissedRuns::Unspecified | MissedRuns::Once) => Missed::Once,
            Ok(MissedRuns::Skip) => Missed::Skip,
            Err(_) => return Err(invalid("missed", "must be ONCE or SKIP")),
        };
        let description = request.description;
        if description.chars().count() > DESCRIPTION {
            return Err(invalid("description", format!("has at most {DESCRIPTION} characters")));
        }
        let functions = self.schedules.functions(self.account);
        let reference = parse_reference(&request.function_name, functions.region())?;
        let function = functions.find(&reference, None).map_err(Refusal::from)?.arn;
        let input = match request.input {
            text if text.is_empty() => TargetInput::Event,
            text => TargetInput::Text(text),
        };
        input.check().map_err(|error| invalid("input", error.message))?;
        let targets = vec![Target { id: parse("name", ONLY)?, function, input }];
        let enabled = !request.disabled;
        let schedule = self
            .schedules
            .put(key, move |_, now| {
                if expression.next(&zone, now, now).is_none() {
                    return Err(InvalidField::new(
                        "expression",
                        "it has no time left: that has passed, or never comes in this time zone",
                    )
                    .into());
                }
                let tags = Tags::default();
                Ok(Definition { expression, zone, missed, enabled, description, targets, tags })
            })
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(PutScheduleResponse { schedule: Some(self.shown(&schedule)) }))
    }

    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        let key = self.key(&request.into_inner().name)?;
        let schedule = self.schedules.get(&key).map_err(Refusal::from)?;
        Ok(Response::new(GetScheduleResponse { schedule: Some(self.shown(&schedule)) }))
    }

    async fn list_schedules(
        &self,
        _: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let all = [Kind::Own, Kind::Rule].map(|kind| self.schedules.list(self.account, kind)).concat();
        let schedules = all.iter().map(|schedule| self.shown(schedule)).collect();
        Ok(Response::new(ListSchedulesResponse { schedules }))
    }

    async fn set_schedule_enabled(
        &self,
        request: Request<SetScheduleEnabledRequest>,
    ) -> Result<Response<SetScheduleEnabledResponse>, Status> {
        let request = request.into_inner();
        let key = self.key(&request.name)?;
        let schedule = self.schedules.set_enabled(key, request.enabled).await.map_err(Refusal::from)?;
        Ok(Response::new(SetScheduleEnabledResponse { schedule: Some(self.shown(&schedule)) }))
    }

    async fn delete_schedule(
        &self,
        request: Request<DeleteScheduleRequest>,
    ) -> Result<Response<DeleteScheduleResponse>, Status> {
        let key = self.key(&request.into_inner().name)?;
        self.schedules.delete(key).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteScheduleResponse {}))
    }

    async fn run_schedule(
        &self,
        request: Request<RunScheduleRequest>,
    ) -> Result<Response<RunScheduleResponse>, Status> {
        let key = self.key(&request.into_inner().name)?;
        let run = self.schedules.run_now(&key, &self.invoker).await.map_err(Refusal::from)?;
        Ok(Response::new(RunScheduleResponse { run: Some(shown_run(&run)) }))
    }
}
