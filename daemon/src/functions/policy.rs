//! Resource policies: who besides its owner may do something with a function, a version, an alias or a layer version.
//!
//! A policy is kept as its statements; the document is Lambda's JSON, made when it is asked for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    InvalidField, RevisionId,
    field::{string_forms, word_forms},
};
use crate::identity::{AccountId, ServicePrincipal};

/// Bytes that a policy's document may have. Source: Lambda quotas, "Function resource-based policy".
pub(super) const MAX_POLICY_BYTES: usize = 20 * 1024;

/// A policy at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Differs from that of every other state of it.
    pub revision_id: RevisionId,
    /// What it says, in the order in which it was said.
    pub statements: Vec<Statement>,
}

/// What a policy allows to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Names it within its policy.
    pub id: StatementId,
    /// To whom.
    pub principal: Principal,
    /// What.
    pub action: Action,
    /// Only if the request came about from something with such an ARN.
    pub source_arn: Option<SourceArn>,
    /// Only if that belongs to this account.
    pub source_account: Option<AccountId>,
    /// Only with this token.
    pub event_source_token: Option<EventSourceToken>,
    /// Only for members of this organisation.
    pub organisation: Option<OrganisationId>,
    /// Only for function URLs that authenticate so.
    pub url_auth_type: Option<UrlAuthType>,
    /// Only for calls that come by a function URL, or only for others.
    #[serde(default)]
    pub via_url: Option<bool>,
}

/// A statement's name: 1 to 100 letters, digits, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(Box<str>);

string_forms!(StatementId);

impl FromStr for StatementId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |constraint| InvalidField::constraint("statement_id", "statementId", text, constraint);
        if !text.bytes().all(super::name::is_name_byte) {
            return Err(refuse("Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"));
        }
        match text.len() {
            0 => Err(refuse("Member must have length greater than or equal to 1")),
            1..=100 => Ok(Self(text.into())),
            _ => Err(refuse("Member must have length less than or equal to 100")),
        }
    }
}

/// What a statement allows, e.g. `lambda:InvokeFunction`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Action(Box<str>);

string_forms!(Action);

impl Action {
    /// The one thing that can be allowed with a layer version.
    pub const GET_LAYER_VERSION: &'static str = "lambda:GetLayerVersion";

    /// To call a function by its URL, as far as that is not calling a function.
    pub const INVOKE_FUNCTION_URL: &'static str = "lambda:InvokeFunctionUrl";

    /// What is to be allowed with a layer version.
    ///
    /// # Errors
    /// Anything but [`Action::GET_LAYER_VERSION`].
    pub fn of_layer(text: &str) -> Result<Self, InvalidField> {
        if text == Self::GET_LAYER_VERSION {
            return text.parse();
        }
        let told = format!("Member must satisfy regular expression pattern: {}", Self::GET_LAYER_VERSION);
        Err(InvalidField::constraint("action", "action", text, told))
    }
}

impl FromStr for Action {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = match text.strip_prefix("lambda:") {
            Some("*") => true,
            Some(name) => {
                !name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphabetic())
            }
            None => text == "*",
        };
        if known {
            return Ok(Self(text.into()));
        }
        Err(InvalidField::constraint(
            "action",
            "action",
            text,
            "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])",
        ))
    }
}

/// To whom a statement allows something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Everybody.
    Anybody,
    /// A service, e.g. `s3.amazonaws.com`.
    Service(Box<str>),
    /// All of an account.
    Account(AccountId),
    /// A user or role, by ARN.
    Arn(Box<str>),
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anybody => f.write_str("*"),
            Self::Service(text) | Self::Arn(text) => f.write_str(text),
            Self::Account(account) => account.fmt(f),
        }
    }
}

impl FromStr for Principal {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || {
            InvalidField::new(
                "principal",
                "The provided principal was invalid. Please check the principal and try again.",
            )
        };
        if text.len() > 256
            || text.chars().any(|character| character.is_control() || character.is_whitespace())
        {
            return Err(invalid());
        }
        if text == "*" {
            return Ok(Self::Anybody);
        }
        if let Ok(account) = text.parse() {
            return Ok(Self::Account(account));
        }
        if ServicePrincipal::is_one(text) {
            return Ok(Self::Service(text.into()));
        }
        let mut parts = text.split(':');
        let is_arn = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next().is_some_and(|service| service == "iam" || service == "sts")
            && parts.next() == Some("")
            && parts.next().is_some_and(|account| account.parse::<AccountId>().is_ok())
            && parts.next().is_some_and(|resource| !resource.is_empty());
        if is_arn { Ok(Self::Arn(text.into())) } else { Err(invalid()) }
    }
}

