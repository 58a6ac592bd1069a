//! How functions, versions and aliases take asynchronous events: each has its own configuration.

use std::sync::Arc;

use super::{FunctionRegistry, Page, index::Entry, page_limit, record, targets::Taker};
use crate::{
    functions::{
        EventInvokeConfig, FunctionArn, FunctionError, FunctionName, FunctionReference, InvalidField,
        Qualifier, destination::Destination, event_invoke::EventInvokeSettings,
    },
    identity::AccountId,
};

/// What becomes of what the settings don't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// It is Lambda's choice again.
    Reset,
    /// It stays as it is.
    Kept,
}

impl FunctionRegistry {
    /// Sets how a function, version or alias takes events. Without a qualifier, `$LATEST`. Returns it with its ARN.
    ///
    /// # Errors
    /// There is no such thing, or with [`Unsaid::Kept`] no configuration of it; nothing is said; a destination is
    /// refused.
    pub async fn set_event_invoke_config(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        settings: EventInvokeSettings,
        unsaid: Unsaid,
    ) -> Result<(Arc<EventInvokeConfig>, FunctionArn), FunctionError> {
        let (account, name, qualifier) = self.event_target(reference, qualifier)?;
        if settings.is_empty() && unsaid == Unsaid::Reset {
            let told = "You must specify at least one of error handling or destination setting.";
            return Err(InvalidField::new("maximum_retry_attempts", told).into());
        }
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name).map_err(|_| FunctionError::NoFunctionToConfigure)?;
            if !entry.has(&qualifier) {
                return Err(FunctionError::NoFunctionToConfigure);
            }
            let arn = entry.latest.arn.with_qualifier(qualifier.clone());
            registry.check_destinations(&entry, &qualifier, &settings)?;
            let old = match unsaid {
                Unsaid::Reset => None,
                Unsaid::Kept => Some(
                    entry
                        .event_configs
                        .get(&qualifier)
                        .ok_or_else(|| FunctionError::NoEventInvokeConfig { arn: arn.clone() })?,
                ),
            };
            let EventInvokeSettings { maximum_retry_attempts, maximum_event_age, on_success, on_failure } =
                settings;
            let config = EventInvokeConfig {
                maximum_retry_attempts: maximum_retry_attempts
                    .or(old.and_then(|old| old.maximum_retry_attempts)),
                maximum_event_age: maximum_event_age.or(old.and_then(|old| old.maximum_event_age)),
                on_success: on_success.unwrap_or_else(|| old.and_then(|old| old.on_success.clone())),
                on_failure: on_failure.unwrap_or_else(|| old.and_then(|old| old.on_failure.clone())),
                last_modified: registry.0.clock.now(),
            };
            let mut batch = registry.batch(&entry)?;
            batch.put(&record::key_of(account, &name, &qualifier), &config)?;
            registry.write(batch, &entry.latest.arn).await?;
            let config = Arc::new(config);
            if let Some(kept) = registry.index_mut().get_mut(account, &name) {
                kept.event_configs.insert(qualifier, config.clone());
            }
            Ok((config, arn))
        })
        .await
    }

    /// How a function, version or alias takes events, with its ARN. Without a qualifier, `$LATEST`.
    ///
    /// # Errors
    /// It has no configuration, or is not there.
    pub fn event_invoke_config(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(Arc<EventInvokeConfig>, FunctionArn), FunctionError> {
        let (account, name, qualifier) = self.event_target(reference, qualifier)?;
        let arn = self.arn(account, &name).with_qualifier(qualifier.clone());
        let found =
            self.index().get(account, &name).and_then(|entry| entry.event_configs.get(&qualifier).cloned());
        match found {
            Some(config) => Ok((config, arn)),
            None => Err(FunctionError::NoEventInvokeConfig { arn }),
        }
    }

    /// Takes such a configuration away.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_event_invoke_config(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), FunctionError> {
        let (account, name, qualifier) = self.event_target(reference, qualifier)?;
        let registry = self.clone();
        self.run(async move {
            let arn = registry.arn(account, &name).with_qualifier(qualifier.clone());
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name);
            let entry = match entry {
                Ok(entry) if entry.event_configs.contains_key(&qualifier) => entry,
                Ok(_) | Err(FunctionError::NotFound { .. }) => {
                    return Err(FunctionError::NoEventInvokeConfig { arn });
                }
                Err(error) => return Err(error),
            };
            let mut batch = registry.batch(&entry)?;
            batch.delete::<EventInvokeConfig>(&record::key_of(account, &name, &qualifier))?;
            registry.write(batch, &entry.latest.arn).await?;
            if let Some(kept) = registry.index_mut().get_mut(account, &name) {
                kept.event_configs.remove(&qualifier);
            }
            Ok(())
        })
        .await
    }

    /// The configurations of a function, its versions and aliases after `after`; at most `limit`, as for
    /// [`FunctionRegistry::list`].
    ///
    /// # Errors
    /// There is no such function.
    pub fn list_event_invoke_configs(
        &self,
        reference: &FunctionReference,
        after: Option<&Qualifier>,
        limit: usize,
    ) -> Result<Page<(Arc<EventInvokeConfig>, FunctionArn), Qualifier>, FunctionError> {
        let account = self.account_of(reference)?;
        let index = self.index();
        let entry = index.get(account, reference.name()).ok_or(FunctionError::NoFunctionToConfigure)?;
        let later =
            entry.event_configs.iter().filter(|(qualifier, _)| after.is_none_or(|after| *qualifier > after));
        let arn = &entry.latest.arn;
        let all = later.map(|(qualifier, config)| (config.clone(), arn.with_qualifier(qualifier.clone())));
        Ok(Page::of(all, page_limit(limit), |(_, arn)| arn.qualifier.clone().unwrap_or(Qualifier::LATEST)))
    }

    fn event_target(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(AccountId, FunctionName, Qualifier), FunctionError> {
        let qualifier = reference.qualifier_with(qualifier)?.cloned().unwrap_or(Qualifier::LATEST);
        Ok((self.account_of(reference)?, reference.name().clone(), qualifier))
    }

    fn check_destinations(
        &self,
        entry: &Entry,
        qualifier: &Qualifier,
        settings: &EventInvokeSettings,
    ) -> Result<(), FunctionError> {
        let on_success = settings.on_success.as_ref().and_then(Option::as_ref);
        let on_failure = settings.on_failure.as_ref().and_then(Option::as_ref);
        let of_whom = on_success.iter().map(|it| (it, Taker::OnSuccess));
        for (destination, taker) in of_whom.chain(on_failure.iter().map(|it| (it, Taker::OnFailure))) {
            if !taker.may_be(destination) {
                let told = format!(
                    "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                    shown("OnSuccess", on_success),
                    shown("OnFailure", on_failure),
                );
                return Err(InvalidField::new("destination_config", told).into());
            }
            let function = destination.as_str().parse::<FunctionArn>();
            if let Ok(function) = function
                && function.name == *entry.latest.name()
                && function.account == entry.latest.account()
                && function.qualifier.unwrap_or(Qualifier::LATEST) == *qualifier
            {
                let told = "You can't specify the function as a destination for itself.";
                return Err(InvalidField::new("destination_config", told).into());
            }
            self.check_taker(entry.latest.account(), destination, taker)?;
        }
        Ok(())
    }
}

/// A destination as Lambda's message has it.
fn shown(which: &str, destination: Option<&Destination>) -> String {
    destination.map_or_else(|| "null".to_owned(), |destination| format!("{which}(destination={destination})"))
}
