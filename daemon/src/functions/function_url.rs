//! Function URLs: addresses of their own by which HTTP calls a function or an alias.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{InvalidField, Region, UrlAuthType, field::text_forms};

/// Items of a list of headers or origins. Source: `HeadersList` and `AllowOriginsList` in Lambda's model.
const MAX_ITEMS: usize = 100;

/// Methods that CORS may allow, and the longest of them. Source: `AllowMethodsList` and `Method`.
const MAX_METHODS: usize = 6;
const MAX_METHOD: usize = 6;

/// The longest origin and header. Source: `Origin` and `Header`.
const MAX_ORIGIN: usize = 253;
const MAX_HEADER: usize = 1024;

/// Seconds that a browser may remember a preflight for: a day.
const MAX_AGE: u32 = 86_400;

/// What names a URL: 32 lower-case hexadecimal digits, 122 bits of them random. It is a label of a domain name, so that its
/// case does not matter. Whoever knows it has only found the door: who may pass is the URL's policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UrlId(Uuid);

impl UrlId {
    /// A new one, which nobody can guess.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for UrlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for UrlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlId({self})")
    }
}

impl FromStr for UrlId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser takes other forms of a UUID too.
        let is_simple = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match Uuid::try_parse(text) {
            Ok(id) if is_simple => Ok(Self(id)),
            _ => Err(InvalidField::new("url_id", "a function URL's id has 32 hexadecimal digits")),
        }
    }
}

text_forms!(UrlId);

super::word_forms!(
    /// How a URL hands over what its function answers.
    InvokeMode, "invoke_mode", "invokeMode", {
        /// In pieces, as they come.
        ResponseStream = "RESPONSE_STREAM",
        /// When it is complete.
        Buffered = "BUFFERED",
    }
);

/// A URL of a function or an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrlConfig {
    /// Names it. Never given twice.
    pub id: UrlId,
    /// Whom it lets in.
    pub auth_type: UrlAuthType,
    /// What pages of other origins may do. Without it, that is the function's own matter.
    pub cors: Option<Cors>,
    /// Buffered, if it was never said.
    pub invoke_mode: Option<InvokeMode>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub last_modified: OffsetDateTime,
}

/// What to set of a URL; `None` is not said.
#[derive(Clone, Debug, Default)]
pub struct FunctionUrlSettings {
    /// Whom it lets in.
    pub auth_type: Option<UrlAuthType>,
    /// What pages of other origins may do. One that says nothing takes away what was said.
    pub cors: Option<Cors>,
    /// How it answers.
    pub invoke_mode: Option<InvokeMode>,
}

/// What CORS is to allow, unchecked; `None` is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsSettings {
    /// Whether cookies and other credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// Headers that a request may have.
    pub allow_headers: Option<Vec<String>>,
    /// Methods that a request may have.
    pub allow_methods: Option<Vec<String>>,
    /// Origins whose pages may ask; `*` is every one.
    pub allow_origins: Option<Vec<String>>,
    /// Headers of the answer that a page may see.
    pub expose_headers: Option<Vec<String>>,
    /// Seconds that a browser may remember a preflight for.
    pub max_age: Option<u32>,
}

/// What pages of other origins may do with a URL. Every text in it can be part of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CorsSettings", into = "CorsSettings")]
pub struct Cors(CorsSettings);

impl Cors {
    /// Checks settings.
    ///
    /// # Errors
    /// Everything that breaks a constraint of Lambda's model.
    pub fn new(settings: CorsSettings) -> Result<Self, Vec<InvalidField>> {
        let CorsSettings { allow_headers, allow_methods, allow_origins, expose_headers, max_age, .. } =
            &settings;
        let mut broken = Vec::new();
        for (member, list, most, longest, shortest) in [
            ("cors.allowHeaders", allow_headers, MAX_ITEMS, MAX_HEADER, 0),
            ("cors.allowMethods", allow_methods, MAX_METHODS, MAX_METHOD, 0),
            ("cors.allowOrigins", allow_origins, MAX_ITEMS, MAX_ORIGIN, 1),
            ("cors.exposeHeaders", expose_headers, MAX_ITEMS, MAX_HEADER, 0),
        ] {
            let items = list.as_deref().unwrap_or_default();
            let refuse = |constraint: String| {
                let shown = format!("[{}]", items.join(", "));
                InvalidField::constraint("cors", member, shown, constraint)
            };
            if items.len() > most {
                broken.push(refuse(format!("Member must have length less than or equal to {most}")));
            }
            let is_item = |item: &String| {
                (shortest..=longest).contains(&item.len())
                    && item.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            };
            if !items.iter().all(is_item) {
                broken.push(refuse(format!(
                    "Member must satisfy constraint: [Member must have length less than or equal to {longest}, Member must \
                     have length greater than or equal to {shortest}, Member must satisfy regular expression pattern: .*]"
                )));
            }
        }
        if let Some(age) = max_age.filter(|age| *age > MAX_AGE) {
            let constraint = format!("Member must have value less than or equal to {MAX_AGE}");
            broken.push(InvalidField::constraint("cors", "cors.maxAge", age, constraint));
        }
        if broken.is_empty() { Ok(Self(settings)) } else { Err(broken) }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == CorsSettings::default()
    }
}

impl Deref for Cors {
    type Target = CorsSettings;

