//! Runs what is due.

use std::{future::Future, time::Duration as Span};

use bytes::Bytes;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Key, Kind, LastRun, Outcome, ScheduleError, Schedules, Target,
    agenda::{Due, look},
    event,
    input::Context,
};
use crate::{
    functions::ServiceCall,
    identity::AccountId,
    invoke::{Invocation, InvokeError, Invoker},
    runtime_api::RequestId,
};

/// How long the task sleeps at most: the wall clock may be set, and no sleep ends with that.
const LOOK_EVERY: Span = Span::from_secs(5);

/// Runs that are carried out at the same time: they share the store's syncs.
const AT_ONCE: usize = 32;

/// How long a target that can't take its event now is let be, and how long it is tried. Source of the latter: EventBridge.
const TRY_AGAIN: Duration = Duration::seconds(10);
const TRIED_FOR: Duration = Duration::hours(24);

/// Characters of what is kept of an outcome.
const DETAIL: usize = 1000;

/// The service that rules call as.
const EVENTS: &str = "events.amazonaws.com";

/// A run that not every target has taken yet.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) again: OffsetDateTime,
    run: Run,
}

/// One run of a schedule.
#[derive(Clone, Debug)]
struct Run {
    id: String,
    scheduled: OffsetDateTime,
    /// Targets that have not been decided.
    open: Vec<Target>,
    /// What became of the others.
    accepted: Vec<String>,
    refused: Vec<String>,
}

/// What became of one target.
enum Delivery {
    Accepted(RequestId),
    Refused(String),
    Later(String),
}

