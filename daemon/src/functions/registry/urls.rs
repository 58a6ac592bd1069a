//! Function URLs: a function has one, and each of its aliases.

use std::sync::Arc;

use super::{
    FunctionRegistry, Page,
    index::{Entry, UrlOwner},
    page_limit, record,
};
use crate::{
    functions::{
        AliasName, Cors, FunctionArn, FunctionError, FunctionName, FunctionReference, FunctionUrlConfig,
        FunctionUrlSettings, InvalidField, Policy, Qualifier, UrlAuthType, UrlCaller, UrlId,
    },
    identity::AccountId,
};

/// A URL, and what it calls.
#[derive(Clone, Debug)]
pub struct FunctionUrl {
    /// The function as a whole, or an alias of it.
    pub arn: FunctionArn,
    /// Its settings.
    pub config: Arc<FunctionUrlConfig>,
}

/// What a request to a URL meets: the URL as it is at that moment, and the policy of what it calls.
#[derive(Clone, Debug)]
pub struct UrlTarget {
    /// The URL.
    pub url: FunctionUrl,
    policy: Option<Arc<Policy>>,
}

impl UrlTarget {
    /// Whether the function's account, or its policy, lets this caller in.
    #[must_use]
    pub fn lets_in(&self, caller: UrlCaller) -> bool {
        let FunctionUrl { arn, config } = &self.url;
        match (config.auth_type, caller) {
            (UrlAuthType::AwsIam, UrlCaller::Account(account)) if account == arn.account => true,
            (UrlAuthType::AwsIam, UrlCaller::Anybody) => false,
            (auth_type, caller) => {
                self.policy.as_ref().is_some_and(|policy| policy.lets_in_by_url(caller, auth_type))
            }
        }
    }
}

