//! Code-signing configurations: whose signatures an account trusts, and what becomes of packages without one.
//!
//! Nothing here can check a signature: they are AWS Signer's, whose keys are not to be had. So no package counts as signed,
//! and a function whose configuration says [`UntrustedArtifact::Enforce`] takes none.

use std::{fmt, str::FromStr, sync::LazyLock};

use regex::Regex;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Description, Region, Tags,
    arn::parse_head,
    field::{InvalidField, string_forms, text_forms, word_forms},
};
use crate::identity::AccountId;

/// Lambda's pattern for such a configuration's ARN, as its messages quote it.
const ARN_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}";

/// Lambda's pattern for any service's ARN.
const PROFILE_PATTERN: &str = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";

/// What an id begins with.
const PREFIX: &str = "csc-";

/// Characters of an id after that.
const ID_LEN: usize = 17;

/// Signing profiles that a configuration may name. Source: the model.
const MAX_PROFILES: usize = 20;

/// Characters that the ARN of a signing profile may have. Lambda's model has no bound; those of AWS Signer have less.
const MAX_PROFILE: usize = 2048;

/// A configuration's id, `csc-` and 17 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeSigningId(Box<str>);

string_forms!(CodeSigningId);

impl CodeSigningId {
    /// A new one, which no configuration has or had.
    #[must_use]
    pub fn random() -> Self {
        let random = Uuid::new_v4().simple().to_string();
        Self(format!("{PREFIX}{}", random.get(..ID_LEN).unwrap_or(&random)).into())
    }
}

impl FromStr for CodeSigningId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.strip_prefix(PREFIX).is_some_and(|id| {
            id.len() == ID_LEN && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        if !well_formed {
            return Err(InvalidField::new("code_signing_config", "An id is csc- and 17 letters and digits."));
        }
        Ok(Self(text.into()))
    }
}

/// `arn:PARTITION:lambda:REGION:ACCOUNT:code-signing-config:ID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodeSigningArn {
    /// The region.
    pub region: Region,
    /// The account that owns it.
    pub account: AccountId,
    /// The configuration.
    pub id: CodeSigningId,
}

impl fmt::Display for CodeSigningArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, id } = self;
        write!(f, "arn:{}:lambda:{region}:{account}:code-signing-config:{id}", region.partition())
    }
}

impl FromStr for CodeSigningArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| {
            InvalidField::constraint(
                "code_signing_config_arn",
                "codeSigningConfigArn",
                text,
                format_args!("Member must satisfy regular expression pattern: {ARN_PATTERN}"),
            )
        })
    }
}

text_forms!(CodeSigningArn);

fn parse(text: &str) -> Option<CodeSigningArn> {
    let (region, account, mut rest) = parse_head(text, "code-signing-config")?;
    let id = rest.next()?.parse().ok()?;
    rest.next().is_none().then_some(CodeSigningArn { region, account, id })
}

word_forms! {
    /// What becomes of a package that is not signed by somebody who is trusted.
    UntrustedArtifact, "code_signing_policies", "codeSigningPolicies.untrustedArtifactOnDeployment",
    {
        /// It is taken.
        Warn = "Warn",
        /// It is refused.
        Enforce = "Enforce",
    }
}

/// The ARN of a version of a signing profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningProfileArn(Box<str>);

string_forms!(SigningProfileArn);

impl FromStr for SigningProfileArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        static PATTERN: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(&format!("^(?:{PROFILE_PATTERN})$")).ok());
        let well_formed =
            text.len() <= MAX_PROFILE && PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(text));
        if !well_formed {
            let told = format!(
                "Member must satisfy constraint: [Member must satisfy regular expression pattern: {PROFILE_PATTERN}]"
            );
            return Err(refuse(&[text], &told));
        }
        Ok(Self(text.into()))
    }
}

impl SigningProfileArn {
    /// The profiles that a caller lists.
    ///
    /// # Errors
    /// There are none, or too many; one of them is no ARN.
    pub fn of_list<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Self>, InvalidField> {
        if texts.is_empty() {
            return Err(refuse(texts, "Member must have length greater than or equal to 1"));
        }
        if texts.len() > MAX_PROFILES {
            let told = format!("Member must have length less than or equal to {MAX_PROFILES}");
            return Err(refuse(texts, &told));
        }
        texts.iter().map(|text| text.as_ref().parse()).collect()
    }
}

fn refuse<T: AsRef<str>>(texts: &[T], constraint: &str) -> InvalidField {
    let shown = texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let member = "allowedPublishers.signingProfileVersionArns";
    InvalidField::constraint("allowed_publishers", member, format_args!("[{shown}]"), constraint)
}

/// A code-signing configuration.
#[derive(Clone, Debug)]
pub struct CodeSigningConfig {
    /// Its ARN.
    pub arn: CodeSigningArn,
    /// For people.
    pub description: Option<Description>,
    /// Whose signatures are trusted.
    pub profiles: Vec<SigningProfileArn>,
    /// What becomes of other packages.
    pub untrusted: UntrustedArtifact,
    /// When it was created, by which they are listed.
    pub created: OffsetDateTime,
    /// When it was changed last.
    pub last_modified: OffsetDateTime,
    /// Words that people put on it.
    pub tags: Tags,
}

/// A configuration to create.
#[derive(Clone, Debug)]
pub struct CreateCodeSigning {
    /// For people.
    pub description: Option<Description>,
    /// Whose signatures are trusted.
    pub profiles: Vec<SigningProfileArn>,
    /// What becomes of other packages; [`UntrustedArtifact::Warn`] if it is not said.
    pub untrusted: Option<UntrustedArtifact>,
    /// Words that people put on it.
    pub tags: Tags,
}

/// What is to change of a configuration.
#[derive(Clone, Debug, Default)]
pub struct UpdateCodeSigning {
    /// For people.
    pub description: Option<Description>,
    /// Whose signatures are trusted.
    pub profiles: Option<Vec<SigningProfileArn>>,
    /// What becomes of other packages.
    pub untrusted: Option<UntrustedArtifact>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_read_as_it_was_written() {
        let arn = CodeSigningArn {
            region: Region::default(),
            account: AccountId::DEFAULT,
            id: CodeSigningId::random(),
        };
        assert_eq!(arn.to_string().parse::<CodeSigningArn>().unwrap(), arn);
        for other in [
            "",
            "csc-0123456789abcdef0",
            "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef",
            "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789ABCDEF0",
            "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0:1",
            "arn:aws:lambda:us-east-1:000000000000:function:csc-0123456789abcdef0",
        ] {
            let told = other.parse::<CodeSigningArn>().unwrap_err().message;
            assert!(told.contains("at 'codeSigningConfigArn' failed to satisfy constraint"), "{told}");
        }
    }

    #[test]
    fn one_to_twenty_profiles_are_named_by_their_arns() {
        let profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/test";
        assert_eq!(SigningProfileArn::of_list(&[profile; 20]).unwrap().len(), 20);
        for refused in [&[profile; 21][..], &[], &["no"], &[profile, ""]] {
            let told = SigningProfileArn::of_list(refused).unwrap_err().message;
            assert!(told.contains("at 'allowedPublishers.signingProfileVersionArns' failed"), "{told}");
        }
    }
}