impl Schedules {
    /// Runs what is due, until `stop`.
    pub async fn follow(self, invoker: Invoker, stop: CancellationToken) {
        let accept = move |invocation| {
            let invoker = invoker.clone();
            async move { invoker.enqueue(invocation).await }
        };
        while !stop.is_cancelled() {
            self.tick(&accept).await;
            let wait = {
                let first = self.state().agenda.first();
                let until = first.map(|first| first - self.0.clock.now());
                until.map_or(LOOK_EVERY, |until| Span::try_from(until).unwrap_or_default().min(LOOK_EVERY))
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Runs everything that is due now, and returns when it is decided and noted.
    pub(super) async fn tick<A, F>(&self, accept: &A)
    where
        A: Fn(Invocation) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<RequestId, InvokeError>> + Send + 'static,
    {
        let now = self.0.clock.now();
        self.see(now);
        loop {
            let mut running = JoinSet::new();
            while running.len() < AT_ONCE
                && let Some((key, run)) = self.claim(now)
            {
                let (this, accept) = (self.clone(), accept.clone());
                running.spawn(async move { this.carry_out(key, run, &accept).await });
            }
            if running.is_empty() {
                return;
            }
            while let Some(ended) = running.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a run of a schedule was not finished");
                }
            }
        }
    }

    /// Calls a schedule's targets now, whatever its expression says. Its next run stays what it was.
    ///
    /// # Errors
    /// There is no such schedule.
    pub async fn run_now(&self, key: &Key, invoker: &Invoker) -> Result<LastRun, ScheduleError> {
        let schedule = self.get(key)?;
        let now = self.0.clock.now();
        let mut run = Run::new(now, schedule.definition.targets.clone());
        self.deliver(key, &mut run, &|invocation| invoker.enqueue(invocation)).await;
        // Whoever asked sees it and may ask again.
        let open = std::mem::take(&mut run.open);
        run.refused.extend(open.iter().map(|target| format!("{}: can't be called now", target.id)));
        Ok(run.conclude(now))
    }

    /// Takes note of the time. If the clock went back, every schedule's next run is another.
    fn see(&self, now: OffsetDateTime) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.seen, now);
        if now < before {
            tracing::info!(from = %before, to = %now, "the clock went back; every schedule is planned again");
            let keys: Vec<Key> = state.entries.keys().cloned().collect();
            for key in keys {
                if let Some(entry) = state.entries.get_mut(&key)
                    && let Some(waiting) = &mut entry.waiting
                {
                    waiting.again = waiting.again.min(now + TRY_AGAIN);
                }
                state.plan(&key, now);
            }
        }
    }

    /// Takes the next run that is due.
    fn claim(&self, now: OffsetDateTime) -> Option<(Key, Run)> {
        let mut state = self.state();
        loop {
            let key = state.agenda.take_due(now)?;
            let Some(entry) = state.entries.get_mut(&key) else { continue };
            let due = look(&entry.definition, &mut entry.progress, now);
            if !matches!(due, Due::Later(_)) {
                // In memory it is under way; the store hears of it when it is decided.
                entry.undecided.get_or_insert(entry.progress.considered);
                entry.progress.considered = now;
            }
            match due {
                Due::Run(scheduled) => {
                    if let Some(older) = entry.waiting.take() {
                        tracing::warn!(schedule = %key.text(), scheduled = %older.run.scheduled,
                            "a run is given up, since the next one is due");
                    }
                    let run = Run::new(scheduled, entry.definition.targets.clone());
                    return Some((key, run));
                }
                Due::Skip(scheduled) => {
                    // Nothing to deliver, but to be noted as any run.
                    let run = Run::new(scheduled, Vec::new());
                    return Some((key, run));
                }
                Due::Later(_) => match entry.waiting.take() {
                    Some(waiting) if waiting.again <= now => return Some((key, waiting.run)),
                    waiting => {
                        entry.waiting = waiting;
                        state.plan(&key, now);
                    }
                },
            }
        }
    }

    async fn carry_out<A, F>(&self, key: Key, mut run: Run, accept: &A)
    where
        A: Fn(Invocation) -> F + Sync,
        F: Future<Output = Result<RequestId, InvokeError>> + Send,
    {
        self.deliver(&key, &mut run, accept).await;
        let now = self.0.clock.now();
        // Not while a change is made: that may be about what is noted here.
        let _alone = self.0.gate.lock().await;
        if !run.open.is_empty() && now - run.scheduled < TRIED_FOR {
            let mut state = self.state();
            if let Some(entry) = state.entries.get_mut(&key) {
                entry.waiting = Some(Waiting { again: now + TRY_AGAIN, run });
            }
            state.plan(&key, now);
            return;
        }
        let open = std::mem::take(&mut run.open);
        run.refused.extend(open.iter().map(|target| format!("{}: could not be called for a day", target.id)));
        let last = run.conclude(now);
        if last.outcome != Outcome::Accepted {
            tracing::warn!(schedule = %key.text(), scheduled = %last.scheduled, outcome = ?last.outcome,
                detail = last.detail, "a schedule did not call what it was to call");
        }
        let noted = {
            let mut state = self.state();
            let Some(entry) = state.entries.get_mut(&key) else { return };
            entry.progress.last = Some(last);
            entry.undecided = None;
            let noted = entry.progress.clone();
            state.plan(&key, now);
            noted
        };
        if let Err(error) = self.0.store.put(&key.text(), &noted).await {
            // The store does not come back from that, and the daemon ends; the run is made again.
            tracing::error!(schedule = %key.text(), %error, "a run of a schedule could not be noted");
        }
    }

    async fn deliver<A, F>(&self, key: &Key, run: &mut Run, accept: &A)
    where
        A: Fn(Invocation) -> F + Sync,
        F: Future<Output = Result<RequestId, InvokeError>> + Send,
    {
        for target in std::mem::take(&mut run.open) {
            match self.call(key, run, &target, accept).await {
                Delivery::Accepted(id) => run.accepted.push(id.to_string()),
                Delivery::Refused(why) => run.refused.push(format!("{}: {why}", target.id)),
                Delivery::Later(why) => {
                    tracing::info!(schedule = %key.text(), target = %target.id, why, "a target is tried again");
                    run.open.push(target);
                }
            }
        }
    }

    async fn call<A, F>(&self, key: &Key, run: &Run, target: &Target, accept: &A) -> Delivery
    where
        A: Fn(Invocation) -> F + Sync,
        F: Future<Output = Result<RequestId, InvokeError>> + Send,
    {
        let arn = key.arn(self.region());
        if key.kind == Kind::Rule && !self.lets_in(key.account, &arn, target) {
            return Delivery::Refused(format!(
                "the policy of {} does not let {EVENTS} in with {arn}: aws lambda add-permission --principal {EVENTS} \
                 --source-arn {arn} --action lambda:InvokeFunction --statement-id ... --function-name ...",
                target.function
            ));
        }
        let event = event::scheduled(key, self.region(), &run.id, run.scheduled);
        let context = Context { rule_arn: &arn, rule_name: key.name.as_str() };
        let payload = match target.input.render(&event, &context) {
            Ok(payload) => payload,
            Err(why) => return Delivery::Refused(why),
        };
        let invocation = Invocation {
            function: target.function.clone().into(),
            qualifier: None,
            payload: Bytes::from(payload),
            client_context: None,
            tail: false,
            trace: None,
        };
        match accept(invocation).await {
            Ok(id) => Delivery::Accepted(id),
            Err(error) if error.may_pass() => Delivery::Later(error.to_string()),
            Err(error) => Delivery::Refused(error.to_string()),
        }
    }

    fn lets_in(&self, account: AccountId, rule: &str, target: &Target) -> bool {
        let call = ServiceCall { service: EVENTS, source_arn: rule, source_account: account };
        self.0.registry.of(account).lets_in(&target.function, &call)
    }
}

impl Run {
    fn new(scheduled: OffsetDateTime, open: Vec<Target>) -> Self {
        let id = Uuid::new_v4().to_string();
        Self { id, scheduled, open, accepted: Vec::new(), refused: Vec::new() }
    }

    fn conclude(self, now: OffsetDateTime) -> LastRun {
        let Self { scheduled, accepted, refused, .. } = self;
        let (outcome, detail) = match (accepted.is_empty(), refused.is_empty()) {
            (_, false) => (Outcome::Refused, refused.join("; ")),
            (false, true) => (Outcome::Accepted, accepted.join(" ")),
            (true, true) => (Outcome::Skipped, "it was missed".to_owned()),
        };
        LastRun { scheduled, at: now, outcome, detail: detail.chars().take(DETAIL).collect() }
    }
}
