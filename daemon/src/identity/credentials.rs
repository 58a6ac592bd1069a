//! The access keys that callers sign with, and whose they are.

use std::{
    collections::HashMap,
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::{AccountId, Service};

/// Permission bits of a file that others than its owner and group have.
const OTHERS: u32 = 0o007;

/// An access key's public half, such as `AKIAIOSFODNN7EXAMPLE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AccessKeyId(Arc<str>);

impl AccessKeyId {
    /// Characters that an id may have. Source: IAM's `accessKeyIdType`.
    const MAX_LEN: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for AccessKeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccessKeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_word || !(1..=Self::MAX_LEN).contains(&text.len()) {
            return Err("an access key id has 1 to 128 letters, digits and underscores");
        }
        Ok(Self(text.into()))
    }
}

/// An access key's secret half. Prints as nothing.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretAccessKey(Arc<str>);

impl SecretAccessKey {
    /// The text, for whoever signs with it elsewhere.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretAccessKey")
    }
}

impl TryFrom<String> for SecretAccessKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err("a secret access key is not empty");
        }
        Ok(Self(text.into()))
    }
}

/// What makes a credential temporary. Its token prints as nothing.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    token: String,
    #[serde(with = "time::serde::rfc3339")]
    expires: OffsetDateTime,
}

impl Session {
    /// Whether this is the token, told in a time that does not hang on where they differ.
    pub(super) fn has_token(&self, token: &str) -> bool {
        self.token.as_bytes().ct_eq(token.as_bytes()).into()
    }

    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.expires <= now
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// An access key and the account that it speaks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The public half.
    pub access_key_id: AccessKeyId,
    /// The secret half.
    pub secret_access_key: SecretAccessKey,
    /// The tenant.
    pub account: AccountId,
    /// Where the credential is temporary: the token that comes with it, and until when it counts.
    pub session: Option<Session>,
    /// Where it speaks for a service of the account's, and not for the account.
    pub service: Option<Service>,
}

/// Every credential that is accepted.
#[derive(Clone, Debug)]
pub struct Credentials(HashMap<AccessKeyId, Credential>);

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    #[serde(default)]
    credential: Vec<Credential>,
}

/// Why there are no credentials to check callers with.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file can't be read.
    #[error("cannot read the credentials file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anyone on the machine could use the secrets in it.
    #[error(
        "the credentials file {} has secrets in it and is open to everybody (mode {mode:03o}); run: chmod 600 {}",
        path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is not what it should be. The message repeats no line of it: any may hold a secret.
    #[error("the credentials file {} is not valid: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Two credentials have the same id.
    #[error("the credentials file {} has the access key {id} twice", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The id.
        id: AccessKeyId,
    },
    /// There is none in it.
    #[error("the credentials file {} has no [[credential]] in it, so nobody could call", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Credentials {
    /// The one that everybody knows: `test` with the secret `test`, for the default account. Whoever reaches the port may
    /// then do everything, so it is for loopback only.
    #[must_use]
    pub fn development() -> Self {
        let access_key_id = AccessKeyId("test".into());
        let credential = Credential {
            access_key_id: access_key_id.clone(),
            secret_access_key: SecretAccessKey("test".into()),
            account: AccountId::DEFAULT,
            session: None,
            service: None,
        };
        Self(HashMap::from([(access_key_id, credential)]))
    }

    /// Reads them from a file.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(CredentialsError::Open { path: path.to_owned(), mode });
        }
        Self::parse(path, &fs::read_to_string(path).map_err(unreadable)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, CredentialsError> {
        let file: CredentialsFile = toml::from_str(text).map_err(|error| CredentialsError::Invalid {
            path: path.to_owned(),
            problem: without_text(&error, text),
        })?;
        let mut credentials = HashMap::new();
        for credential in file.credential {
            let id = credential.access_key_id.clone();
            if credentials.insert(id.clone(), credential).is_some() {
                return Err(CredentialsError::Twice { path: path.to_owned(), id });
            }
        }
        if credentials.is_empty() {
            return Err(CredentialsError::Empty { path: path.to_owned() });
        }
        Ok(Self(credentials))
    }

    /// The credential that speaks for an account. Of several, the first by its key.
    #[must_use]
    pub fn of_account(&self, account: AccountId) -> Option<&Credential> {
        let of_account = self
            .0
            .values()
            .filter(|credential| credential.account == account && credential.service.is_none());
        of_account.min_by(|a, b| a.access_key_id.as_str().cmp(b.access_key_id.as_str()))
    }

    /// The credential with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Credential> {
        self.0.get(id)
    }
}

