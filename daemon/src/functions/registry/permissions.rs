//! Resource policies of functions, versions and aliases: each has its own.

use std::sync::Arc;

use super::{FunctionRegistry, index::Entry, record};
use crate::{
    functions::{
        Action, FunctionArn, FunctionError, FunctionName, FunctionReference, InvalidField, Policy, Qualifier,
        RevisionId, ServiceCall, Statement, StatementId, policy::MAX_POLICY_BYTES,
    },
    identity::AccountId,
};

/// Something to allow.
#[derive(Clone, Debug)]
pub struct AddPermission {
    /// What, and to whom.
    pub statement: Statement,
    /// If set, nothing is added unless the policy, or what is to get its first one, is at this revision.
    pub revision_id: Option<RevisionId>,
}

/// Where the policy of a resource is kept.
pub(super) fn policy_key(account: AccountId, name: &FunctionName, resource: Option<&Qualifier>) -> String {
    match resource {
        None => record::key(account, name),
        Some(qualifier) => record::key_of(account, name, qualifier),
    }
}

const OF_POLICY: &str = "GetPolicy";

impl FunctionRegistry {
    /// Allows something to somebody. Returns the statement's document.
    ///
    /// # Errors
    /// There is no such resource, or it is `$LATEST`; a condition is none of the action; the policy has such a statement, is at another revision, or would
    /// be too long.
    pub async fn add_permission(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        add: AddPermission,
    ) -> Result<String, FunctionError> {
        let resource = reference.qualifier_with(qualifier)?.cloned();
        if resource == Some(Qualifier::LATEST) {
            return Err(InvalidField::new(
                "qualifier",
                "We currently do not support adding policies for $LATEST.",
            )
            .into());
        }
        if add.statement.url_auth_type.is_some()
            && add.statement.action.as_str() != Action::INVOKE_FUNCTION_URL
        {
            return Err(InvalidField::new(
                "function_url_auth_type",
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
            )
            .into());
        }
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name)?;
            let (arn, current) = resource_of(&entry, resource.as_ref())?;
            let AddPermission { statement, revision_id } = add;
            let old = entry.policies.get(&resource);
            let current = old.map_or(current, |policy| policy.revision_id);
            if revision_id.is_some_and(|expected| expected != current) {
                return Err(FunctionError::PreconditionFailed { call: OF_POLICY });
            }
            let mut statements = old.map(|policy| policy.statements.clone()).unwrap_or_default();
            if statements.iter().any(|other| other.id == statement.id) {
                return Err(FunctionError::StatementExists { id: statement.id });
            }
            let arn = arn.to_string();
            let document = statement.document(&arn);
            statements.push(statement);
            let policy = Policy { revision_id: RevisionId::random(), statements };
            let size = policy.document(&arn).len();
            if size > MAX_POLICY_BYTES {
                return Err(FunctionError::PolicyTooLong { size, limit: MAX_POLICY_BYTES });
            }
            registry.put_policy(&entry, resource, Some(policy)).await?;
            Ok(document)
        })
        .await
    }

    /// No longer allows something. The policy goes with its last statement.
    ///
    /// # Errors
    /// There is no such resource, policy or statement; the policy is at another revision.
    pub async fn remove_permission(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        id: StatementId,
        revision_id: Option<RevisionId>,
    ) -> Result<(), FunctionError> {
        let resource = reference.qualifier_with(qualifier)?.cloned();
        let (account, name) = (self.account_of(reference)?, reference.name().clone());
        let registry = self.clone();
        self.run(async move {
            let _pass = registry.0.gates.enter(account, &name).await;
            let entry = registry.entry(account, &name).map_err(|error| match error {
                FunctionError::NotFound { arn } => FunctionError::NoPolicyFor { arn },
                error => error,
            })?;
            resource_of(&entry, resource.as_ref())?;
            let policy = entry.policies.get(&resource).ok_or(FunctionError::NoPolicy)?;
            if revision_id.is_some_and(|expected| expected != policy.revision_id) {
                return Err(FunctionError::PreconditionFailed { call: OF_POLICY });
            }
            let mut statements = policy.statements.clone();
            statements.retain(|statement| statement.id != id);
            if statements.len() == policy.statements.len() {
                return Err(FunctionError::NoStatement { id });
            }
            let rest = Policy { revision_id: RevisionId::random(), statements };
            let rest = (!rest.statements.is_empty()).then_some(rest);
            registry.put_policy(&entry, resource, rest).await
        })
        .await
    }

    /// The policy of a resource, and the ARN that it is about.
    ///
    /// # Errors
    /// It has none, or there is no such resource.
    pub fn policy(
        &self,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(Arc<Policy>, FunctionArn), FunctionError> {
        let resource = reference.qualifier_with(qualifier)?.cloned();
        let account = self.account_of(reference)?;
        let policy = self
            .index()
            .get(account, reference.name())
            .and_then(|entry| entry.policies.get(&resource).cloned());
        let arn = self.arn(account, reference.name());
        let arn = resource.map_or_else(|| arn.clone(), |qualifier| arn.with_qualifier(qualifier));
        Ok((policy.ok_or(FunctionError::NoSuchResource)?, arn))
    }

    /// Whether the policy of what an ARN names, and of nothing around that, lets a service call it.
    #[must_use]
    pub fn lets_in(&self, arn: &FunctionArn, call: &ServiceCall<'_>) -> bool {
        let index = self.index();
        let policy = index.get(arn.account, &arn.name).and_then(|entry| entry.policies.get(&arn.qualifier));
        policy.is_some_and(|policy| policy.lets_in(call))
    }

    async fn put_policy(
        &self,
        entry: &Entry,
        resource: Option<Qualifier>,
        policy: Option<Policy>,
    ) -> Result<(), FunctionError> {
        let arn = &entry.latest.arn;
        let key = policy_key(arn.account, &arn.name, resource.as_ref());
        let mut batch = self.batch(entry)?;
        match &policy {
            Some(policy) => batch.put(&key, policy)?,
            None => batch.delete::<Policy>(&key)?,
        }
        self.write(batch, arn).await?;
        if let Some(kept) = self.index_mut().get_mut(arn.account, &arn.name) {
            match policy {
                Some(policy) => drop(kept.policies.insert(resource, Arc::new(policy))),
                None => drop(kept.policies.remove(&resource)),
            }
        }
        Ok(())
    }
}

/// The ARN and the revision of what a policy is about.
fn resource_of(
    entry: &Entry,
    resource: Option<&Qualifier>,
) -> Result<(FunctionArn, RevisionId), FunctionError> {
    let arn = &entry.latest.arn;
    let qualified = resource.map_or_else(|| arn.clone(), |qualifier| arn.with_qualifier(qualifier.clone()));
    let revision = match resource {
        None => Some(entry.latest.revision_id),
        Some(Qualifier::Version(version)) => entry.version(*version).map(|version| version.revision_id),
        Some(Qualifier::Alias(alias)) => match entry.aliases.get(alias) {
            Some(alias) => Some(alias.revision_id),
            None => return Err(FunctionError::NoAlias { arn: qualified }),
        },
        Some(Qualifier::Nothing(_)) => None,
    };
    match revision {
        Some(revision) => Ok((qualified, revision)),
        None => Err(FunctionError::NotFound { arn: qualified }),
    }
}
