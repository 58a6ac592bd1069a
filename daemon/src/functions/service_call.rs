//! Calls of services that sign what they send, as an identity service does that calls Cognito's triggers.

use super::policy::{ServiceCall, arn_like};
use crate::identity::{AccountId, Service};

impl<'a> ServiceCall<'a> {
    /// The call of a service for something whose ARN it states, or its credential. `None` if that is not what its credential
    /// is for.
    #[must_use]
    pub fn of(service: &'a Service, account: AccountId, stated: Option<&'a str>) -> Option<Self> {
        let source_arn = match (service.source_arn.as_deref(), stated) {
            (None, stated) => stated.unwrap_or_default(),
            (Some(own), None) if own.contains(['*', '?']) => "",
            (Some(own), None) => own,
            (Some(own), Some(stated)) => Some(stated).filter(|stated| arn_like(own, stated))?,
        };
        Some(Self { service: service.principal.as_str(), source_arn, source_account: account })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/a";

    #[test]
    fn a_service_calls_for_what_its_credential_names_and_nothing_else() {
        let source = |own: Option<&str>, stated: Option<&str>| {
            let principal = "cognito-idp.amazonaws.com".to_owned().try_into().unwrap();
            let service = Service { principal, source_arn: own.map(Into::into) };
            ServiceCall::of(&service, AccountId::DEFAULT, stated).map(|call| call.source_arn.to_owned())
        };
        let (pool, other) = (Some(POOL.to_owned()), POOL.replace("/a", "/b"));
        let pools = POOL.replace("/a", "/*");
        assert_eq!(source(None, Some(POOL)), pool);
        assert_eq!(source(None, None), Some(String::new()), "no condition on a source holds");
        assert_eq!(source(Some(POOL), None), pool);
        assert_eq!(source(Some(POOL), Some(POOL)), pool);
        assert_eq!(source(Some(POOL), Some(&other)), None);
        assert_eq!(source(Some(&pools), Some(&other)), Some(other));
        assert_eq!(source(Some(&pools), None), Some(String::new()), "a pattern is no source");
        assert_eq!(source(Some(&pools), Some("arn:aws:s3:::b")), None);
    }
}
