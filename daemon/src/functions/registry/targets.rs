//! What may take results, checked when somebody names it: that it is of the account, of a kind that is served, and that
//! settings say where its service is. Whether it exists shows when something is sent, since it may be made later.

use super::FunctionRegistry;
use crate::{
    functions::{DeadLetterArn, Destination, DestinationArn, FunctionArn, InvalidField},
    identity::AccountId,
};

/// Which of AWS's services that take results settings say where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultServices {
    /// Setting `sqs_endpoint`.
    pub sqs: bool,
    /// Setting `sns_endpoint`.
    pub sns: bool,
    /// Setting `s3_endpoint`.
    pub s3: bool,
}

/// For which results something is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taker {
    /// Of events that were taken.
    OnSuccess,
    /// Of events and records that were given up.
    OnFailure,
    /// Events that were given up, as they came.
    DeadLetter,
}

impl Taker {
    /// Whether such a thing can take these results at all. Source: PutFunctionEventInvokeConfig, "Adding a dead-letter
    /// queue"; log groups and endpoints are Thaw's own.
    pub(super) fn may_be(self, destination: &Destination) -> bool {
        match (self, destination.service()) {
            (_, "sqs" | "sns") => true,
            (Self::OnSuccess, "lambda" | "events" | "logs") => true,
            (Self::OnFailure, "lambda" | "events" | "logs" | "s3") => true,
            (Self::OnSuccess | Self::OnFailure, _) => destination.is_url(),
            (Self::DeadLetter, _) => false,
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::OnSuccess | Self::OnFailure => "destination_config",
            Self::DeadLetter => "dead_letter_config",
        }
    }
}

impl FunctionRegistry {
    /// Checks where events of an account's function would go that were given up.
    pub(super) fn check_dead_letter(
        &self,
        account: AccountId,
        target: &DeadLetterArn,
    ) -> Result<(), InvalidField> {
        let told =
            || format!("The dead-letter target {target} is neither a queue of SQS nor a topic of SNS.");
        let refused = || InvalidField::new(Taker::DeadLetter.field(), told());
        let destination: Destination = target.as_str().parse().map_err(|_| refused())?;
        if !Taker::DeadLetter.may_be(&destination) {
            return Err(refused());
        }
        self.check_taker(account, &destination, Taker::DeadLetter)
    }

    /// Checks where it would be told of records of an account that were given up.
    ///
    /// # Errors
    /// Nothing of this kind takes them; it is another account's; a setting is missing.
    pub fn check_on_failure(&self, account: AccountId, target: &Destination) -> Result<(), InvalidField> {
        if !Taker::OnFailure.may_be(target) {
            let told = format!("The destination ARN {target} is invalid.");
            return Err(InvalidField::new(Taker::OnFailure.field(), told));
        }
        self.check_taker(account, target, Taker::OnFailure)
    }

    /// Checks what [may](Taker::may_be) take results more closely.
    pub(super) fn check_taker(
        &self,
        account: AccountId,
        target: &Destination,
        taker: Taker,
    ) -> Result<(), InvalidField> {
        let invalid = |told: String| Err(InvalidField::new(taker.field(), told));
        // Of an endpoint the operator decides when it is called.
        let Some(DestinationArn { service, region, account: owner, resource }) = target.arn() else {
            return Ok(());
        };
        if service == "events" {
            return invalid(format!("thawd sends nothing to event buses: {target}."));
        }
        let named = match service {
            "lambda" => {
                let function = target.as_str().parse::<FunctionArn>().ok();
                function.is_some_and(|function| self.of(account).resolve(&function.into(), None).is_ok())
            }
            "s3" => is_bucket(resource) && (owner.is_empty() || owner == account.to_string()),
            "logs" => resource.starts_with("log-group:"),
            _ => !region.is_empty() && !resource.contains([':', '/']),
        };
        if !named {
            return invalid(format!("The destination ARN {target} is invalid."));
        }
        if matches!(service, "sqs" | "sns" | "logs") && owner != account.to_string() {
            return invalid(format!("{target} is in another account, and takes nothing from this one."));
        }
        if matches!(service, "sqs" | "sns") && resource.ends_with(".fifo") {
            // Source: "Capturing records of Lambda asynchronous invocations": standard queues and topics only.
            return invalid(format!("FIFO queues and topics take no results: {target}."));
        }
        let ResultServices { sqs, sns, s3 } = self.0.options.results;
        match (service, sqs, sns, s3) {
            ("sqs", false, ..) => invalid(missing("sqs_endpoint", target)),
            ("sns", _, false, _) => invalid(missing("sns_endpoint", target)),
            ("s3", .., false) => invalid(missing("s3_endpoint", target)),
            _ => Ok(()),
        }
    }
}

fn missing(setting: &str, target: &Destination) -> String {
    format!("Nothing can be sent to {target}: the setting {setting} of thawd is missing.")
}

/// Whether a bucket can have this name. Source: "General purpose bucket naming rules"; older buckets have capitals, too.
fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !name.contains("..")
        && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
}
