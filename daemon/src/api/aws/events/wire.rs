//! What several operations write the same way: names, ARNs, pages.

use super::{ApiError, Caller, Code};
use crate::events::schedules::{Key, Kind};

/// The only event bus.
const DEFAULT_BUS: &str = "default";

/// The most items of one answer.
const MOST: usize = 100;

impl Caller<'_> {
    /// The rule of this name.
    pub(super) fn rule(&self, name: Option<String>, bus: Option<&str>) -> Result<Key, ApiError> {
        self.check_bus(bus)?;
        let name = required("name", name)?;
        Ok(Key { account: self.account, kind: Kind::Rule, name: name.parse()? })
    }

    /// The rule that an ARN names.
    pub(super) fn rule_of_arn(&self, arn: Option<String>) -> Result<Key, ApiError> {
        let arn = required("resourceARN", arn)?;
        let region = self.schedules.region();
        let head = format!("arn:{}:events:{region}:{}:rule/", region.partition(), self.account);
        let name = arn.strip_prefix(&head).map(|name| name.strip_prefix("default/").unwrap_or(name));
        match name.and_then(|name| name.parse().ok()) {
            Some(name) => Ok(Key { account: self.account, kind: Kind::Rule, name }),
            None => Err(Code::ResourceNotFound
                .because(format!("there is no {arn:?} here; the ARNs of rules begin with {head}"))),
        }
    }

    pub(super) fn check_bus(&self, bus: Option<&str>) -> Result<(), ApiError> {
        let region = self.schedules.region();
        let arn = format!("arn:{}:events:{region}:{}:event-bus/default", region.partition(), self.account);
        match bus {
            None | Some(DEFAULT_BUS) => Ok(()),
            Some(bus) if bus == arn => Ok(()),
            Some(bus) => Err(Code::ResourceNotFound.because(format!("Event bus {bus} does not exist."))),
        }
    }
}

pub(super) fn required<T>(member: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| {
        Code::Validation.because(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A page of items with their names, which come in order: those after the token, and the token of the next page.
pub(super) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    limit: Option<i64>,
    token: Option<String>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let limit = match limit.map(usize::try_from) {
        None => MOST,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            return Err(Code::Validation.because(format!("limit: give a number from 1 to {MOST}")));
        }
    };
    let after = token.unwrap_or_default();
    let mut rest = items.filter(|(name, _)| *name > after);
    let mut page = Vec::new();
    let mut last = String::new();
    for (name, item) in rest.by_ref().take(limit) {
        last = name;
        page.push(item);
    }
    Ok((page, rest.next().map(|_| last)))
}
