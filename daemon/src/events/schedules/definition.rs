//! What a schedule is: its name, when it runs, what it calls.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Expression, TargetInput, Zone};
use crate::{
    functions::{FunctionArn, InvalidField, Region, Tags, string_forms},
    identity::AccountId,
};

/// A name of a rule, a schedule or a target: 1 to 64 letters, digits, dots, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

string_forms!(Name);

impl FromStr for Name {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if !text.bytes().all(plain) {
            return Err(InvalidField::constraint(
                "name",
                "name",
                text,
                r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+",
            ));
        }
        match text.len() {
            0 => Err(InvalidField::constraint(
                "name",
                "name",
                text,
                "Member must have length greater than or equal to 1",
            )),
            1..=64 => Ok(Self(text.into())),
            _ => Err(InvalidField::constraint(
                "name",
                "name",
                text,
                "Member must have length less than or equal to 64",
            )),
        }
    }
}

/// Where a schedule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A rule of EventBridge's. The policies of the functions it calls have to let it in.
    Rule,
    /// One of this daemon's own, made by whoever administers it: it may call whatever is there.
    Own,
}

/// Which schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose it is.
    pub account: AccountId,
    /// Where it comes from: each kind has names of its own.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
}

impl Key {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self, region: &Region) -> String {
        let Self { account, kind, name } = self;
        let partition = region.partition();
        match kind {
            Kind::Rule => format!("arn:{partition}:events:{region}:{account}:rule/{name}"),
            Kind::Own => format!("arn:{partition}:scheduler:{region}:{account}:schedule/default/{name}"),
        }
    }

    pub(super) fn text(&self) -> String {
        let kind = match self.kind {
            Kind::Rule => "rule",
            Kind::Own => "schedule",
        };
        format!("{}/{kind}/{}", self.account, self.name)
    }

    pub(super) fn of_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let account = parts.next()?.parse().ok()?;
        let kind = match parts.next()? {
            "rule" => Kind::Rule,
            "schedule" => Kind::Own,
            _ => return None,
        };
        Some(Self { account, kind, name: parts.next()?.parse().ok()? })
    }
}

/// What becomes of runs whose time passed while the daemon was not there, or the clock jumped over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    /// The last of them is run, late.
    #[default]
    Once,
    /// None is run.
    Skip,
}

/// What a schedule calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Names it within its schedule.
    pub id: Name,
    /// The function, with or without a qualifier.
    pub function: FunctionArn,
    /// What it is given.
    pub input: TargetInput,
}

/// What its owner said of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// When it runs.
    pub expression: Expression,
    /// Where clocks show that.
    pub zone: Zone,
    /// What becomes of missed runs.
    pub missed: Missed,
    /// Whether it runs at all.
    pub enabled: bool,
    /// A sentence for people; at most 512 characters.
    pub description: String,
    /// What it calls.
    pub targets: Vec<Target>,
    /// Words that people put on it.
    pub tags: Tags,
}

/// How far a schedule has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// When it was set or switched on: rates count from here.
    #[serde(with = "time::serde::timestamp")]
    pub anchor: OffsetDateTime,
    /// Whatever was to run until here has been run, or is not run any more.
    #[serde(with = "time::serde::timestamp")]
    pub considered: OffsetDateTime,
    /// The last run.
    pub last: Option<LastRun>,
}

impl Progress {
    pub(super) fn beginning(now: OffsetDateTime) -> Self {
        Self { anchor: now, considered: now, last: None }
    }
}

/// A run, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it was to be.
    #[serde(with = "time::serde::timestamp")]
    pub scheduled: OffsetDateTime,
    /// When it was.
    #[serde(with = "time::serde::timestamp")]
    pub at: OffsetDateTime,
    /// Whether every target took it.
    pub outcome: Outcome,
    /// The requests' ids, or why there are none.
    pub detail: String,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Every target's event is accepted.
    Accepted,
    /// Some target's is not, and will not be.
    Refused,
    /// It was missed, and not made up for.
    Skipped,
}