/// What toml has to say, and in which line, but not the line.
fn without_text(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
    match line {
        Some(line) => format!("{} (line {line})", error.message()),
        None => error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credentials, CredentialsError> {
        Credentials::parse(Path::new("credentials.toml"), text)
    }

    const GOOD: &str = r#"
        [[credential]]
        access_key_id = "AKIA1"
        secret_access_key = "hunter2"
        account = "000000000001"

        [[credential]]
        access_key_id = "ASIA2"
        secret_access_key = "hunter3"
        account = "000000000002"
        session = { token = "sesame", expires = "2030-01-01T00:00:00Z" }
    "#;

    #[test]
    fn a_file_names_keys_and_the_accounts_that_they_speak_for() {
        let credentials = parse(GOOD).unwrap();
        assert_eq!(credentials.get("AKIA1").unwrap().account.to_string(), "000000000001");
        let session = credentials.get("ASIA2").unwrap().session.clone().unwrap();
        assert!(session.has_token("sesame") && !session.has_token("sesam"));
        assert!(!session.is_over(time::macros::datetime!(2029-12-31 23:59 UTC)));
        assert!(session.is_over(time::macros::datetime!(2030-01-01 00:00 UTC)));
        assert!(credentials.get("test").is_none(), "the development key counts only without a file");
    }

    #[test]
    fn a_credential_may_speak_for_a_service_of_its_account() {
        let service = |text: &str| {
            let text = format!(
                "[[credential]]\naccess_key_id = \"A\"\nsecret_access_key = \"s\"\naccount = \"000000000001\"\n\
                 service = {{ {text} }}\n"
            );
            parse(&text)
        };
        let credentials = service(r#"principal = "cognito-idp.amazonaws.com""#).unwrap();
        let found = credentials.get("A").unwrap().service.clone().unwrap();
        assert_eq!((found.principal.as_str(), found.source_arn), ("cognito-idp.amazonaws.com", None));
        assert!(credentials.of_account("000000000001".parse().unwrap()).is_none(), "it is not the account");
        for bad in [r#"principal = "cognito""#, "", r#"principal = "a.amazonaws.com", arn = "x""#] {
            assert!(matches!(service(bad), Err(CredentialsError::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let shown = format!("{:?}", parse(GOOD).unwrap());
        for secret in ["hunter2", "hunter3", "sesame"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let error = parse("[[credential]]\naccess_key_id = \"A\"\nsecret_access_key = [\"hunter2\"]\n");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_that_lets_nobody_or_two_in_by_one_name_is_refused() {
        assert!(matches!(parse(""), Err(CredentialsError::Empty { .. })));
        let twice = GOOD.replace("ASIA2", "AKIA1");
        assert!(matches!(parse(&twice), Err(CredentialsError::Twice { .. })));
        for bad in ["AKIA 1", "", "A/B"] {
            assert!(matches!(parse(&GOOD.replace("AKIA1", bad)), Err(CredentialsError::Invalid { .. })));
        }
    }

    #[test]
    fn a_file_that_everybody_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), GOOD).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(Credentials::read(file.path()), Err(CredentialsError::Open { mode: 0o604, .. })));
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Credentials::read(file.path()).is_ok());
    }
}
