//! Services that call functions on somebody's behalf, as Cognito calls its triggers.

use std::{fmt, sync::Arc};

use serde::Deserialize;

/// A service's name, as policies name it: `cognito-idp.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ServicePrincipal(Arc<str>);

impl ServicePrincipal {
    /// How names of services end.
    const ENDS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];

    /// Whether a text is one.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.len() <= 256
            && !text.chars().any(|character| character.is_control() || character.is_whitespace())
            && Self::ENDS.iter().any(|end| text.strip_suffix(end).is_some_and(|name| !name.is_empty()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServicePrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServicePrincipal {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if Self::is_one(&text) {
            return Ok(Self(text.into()));
        }
        Err("a service is named as in policies, such as cognito-idp.amazonaws.com")
    }
}

/// A credential that speaks for a service and not for an account's owner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Which.
    pub principal: ServicePrincipal,
    /// The ARN of what it calls for, e.g. of a user pool; with `*` and `?` in it, of several. It calls for nothing else.
    pub source_arn: Option<Box<str>>,
}
