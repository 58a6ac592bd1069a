//! Who a call belongs to.
//!
//! Everything that Thaw stores or runs belongs to one account, named by Lambda's 12 digits ([`AccountId`]); every ARN
//! carries it. A caller from the network proves to be of an account by signing what it sends ([`sigv4`]) with a secret
//! that is known here ([`Credentials`]).

mod account;
mod credentials;
pub mod sigv4;

pub use account::{AccountId, InvalidAccountId};
pub use credentials::{AccessKeyId, Credential, Credentials, CredentialsError, SecretAccessKey, Session};