super::field::text_forms!(Principal);

word_forms!(
    /// How a function URL authenticates.
    UrlAuthType, "function_url_auth_type", "functionUrlAuthType", {
        /// It lets everybody in.
        None = "NONE",
        /// By signatures.
        AwsIam = "AWS_IAM",
    }
);

/// Makes a type for text of a condition: a pattern of Lambda's model, and a check of it.
macro_rules! condition_text {
    ($(#[$meta:meta])* $type:ident, $field:literal, $member:literal, $max:literal, $pattern:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $type(Box<str>);

        string_forms!($type);

        impl FromStr for $type {
            type Err = InvalidField;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if text.len() <= $max && check(text) {
                    return Ok(Self(text.into()));
                }
                Err(InvalidField::constraint(
                    $field,
                    $member,
                    text,
                    concat!("Member must satisfy regular expression pattern: ", $pattern),
                ))
            }
        }
    };
}

condition_text!(
    /// An ARN, perhaps with `*` and `?` in it.
    SourceArn, "source_arn", "sourceArn", 2048,
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
    |text| text.starts_with("arn:aws") && text.splitn(6, ':').count() == 6
        && !text.chars().any(char::is_control)
);

condition_text!(
    /// A token that an event source shows.
    EventSourceToken, "event_source_token", "eventSourceToken", 256, r"[a-zA-Z0-9._\-]+",
    |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
);

condition_text!(
    /// An organisation's id, e.g. `o-1234567890`.
    OrganisationId, "principal_org_id", "principalOrgID", 34, "o-[a-z0-9]{10,32}",
    |text| text.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
);

impl Policy {
    /// The document for the resource of this ARN, as Lambda writes it.
    #[must_use]
    pub fn document(&self, resource: &str) -> String {
        let statements = self.statements.iter().map(|statement| statement.wire(resource)).collect();
        json(&WirePolicy { version: "2012-10-17", id: "default", statements })
    }
}

/// A service that wants to call a function, for something that brings it about.
#[derive(Clone, Copy, Debug)]
pub struct ServiceCall<'a> {
    /// The service, e.g. `events.amazonaws.com`.
    pub service: &'a str,
    /// The ARN of what brings it about.
    pub source_arn: &'a str,
    /// Whose that is.
    pub source_account: AccountId,
}

impl Policy {
    /// Whether a service may call the function.
    #[must_use]
    pub fn lets_in(&self, call: &ServiceCall<'_>) -> bool {
        self.statements.iter().any(|statement| statement.lets_in(call))
    }
}

impl Statement {
    fn lets_in(&self, call: &ServiceCall<'_>) -> bool {
        let principal = match &self.principal {
            Principal::Anybody => true,
            Principal::Service(service) => **service == *call.service,
            Principal::Account(_) | Principal::Arn(_) => false,
        };
        principal
            && matches!(self.action.as_str(), "lambda:InvokeFunction" | "lambda:*" | "*")
            && self.source_arn.as_ref().is_none_or(|pattern| arn_like(pattern.as_str(), call.source_arn))
            && self.source_account.is_none_or(|account| account == call.source_account)
            // A service shows no token, belongs to no organisation and calls no URL.
            && self.event_source_token.is_none()
            && self.organisation.is_none()
            && self.url_auth_type.is_none()
            && self.via_url != Some(true)
    }
}

impl Policy {
    /// Whether another account may use the layer version.
    #[must_use]
    pub fn lets_use_layer(&self, account: AccountId) -> bool {
        self.statements.iter().any(|statement| {
            let principal = match &statement.principal {
                Principal::Anybody => true,
                Principal::Account(named) => *named == account,
                Principal::Arn(arn) => arn.ends_with(&format!(":iam::{account}:root")),
                Principal::Service(_) => false,
            };
            // Nobody here belongs to an organisation.
            principal
                && statement.action.as_str() == Action::GET_LAYER_VERSION
                && statement.organisation.is_none()
        })
    }
}

/// Who calls a function by its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlCaller {
    /// Somebody who has not said who he is.
    Anybody,
    /// An account, by its signature.
    Account(AccountId),
}

