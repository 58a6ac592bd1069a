//! Where NATS is, and who reads there.

use std::{fmt, str::FromStr};

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

/// A server of NATS: `nats://HOST:PORT` or `tls://HOST:PORT`, before the host `USER:PASSWORD@` or `TOKEN@`.
#[derive(Clone)]
pub struct NatsAddress {
    /// Without what is secret.
    url: String,
    login: Login,
}

#[derive(Clone)]
enum Login {
    Nobody,
    Token(String),
    User { name: String, password: String },
}

/// It is no such address. What it is is not told: it may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not an address of NATS; give nats://HOST:PORT or tls://HOST:PORT, with USER:PASSWORD@ or TOKEN@ before the host"
)]
pub struct InvalidNatsAddress;

impl NatsAddress {
    /// The address, without what is secret.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How a connection proves who asks.
    pub(super) fn log_in(&self, options: ConnectOptions) -> ConnectOptions {
        match self.login.clone() {
            Login::Nobody => options,
            Login::Token(token) => options.token(token),
            Login::User { name, password } => options.user_and_password(name, password),
        }
    }
}

impl fmt::Debug for NatsAddress {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NatsAddress").field(&self.url).finish()
    }
}

impl FromStr for NatsAddress {
    type Err = InvalidNatsAddress;

    fn from_str(text: &str) -> Result<Self, InvalidNatsAddress> {
        // Without a scheme the client would take it for one of NATS, and it knows others, which need more than is built here.
        if !text.starts_with("nats://") && !text.starts_with("tls://") {
            return Err(InvalidNatsAddress);
        }
        let address: ServerAddr = text.parse().map_err(|_| InvalidNatsAddress)?;
        if address.host().is_empty() {
            return Err(InvalidNatsAddress);
        }
        let decoded = |part: &str| percent_decode_str(part).decode_utf8().map(String::from);
        let login = match (address.username(), address.password()) {
            (None, None) => Login::Nobody,
            (Some(token), None) => Login::Token(decoded(token).map_err(|_| InvalidNatsAddress)?),
            (name, Some(password)) => Login::User {
                name: decoded(name.unwrap_or_default()).map_err(|_| InvalidNatsAddress)?,
                password: decoded(password).map_err(|_| InvalidNatsAddress)?,
            },
        };
        let (scheme, host, port) = (address.scheme(), address.host(), address.port());
        let url = if host.contains(':') {
            format!("{scheme}://[{host}]:{port}")
        } else {
            format!("{scheme}://{host}:{port}")
        };
        Ok(Self { url, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> NatsAddress {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn an_address_says_where_it_is_and_who_asks() {
        let plain = address("nats://127.0.0.1");
        assert!(plain.url() == "nats://127.0.0.1:4222" && matches!(plain.login, Login::Nobody));
        let user = address("tls://u%40x:p%3Ass@[::1]:7000");
        assert_eq!(user.url(), "tls://[::1]:7000");
        assert!(matches!(&user.login, Login::User { name, password } if name == "u@x" && password == "p:ss"));
        assert!(matches!(address("nats://s3cret@host:1").login, Login::Token(token) if token == "s3cret"));
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let shown = format!("{:?}", address("nats://me:s3cret@host"));
        assert!(shown.contains("host:4222") && !shown.contains("s3cret") && !shown.contains("me"), "{shown}");
    }
}
