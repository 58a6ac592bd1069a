//! Who a call belongs to.
//!
//! Everything that Thaw stores or runs belongs to one account, named by Lambda's 12 digits ([`AccountId`]); every ARN
//! carries it. A caller from the network proves to be of an account by signing what it sends ([`sigv4`]) with a secret
//! that is known here ([`Credentials`]). A credential may speak for a service of the account's instead ([`Service`]), which
//! may only call functions that let it in.

mod account;
mod credentials;
mod service;
pub mod sigv4;

pub use account::{AccountId, InvalidAccountId};
pub use credentials::{AccessKeyId, Credential, Credentials, CredentialsError, SecretAccessKey, Session};
pub use service::{Service, ServicePrincipal};