/// What whoever calls by a URL must be allowed, both of it. Source: "Control access to Lambda function URLs" in Lambda's
/// developer guide, as of October 2025.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlAction {
    InvokeFunctionUrl(UrlAuthType),
    InvokeFunction,
}

impl Policy {
    /// Whether somebody may call by a URL that lets in so.
    #[must_use]
    pub fn lets_in_by_url(&self, caller: UrlCaller, auth_type: UrlAuthType) -> bool {
        [UrlAction::InvokeFunctionUrl(auth_type), UrlAction::InvokeFunction]
            .into_iter()
            .all(|action| self.statements.iter().any(|statement| statement.allows_by_url(caller, action)))
    }
}

impl Statement {
    fn allows_by_url(&self, caller: UrlCaller, action: UrlAction) -> bool {
        let principal = match (&self.principal, caller) {
            (Principal::Anybody, _) => true,
            (Principal::Account(account), UrlCaller::Account(caller)) => *account == caller,
            // Whoever has an account's key speaks for the account as such, and for none of its users.
            (Principal::Arn(arn), UrlCaller::Account(caller)) => {
                arn.ends_with(&format!(":iam::{caller}:root"))
            }
            (Principal::Service(_) | Principal::Account(_) | Principal::Arn(_), _) => false,
        };
        // Each action has a condition of its own; with that of the other it allows nothing.
        let (name, condition) = match action {
            UrlAction::InvokeFunctionUrl(auth_type) => (
                Action::INVOKE_FUNCTION_URL,
                self.url_auth_type.is_none_or(|wanted| wanted == auth_type) && self.via_url.is_none(),
            ),
            UrlAction::InvokeFunction => {
                ("lambda:InvokeFunction", self.via_url != Some(false) && self.url_auth_type.is_none())
            }
        };
        let this = self.action.as_str();
        principal
            && condition
            && (this == name || matches!(this, "lambda:*" | "*"))
            // No source brings the call about, and nobody here belongs to an organisation.
            && self.source_arn.is_none()
            && self.source_account.is_none()
            && self.event_source_token.is_none()
            && self.organisation.is_none()
    }
}

/// IAM's ArnLike: each of an ARN's six parts is compared with the pattern's, where `*` is any text and `?` one character.
pub(super) fn arn_like(pattern: &str, arn: &str) -> bool {
    let (patterns, parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    let (patterns, parts): (Vec<_>, Vec<_>) = (patterns.collect(), parts.collect());
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| like(pattern, part))
}

/// Goes back to the last `*` only, so that it takes no more than the product of both lengths.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                (at, seen) = (back + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

impl Statement {
    /// The statement about the resource of this ARN, as Lambda writes it.
    #[must_use]
    pub fn document(&self, resource: &str) -> String {
        json(&self.wire(resource))
    }

    fn wire<'a>(&'a self, resource: &'a str) -> WireStatement<'a> {
        let partition = resource.split(':').nth(1).unwrap_or("aws");
        let principal = match &self.principal {
            Principal::Anybody => WirePrincipal::Anybody("*"),
            Principal::Service(service) => WirePrincipal::Service { service },
            Principal::Account(account) => {
                WirePrincipal::Aws { aws: format!("arn:{partition}:iam::{account}:root") }
            }
            Principal::Arn(arn) => WirePrincipal::Aws { aws: arn.to_string() },
        };
        let equals = WireEquals {
            source_account: self.source_account,
            url_auth_type: self.url_auth_type,
            organisation: self.organisation.as_ref(),
            token: self.event_source_token.as_ref(),
        };
        let condition = WireCondition {
            string_equals: (!equals.is_empty()).then_some(equals),
            bool: self.via_url.map(|via_url| WireBool { via_url: if via_url { "true" } else { "false" } }),
            arn_like: self.source_arn.as_ref().map(|source_arn| WireLike { source_arn }),
        };
        let is_conditional =
            condition.string_equals.is_some() || condition.bool.is_some() || condition.arn_like.is_some();
        WireStatement {
            sid: &self.id,
            effect: "Allow",
            principal,
            action: &self.action,
            resource,
            condition: is_conditional.then_some(condition),
        }
    }
}