    fn deref(&self) -> &CorsSettings {
        &self.0
    }
}

impl TryFrom<CorsSettings> for Cors {
    type Error = InvalidField;

    fn try_from(settings: CorsSettings) -> Result<Self, InvalidField> {
        Self::new(settings).map_err(|broken| {
            InvalidField::several(broken).unwrap_or_else(|| InvalidField::new("cors", "is not valid"))
        })
    }
}

impl From<Cors> for CorsSettings {
    fn from(cors: Cors) -> Self {
        cors.0
    }
}

/// Where function URLs are for those who call them: the scheme, and what follows a URL's id and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlBase {
    https: bool,
    host: Box<str>,
    port: Option<u16>,
}

impl UrlBase {
    /// The longest domain. With an id and a region before it, a domain name has the 253 characters that it may have.
    pub const MAX_HOST: usize = 160;

    /// What begins the paths that lead to URLs on any name or address of the daemon; an id follows. No path of AWS begins so.
    pub const PATHS: &'static str = "/_thaw/urls/";

    /// The path that leads to a URL on any name or address of the daemon.
    #[must_use]
    pub fn path(id: UrlId) -> String {
        format!("{}{id}/", Self::PATHS)
    }

    /// On this machine, at this port.
    #[must_use]
    pub fn localhost(port: Option<u16>) -> Self {
        Self { https: false, host: "localhost".into(), port }
    }

    /// What a URL's id is told as.
    #[must_use]
    pub fn url(&self, id: UrlId, region: &Region) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}/", self.domain(id, region))
    }

    /// The domain name of a URL.
    #[must_use]
    pub fn domain(&self, id: UrlId, region: &Region) -> String {
        format!("{id}.lambda-url.{region}.{}", self.host)
    }

    /// `http` or `https`, as callers use it: the daemon itself has no certificate.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The port, as callers use it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }
}

impl FromStr for UrlBase {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || {
            let told = format!(
                "give http://DOMAIN, https://DOMAIN or either with :PORT; the domain has at most {} characters",
                Self::MAX_HOST
            );
            InvalidField::new("function_url_base", told)
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(invalid)?;
        let https = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(invalid()),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.split_once(':') {
            None => (authority, None),
            Some((host, port)) => (host, Some(port.parse().map_err(|_| invalid())?)),
        };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if host.len() > Self::MAX_HOST || !host.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(Self { https, host: host.to_ascii_lowercase().into(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_digits_of_any_case_and_nothing_else() {
        let id = UrlId::random();
        let text = id.to_string();
        assert!(text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert_eq!(text.to_ascii_uppercase().parse(), Ok(id));
        let hyphenated = Uuid::new_v4().to_string();
        for bad in ["", "0", &text[1..], hyphenated.as_str(), &"g".repeat(32), &"é".repeat(16)] {
            assert!(bad.parse::<UrlId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cors_has_lambdas_limits_and_words() {
        let methods = |methods: &[&str]| {
            let allow_methods = Some(methods.iter().map(ToString::to_string).collect());
            Cors::new(CorsSettings { allow_methods, ..CorsSettings::default() })
        };
        assert!(methods(&["GET", "*"]).is_ok());
        assert_eq!(
            methods(&["GET", "OPTIONS"]).unwrap_err()[0].message,
            "1 validation error detected: Value '[GET, OPTIONS]' at 'cors.allowMethods' failed to satisfy constraint: Member \
             must satisfy constraint: [Member must have length less than or equal to 6, Member must have length greater than \
             or equal to 0, Member must satisfy regular expression pattern: .*]"
        );
        assert_eq!(methods(&["GET"; 7]).unwrap_err().len(), 1);
        let age = Cors::new(CorsSettings { max_age: Some(86_401), ..CorsSettings::default() });
        assert!(age.unwrap_err()[0].message.ends_with("less than or equal to 86400"));
    }

    #[test]
    fn what_could_end_a_header_is_no_cors() {
        for bad in ["a\r\nset-cookie: b", "a\nb", "\0", "é", ""] {
            let allow_origins = Some(vec![bad.to_owned()]);
            assert!(Cors::new(CorsSettings { allow_origins, ..CorsSettings::default() }).is_err(), "{bad:?}");
        }
        let stored = r#"{"allow_origins":["a\r\nb"]}"#;
        assert!(serde_json::from_str::<Cors>(stored).is_err(), "nor is it read");
    }

    #[test]
    fn a_url_is_told_with_its_base() {
        let (id, region) = (UrlId::random(), Region::default());
        let base: UrlBase = "https://fn.example.org".parse().unwrap();
        assert_eq!(base.url(id, &region), format!("https://{id}.lambda-url.us-east-1.fn.example.org/"));
        assert_eq!((base.scheme(), base.port()), ("https", 443));
        let base = UrlBase::localhost(Some(4566));
        assert_eq!(base.url(id, &region), format!("http://{id}.lambda-url.us-east-1.localhost:4566/"));
        assert_eq!("http://LOCALHOST:4566/".parse(), Ok(base));
        for bad in
            ["", "localhost", "ftp://x", "http://", "http://a b", "http://x:y", "http://a@b", "http://x/y"]
        {
            assert!(bad.parse::<UrlBase>().is_err(), "{bad}");
        }
    }
}