impl FunctionRegistry {
    /// Makes a URL of a function or an alias.
    ///
    /// # Errors
    /// There is no such function or alias; it has a URL; what is named is a version; it is not said whom it lets in.
    pub async fn create_function_url(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        settings: FunctionUrlSettings,
    ) -> Result<FunctionUrl, FunctionError> {
        let (account, name, alias) = self.url_of(reference, qualifier)?;
        let FunctionUrlSettings { auth_type, cors, invoke_mode } = settings;
        let auth_type = auth_type.ok_or_else(|| InvalidField::new("auth_type", "say NONE or AWS_IAM"))?;
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry_for_url(account, &name, alias.as_ref())?;
            let arn = arn_of(&entry, alias.as_ref());
            if entry.urls.contains_key(&alias) {
                return Err(FunctionError::UrlExists { arn });
            }
            let now = registry.0.clock.now();
            let config = FunctionUrlConfig {
                id: UrlId::random(),
                auth_type,
                cors: cors.filter(|cors| !cors.is_empty()),
                invoke_mode,
                created: now,
                last_modified: now,
            };
            registry.put_url(&entry, alias, config).await
        })
        .await
    }

    /// Changes a URL; its address stays.
    ///
    /// # Errors
    /// There is no such function, alias or URL; what is named is a version.
    pub async fn update_function_url(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        settings: FunctionUrlSettings,
    ) -> Result<FunctionUrl, FunctionError> {
        let (account, name, alias) = self.url_of(reference, qualifier)?;
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry_for_url(account, &name, alias.as_ref())?;
            let old = entry.urls.get(&alias).ok_or(FunctionError::NoSuchResource)?;
            let FunctionUrlSettings { auth_type, cors, invoke_mode } = settings;
            let config = FunctionUrlConfig {
                id: old.id,
                auth_type: auth_type.unwrap_or(old.auth_type),
                cors: cors.or_else(|| old.cors.clone()).filter(|cors: &Cors| !cors.is_empty()),
                invoke_mode: invoke_mode.or(old.invoke_mode),
                created: old.created,
                last_modified: registry.0.clock.now(),
            };
            registry.put_url(&entry, alias, config).await
        })
        .await
    }

    /// The URL of a function or an alias.
    ///
    /// # Errors
    /// It has none, or is not there; what is named is a version.
    pub fn function_url(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<FunctionUrl, FunctionError> {
        let (account, name, alias) = self.url_of(reference, qualifier)?;
        let index = self.index();
        let found = index.get(account, &name).and_then(|entry| url_of_entry(entry, &alias));
        found.ok_or(FunctionError::NoSuchResource)
    }

    /// Takes a URL away. Nothing is ever at its address again.
    ///
    /// # Errors
    /// There is none; what is named is a version.
    pub async fn delete_function_url(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), FunctionError> {
        let (account, name, alias) = self.url_of(reference, qualifier)?;
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = match registry.entry(account, &name) {
                Ok(entry) if entry.urls.contains_key(&alias) => entry,
                Ok(_) | Err(FunctionError::NotFound { .. }) => return Err(FunctionError::NoSuchResource),
                Err(error) => return Err(error),
            };
            let mut batch = registry.batch(&entry)?;
            batch.delete::<FunctionUrlConfig>(&url_key(account, &name, alias.as_ref()))?;
            registry.write(batch, &entry.latest.arn).await?;
            registry.index_mut().remove_url(account, &name, &alias);
            Ok(())
        })
        .await
    }

    /// The URLs of a function and its aliases after `after`, the function's own (`$LATEST`) first; at most `limit`, as for
    /// [`FunctionRegistry::list`].
    ///
    /// # Errors
    /// There is no such function.
    pub fn list_function_urls(
        &self,
        reference: &FunctionReference,
        after: Option<&Qualifier>,
        limit: usize,
    ) -> Result<Page<FunctionUrl, Qualifier>, FunctionError> {
        let account = self.account_of(reference)?;
        let index = self.index();
        let entry = index.get(account, reference.name()).ok_or(FunctionError::NoFunctionForUrl)?;
        let all = entry.urls.keys().filter_map(|alias| url_of_entry(entry, alias));
        let later = all.filter(|url| after.is_none_or(|after| marker(url) > *after));
        Ok(Page::of(later, page_limit(limit), marker))
    }

    /// What is at an address, whoever's it is. On the path of every request to a URL.
    #[must_use]
    pub fn url_target(&self, id: UrlId) -> Option<UrlTarget> {
        let index = self.index();
        let UrlOwner { account, name, alias } = index.url_owner(id)?;
        let entry = index.get(*account, name)?;
        let policy = entry.policies.get(&alias.clone().map(Qualifier::Alias)).cloned();
        Some(UrlTarget { url: url_of_entry(entry, alias)?, policy })
    }

    async fn put_url(
        &self,
        entry: &Entry,
        alias: Option<AliasName>,
        config: FunctionUrlConfig,
    ) -> Result<FunctionUrl, FunctionError> {
        let arn = &entry.latest.arn;
        let mut batch = self.batch(entry)?;
        batch.put(&url_key(arn.account, &arn.name, alias.as_ref()), &config)?;
        self.write(batch, arn).await?;
        let url = FunctionUrl { arn: arn_of(entry, alias.as_ref()), config: Arc::new(config) };
        self.index_mut().set_url(arn.account, &arn.name, alias, url.config.clone());
        Ok(url)
    }

    /// Whose URL is meant. Only functions as a whole and aliases have one.
    fn url_of(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(AccountId, FunctionName, Option<AliasName>), FunctionError> {
        let alias = match reference.qualifier_with(qualifier)? {
            None => None,
            Some(Qualifier::Alias(alias)) => Some(alias.clone()),
            Some(other) => return Err(no_alias(&other.to_string()).into()),
        };
        Ok((self.account_of(reference)?, reference.name().clone(), alias))
    }

    fn entry_for_url(
        &self,
        account: AccountId,
        name: &FunctionName,
        alias: Option<&AliasName>,
    ) -> Result<Entry, FunctionError> {
        let entry = self.entry(account, name).map_err(|error| match error {
            FunctionError::NotFound { .. } => FunctionError::NoFunctionForUrl,
            error => error,
        })?;
        match alias {
            Some(alias) if !entry.aliases.contains_key(alias) => Err(FunctionError::NoFunctionForUrl),
            _ => Ok(entry),
        }
    }
}

/// Where a URL is kept.
pub(super) fn url_key(account: AccountId, name: &FunctionName, alias: Option<&AliasName>) -> String {
    match alias {
        None => record::key(account, name),
        Some(alias) => record::alias_key(account, name, alias),
    }
}

/// What Lambda says of a qualifier that is no alias's name.
fn no_alias(text: &str) -> InvalidField {
    InvalidField::constraint(
        "qualifier",
        "qualifier",
        text,
        r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)",
    )
}

fn url_of_entry(entry: &Entry, alias: &Option<AliasName>) -> Option<FunctionUrl> {
    let config = entry.urls.get(alias)?.clone();
    Some(FunctionUrl { arn: arn_of(entry, alias.as_ref()), config })
}

fn arn_of(entry: &Entry, alias: Option<&AliasName>) -> FunctionArn {
    let arn = &entry.latest.arn;
    alias.map_or_else(|| arn.clone(), |alias| arn.with_qualifier(Qualifier::Alias(alias.clone())))
}

fn marker(url: &FunctionUrl) -> Qualifier {
    url.arn.qualifier.clone().unwrap_or(Qualifier::LATEST)
}