fn json(value: &impl Serialize) -> String {
    // Structures of text have nothing that JSON can't carry.
    serde_json::to_string(value).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WirePolicy<'a> {
    version: &'static str,
    id: &'static str,
    #[serde(rename = "Statement")]
    statements: Vec<WireStatement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireStatement<'a> {
    sid: &'a StatementId,
    effect: &'static str,
    principal: WirePrincipal<'a>,
    action: &'a Action,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<WireCondition<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WirePrincipal<'a> {
    Anybody(&'static str),
    #[serde(rename_all = "PascalCase")]
    Service {
        service: &'a str,
    },
    #[serde(rename_all = "UPPERCASE")]
    Aws {
        aws: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireCondition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_equals: Option<WireEquals<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bool: Option<WireBool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn_like: Option<WireLike<'a>>,
}

#[derive(Serialize)]
struct WireEquals<'a> {
    #[serde(rename = "AWS:SourceAccount", skip_serializing_if = "Option::is_none")]
    source_account: Option<AccountId>,
    #[serde(rename = "lambda:FunctionUrlAuthType", skip_serializing_if = "Option::is_none")]
    url_auth_type: Option<UrlAuthType>,
    #[serde(rename = "aws:PrincipalOrgID", skip_serializing_if = "Option::is_none")]
    organisation: Option<&'a OrganisationId>,
    #[serde(rename = "lambda:EventSourceToken", skip_serializing_if = "Option::is_none")]
    token: Option<&'a EventSourceToken>,
}

impl WireEquals<'_> {
    fn is_empty(&self) -> bool {
        self.source_account.is_none()
            && self.url_auth_type.is_none()
            && self.organisation.is_none()
            && self.token.is_none()
    }
}

#[derive(Serialize)]
struct WireBool {
    #[serde(rename = "lambda:InvokedViaFunctionUrl")]
    via_url: &'static str,
}

#[derive(Serialize)]
struct WireLike<'a> {
    #[serde(rename = "AWS:SourceArn")]
    source_arn: &'a SourceArn,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(principal: &str) -> Statement {
        Statement {
            id: "s3".parse().unwrap(),
            principal: principal.parse().unwrap(),
            action: "lambda:InvokeFunction".parse().unwrap(),
            source_arn: None,
            source_account: None,
            event_source_token: None,
            organisation: None,
            url_auth_type: None,
            via_url: None,
        }
    }

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    #[test]
    fn a_document_is_lambdas_to_the_letter() {
        let statement = Statement {
            source_arn: Some("arn:aws:s3:::bucket".parse().unwrap()),
            ..statement("s3.amazonaws.com")
        };
        let policy = Policy { revision_id: RevisionId::random(), statements: vec![statement] };
        assert_eq!(
            policy.document(ARN),
            r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}]}"#
        );
    }

    #[test]
    fn principals_and_conditions_are_written_as_lambda_writes_them() {
        let account = statement("123456789012").document(ARN);
        assert!(account.contains(r#""Principal":{"AWS":"arn:aws:iam::123456789012:root"}"#), "{account}");
        let user = statement("arn:aws:iam::123456789012:user/x").document(ARN);
        assert!(user.contains(r#""Principal":{"AWS":"arn:aws:iam::123456789012:user/x"}"#), "{user}");
        let everybody = Statement {
            source_account: Some("123456789012".parse().unwrap()),
            url_auth_type: Some(UrlAuthType::None),
            organisation: Some("o-1234567890".parse().unwrap()),
            ..statement("*")
        };
        let everybody = everybody.document(ARN);
        assert!(
            everybody.contains(
                r#""Principal":"*","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012","lambda:FunctionUrlAuthType":"NONE","aws:PrincipalOrgID":"o-1234567890"}}}"#
            ),
            "{everybody}"
        );
    }

    #[test]
    fn what_can_be_nobody_is_refused() {
        for text in [
            "",
            "invalid.nonaws.com",
            ".amazonaws.com",
            "arn:aws:s3:::x",
            "arn:aws:iam::1:user/x",
            "a b.amazonaws.com",
        ] {
            assert!(
                text.parse::<Principal>()
                    .unwrap_err()
                    .message
                    .starts_with("The provided principal was invalid."),
                "{text:?}"
            );
        }
        assert!("example.com".parse::<StatementId>().is_err() && "".parse::<StatementId>().is_err());
        assert!("s3:GetObject".parse::<Action>().is_err() && "lambda:*".parse::<Action>().is_ok());
        assert!("o-1".parse::<OrganisationId>().is_err());
    }

    #[test]
    fn a_service_is_let_in_by_its_name_its_source_and_the_sources_account() {
        let rule = "arn:aws:events:us-east-1:000000000000:rule/nightly";
        let call = ServiceCall {
            service: "events.amazonaws.com",
            source_arn: rule,
            source_account: AccountId::DEFAULT,
        };
        let lets_in = |change: &dyn Fn(&mut Statement)| {
            let mut statement = statement("events.amazonaws.com");
            change(&mut statement);
            Policy { revision_id: RevisionId::random(), statements: vec![statement] }.lets_in(&call)
        };
        let source = |text: &str| {
            let text = text.to_owned();
            lets_in(&move |statement| statement.source_arn = Some(text.parse().unwrap()))
        };
        assert!(lets_in(&|_| {}) && lets_in(&|statement| statement.principal = Principal::Anybody));
        assert!(
            source(rule)
                && source("arn:aws:events:*:*:rule/night*")
                && source("arn:aws:events:us-east-1:000000000000:rule/?ightly")
        );
        assert!(
            !source("arn:aws:events:us-east-1:000000000000:rule/other")
                && !source("arn:aws:*:rule/nightly:x:y:z")
        );
        assert!(
            !source("arn:aws:s3:::nightly") && !source("arn:aws:events:us-east-1:000000000000:rule/nightly?")
        );
        assert!(lets_in(&|statement| statement.source_account = Some(AccountId::DEFAULT)));
        assert!(!lets_in(&|statement| statement.source_account = Some("000000000001".parse().unwrap())));
        assert!(!lets_in(&|statement| statement.principal = "s3.amazonaws.com".parse().unwrap()));
        assert!(!lets_in(&|statement| statement.action = "lambda:GetFunction".parse().unwrap()));
        assert!(lets_in(&|statement| statement.action = "lambda:*".parse().unwrap()));
        assert!(!lets_in(&|statement| statement.event_source_token = Some("t".parse().unwrap())));
    }

    #[test]
    fn a_url_lets_in_whom_both_statements_allow_it() {
        let url = || Statement {
            action: "lambda:InvokeFunctionUrl".parse().unwrap(),
            url_auth_type: Some(UrlAuthType::None),
            ..statement("*")
        };
        let call = || Statement { via_url: Some(true), ..statement("*") };
        let lets_in = |statements: Vec<Statement>, caller, auth_type| {
            Policy { revision_id: RevisionId::random(), statements }.lets_in_by_url(caller, auth_type)
        };
        let public = |statements| lets_in(statements, UrlCaller::Anybody, UrlAuthType::None);
        assert!(public(vec![url(), call()]) && public(vec![url(), statement("*")]));
        assert!(public(vec![Statement { action: "lambda:*".parse().unwrap(), ..statement("*") }]));
        assert!(!public(vec![]) && !public(vec![url()]) && !public(vec![call()]));
        assert!(!public(vec![url(), Statement { via_url: Some(false), ..statement("*") }]));
        assert!(!public(vec![Statement { url_auth_type: Some(UrlAuthType::AwsIam), ..url() }, call()]));
        assert!(!public(vec![url(), Statement { url_auth_type: Some(UrlAuthType::None), ..statement("*") }]));
        assert!(!public(vec![Statement { source_account: Some(AccountId::DEFAULT), ..url() }, call()]));
        let other: AccountId = "000000000002".parse().unwrap();
        for (principal, is_allowed) in [
            ("000000000002", true),
            ("arn:aws:iam::000000000002:root", true),
            ("*", true),
            ("000000000003", false),
            ("arn:aws:iam::000000000002:user/x", false),
            ("s3.amazonaws.com", false),
        ] {
            let action = "lambda:InvokeFunctionUrl".parse().unwrap();
            let statements = vec![Statement { action, ..statement(principal) }, statement(principal)];
            let caller = UrlCaller::Account(other);
            assert_eq!(lets_in(statements, caller, UrlAuthType::AwsIam), is_allowed, "{principal}");
        }
    }

    #[test]
    fn a_call_by_a_url_is_a_condition_and_lets_no_service_in() {
        let statement = Statement { via_url: Some(true), ..statement("*") };
        let document = statement.document(ARN);
        let condition = r#""Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}"#;
        assert!(document.contains(condition), "{document}");
        let call = ServiceCall {
            service: "events.amazonaws.com",
            source_arn: ARN,
            source_account: AccountId::DEFAULT,
        };
        assert!(!statement.lets_in(&call));
        assert!(Statement { via_url: Some(false), ..statement }.lets_in(&call));
    }

    #[test]
    fn a_policy_survives_serde() {
        let policy = Policy { revision_id: RevisionId::random(), statements: vec![statement("*")] };
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
    }
}
