//! EventBridge, of 2015-10-07: rules that run on a schedule, in AWS's JSON 1.1.
//!
//! A request is a POST of JSON whose `X-Amz-Target` names the operation. `rules` makes and reads rules, `targets` says what
//! they call, `tags` what people put on them; `error` is the one place that names errors. There is the default event bus and
//! no other, and no event reaches it: a rule with an event pattern is refused.

mod error;
mod rules;
mod tags;
mod targets;
mod wire;

use http::{HeaderMap, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use self::error::{ApiError, Code};
use super::answer::{Answer, answer};
use crate::{events::schedules::Schedules, identity::AccountId};

const JSON: &str = "application/x-amz-json-1.1";
const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "AWSEvents.";

/// The most bytes of a request: five targets with inputs and templates of 8,192 characters, each written as six bytes.
pub(in crate::api::aws) const BODY_LIMIT: usize = 1024 * 1024;

/// The service.
#[derive(Clone, Debug)]
pub(in crate::api::aws) struct Events {
    schedules: Schedules,
}

/// Whose request it is.
struct Caller<'a> {
    schedules: &'a Schedules,
    account: AccountId,
}

/// The JSON of an answer; empty where an operation has nothing to say.
type Output = Result<Vec<u8>, ApiError>;

impl Events {
    /// The service on these schedules.
    pub(in crate::api::aws) fn new(schedules: Schedules) -> Self {
        Self { schedules }
    }

    /// Answers a request of an account.
    pub(in crate::api::aws) async fn answer(
        &self,
        account: AccountId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Answer {
        let answered = match operation(headers) {
            Some(operation) => self.handle(account, operation, body).await,
            None => Err(Code::UnknownOperation.because("the header X-Amz-Target names no operation")),
        };
        match answered {
            Ok(json) => answer(StatusCode::OK, JSON, json),
            Err(error) => refused(error.status(), error.name(), error.message()),
        }
    }

    async fn handle(&self, account: AccountId, operation: &str, body: &[u8]) -> Output {
        let caller = Caller { schedules: &self.schedules, account };
        match operation {
            "PutRule" => caller.put_rule(input(body)?).await,
            "DescribeRule" => caller.describe_rule(input(body)?),
            "ListRules" => caller.list_rules(input(body)?),
            "EnableRule" => caller.set_enabled(input(body)?, true).await,
            "DisableRule" => caller.set_enabled(input(body)?, false).await,
            "DeleteRule" => caller.delete_rule(input(body)?).await,
            "PutTargets" => caller.put_targets(input(body)?).await,
            "RemoveTargets" => caller.remove_targets(input(body)?).await,
            "ListTargetsByRule" => caller.list_targets_by_rule(input(body)?),
            "ListRuleNamesByTarget" => caller.list_rule_names_by_target(input(body)?),
            "TagResource" => caller.tag_resource(input(body)?).await,
            "UntagResource" => caller.untag_resource(input(body)?).await,
            "ListTagsForResource" => caller.list_tags_for_resource(input(body)?),
            _ => Err(Code::UnknownOperation.because(format!("there is no operation {operation} here"))),
        }
    }
}

/// An error in this service's form.
pub(in crate::api::aws) fn refused(status: StatusCode, name: &str, message: &str) -> Answer {
    answer(status, JSON, json!({ "__type": name, "message": message }).to_string())
}

/// Whether a request is for this service, by its headers alone.
pub(in crate::api::aws) fn is_for_events(headers: &HeaderMap) -> bool {
    operation(headers).is_some()
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

/// What a request says. AWS passes over members that it does not know.
fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Code::Serialization.because(error.to_string()))
}

fn json(output: &impl Serialize) -> Output {
    serde_json::to_vec(output).map_err(|error| Code::Internal.because(error.to_string()))
}
